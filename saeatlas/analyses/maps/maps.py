"""Maps: the features of an SAE in two or three dimensions, similar ones near each other."""

from dataclasses import asdict, dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from saeatlas import errors, ranges
from saeatlas.analyses import chosen_features, run_driver
from saeatlas.analyses.chosen_features import Choice
from saeatlas.analyses.maps import layouts
from saeatlas.analyses.run_driver import Analysis, target
from saeatlas.progress import Progress, Report, silent
from saeatlas.schema.rows import maps

MIN_FEATURES = 10
"""Smallest number of features of a map."""


@dataclass(frozen=True)
class Params(run_driver.Params):
    """Which features are mapped, and how.

    Parameters
    ----------
    sae : int
        ``sae.id``.
    method : {'tsne', 'pca'}
    source : {'decoder', 'encoder'}
        Which vectors. Similar means that their cosine is large.
    features_where : str, optional
        SQL condition on the columns of view ``features``.
    dimensions : {2, 3}
    perplexity : float, default=30
        Of t-SNE: effective number of neighbours of a feature.
    seed : int, default=0
        Of the pairs whose distances are compared.

    Raises
    ------
    InputError
        A number is out of its range, or a perplexity is given for PCA.
    """

    sae: int = target()
    method: Literal["pca", "tsne"] = "tsne"
    source: Literal["decoder", "encoder"] = "decoder"
    features_where: str | None = None
    dimensions: int = 2
    perplexity: float = 30.0
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        ranges.require_whole("--dimensions", self.dimensions, 2, 3)
        ranges.require_real("--perplexity", self.perplexity, 1, 1e6)
        if self.method == "pca":
            self.refuse("only t-SNE has a perplexity", perplexity="--perplexity")

    @property
    def stored(self) -> dict[str, Any]:
        """As the run keeps them: None for parameters that the method does not use."""
        return super().stored | ({} if self.method == "tsne" else {"perplexity": None})

    @property
    def fewest(self) -> int:
        """Smallest number of features of this map."""
        return (
            max(MIN_FEATURES, int(3 * self.perplexity) + 2)
            if self.method == "tsne"
            else MIN_FEATURES
        )


@dataclass(frozen=True)
class Inputs:
    """Vectors that are mapped.

    Parameters
    ----------
    vectors : ndarray of shape (n, d), float32
    features : ndarray of shape (n,), int64
        Feature of each vector, ascending.
    """

    vectors: npt.NDArray[np.float32]
    features: npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Result(run_driver.Result):
    """A map.

    Parameters
    ----------
    features : ndarray of shape (n,), int64
        Those whose vectors have a direction.
    points : ndarray of shape (n, 2) or (n, 3), float32
    """

    features: npt.NDArray[np.int64]
    points: npt.NDArray[np.float32]


def identify(connection: sa.Connection, params: Params, _report: Report = silent) -> Choice:
    """Find the SAE, and the features that meet the condition.

    Raises
    ------
    UnknownName, InputError
        No such SAE, or no feature meets the condition.
    QueryFailed
        The condition on features does not run.
    """
    return chosen_features.choose(connection, params.sae, params.features_where)


def read(
    connection: sa.Connection, source: Choice, params: Params, _report: Report = silent
) -> Inputs:
    """Read the vectors of the chosen features.

    Raises
    ------
    UnknownName
        The SAE has no vectors of this kind.
    """
    return Inputs(*chosen_features.vectors(connection, source, params.source))


def compute(inputs: Inputs, params: Params, report: Report = silent) -> Result:
    """Map the directions of vectors, and measure what the map preserves.

    Parameters
    ----------
    inputs : Inputs
    params : Params
    report : callable, optional

    Returns
    -------
    Result
        ``quality`` has n_features, n_zero (features without a direction), `layouts.Preservation`
        and, of PCA, variance_share.

    Raises
    ------
    InputError
        There are too few features with a direction.

    Notes
    -----
    A map suggests hypotheses and is no evidence for them: t-SNE shows clumps in noise too. The
    analysis `spectra` tests for clusters, `spatiality` whether lobes are spatial.
    """
    norms = np.linalg.norm(inputs.vectors, axis=1)
    some = norms > 0
    units = inputs.vectors[some] / norms[some, None]
    if len(units) < params.fewest:
        raise errors.InputError(
            f"{len(units):,} features with a direction are too few: this map needs "
            f"{params.fewest:,}.",
            hint="Choose more features, a smaller --perplexity, or --method pca.",
        )
    report(Progress(f"map by {params.method}", 0, 2))
    points, share = layouts.pca(units, params.dimensions)
    if params.method == "tsne":
        points = layouts.tsne(units, points, params.perplexity)
    report(Progress(f"map by {params.method}", 1, 2))
    preserved = asdict(layouts.preservation(units, points, params.seed))
    quality = {"n_features": len(units), "n_zero": int((~some).sum()), **preserved}
    if params.method == "pca":
        quality["variance_share"] = share
    report(Progress(f"map by {params.method}", 2, 2))
    return Result(quality=quality, features=inputs.features[some], points=points)


def write(connection: sa.Connection, run: int, result: Result) -> None:
    """Write a row of ``coordinate`` a feature."""
    maps.write(connection, run, result.features, result.points)


ANALYSIS = Analysis(
    name="maps",
    what="map",
    ask="select * from coordinates where run = {run}",
    identify=identify,
    read=read,
    compute=compute,
    write=write,
)
