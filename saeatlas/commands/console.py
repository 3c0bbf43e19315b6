"""What commands share: the catalog, the SAEs named, bars of progress."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import click

from saeatlas import errors
from saeatlas.progress import Done, Progress, Report

if TYPE_CHECKING:
    import sqlalchemy as sa

    from saeatlas.analyses.run_driver import Analysis, Outcome, Params
    from saeatlas.catalog.answers import Answer


def catalog() -> sa.Engine:
    """Open the catalog: SAEATLAS_DATABASE_URL, else the embedded server."""
    from saeatlas.schema.database.connect import open_catalog

    return open_catalog()


def table(answer: Answer) -> str:
    """Write an answer as wide as the terminal; in full where the output is not a terminal."""
    import shutil

    from saeatlas.catalog import answers

    is_terminal = sys.stdout.isatty()
    return answers.render(
        answer, "table", shutil.get_terminal_size().columns if is_terminal else None
    )


def one_sae(engine: sa.Engine, name: str) -> int:
    """Find the number of an SAE by any of its names."""
    from saeatlas.schema.rows import saes

    with engine.connect() as connection:
        return int(saes.find_one(connection, name).id)


def chosen_saes(
    engine: sa.Engine, saes: Sequence[str], release: str | None, layers: Sequence[int] | None
) -> list[int]:
    """Find SAEs by name, release and layer, in the order of layers."""
    from saeatlas.schema.rows.saes import find_saes

    if bool(saes) == bool(release):
        raise click.UsageError("Give either --sae or --release.")
    with engine.connect() as connection:
        rows = find_saes(connection, list(saes) or [str(release)])
    chosen = [row for row in rows if layers is None or row.layer in layers]
    if not chosen:
        raise errors.UnknownName(
            "None of these SAEs is of these layers.",
            available=f"They are of layers {', '.join(sorted({str(row.layer) for row in rows}))}.",
            hint="Choose other --layers.",
        )
    chosen.sort(key=lambda row: (row.layer is None, row.layer, row.id))
    return [int(row.id) for row in chosen]


@contextmanager
def bars() -> Iterator[Report]:
    """Show a bar for each stage of a job, with its rate and the time left, on standard error."""
    from rich import progress as rich
    from rich.console import Console

    columns = (
        rich.TextColumn("{task.description}"),
        rich.BarColumn(),
        rich.MofNCompleteColumn(),
        rich.TextColumn("{task.fields[rate]}"),
        rich.TimeRemainingColumn(),
    )
    shown = rich.Progress(*columns, console=Console(stderr=True))
    tasks: dict[str, rich.TaskID] = {}

    def report(step: Progress) -> None:
        if step.stage not in tasks:
            shown.start()
            tasks[step.stage] = shown.add_task(step.stage, total=step.total, rate="")
        task = tasks[step.stage]
        shown.update(task, completed=step.done, total=step.total, rate=step.rate)

    try:
        yield report
    finally:
        if tasks:  # a file that is no terminal would else get an empty line
            shown.stop()


def run_analysis(
    engine: sa.Engine, analysis: Analysis[Any, Any, Any, Any], params: Params
) -> Outcome:
    """Run an analysis with bars of progress, and print what was done."""
    from saeatlas.analyses.run_driver import perform

    return run_job(lambda report: perform(engine, analysis, params, report))


def run_job(job: Callable[[Report], Done]) -> Done:
    """Run a job with bars of progress, and print what it did."""
    with bars() as report:
        done = job(report)
    click.echo(done.summary)
    return done


@contextmanager
def resumable() -> Iterator[None]:
    """Say, if the user stops a job, that the same command goes on with it."""
    try:
        yield
    except KeyboardInterrupt:
        click.echo("Run the same command again to continue.", err=True)
        raise
