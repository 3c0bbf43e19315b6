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
from saeatlas.catalog.language.names import CLUSTERED
from saeatlas.cli import cli
from saeatlas.commands.shell import Words


def _typed(keys: str, *words: str) -> str:
    with create_pipe_input() as pipe, create_app_session(input=pipe, output=DummyOutput()):
        pipe.send_text(keys)
        done = CliRunner().invoke(cli, ["shell", *words], catch_exceptions=False)
        assert done.exit_code == 0, done.output
        return done.output


def test_lines_are_answered_and_mistakes_are_not_the_end(database_url: str, tmp_path: Path) -> None:
    said = _typed("saes\rfeaturs\rselect 1 + 1 as two;\rselect nothing\r\rhelp;\r;\rquit\r")
    assert "release" in said and "0 rows" in said
    assert "Nearest: features." in said and "features near" in said
    assert "two\n  2\n1 row," in said and 'column "nothing" does not exist' in said
    path = tmp_path / "data" / "history"
    assert "+select nothing" in path.read_text() and "+saes" in path.read_text()
    assert path.stat().st_mode & 0o777 == 0o600


def test_there_need_not_be_a_history(
    database_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("SAEATLAS_DATA_DIR", str(tmp_path / "file"))
    assert "2 rows" in _typed("(select 1) union (select 2)\r-- a remark\rquit\r")


def test_the_end_of_input_ends_it(database_url: str) -> None:
    assert "help explains" in _typed("\x04")
    assert "and more" in _typed("select generate_series(1, 9)\r\x04", "--limit", "3")


def _words(text: str) -> list[str]:
    return [found.word for found in suggest(text, ["gemma-scope", "my own"])]


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
        ("features of release ", ["gemma-scope", '"my own"']),
        ("features near ge", ["gemma-scope/"]),
        ("features with 12:1 by p", ["phi", "pmi"]),
        ("lobes of a", ["angular"]),
        ("lobes by subset of phi k 3 where top", ["top_share"]),
        ("features where layer = 12 o", ["of", "or", "order"]),
        ("features order by density d", ["desc"]),
        ("features where layer = ", []),
        ("nonsense ", []),
        ("# a remark\nfeatures where den", ["density"]),
        ("function v", ["function vectors"]),
        ("blocks where 12:1 and p", ["position", "peak"]),
        ("runs ", ["in", "limit", "of", "order", "where"]),
        ("runs in re", ["recording", "release"]),
        ("runs where fi", ["finished_at"]),
        ("features where fi", ["fires"]),
        ("features of p", []),
        ("features with 12:1 b", ["by"]),
        ("lobes by subset of ", ["layer", "release", "sae", *CLUSTERED]),
        ("features where lobe = 1 of phi k 3 in ", ["run"]),
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
    assert ("neighbours", -5) in offered("select * from neigh")
    assert offered("select * from clusterings where half_") == [("half_stability", -5)]
    assert offered("select ") == []
