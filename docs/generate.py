"""The generated parts of the pages: called by cog, checked by `make lint`."""

import re
from dataclasses import replace
from itertools import chain
from pathlib import Path

import click
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from saeatlas.catalog.language import parse
from saeatlas.catalog.language.field_types import Field, Kind
from saeatlas.catalog.language.kinds import KINDS
from saeatlas.cli import cli
from saeatlas.schema import tables

SOURCE = "https://github.com/saeatlas/saeatlas/blob/main/"
"""Where files outside docs/ can be read."""


def commands(group: click.Group = cli, path: str = "saeatlas") -> str:
    """Every command's help, as Markdown."""
    parts = []
    for name, command in sorted(group.commands.items()):
        words = f"{path} {name}"
        if isinstance(command, click.Group):
            parts.append(commands(command, words))
            continue
        context = click.Context(command, info_name=words, max_content_width=88, terminal_width=88)
        parts.append(f"## {words}\n\n```\n{command.get_help(context)}\n```\n")
    return "\n".join(parts)


def schema() -> str:
    """Every table and column with its comment, as Markdown."""
    dialect = postgresql.dialect()
    parts = []
    for table in tables.metadata.sorted_tables:
        keys = ", ".join(column.name for column in table.primary_key)
        parts.append(f"## {table.name}\n\n{table.comment} Key: {keys}.\n")
        parts.append("| column | type | |\n|---|---|---|")
        parts += [_row(column, dialect) for column in table.columns]
        parts.append("")
    return "\n".join(parts)


def grammar() -> str:
    """Write the grammar of the query language, as Markdown."""
    return f"```\n{parse.grammar().rstrip()}\n```\n"


def index() -> str:
    """README.md as the first page of the site: links lead from docs/."""
    text = Path(__file__).parents[1].joinpath("README.md").read_text("utf-8")
    text = re.sub(r"<!-- session -->\n", "", text)
    text = text.replace("](docs/", "](./")
    return re.sub(r"\]\((?![./]|https?:)", f"]({SOURCE}", text).replace("](./", "](")


def references() -> str:
    """Every work cited, from references.bib, as Markdown: a heading a key."""
    text = Path(__file__).with_name("references.bib").read_text("utf-8")
    parts = []
    for key, body in sorted(re.findall(r"@\w+\{(\w+),\n(.*?)\n\}", text, re.DOTALL)):
        work = dict(re.findall(r"^ *(\w+) *= *\{(.*)\},$", body, re.MULTILINE))
        where = work.get("journal") or work.get("booktitle") or work["publisher"]
        if "volume" in work:
            number = f"({work['number']})" if "number" in work else ""
            where += f" {work['volume']}{number}"
        preprint = f" arXiv {work['eprint']}." if "eprint" in work else ""
        authors = work["author"].replace(" and ", "; ")
        authors = authors.rstrip(".")
        parts.append(
            f"## {key}\n\n{authors}. *{work['title']}.* {where}, {work['year']}.{preprint}\n"
        )
    return "\n".join(parts)


def query_fields() -> str:
    """Every kind of rows with its clauses and fields, as Markdown."""
    parts = []
    for kind in (each for one in KINDS.values() for each in (one, *one.variants.values())):
        clauses = ", ".join(f"`{clause}`" for clause in kind.clauses)
        parts.append(f"### {kind.name}\n\nColumns of the view `{kind.view}`. Clauses: {clauses}.\n")
        parts.append("| field | type | |\n|---|---|---|")
        parts += [f"| {one.name} | {one.type} | {one.comment} |" for one in _all_fields(kind)]
        parts.append("")
    return "\n".join(parts)


def _all_fields(kind: Kind) -> list[Field]:
    """Return a kind's own fields, and what its clauses bring."""
    brought = (_with(f"with `{one.clause}`", one.fields) for one in kind.brought)
    more = _with("of a count", kind.more)
    return [*kind.fields, *more, *chain.from_iterable(brought), *kind.condition_fields]


def _with(what: str, ours: tuple[Field, ...]) -> tuple[Field, ...]:
    return tuple(replace(one, comment=f"({what}) {one.comment}") for one in ours)


def _row(column: sa.Column[object], dialect: sa.Dialect) -> str:
    kind = column.type.compile(dialect=dialect).lower()
    null = "" if not column.nullable else ", may be NULL"
    return f"| {column.name} | `{kind}`{null} | {column.comment} |"
