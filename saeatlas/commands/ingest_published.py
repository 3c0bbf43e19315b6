"""`saeatlas ingest clustering`, `map` and `attributes`: what others published of features."""

from __future__ import annotations

from pathlib import Path

import click

from saeatlas.commands.console import catalog
from saeatlas.commands.ingest import ingest
from saeatlas.commands.options import options, pairs

_FILE = options(
    click.argument("path", metavar="FILE", type=click.Path(path_type=Path)),
    click.option("--sae", required=True, help="SAE that the features belong to."),
    click.option(
        "--column",
        "columns",
        multiple=True,
        callback=pairs,
        metavar="NAME=COLUMN",
        help="What a column of the file is: feature=latent; repeatable.  [default: all columns]",
    ),
)


@ingest.command("clustering")
@_FILE
def ingest_clustering(path: Path, sae: str, columns: dict[str, str]) -> None:
    """Ingest a published clustering: which cluster each feature is in, at one level or several.

    FILE is CSV, Parquet, JSON, .npy or .npz. Each column but feature is a level. Clusters are whole
    numbers or texts; -1 and what is missing are no cluster.

    Example: saeatlas ingest clustering leiden.csv --sae 1 --column feature=latent --column
    fine=leiden_2
    """
    from saeatlas.ingest.published import clustering

    click.echo(clustering.ingest_clustering(catalog(), path, sae=sae, columns=columns).summary)


@ingest.command("map")
@_FILE
@click.option("--method", default="published", show_default=True,
              help="How it was made, as umap.")  # fmt: skip
def ingest_map(path: Path, sae: str, columns: dict[str, str], method: str) -> None:
    """Ingest a published map: x, y and, in space, z of features.

    FILE is CSV, Parquet, JSON, .npy or .npz.

    Example: saeatlas ingest map umap.parquet --sae 1 --method umap --column x=umap_1 --column
    y=umap_2
    """
    from saeatlas.ingest.published import maps

    click.echo(maps.ingest_map(catalog(), path, sae=sae, method=method, columns=columns).summary)


@ingest.command("attributes")
@_FILE
def ingest_attributes(path: Path, sae: str, columns: dict[str, str]) -> None:
    """Ingest published attributes of features: numbers and texts, a column each.

    FILE is CSV, Parquet, JSON, .npy or .npz. A query compares them as attribute.NAME.

    Example: saeatlas ingest attributes scores.csv --sae 1 --column auc=probe_auc
    """
    from saeatlas.ingest.published import attributes

    click.echo(attributes.ingest_attributes(catalog(), path, sae=sae, columns=columns).summary)
