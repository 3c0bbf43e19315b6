"""`saeatlas remove`: remove things from the catalog."""

from __future__ import annotations

import click

from saeatlas.commands.console import catalog
from saeatlas.wording import counted


@click.group()
def remove() -> None:
    """Remove something from the catalog, with everything that depends on it."""


@remove.command("sae")
@click.argument("name")
def remove_sae(name: str) -> None:
    """Remove an SAE by name or number, with features and recordings; a release: all its SAEs."""
    from saeatlas.schema.rows.remove import remove_sae as remove_one
    from saeatlas.schema.rows.saes import find_saes

    with catalog().begin() as connection:
        for row in find_saes(connection, [name]):
            remove_one(connection, row.id)
            click.echo(f"Removed SAE {row.id}  {row.release}/{row.sae_id}")


@remove.command("recording")
@click.argument("number", type=int)
def remove_recording(number: int) -> None:
    """Remove a recording; its corpus stays for other SAEs."""
    from saeatlas.schema.rows.remove import remove_recording as remove_one

    with catalog().begin() as connection:
        remove_one(connection, number)
    click.echo(f"Removed recording {number}")


@remove.command("words")
@click.argument("name")
def remove_words(name: str) -> None:
    """Remove word vectors, by their space's name or number; their pairs stay."""
    from saeatlas.schema.rows.remove import remove_words as remove_one

    with catalog().begin() as connection:
        row = remove_one(connection, name)
    click.echo(f"Removed words {row.id}  {row.name}")


@remove.command("relation")
@click.argument("name")
def remove_relation(name: str) -> None:
    """Remove a relation and its word pairs; the words' vectors stay."""
    from saeatlas.schema.rows.remove import remove_relation as remove_one

    with catalog().begin() as connection:
        row = remove_one(connection, name)
    click.echo(f"Removed relation {row.id}  {row.name}")


@remove.command("run")
@click.argument("number", type=int)
def remove_run(number: int) -> None:
    """Remove a run of an analysis, with all its rows."""
    from saeatlas.schema.rows.remove import remove_run as remove_one

    with catalog().begin() as connection:
        remove_one(connection, number)
    click.echo(f"Removed run {number}")


@remove.command("labels")
@click.option(
    "--sae", required=True, help="SAE by number or name; or a release, for all of its SAEs."
)
@click.option("--source", help="Only those of this source, as neuronpedia.  [default: all]")
def remove_labels(sae: str, source: str | None) -> None:
    """Remove an SAE's labels."""
    from saeatlas.schema.rows.remove import remove_labels as remove_some
    from saeatlas.schema.rows.saes import find_saes

    with catalog().begin() as connection:
        numbers = [row.id for row in find_saes(connection, [sae])]
        click.echo(f"Removed {counted(remove_some(connection, numbers, source), 'label')}")


@remove.command("corpus")
@click.argument("number", type=int)
def remove_corpus(number: int) -> None:
    """Remove a corpus and all its recordings."""
    from saeatlas.schema.rows.remove import remove_corpus as remove_one

    with catalog().begin() as connection:
        remove_one(connection, number)
    click.echo(f"Removed corpus {number}")
