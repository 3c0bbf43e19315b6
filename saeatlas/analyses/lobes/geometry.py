"""Clusters of features by the angles of their decoder vectors, found as lobes are."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from saeatlas import errors
from saeatlas.analyses import run_driver
from saeatlas.analyses.lobes.affinities import Angular, describe
from saeatlas.analyses.lobes.clustering import SpectralClustering, spectral_clustering
from saeatlas.analyses.lobes.params import KS, require_ks
from saeatlas.analyses.run_driver import Analysis, Source, target
from saeatlas.progress import Report, silent
from saeatlas.schema import tables
from saeatlas.schema.rows import clusterings, pair_counts, sae_vectors, saes
from saeatlas.schema.rows.clusterings import Clustering


@dataclass(frozen=True)
class Params(run_driver.Params):
    """What is clustered.

    Parameters
    ----------
    sae : int
        ``sae.id``.
    ks : sequence of int
        Numbers of clusters; those above the number of features are left out.
    cooccurrence : int, optional
        Only features counted in this run of co-occurrence: vectors of dead features are arbitrary.
    seed : int, default=0
        Of k-means, and of the eigenvectors' solver.

    Raises
    ------
    InputError
        A k is below 1, or the seed is negative.
    """

    sae: int = target()
    ks: Sequence[int] = KS
    cooccurrence: int | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_ks(self.ks)

    @property
    def stored(self) -> dict[str, object]:
        """As ``run.params`` keeps them: each k once, ascending."""
        return super().stored | {"ks": sorted(set(self.ks))}


@dataclass(frozen=True)
class Inputs:
    """Decoder vectors that have a direction.

    Parameters
    ----------
    vectors : ndarray of shape (n, d), float32
        Not zero.
    features : ndarray of shape (n,), int64
        Feature of each vector, ascending.
    """

    vectors: npt.NDArray[np.float32]
    features: npt.NDArray[np.int64]


@dataclass(frozen=True, kw_only=True)
class Result(run_driver.Result):
    """Clusters of decoder vectors.

    Parameters
    ----------
    clusterings : list of Clustering
        One a k, of affinity ``angular``.
    """

    clusterings: list[Clustering]


def identify(connection: sa.Connection, params: Params, _report: Report = silent) -> Source:
    """Find the SAE, and the run whose features are clustered.

    Raises
    ------
    UnknownName, InputError
        No such SAE, or the run has not counted its features.
    """
    weights = saes.weights(saes.read(connection, params.sae))
    if params.cooccurrence is not None:
        run = tables.run
        counted = sa.select(run.c.sae).where(
            run.c.id == params.cooccurrence, run.c.analysis == "cooccurrence"
        )
        if connection.execute(counted).scalar_one_or_none() != params.sae:
            raise errors.InputError(
                f"Run {params.cooccurrence} has not counted the features of SAE {params.sae}.",
                hint="`saeatlas status` lists runs with their SAEs.",
            )
    columns = {"sae": params.sae, "input_run": params.cooccurrence}
    return Source(columns, {"sae": params.sae, "weights": weights})


def read(
    connection: sa.Connection, _source: Source, params: Params, _report: Report = silent
) -> Inputs:
    """Read the decoder vectors that have a direction.

    Raises
    ------
    InputError
        There are fewer than two.
    """
    vectors = sae_vectors.read(connection, params.sae)
    wanted = np.linalg.norm(vectors, axis=1) > 0
    if params.cooccurrence is not None:
        _, places = pair_counts.read_features(connection, params.cooccurrence)
        wanted &= places >= 0
    features = np.flatnonzero(wanted)
    if len(features) < 2:
        raise errors.InputError(f"SAE {params.sae} has fewer than two features to cluster.")
    return Inputs(vectors[features], features)


def compute(inputs: Inputs, params: Params, report: Report = silent) -> Result:
    """Cluster features by the angular similarity of their decoder vectors.

    Parameters
    ----------
    inputs : Inputs
    params : Params
    report : callable, optional
        Called with each `Progress`.

    Returns
    -------
    Result
        ``quality`` has n_features and residual, how far eigenvectors were from converged.

    Raises
    ------
    InputError
        There are fewer features than the smallest k, or all angles are the same.

    Notes
    -----
    Similarity is 1 - angle / pi, so that opposite vectors have none. In high dimension most angles
    are near pi / 2 and clusters of unrelated vectors are arbitrary: see ``seed_stability``.

    References
    ----------
    .. [Li2025] The procedure.
    """
    ks = sorted(set(params.ks))
    done = _cluster(inputs.vectors, inputs.features, ks, params.seed, report)
    quality = {"n_features": len(inputs.features), "residual": done.embedding.residual}
    return Result(quality=quality, clusterings=done.clusterings)


def write(connection: sa.Connection, run: int, result: Result) -> None:
    """Write rows of ``clustering``, ``lobe`` and ``lobe_member``."""
    clusterings.write(connection, run, result.clusterings)


ANALYSIS = Analysis(
    name="geometry",
    what="clustering of decoder vectors",
    ask="select * from lobes where run = {run}",
    identify=identify,
    read=read,
    compute=compute,
    write=write,
)


def cluster_vectors(
    vectors: npt.NDArray[np.float32], ks: Sequence[int], *, seed: int
) -> dict[int, npt.NDArray[np.int64]]:
    """Cluster vectors by their angles.

    Parameters
    ----------
    vectors : ndarray of shape (n, d), float32
        Not zero.
    ks : sequence of int
    seed : int

    Returns
    -------
    dict of int to ndarray of shape (n,), int64
        Labels for each k.
    """
    done = _cluster(vectors, np.arange(len(vectors)), sorted(ks), seed, silent)
    return {one.k: one.lobes for one in done.clusterings}


def _cluster(
    vectors: npt.NDArray[np.float32], features: npt.NDArray[np.int64], ks: Sequence[int],
    seed: int, report: Report,
) -> SpectralClustering:  # fmt: skip
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    affinity = Angular(unit.astype(np.float32, copy=False))
    degrees, low, high = describe(affinity)
    fitting = [k for k in ks if k <= len(features)]
    if not fitting:
        raise errors.InputError(
            f"{len(features):,} features cannot form {min(ks):,} clusters.",
            hint="Choose smaller --k.",
        )
    if len(features) > 2 and high - low <= 1e-6:
        raise errors.InputError("All decoder vectors have the same angles: there are no clusters.")
    return spectral_clustering(
        tables.ANGULAR, affinity, degrees, features, fitting, seed=seed, report=report
    )
