"""What the pages show is true: commands parse, queries run, nothing is left out."""

import pkgutil
import re
import shlex
from pathlib import Path

import click
import pytest
import sqlalchemy as sa

from saeatlas.catalog import query, sql
from saeatlas.catalog.language.kinds import KINDS
from saeatlas.catalog.language.parse import parse
from saeatlas.cli import cli
from tests.conftest import Demo

ROOT = Path(__file__).parents[1]
PAGES = sorted([ROOT / "README.md", *(ROOT / "docs").glob("*.md")])
pytestmark = [pytest.mark.xdist_group("demo"), pytest.mark.slow]


def _commands(page: Path) -> list[str]:
    """Every `saeatlas ...` of an indented block, with its continued lines."""
    text = page.read_text("utf-8").replace("\\\n", " ")
    return [line.strip() for line in re.findall(r"^ {4}(saeatlas .*)$", text, re.MULTILINE)]


SHOWN = [
    pytest.param(line, id=f"{page.stem}: {line[:50]}") for page in PAGES for line in _commands(page)
]


@pytest.mark.parametrize("line", SHOWN)
def test_every_command_shown_is_one(line: str) -> None:
    words = shlex.split(line, comments=True)[1:]
    command: click.Command = cli
    context = click.Context(cli, info_name="saeatlas")
    while isinstance(command, click.Group):
        name = words.pop(0)
        assert name in command.commands, f"no command {name} in: {line}"
        command = command.commands[name]
    command.make_context(command.name, words, parent=context)


ASK = {"sql": sql.answer_sql, "query": query.answer}
QUERIES = [
    pytest.param(line, id=line[:60])
    for page in PAGES
    for line in _commands(page)
    if line.split()[1] in ASK
]


@pytest.mark.parametrize("line", QUERIES)
def test_every_query_shown_runs_and_finds_something(line: str, demo_engine: sa.Engine) -> None:
    _, language, text = shlex.split(line, comments=True)[:3]
    assert len(ASK[language](demo_engine, text))


NAMES = sorted(
    {
        name
        for page in (*PAGES, *(ROOT / "docs").glob("guides/*.md"), ROOT / "CONTRIBUTING.md")
        for name in re.findall(r"`(saeatlas(?:\.\w+)+)", page.read_text("utf-8"))
    }
)


@pytest.mark.parametrize("name", NAMES)
def test_every_python_name_shown_is_one(name: str) -> None:
    assert pkgutil.resolve_name(name) is not None


def test_the_page_shows_queries_of_each_kind() -> None:
    shown = [shlex.split(line, comments=True)[2] for line in _commands(ROOT / "docs" / "query.md")]
    # the demo's features have no labels: tests/catalog/test_query.py runs the queries of labels.md
    assert {parse(text).kind.text for text in shown} == KINDS.keys() - {"labels"}


def test_the_readme_shows_a_query_with_its_answer() -> None:
    assert any(line.startswith("saeatlas sql ") for line in _commands(ROOT / "README.md"))


def test_pictures_of_the_readme_are_there() -> None:
    shown = re.findall(r"!\[[^\]]*\]\(([^)]+)\)", (ROOT / "README.md").read_text("utf-8"))
    assert shown
    assert all((ROOT / name).is_file() for name in shown)


def test_every_view_and_function_is_explained(demo_engine: sa.Engine) -> None:
    page = (ROOT / "docs" / "schema.md").read_text("utf-8")
    with demo_engine.connect() as connection:
        views = sa.inspect(connection).get_view_names("atlas")
        functions = connection.exec_driver_sql(
            "select proname from pg_proc where pronamespace = 'atlas'::regnamespace"
        ).scalars()
        assert views
        for name in [*views, *functions]:
            assert f"`{name}" in page, name


def test_what_the_demo_suggests_runs(demo: Demo, demo_engine: sa.Engine) -> None:
    lines = re.findall(r"""^  saeatlas (sql|query) ["'](.*)["']""", demo.output, re.MULTILINE)
    assert {language for language, _ in lines} == ASK.keys()
    for language, text in lines:
        assert len(ASK[language](demo_engine, text)), text
