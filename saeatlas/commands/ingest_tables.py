"""`saeatlas ingest table`, `simulated` and `cooccurrence`: activations that no model is run for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from saeatlas.commands.console import bars, catalog, resumable
from saeatlas.commands.ingest import ingest
from saeatlas.commands.options import options, pairs


@ingest.command("table")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--sae", required=True, help="SAE that the features belong to.")
@click.option(
    "--keep-above",
    type=float,
    default=0.0,
    show_default=True,
    help="Activation floor: store only maxima above this.",
)
@click.option(
    "--column",
    "columns",
    multiple=True,
    callback=pairs,
    metavar="NAME=COLUMN",
    help="Name of a column in the file, such as feature=latent.",
)
@click.option(
    "--corpus", type=int, help="Number of the corpus whose documents and blocks these are."
)
def ingest_table(path: Path, columns: dict[str, str], **options: Any) -> None:
    """Ingest activations computed elsewhere: Parquet, CSV, or Delphi's latent cache.

    A table has the columns document, feature and activation; without a column block each document
    is one block.

    Example: saeatlas ingest table latents/model.layers.12 --sae gemma-scope/layer_12
    """
    from saeatlas.ingest import tables

    engine = catalog()
    with bars() as report:
        done = tables.ingest_table(engine, path, columns=columns, report=report, **options)
    click.echo(done.summary)


_simulation_options = options(
    click.option("--features", type=int, help="Features, dead ones included.  [default: 1024]"),
    click.option("--d-model", type=int, help="Width of a decoder vector.  [default: 128]"),
    click.option("--lobes", type=int, help="Lobes planted, of equal size.  [default: 3]"),
    click.option(
        "--active", type=float, help="Mean active features per block.  [default: 6.7% of them]"
    ),
    click.option("--blocks-per-document", type=int, help="Blocks of each document.  [default: 3]"),
    click.option(
        "--subsets", type=int, help="Document types, each preferring a lobe.  [default: 3 per lobe]"
    ),
    click.option(
        "--preference",
        type=float,
        help="How much a document's lobe decides. 0: features are independent.  [default: 0.5]",
    ),
    click.option(
        "--geometry",
        type=float,
        help="How much decoder vectors follow lobes. 0: not at all, 1: strongly.  [default: 0.2]",
    ),
    click.option(
        "--density-exponent", type=float, help="Densities fall as rank^-this.  [default: 1]"
    ),
    click.option(
        "--spectrum-exponent",
        type=float,
        help="Eigenvalues fall as rank^-this. 0: isotropic.  [default: 0.4]",
    ),
    click.option("--parallelograms", type=int, help="Parallelograms planted.  [default: 20]"),
    click.option("--trapezoids", type=int, help="Trapezoids planted.  [default: 10]"),
    click.option(
        "--function-vectors", type=int, help="Directions that crystals share.  [default: 5]"
    ),
    click.option(
        "--distractors", type=int, help="Directions that shift crystals' points.  [default: 0]"
    ),
    click.option("--dead", type=float, help="Share of features never active.  [default: 0.02]"),
    click.option("--seed", type=int, help="Seed of the random numbers.  [default: 0]"),
)


@ingest.command("simulated")
@click.option(
    "--blocks", type=click.IntRange(min=1), default=5_000, show_default=True,
    help="Blocks wanted, in whole documents.",
)  # fmt: skip
@_simulation_options
@click.option("--release", default="simulated", show_default=True, help="Name of its release.")
@click.option("--sae-id", help="Name within the release.  [default: 1024x128-seed0]")
@click.option("--layer", type=click.IntRange(min=0), help="Layer to store for it.")
def ingest_simulated(
    blocks: int, release: str, sae_id: str | None, layer: int | None, **given: Any
) -> None:
    """Simulate an SAE, its features and their activations: a catalog with a known answer.

    The tables planted_feature and planted_crystal have the truth. A larger --blocks extends the
    recording.

    Example: saeatlas ingest simulated --features 16384 --d-model 2304 --blocks 150000 --lobes 3
    """
    from saeatlas.ingest.simulation import Params, job

    params = Params(**{name: value for name, value in given.items() if value is not None})
    names: Any = {"release": release, "sae_id": sae_id, "layer": layer}
    engine = catalog()
    with resumable(), bars() as report:
        done = job.simulate(engine, params, blocks=blocks, report=report, **names)
    click.echo(done.summary)


@ingest.command("cooccurrence")
@click.argument("path", type=click.Path(path_type=Path))
@click.option("--sae", required=True, help="SAE that the features belong to.")
def ingest_cooccurrence(path: Path, sae: str) -> None:
    """Ingest counts of co-occurrence computed elsewhere: the published code's .npz files.

    Example: saeatlas ingest cooccurrence histogram.npz --sae gemma-scope/layer_12
    """
    from saeatlas.ingest import cooccurrence_file

    click.echo(cooccurrence_file.ingest_cooccurrence(catalog(), path, sae=sae).summary)
