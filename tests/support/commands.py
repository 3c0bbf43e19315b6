"""Commands run in tests."""

from collections.abc import Sequence

from click.testing import CliRunner

from saeatlas import errors
from saeatlas.cli import cli


def run_command(words: str | Sequence[str]) -> str:
    """Run a command that succeeds, in this process; what it prints."""
    arguments = words.split() if isinstance(words, str) else list(words)
    done = CliRunner().invoke(cli, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def refused(words: str | Sequence[str]) -> str:
    """Run a command that ends with an error of ours, in this process; what it says."""
    arguments = words.split() if isinstance(words, str) else list(words)
    done = CliRunner().invoke(cli, arguments)
    assert isinstance(done.exception, errors.AtlasError), (done.output, done.exception)
    assert len(str(done.exception).splitlines()) <= 20
    return str(done.exception)
