"""`saeatlas export`: results as files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from saeatlas.commands.console import catalog, one_sae


@click.group()
def export() -> None:
    """Write results as files that other programs read."""


@export.command("cooccurrence")
@click.argument("run", type=int)
@click.argument("path", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--compress", is_flag=True, help="Write a smaller file in several times the time.")
def export_cooccurrence(run: int, path: Path, compress: bool) -> None:
    """Write a run's counts as the published code does: histogram and n_chunks in a .npz file.

    Example: saeatlas export cooccurrence 1 counts.npz
    """
    from saeatlas.catalog import export

    export.export_cooccurrence(catalog(), run, path, compress=compress)
    click.echo(f"Wrote {path}")


@export.command("features")
@click.argument("sae")
@click.argument("path", type=click.Path(path_type=Path, dir_okay=False))
@click.option("--cooccurrence", type=int,
              help="Count for densities and pairs.  [default: over most blocks]")  # fmt: skip
@click.option("--affinity", default="phi", show_default=True,
              help=".h5ad only: measure of pairs.")  # fmt: skip
@click.option("--above", type=float, default=0.1, show_default=True,
              help=".h5ad only: pairs with a lower affinity are left out.")  # fmt: skip
def export_features(sae: str, path: Path, **params: Any) -> None:
    """Write the features of SAE, by name or number, with density, label and lobes.

    The end of the file's name is the format: .csv, .parquet, or .h5ad for AnnData (scanpy), which
    also has the decoder vectors and the affinity of pairs.

    Example: saeatlas export features 4 layer_3.h5ad
    """
    from saeatlas.catalog import annotated, export

    engine = catalog()
    export.export_features(engine, one_sae(engine, sae), path, annotated.Params(**params))
    click.echo(f"Wrote {path}")
