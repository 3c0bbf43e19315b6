"""The commands that ask: `saeatlas query`, `saeatlas sql` and `saeatlas shell`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from saeatlas.commands.console import catalog, table
from saeatlas.commands.options import options

if TYPE_CHECKING:
    from saeatlas.catalog.answers import Answer, Format

_limited = options(
    click.option(
        "--timeout", type=click.FloatRange(min=0), default=60.0, show_default=True,
        help="Time limit in seconds; 0 for none.",
    ),
    click.option(
        "--limit", type=click.IntRange(min=1), default=10_000, show_default=True,
        help="Most rows to fetch.",
    ),
)  # fmt: skip
_answered = options(
    click.option(
        "--format", "form", default="table", show_default=True,
        type=click.Choice(["table", "csv", "json", "parquet", "markdown"]),
    ),
    click.option("--output", type=click.Path(path_type=Path, dir_okay=False),
                 help="File to write."),
    _limited,
)  # fmt: skip


@click.command("sql")
@click.argument("query")
@_answered
def sql_command(query: str, form: Format, output: Path | None, **limits: Any) -> None:
    """Run one SELECT, reading only.

    Example: saeatlas sql "select layer, count(*) from features group by layer"
    """
    from saeatlas.catalog import sql

    _check(form, output)
    _show(sql.answer_sql(catalog(), query, **limits), form, output)


@click.command("query")
@click.argument("text", metavar="QUERY")
@_answered
@click.option("--sql", "show_sql", is_flag=True, help="Show the SQL, and do not run it.")
@click.option("--explain", is_flag=True, help="Show PostgreSQL's plan, and do not run it.")
def query_command(
    text: str, form: Format, output: Path | None, show_sql: bool, explain: bool,
    **limits: Any,
) -> None:  # fmt: skip
    """Ask in the query language.

    See https://github.com/saeatlas/saeatlas/tree/main/docs/query.md

    Example: saeatlas query "features near 3:482 limit 5"
    """
    from saeatlas.catalog import query

    _check(form, output)
    if show_sql:
        click.echo(query.compiled(catalog(), text).shown())
    elif explain:
        click.echo(query.explain(catalog(), text))
    else:
        _show(query.answer(catalog(), text, **limits), form, output)


@click.command("shell")
@_limited
def shell_command(**limits: Any) -> None:
    """Ask at a prompt, in the query language or in SQL, with completion and history."""
    from saeatlas.commands import shell

    shell.run(catalog(), **limits)


def _check(form: Format, output: Path | None) -> None:
    if form == "parquet" and output is None:
        raise click.UsageError("Parquet needs --output FILE.")


def _show(answer: Answer, form: Format, output: Path | None) -> None:
    """Print an answer or write it; its notes go to standard error."""
    from saeatlas.catalog import answers

    if output is None:
        text = table(answer) if form == "table" else answers.render(answer, form)
        click.echo(text, nl=form != "csv")
    else:
        answers.write(answer, form, output)
    for note in answer.notes:
        click.secho(f"note: {note}", dim=True, err=True)
    if answer.more:
        click.secho(f"note: there are more rows than {len(answer):,}: --limit", dim=True, err=True)
