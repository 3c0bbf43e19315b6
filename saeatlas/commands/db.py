"""`saeatlas db`: the server, the tables and the indices."""

from __future__ import annotations

from collections.abc import Sequence

import click

from saeatlas.commands.console import catalog, chosen_saes
from saeatlas.commands.options import CHOSEN_SAES


@click.group()
def db() -> None:
    """Start, stop, upgrade and index the database."""


@db.command()
def start() -> None:
    """Start the embedded server, which then runs until `saeatlas db stop`."""
    from saeatlas.schema.database import embedded

    state = embedded.start()
    click.echo(f"Running, process {state.pid}, data in {state.data_dir}")


@db.command()
def stop() -> None:
    """Stop the embedded server."""
    from saeatlas.schema.database import embedded

    state = embedded.stop()
    click.echo(f"Stopped. Its data stay in {state.data_dir}")


@db.command()
@CHOSEN_SAES
@click.option("--drop", is_flag=True, help="Drop the indices instead.")
def index(
    saes: Sequence[str], release: str | None, layers: Sequence[int] | None, drop: bool
) -> None:
    """Index decoder vectors, so that nearest features are found in milliseconds.

    Example: saeatlas db index --release gemma-scope-2b-pt-res --layers 0-25
    """
    from saeatlas.schema.rows import vector_index

    engine = catalog()
    for number in chosen_saes(engine, saes, release, layers):
        with engine.begin() as connection:
            done = (
                vector_index.drop(connection, number)
                if drop
                else vector_index.create(connection, number)
            )
        result = ("dropped" if done else "none") if drop else ("made" if done else "already there")
        click.echo(f"SAE {number}  index of decoder vectors: {result}")


@db.command()
def url() -> None:
    """Print the catalog's URL, for psql and other programs."""
    click.echo(catalog().url.set(drivername="postgresql").render_as_string(hide_password=False))


@db.command()
def upgrade() -> None:
    """Bring the catalog's tables, views and functions up to date."""
    from saeatlas.schema.database import connect
    from saeatlas.schema.database import upgrade as schema_upgrade

    engine = connect.open_catalog(migrate=True)
    with engine.begin() as connection:
        schema_upgrade.apply(connection)
        click.echo(f"The catalog is at version {schema_upgrade.revision(connection)}.")
