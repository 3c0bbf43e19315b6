"""Vectors laid out as points of a plane or of space, and how much of them that shows."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from saeatlas import errors
from saeatlas.analyses.stats import pca as cloud

Array = np.ndarray[Any, Any]

NEAREST = 10
"""Nearest others of each vector that are looked for on the map."""

_PAIRS = 100_000
"""Pairs whose distances are compared."""

_SHARED = 4096
"""Points from which on the cores share a step of t-SNE: threads that wait for each other cost more
than they save where a step is short, and far more where other work has a core."""

_START = 1e-4
"""Standard deviation of a t-SNE's first coordinate before it begins."""


@dataclass(frozen=True)
class Preservation:
    """What a map keeps of the vectors.

    Parameters
    ----------
    neighbours_kept : float
        Share of the ten nearest others of a vector that are among its ten nearest on the map,
        averaged over vectors; in [0, 1].
    neighbours_chance : float
        The same to expect if vectors were put on the map at random.
    distances_kept : float
        Spearman's correlation of distances in space with those on the map; in [-1, 1].
    """

    neighbours_kept: float
    neighbours_chance: float
    distances_kept: float


def pca(units: Array, dimensions: int) -> tuple[Array, float]:
    """Project vectors on the leading principal axes.

    Parameters
    ----------
    units : ndarray of shape (n, d), float32
    dimensions : int

    Returns
    -------
    points : ndarray of shape (n, dimensions), float32
        Of each axis the largest coordinate is positive.
    share : float
        Share of the variance along these axes; in [0, 1].

    Raises
    ------
    InputError
        The vectors spread in fewer dimensions.
    """
    found = cloud.principal_axes(units, n_coordinates=dimensions)
    if len(found.values) < dimensions:
        raise errors.InputError(
            f"These vectors spread in {len(found.values)} dimensions, not in {dimensions}.",
            hint="Choose more features.",
        )
    points = found.coordinates
    largest = points[np.abs(points).argmax(axis=0), np.arange(dimensions)]
    return points * np.sign(largest), float(found.values[:dimensions].sum() / found.values.sum())


def tsne(units: Array, start: Array, perplexity: float) -> Array:
    """Lay vectors out so that each keeps its near ones: t-SNE of exact neighbours.

    Parameters
    ----------
    units : ndarray of shape (n, d), float32
        n > 3 * perplexity + 1.
    start : ndarray of shape (n, 2) or (n, 3), float32
        Where they stand before: `pca`.
    perplexity : float
        About how many near ones count.

    Returns
    -------
    ndarray of shape (n, 2) or (n, 3), float32

    Notes
    -----
    Barnes-Hut, in scikit-learn. It draws nothing at random: the start is given. Gaps and clumps
    appear in layouts of pure noise too, and sizes and distances of clumps mean little.

    References
    ----------
    van der Maaten, "Accelerating t-SNE using tree-based algorithms", JMLR 15, 2014.
    Kobak and Berens, "The art of using t-SNE for single-cell transcriptomics", 2019: the start.
    """
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    begin = (start * (_START / start[:, 0].std())).astype(np.float32)
    layout = TSNE(start.shape[1], perplexity=perplexity, init=begin, random_state=0)
    with threadpool_limits(1 if len(units) < _SHARED else None, "openmp"):
        points: Array = layout.fit_transform(units)
    return points.astype(np.float32)


def preservation(units: Array, points: Array, seed: int) -> Preservation:
    """Measure how far a map preserves neighbours and distances.

    Parameters
    ----------
    units : ndarray of shape (n, d), float32
    points : ndarray of shape (n, 2) or (n, 3)
    seed : int
        Of the 100,000 pairs whose distances are compared.

    Returns
    -------
    Preservation
    """
    from scipy.stats import spearmanr

    n = len(units)
    k = min(NEAREST, n - 1)
    base = np.arange(n)[:, None] * n
    kept = np.isin(base + _nearest(points, k), base + _nearest(units, k)).mean()
    rng = np.random.default_rng(seed)
    one = rng.integers(n, size=_PAIRS)
    other = (one + rng.integers(1, n, size=_PAIRS)) % n
    # of unit vectors: the same order as that of distances
    in_space = -np.concatenate([
        np.einsum("ij,ij->i", units[one[part]], units[other[part]])
        for part in np.array_split(np.arange(_PAIRS), 50)
    ])  # fmt: skip
    on_map = np.linalg.norm(points[one].astype(float) - points[other], axis=1)
    return Preservation(float(kept), k / (n - 1), float(spearmanr(in_space, on_map).statistic))


def _nearest(rows: Array, k: int) -> Array:
    from sklearn.neighbors import NearestNeighbors

    found: Array = NearestNeighbors(n_neighbors=k).fit(rows).kneighbors(return_distance=False)
    return found
