"""`saeatlas analyze spectra`, `maps` and `crystals`: the geometry of vectors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import click
from click.core import ParameterSource

from saeatlas.commands.analyze import analyze
from saeatlas.commands.console import catalog, chosen_saes, one_sae, run_analysis
from saeatlas.commands.options import AFFINITIES, CHOSEN_SAES, SEED, numbers


@analyze.command("spectra")
@CHOSEN_SAES
@click.option("--vectors", "source", type=click.Choice(["decoder", "encoder", "activations"]),
              default="decoder", show_default=True,
              help="Vectors of features, or input activations of the SAE.")  # fmt: skip
@click.option("--recording", type=int,
              help="For --vectors activations: the recording.  [default: the newest]")  # fmt: skip
@click.option("--within", type=int,
              help="Run of lobes or geometry: one spectrum for each lobe.")  # fmt: skip
@AFFINITIES
@click.option("--k", "ks", callback=numbers, metavar="K,K,...",
              help="Only clusterings with these numbers of lobes.  [default: all]")  # fmt: skip
@click.option("--features-where", metavar="SQL",
              help="Only features that meet this SQL condition on the view features.")  # fmt: skip
@click.option("--components", callback=numbers, default="10,50,100,200",
              show_default=True, metavar="D,D,...",
              help="Numbers of principal components for clustering entropy.")  # fmt: skip
@click.option("--trials", type=click.IntRange(min=2), default=19, show_default=True,
              help="Sets of vectors drawn from each null.")  # fmt: skip
@click.option("--preset", type=click.Choice(["default", "paper"]), default="default",
              show_default=True, help="paper: the published procedure, without nulls.")  # fmt: skip
@SEED
def analyze_spectra(
    saes: Sequence[str], release: str | None, layers: Sequence[int] | None, **options: Any
) -> None:
    """Measure how the variance of vectors is spread, and whether they cluster.

    Example: saeatlas analyze spectra --release gemma-scope --layers 0-25
    """
    from saeatlas.analyses.spectra import spectra
    from saeatlas.analyses.spectra.params import Params

    engine = catalog()
    for number in chosen_saes(engine, saes, release, layers):
        run_analysis(engine, spectra.ANALYSIS, Params(sae=number, **options))


@analyze.command("maps")
@CHOSEN_SAES
@click.option("--method", type=click.Choice(["tsne", "pca"]), default="tsne",
              show_default=True, help="t-SNE, or principal components.")  # fmt: skip
@click.option("--vectors", "source", type=click.Choice(["decoder", "encoder"]), default="decoder",
              show_default=True, help="Vectors whose directions are mapped.")  # fmt: skip
@click.option("--features-where", metavar="SQL",
              help="Only features that meet this SQL condition on the view features.")  # fmt: skip
@click.option("--dimensions", type=click.IntRange(2, 3), default=2, show_default=True,
              help="Dimensions of the map.")  # fmt: skip
@click.option("--perplexity", type=click.FloatRange(min=1), default=30.0, show_default=True,
              help="t-SNE only: effective number of neighbours.")  # fmt: skip
@SEED
def analyze_maps(
    saes: Sequence[str], release: str | None, layers: Sequence[int] | None, **options: Any
) -> None:
    """Place features on a map, those with similar directions near each other.

    Example: saeatlas analyze maps --release gemma-scope --layers 12
    """
    from saeatlas.analyses.maps import maps

    engine = catalog()
    for number in chosen_saes(engine, saes, release, layers):
        run_analysis(engine, maps.ANALYSIS, maps.Params(sae=number, **options))


@analyze.command("crystals")
@click.option("--sae", help="SAE by number or name: its features are searched.")
@click.option("--words", help="Space of words, by name or number: its relations are measured; with "
              "--sae, searched for among its features.")  # fmt: skip
@click.option("--relation", "names", multiple=True,
              help="Words only: only this relation; repeatable.  [default: all]")  # fmt: skip
@click.option("--features-where", metavar="SQL",
              help="Only features that meet this SQL condition on the view features.")  # fmt: skip
@click.option("--neighbours", type=click.IntRange(min=1), default=16, show_default=True,
              help="Nearest neighbours that a feature is paired with.")  # fmt: skip
@click.option("--min-cosine", type=float, default=0.6, show_default=True,
              help="Smallest cosine of sides, and of legs.")  # fmt: skip
@click.option("--fdr", type=float, default=0.05, show_default=True,
              help="Largest false discovery rate.")  # fmt: skip
@click.option("--recording", type=int,
              help="Recording in which densities and positions are measured.  "
              "[default: the newest]")  # fmt: skip
@click.option("--attribute", "attributes", multiple=True,
              help="Measured attribute to project out: log_density, position or top_token_length; "
              "repeatable.  [default: all]")  # fmt: skip
@click.option("--keep-distractors", is_flag=True,
              help="Compare the vectors themselves: nothing is whitened or projected out.",
              )  # fmt: skip
@click.option("--trials", type=click.IntRange(min=2), default=199, show_default=True,
              help="Words only: shuffles of partners, and of relations.")  # fmt: skip
@SEED
@click.pass_context
def analyze_crystals(
    context: click.Context, /, sae: str | None, words: str | None,
    names: Sequence[str], trials: int, seed: int, attributes: Sequence[str], **options: Any,
) -> None:  # fmt: skip
    """Find parallelograms and trapezoids of features, and the function vectors they follow.

    Of words: how far the pairs of known relations follow one vector each.

    Example: saeatlas analyze crystals --sae 1
    """
    from saeatlas.analyses.crystals import crystals, params
    from saeatlas.analyses.relations import relations as word_relations

    if sae is None:
        if words is None:
            raise click.UsageError("Give --sae, --words or both.")
        _refuse(context, "words are measured, not features", OF_FEATURES)
        of_words = word_relations.Params(space=words, relations=names, trials=trials, seed=seed)
        run_analysis(catalog(), word_relations.ANALYSIS, of_words)
        return
    _refuse(context, "features are searched; it is for --words without --sae", OF_WORDS)
    if attributes:
        options["attributes"] = attributes
    engine = catalog()
    of_features = params.Params(sae=one_sae(engine, sae), words=words, seed=seed, **options)
    run_analysis(engine, crystals.ANALYSIS, of_features)


OF_WORDS = {"names": "--relation", "trials": "--trials"}
"""Options of `analyze crystals` that have an effect for words alone."""

OF_FEATURES = {
    "features_where": "--features-where", "neighbours": "--neighbours",
    "min_cosine": "--min-cosine", "fdr": "--fdr", "recording": "--recording",
    "attributes": "--attribute", "keep_distractors": "--keep-distractors",
}  # fmt: skip
"""Options of `analyze crystals` that have an effect for features alone."""


def _refuse(context: click.Context, reason: str, options: dict[str, str]) -> None:
    """Refuse options that were given and have no effect."""
    given = [
        option
        for name, option in options.items()
        if context.get_parameter_source(name) is ParameterSource.COMMANDLINE
    ]
    if given:
        raise click.UsageError(f"{' and '.join(given)} would have no effect: {reason}.")
