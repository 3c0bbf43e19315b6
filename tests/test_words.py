"""Pages, help texts and the catalog's own comments use the field's words, not words of our own."""

import re
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from saeatlas.cli import cli
from saeatlas.schema import tables

ROOT = Path(__file__).parents[1]

OURS = {
    r"ears?": "attached SAE",
    r"hear(s|d|ing)?": "input activations, model",
    r"heard_from": "model",
    r"listen(s|ed|ing|er|ers)?(?! on)": "run the model, record",
    r"claim(s|ed|ing)?": "reuse, lock",
    r"(?<!normali[sz]ed )cut(s|ting)?": "cluster; split into blocks",
    r"judg(e|es|ed|ing|ement|ements)": "assign blocks to lobes, evaluate",
    r"winn(er|ers|ing)": "top lobe",
    r"won": "top lobe",
    r"n_won|won_share": "n_top, top_share",
    r"turn(s|ed|ing)? (it |them )?around": "transpose",
    r"clouds?": "set of vectors",
    r"balls?(?! trees?)": "isotropic Gaussian null",
    r"faith": "neighbourhood preservation",
    r"excited": "active",
    r"wish(es)?": "parameters",
    r"remarks?": "notes",
    r"mends?": "hint",
    r"twins?": "reference implementation",
    r"--of|--least|--rate": "--vectors, --min-cosine, --fdr",
}
"""What this project once called things, and what the field calls them."""

_OURS = re.compile(rf"(?<![\w-])({'|'.join(OURS)})(?![\w-])", re.IGNORECASE)


def _found(text: str) -> list[str]:
    lines = text.splitlines()
    return [f"{match[0]}: {line.strip()}" for line in lines for match in _OURS.finditer(line)]


def _helps(group: click.Group, path: str) -> Iterator[tuple[str, str]]:
    for name in group.list_commands(click.Context(group)):
        command = group.get_command(click.Context(group), name)
        assert command is not None
        if isinstance(command, click.Group):
            yield from _helps(command, f"{path} {name}")
        yield f"{path} {name}", command.get_help(click.Context(command, info_name=name))


@pytest.mark.parametrize(
    "page",
    sorted([*ROOT.glob("*.md"), *(ROOT / "docs").rglob("*.md")]),
    ids=lambda page: str(page.relative_to(ROOT)),
)
def test_pages(page: Path) -> None:
    assert _found(page.read_text("utf-8")) == []


HELPS = dict(_helps(cli, "saeatlas"))


@pytest.mark.parametrize("command", sorted(HELPS))
def test_help_texts(command: str) -> None:
    assert _found(HELPS[command]) == []


@pytest.mark.parametrize(
    "path", sorted((ROOT / "saeatlas").rglob("*.sql")), ids=lambda path: path.name
)
def test_views_and_statements(path: Path) -> None:
    assert _found(path.read_text("utf-8")) == []


@pytest.mark.parametrize("table", tables.metadata.sorted_tables, ids=lambda table: table.name)
def test_comments_of_tables(table: object) -> None:
    assert isinstance(table, tables.run.__class__)
    texts = [table.comment or "", *(f"{one.name}: {one.comment}" for one in table.columns)]
    assert _found("\n".join(texts)) == []


def test_names_in_the_code() -> None:
    """Names, docstrings and comments of the package, migrations that are frozen apart."""
    rare = re.compile(
        r"(?<![a-z])(ears?|hears?|heard|listen(?!_addresses|s? on|er|\()\w*|claimed|judg\w+"
        r"|cleaned|winners?|clouds?|balls?(?!_tree)|faith|remarks?|mends?|twins?)(?![a-z])",
        re.IGNORECASE,
    )
    found = [
        f"{path.relative_to(ROOT)}: {line.strip()}"
        for path in sorted((ROOT / "saeatlas").rglob("*.py"))
        if "migrations" not in path.parts
        for line in path.read_text("utf-8").splitlines()
        if rare.search(line)
    ]
    assert found == []
