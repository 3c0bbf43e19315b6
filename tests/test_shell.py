"""The prompt: lines of either language, completion, history."""

from pathlib import Path

import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from prompt_toolkit.application import create_app_session
from prompt_toolkit.completion import CompleteEvent
from prompt_toolkit.document import Document
from prompt_toolkit.input import create_pipe_input
from prompt_toolkit.output import DummyOutput

from saeatlas.catalog.language.complete import suggest
from saeatlas.cli import cli
from saeatlas.cli_shell import Words


def _typed(keys: str, *words: str) -> str:
    with create_pipe_input() as pipe, create_app_session(input=pipe, output=DummyOutput()):
        pipe.send_text(keys)
        done = CliRunner().invoke(cli, ["shell", *words], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.output


def test_lines_are_answered_and_mistakes_are_not_the_end(database_url: str, tmp_path: Path) -> None:
    said = _typed("saes\rfeaturs\rselect 1 + 1 as two;\rselect nothing\r\rhelp\rquit\r")
    assert "release" in said and "0 rows" in said
    assert "Nearest: features." in said and "features near" in said
    assert "two\n  2\n1 rows" in said and 'column "nothing" does not exist' in said
    history = (tmp_path / "data" / "history").read_text()
    assert "+select nothing" in history and "+saes" in history


def test_the_end_of_input_ends_it(database_url: str) -> None:
    assert "help explains" in _typed("\x04")
    assert "and more" in _typed("select generate_series(1, 9)\r\x04", "--limit", "3")


def _words(text: str) -> list[str]:
    return [found.word for found in suggest(text, ["gemma-scope"])]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("fea", ["features"]),
        ("function", ["function vectors"]),
        ("features wh", ["where"]),
        ("features where den", ["density"]),
        ("features where lo", ["lobe"]),
        ("features near 12:1 where co", ["cosine"]),
        ("features order by n_", ["n_active", "n_blocks"]),
        ("features of release ", ["gemma-scope"]),
        ("features with 12:1 by p", ["phi", "pmi"]),
        ("lobes of a", ["angular"]),
        ("lobes by subset of phi k 3 where won", ["won_share"]),
        ("features where layer = 12 o", ["of", "or", "order"]),
        ("features order by density d", ["desc"]),
        ("features where layer = ", []),
        ("nonsense ", []),
        ("features near 12:4821", []),
    ],
)
def test_what_may_come_next(text: str, expected: list[str]) -> None:
    assert _words(text) == expected


def test_completion_knows_both_languages(engine: sa.Engine) -> None:
    words = Words(engine)

    def offered(text: str) -> list[tuple[str, int]]:
        found = words.get_completions(Document(text), CompleteEvent())
        return [(one.text, one.start_position) for one in found]

    assert offered("features where dens") == [("density", -4)]
    assert ("lobe_subsets", -6) in offered("select * from lobe_s")
    assert offered("select ") == []
