"""Layouts of vectors in two or three dimensions, and what they preserve."""

from dataclasses import dataclass

import numpy as np

from saeatlas import errors
from saeatlas.analyses.arrays import Float32, Int64
from saeatlas.analyses.stats.pca import principal_axes

NEAREST = 10
"""Nearest neighbours of each vector that are compared with those on the map."""

_PAIRS = 100_000
"""Pairs whose distances are compared."""

_SHARED = 4096
"""Number of points from which t-SNE uses all cores: with fewer its steps are so short that waiting
threads cost more time than they save, above all if other work uses a core."""

_START = 1e-4
"""Standard deviation of the first coordinate when t-SNE starts."""


@dataclass(frozen=True)
class Preservation:
    """Neighbourhoods and distances that a map preserves.

    Parameters
    ----------
    neighbours_kept : float
        Share of the ten nearest neighbours of a vector that are among its ten nearest on the map,
        averaged over vectors; in [0, 1].
    neighbours_chance : float
        Expected value for vectors at random positions of the map.
    distances_kept : float
        Spearman correlation of distances between vectors with those on the map; in [-1, 1].
    """

    neighbours_kept: float
    neighbours_chance: float
    distances_kept: float


def pca(units: Float32, dimensions: int) -> tuple[Float32, float]:
    """Project vectors on the leading principal axes.

    Parameters
    ----------
    units : ndarray of shape (n, d), float32
    dimensions : int

    Returns
    -------
    points : ndarray of shape (n, dimensions), float32
        The largest coordinate along each axis is positive.
    share : float
        Share of the variance along these axes; in [0, 1].

    Raises
    ------
    InputError
        The vectors span fewer dimensions.
    """
    found = principal_axes(units, n_coordinates=dimensions)
    if len(found.values) < dimensions:
        raise errors.InputError(
            f"These vectors span {len(found.values)} dimensions, not {dimensions}.",
            hint="Choose more features.",
        )
    points = found.coordinates
    largest = points[np.abs(points).argmax(axis=0), np.arange(dimensions)]
    return points * np.sign(largest), float(found.values[:dimensions].sum() / found.values.sum())


def tsne(units: Float32, start: Float32, perplexity: float) -> Float32:
    """Compute a t-SNE layout, which preserves neighbourhoods.

    Parameters
    ----------
    units : ndarray of shape (n, d), float32
        n > 3 * perplexity + 1.
    start : ndarray of shape (n, 2) or (n, 3), float32
        Initial positions, from `pca`.
    perplexity : float
        Effective number of neighbours of each vector.

    Returns
    -------
    ndarray of shape (n, 2) or (n, 3), float32

    Notes
    -----
    Barnes-Hut t-SNE of scikit-learn. It is deterministic: the initial positions are given. Gaps and
    clumps appear in layouts of pure noise too, and sizes and distances of clumps mean little.

    References
    ----------
    .. [VanDerMaaten2014] The algorithm.
    .. [KobakBerens2019] The initial positions.
    """
    from sklearn.manifold import TSNE
    from threadpoolctl import threadpool_limits

    begin = (start * (_START / start[:, 0].std())).astype(np.float32)
    layout = TSNE(start.shape[1], perplexity=perplexity, init=begin, random_state=0)
    with threadpool_limits(1 if len(units) < _SHARED else None, "openmp"):
        points: Float32 = layout.fit_transform(units)
    return points.astype(np.float32)


def preservation(units: Float32, points: Float32, seed: int) -> Preservation:
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
    # unit vectors: negative products have the same order as distances
    in_space = -np.concatenate([
        np.einsum("ij,ij->i", units[one[part]], units[other[part]])
        for part in np.array_split(np.arange(_PAIRS), 50)
    ])  # fmt: skip
    on_map = np.linalg.norm(points[one].astype(float) - points[other], axis=1)
    return Preservation(float(kept), k / (n - 1), float(spearmanr(in_space, on_map).statistic))


def _nearest(rows: Float32, k: int) -> Int64:
    from sklearn.neighbors import NearestNeighbors

    found: Int64 = NearestNeighbors(n_neighbors=k).fit(rows).kneighbors(return_distance=False)
    return found
