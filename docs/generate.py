"""The generated parts of the pages: called by cog, checked by `make lint`."""

import click
import sqlalchemy as sa
from sqlalchemy.dialects import postgresql

from saeatlas.cli import cli
from saeatlas.schema import clouds, crystals, labels, lobes, spectra, words


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
    # importing them is what adds their tables
    assert clouds.encoder.metadata is lobes.lobe.metadata is spectra.spectrum.metadata
    assert words.relation.metadata is labels.label.metadata is lobes.lobe.metadata
    assert crystals.crystal.metadata is lobes.lobe.metadata
    parts = []
    for table in lobes.lobe.metadata.sorted_tables:
        keys = ", ".join(column.name for column in table.primary_key)
        parts.append(f"## {table.name}\n\n{table.comment} Key: {keys}.\n")
        parts.append("| column | type | |\n|---|---|---|")
        parts += [_row(column, dialect) for column in table.columns]
        parts.append("")
    return "\n".join(parts)


def _row(column: sa.Column[object], dialect: sa.Dialect) -> str:
    kind = column.type.compile(dialect=dialect).lower()
    null = "" if not column.nullable else ", may be NULL"
    return f"| {column.name} | {kind}{null} | {column.comment} |"
