"""Commands run in tests."""

from collections.abc import Sequence

from click.testing import CliRunner

from saeatlas.cli import cli


def run_command(words: str | Sequence[str]) -> str:
    """Run a command that succeeds, in this process; what it prints."""
    arguments = words.split() if isinstance(words, str) else list(words)
    done = CliRunner().invoke(cli, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output
