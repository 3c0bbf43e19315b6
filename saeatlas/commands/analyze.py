"""`saeatlas analyze`: co-occurrence, lobes, and their tests."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click

from saeatlas.commands.console import catalog, one_sae, run_analysis
from saeatlas.commands.options import AFFINITIES, COUNT, KS, LEVELS, SEED, numbers


@click.group()
def analyze() -> None:
    """Run analyses; each writes a run and the rows of its tables."""


@analyze.command("cooccurrence")
@click.option("--recording", type=int, required=True, help="Number of the recording.")
@click.option(
    "--threshold",
    default="1.0",
    show_default=True,
    help="A feature is active above this; theta+1.5: above its own JumpReLU threshold plus 1.5.",
)
@click.option("--subset", "subsets", multiple=True, help="Count only documents of this type.")
@click.option(
    "--documents-where",
    help="Count only documents that meet this SQL condition on the view documents.",
)
@click.option(
    "--half",
    type=click.Choice(["first", "second"]),
    help="Count one half of the documents, drawn by a hash, so that lobes can be evaluated on the "
    "other.",
)
@click.option(
    "--min-blocks",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Leave out features active in fewer blocks.",
)
@click.option(
    "--engine",
    "method",
    type=click.Choice(["sql", "torch"]),
    default="sql",
    show_default=True,
    help="Count in the database, or by torch on a GPU.",
)
def analyze_cooccurrence(recording: int, threshold: str, **options: Any) -> None:
    """Count in how many blocks each two features of a recording are active together.

    Example: saeatlas analyze cooccurrence --recording 1 --subset Github --subset ArXiv
    """
    from saeatlas.analyses.counting import cooccurrence, params
    from saeatlas.analyses.counting.threshold import Threshold

    wanted = params.Params(recording, Threshold.parse(threshold), **options)
    run_analysis(catalog(), cooccurrence.ANALYSIS, wanted)


@analyze.command("lobes")
@click.option("--cooccurrence", type=int, required=True, help="Run of `analyze cooccurrence`.")
@AFFINITIES
@KS
@click.option("--preset", type=click.Choice(["default", "paper"]), default="default",
              show_default=True, help="paper: the published procedure, which clusters dead "
              "features too.")  # fmt: skip
@click.option("--min-blocks", type=click.IntRange(min=1), default=1, show_default=True,
              help="Features active in fewer blocks get no lobe.")  # fmt: skip
@click.option("--assign", type=click.Choice(["kmeans", "cluster_qr"]), default="kmeans",
              show_default=True, help="How the embedding is clustered.")  # fmt: skip
@click.option("--matrix-free", is_flag=True,
              help="Never compute the matrix of all pairs: for many features; phi and simple "
              "matching only.")  # fmt: skip
@click.option("--halves", is_flag=True,
              help="Measure how far lobes from either half of the documents agree.")  # fmt: skip
@click.option(
    "--seed", type=int, help="Seed of random numbers.  [default: 0; for the preset paper 42]"
)
def analyze_lobes(
    cooccurrence: int, affinities: Sequence[str], ks: list[int], seed: int | None,
    **options: Any,
) -> None:  # fmt: skip
    """Find lobes: features active in the same blocks, by spectral clustering.

    Example: saeatlas analyze lobes --cooccurrence 1 --affinity phi --k 2,3,8
    """
    from saeatlas.analyses.lobes import lobes, params

    options["seed"] = seed if seed is not None else params.DEFAULT_SEEDS[options["preset"]]
    if ks:
        options["ks"] = ks
    run_analysis(catalog(), lobes.ANALYSIS, params.Params(cooccurrence, affinities, **options))


@analyze.command("geometry")
@click.option("--sae", required=True, help="SAE, by name or number.")
@KS
@click.option("--cooccurrence", type=int, help="Only features counted in this run.")
@SEED
def analyze_geometry(sae: str, ks: list[int], **options: Any) -> None:
    """Cluster features by the angles of their decoder vectors.

    Example: saeatlas analyze geometry --sae 1 --cooccurrence 1 --k 2,3,8
    """
    from saeatlas.analyses.lobes import geometry

    engine = catalog()
    if ks:
        options["ks"] = ks
    run_analysis(engine, geometry.ANALYSIS, geometry.Params(one_sae(engine, sae), **options))


@analyze.command("agreement")
@click.argument("run", type=int)
@click.argument("other", type=int)
def analyze_agreement(run: int, other: int) -> None:
    """Compare the clusterings of RUN with those of OTHER, computed here or published.

    The adjusted mutual information of the features that both have: 1 for the same clusters, 0 on
    average for unrelated ones. RUN twice compares its own clusterings.

    Example: saeatlas analyze agreement 2 5
    """
    from saeatlas.analyses.lobes import agreement

    run_analysis(catalog(), agreement.ANALYSIS, agreement.Params(run, other))


@analyze.command("subsets")
@click.option("--lobes", type=int, required=True,
              help="Run of `analyze lobes` or `ingest clustering`.")  # fmt: skip
@LEVELS
@COUNT
@click.option("--k", "ks", callback=numbers, metavar="K,K,...",
              help="Numbers of lobes.  [default: those up to 8]")  # fmt: skip
@click.option("--documents", type=click.Choice(["held-out", "all"]), default="held-out",
              show_default=True, help="Evaluate on documents that were not counted for the lobes, "
              "or on all.",
              )  # fmt: skip
@click.option("--preset", type=click.Choice(["default", "paper"]), default="default",
              show_default=True, help="paper: the top lobe is the one with the largest share of "
              "active features.",
              )  # fmt: skip
@SEED
def analyze_subsets(**options: Any) -> None:
    """Assign blocks to lobes, and find which document types a lobe prefers.

    Example: saeatlas analyze subsets --lobes 2
    """
    from saeatlas.analyses.subsets import inputs, subsets

    run_analysis(catalog(), subsets.ANALYSIS, inputs.Params(**options))


@analyze.command("spatiality")
@click.option("--lobes", type=int, required=True,
              help="Run of `analyze lobes` or `ingest clustering`.")  # fmt: skip
@click.option("--geometry", type=int, required=True, help="Run of `analyze geometry`.")
@LEVELS
@COUNT
@click.option("--k", "ks", callback=numbers, metavar="K,K,...",
              help="Only these numbers of lobes.  [default: all that --geometry has too]",
              )  # fmt: skip
@click.option("--preset", type=click.Choice(["default", "paper"]), default="default",
              show_default=True, help="paper: 100 trials, no correction.")  # fmt: skip
@click.option("--trials", type=click.IntRange(min=2), default=1000, show_default=True,
              help="Permutations for each of the two permutation nulls.")  # fmt: skip
@click.option("--vector-trials", type=click.IntRange(min=0), default=19, show_default=True,
              help="Sets of random vectors for each of the two vector nulls.")  # fmt: skip
@click.option("--classify-up-to", type=click.IntRange(min=0), default=8, show_default=True,
              help="Largest k whose lobes are classified.")  # fmt: skip
@click.option("--stratum", type=click.IntRange(min=2), default=32, show_default=True,
              help="Number of features of similar frequency that are permuted among each other.",
              )  # fmt: skip
@SEED
def analyze_spatiality(**options: Any) -> None:
    """Test whether lobes are spatial: related to the geometry of decoder vectors.

    Example: saeatlas analyze spatiality --lobes 2 --geometry 3
    """
    from saeatlas.analyses.spatiality import params, spatiality

    run_analysis(catalog(), spatiality.ANALYSIS, params.Params(**options))
