"""The command line: `saeatlas` and its commands, which stand in commands/.

The only place, with them, that parses arguments, shows progress, prints and exits.
"""

from __future__ import annotations

import sys
from io import TextIOWrapper

import click

from saeatlas import __version__, errors, messages
from saeatlas.commands import (  # noqa: F401  they add to groups
    analyze_vectors,
    ask,
    db,
    export,
    ingest_published,
    ingest_tables,
    ingest_words,
    options,
    remove,
)
from saeatlas.commands.analyze import analyze
from saeatlas.commands.console import bars, catalog, resumable, run_job, table
from saeatlas.commands.ingest import ingest


def main() -> None:
    """Run the command line; an error that a user can cause ends in a sentence, not a traceback."""
    for stream in (sys.stdout, sys.stderr):  # a file's name need not be text
        if isinstance(stream, TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
    try:
        with errors.extras():
            cli.main(prog_name="saeatlas", standalone_mode=False)
    except click.ClickException as error:
        error.message = messages.printable(error.message)  # type: ignore[misc]
        error.show()
        sys.exit(error.exit_code)
    except errors.AtlasError as error:
        click.secho(f"Error: {error.wrong}", fg="red", err=True)
        for line in filter(None, (error.available, error.hint)):
            click.echo(line, err=True)
        sys.exit(1)
    except (KeyboardInterrupt, click.Abort):
        click.echo("\nStopped.", err=True)
        sys.exit(130)
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output has gone, as `head` does
        sys.exit(0)


@click.group()
@click.version_option(__version__, prog_name="saeatlas")
def cli() -> None:
    """A PostgreSQL + pgvector catalog of sparse autoencoder features."""


@cli.command()
def status() -> None:
    """Show what is in the catalog."""
    from saeatlas.catalog.status import read_status

    found = read_status(catalog())
    click.echo(f"{found.database}\n{found.server}, {found.size / 2**20:,.1f} MiB")
    for name, rows in (
        ("SAEs", found.saes), ("Corpora", found.corpora), ("Recordings", found.recordings),
        ("Words", found.words), ("Runs", found.runs),
    ):  # fmt: skip
        click.secho(f"\n{name}", bold=True)
        click.echo(table(rows) if len(rows) else "none yet")


@cli.command()
@click.option("--documents", type=click.IntRange(min=1), default=40, show_default=True,
              help="Documents of each type.")  # fmt: skip
def demo(documents: int) -> None:
    """Fill the catalog with a small real model's SAEs and ask it questions."""
    from saeatlas.catalog import sql
    from saeatlas.demo import tour

    engine = catalog()
    click.echo(tour.WELCOME)
    for stored in tour.ingest_saes(engine):
        click.echo(stored.summary)
    with resumable(), bars() as report:
        done = tour.record_documents(engine, documents, report)
    click.echo(done.summary)
    tour.analyze(engine, run_job)
    for question in tour.questions():
        click.secho(f"\n{question.title}", bold=True)
        click.secho(question.sql, dim=True)
        click.echo(table(sql.answer_sql(engine, question.sql)))
    click.echo(tour.NEXT)


for command in (
    ingest, analyze, ask.query_command, ask.sql_command, ask.shell_command, export.export,
    remove.remove, db.db,
):  # fmt: skip
    cli.add_command(command)
options.require_plain_numbers(cli)
