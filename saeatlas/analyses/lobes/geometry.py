"""Clusters of features by the angles of their decoder vectors, made as lobes are."""

import time
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import sqlalchemy as sa

from saeatlas import errors
from saeatlas.analyses.lobes.affinities import Angular, describe
from saeatlas.analyses.lobes.clustering import Cutting
from saeatlas.analyses.progress import Progress
from saeatlas.schema import tables
from saeatlas.schema.rows import clusterings, pair_counts, runs, sae_vectors

Array = np.ndarray[Any, Any]

KS = (2, 3, 4, 8, 16, 32, 64, 128, 256, 512, 1024)
"""Numbers of clusters, as they were published."""


def find(
    engine: sa.Engine,
    sae: int,
    *,
    ks: Sequence[int] = KS,
    cooccurrence: int | None = None,
    seed: int = 0,
) -> Iterator[Progress]:
    """Cluster the features of an SAE by the angular similarity of their decoder vectors.

    Writes a run 'geometry' with its rows of ``clustering`` (affinity ``angular``), ``lobe`` and
    ``lobe_member``, in one transaction.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    sae : int
        ``sae.id``.
    ks : sequence of int
        Numbers of clusters; those above the number of features are left out.
    cooccurrence : int, optional
        Only features counted in this run of co-occurrence: dead ones lie anywhere.
    seed : int

    Yields
    ------
    Progress

    Raises
    ------
    UnknownName, InputError
        No such SAE or run, or nothing to cluster.
    CatalogBusy
        Another process makes the same.

    Notes
    -----
    Similarity is 1 - angle / pi, so that opposite vectors have none. In high dimension most angles
    are near pi / 2 and clusters of unrelated vectors are arbitrary: see ``seed_stability``.

    References
    ----------
    Li et al., "The Geometry of Concepts", Entropy 27(4):344, 2025.
    """
    began = time.perf_counter()
    params: dict[str, Any] = {"ks": sorted(set(ks)), "cooccurrence": cooccurrence}
    with engine.connect() as connection:
        vectors, features = _vectors(connection, sae, cooccurrence)
        weights = connection.execute(
            sa.select(tables.sae.c.weights_sha256).where(tables.sae.c.id == sae)
        ).scalar_one()
        key = runs.input_hash(sae=sae, weights=weights.hex(), seed=seed, **params)
    with runs.claimed(engine, "geometry", "clusters of decoder vectors", key) as found:
        number, created = found, found is None
        if number is None:
            cutting = _cutting(vectors, features, params["ks"], seed)
            for done in cutting.steps():
                yield Progress("geometry", done, cutting.n_steps, time.perf_counter() - began)
            columns = {"sae": sae, "input_run": cooccurrence, "seed": seed, "params": params}
            number = _publish(engine, key, columns, cutting, time.perf_counter() - began)
    ask = f'saeatlas sql "select * from lobes where run = {number}"'
    yield Progress("done", 1, 1, time.perf_counter() - began, number, created, ask)


def cluster_vectors(vectors: Array, ks: Sequence[int], *, seed: int) -> dict[int, Array]:
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
    cutting = _cutting(vectors, np.arange(len(vectors)), sorted(ks), seed)
    for _ in cutting.steps():
        pass
    return {made.k: made.lobes for made in cutting.made}


def _cutting(vectors: Array, features: Array, ks: Sequence[int], seed: int) -> Cutting:
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    affinity = Angular(unit.astype(np.float32, copy=False))
    degrees, low, high = describe(affinity)
    fitting = [k for k in ks if k <= len(features)]
    if not fitting:
        raise errors.InputError(
            f"{len(features):,} features cannot be cut in {min(ks):,} clusters.",
            hint="Choose smaller --k.",
        )
    if len(features) > 2 and high - low <= 1e-6:
        raise errors.InputError("All decoder vectors have the same angles: there are no clusters.")
    return Cutting(tables.GEOMETRY, affinity, degrees, features, fitting, seed=seed)


def _vectors(connection: sa.Connection, sae: int, cooccurrence: int | None) -> tuple[Array, Array]:
    """Read the vectors that have a direction, and whose they are."""
    vectors = sae_vectors.read(connection, sae)
    wanted = np.linalg.norm(vectors, axis=1) > 0
    if cooccurrence is not None:
        run = tables.run
        of = sa.select(run.c.sae).where(run.c.id == cooccurrence, run.c.analysis == "cooccurrence")
        if connection.execute(of).scalar_one_or_none() != sae:
            raise errors.InputError(
                f"Run {cooccurrence} has not counted the features of SAE {sae}.",
                hint="`saeatlas status` lists runs with their SAEs.",
            )
        _, places = pair_counts.read_features(connection, cooccurrence)
        wanted &= places >= 0
    features = np.flatnonzero(wanted)
    if len(features) < 2:
        raise errors.InputError(f"SAE {sae} has fewer than two features to cluster.")
    return vectors[features], features


def _publish(
    engine: sa.Engine, key: bytes, columns: dict[str, Any], cutting: Cutting, seconds: float
) -> int:
    quality = {
        "n_features": len(cutting.features),
        "residual": cutting.embedding.residual,
        "seconds": round(seconds, 3),
    }
    with engine.begin() as connection:
        number = runs.create(connection, "geometry", key, quality=quality, **columns)
        clusterings.write(connection, number, cutting.made)
    return number
