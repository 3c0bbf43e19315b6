"""Clustering entropy: negentropy of vectors, from distances to nearest neighbours."""

from collections.abc import Sequence

import numpy as np
from scipy.special import gammaln, psi

from saeatlas.analyses.arrays import Float32, Float64, Floats, Int64
from saeatlas.analyses.spectra.exact_neighbours import nearest
from saeatlas.analyses.spectra.gaussian_references import covariance_factor
from saeatlas.analyses.spectra.params import NEIGHBOURS
from saeatlas.analyses.threads import each

THRESHOLD = 2.2e-4
"""What `published` adds to distances; see there."""


def entropies(coordinates: Float32, ks: Sequence[int] = NEIGHBOURS) -> Float64:
    """Estimate the entropy of the distribution of points from their nearest neighbours.

    Parameters
    ----------
    coordinates : ndarray of shape (n, d), float32
        All different.
    ks : sequence of int
        Neighbours whose distance is measured; less than n.

    Returns
    -------
    ndarray of shape (len(ks),), float64
        In nats. -inf where two points coincide.

    Notes
    -----
    H = psi(n) - psi(k) + log V_d + (d / n) sum_i log r_ik, V_d the volume inside the unit sphere
    and r_ik the distance of point i to its k-th neighbour. In many dimensions it is biased: it
    assumes a constant density within r_ik, which is then nearly the diameter of the whole set. At
    d = 100 the bias is tens of nats, more than any clustering; use
    `excess_negentropy.excess_negentropies` instead.

    References
    ----------
    .. [KozachenkoLeonenko1987] The estimator.
    """
    distances, _ = nearest(coordinates, max(ks))
    with np.errstate(divide="ignore"):
        logs = np.log(distances[:, np.array(ks) - 1]).mean(axis=0)
    n, d = coordinates.shape
    return _entropies(logs, n, d, ks)


def _entropies(logs: Float64, n: int, d: int, ks: Sequence[int]) -> Float64:
    unit_volume = d / 2 * np.log(np.pi) - gammaln(d / 2 + 1)
    entropy: Float64 = psi(n) - psi(np.array(ks)) + unit_volume + d * logs
    return entropy


def gaussian_entropy(coordinates: Float32) -> float:
    """Compute the entropy of the Gaussian with the sample covariance of points, in nats.

    Parameters
    ----------
    coordinates : ndarray of shape (n, d), float32
        n > d, with a covariance of full rank.

    Returns
    -------
    float
        d / 2 (1 + log 2 pi) + 1/2 sum_i log lambda_i, lambda the covariance's eigenvalues.
    """
    return _gaussian_entropy(covariance_factor(coordinates))


def _gaussian_entropy(factor: Float64) -> float:
    return float(len(factor) / 2 * (1 + np.log(2 * np.pi)) + np.log(np.diag(factor)).sum())


def negentropies(points: Float32, logs: Float64, ks: Sequence[int]) -> Float64:
    """Return the negentropy for each k, from log distances of shape (n, at least max(ks))."""
    mean = logs[:, np.array(ks) - 1].mean(axis=0)
    n, d = points.shape
    value: Float64 = gaussian_entropy(points) - _entropies(mean, n, d, ks)
    return value


def differences(
    points: Float32,
    logs: Float64,
    indices: Int64,
    ks: Sequence[int],
    splits: int,
    rng: np.random.Generator,
) -> tuple[Float64, Float64]:
    """Compare random halves of a set of vectors.

    Parameters
    ----------
    points : ndarray of shape (n, d), float32
    logs, indices : ndarray of shape (n, c), float64 and int64
        Log distances to the nearest other points, and their rows; about 4 max(ks) for each.
    ks : sequence of int
    splits : int
    rng : numpy.random.Generator

    Returns
    -------
    changes : ndarray of shape (splits, len(ks)), float64
        Negentropy of one half minus that of the other, scaled such that the mean square is the
        variance at n.
    spreads : ndarray of shape (splits, d), float64
        The same of log variances of the coordinates.
    """
    n = len(points)
    standard = (points - points.mean(axis=0)) / points.std(axis=0)  # well within float32

    def difference(order: Int64) -> tuple[Float64, Float64]:
        values, spreads = [], []
        for rows in (np.sort(order[: n // 2]), np.sort(order[n // 2 :])):
            mean = log_distances_in_half(points, logs, indices, rows, max(ks))
            entropy = _entropies(mean[np.array(ks) - 1], len(rows), points.shape[1], ks)
            values.append(gaussian_entropy(standard[rows]) - entropy)
            spreads.append(np.log(standard[rows].var(axis=0)))
        return values[0] - values[1], spreads[0] - spreads[1]

    found = each(difference, [rng.permutation(n) for _ in range(splits)])
    changes, spreads = (np.array(some) for some in zip(*found, strict=True))
    # the difference of halves has 4 times the variance at n, and more if their sizes differ
    factor = np.sqrt((n // 2) * (n - n // 2)) / n
    return changes * factor, spreads * factor


def variance_derivatives(
    points: Float32, distances: Float64, indices: Int64, ks: Sequence[int]
) -> Float64:
    """Differentiate the estimated negentropy by the log variances of the coordinates.

    Parameters
    ----------
    points : ndarray of shape (n, d), float32
    distances, indices : ndarray of shape (n, c), float64 and int64
        Of the nearest other points, c >= max(ks).
    ks : sequence of int

    Returns
    -------
    ndarray of shape (len(ks), d), float64
        Each row's sum is 0.

    Notes
    -----
    1/2 - d/2 times the mean share of a coordinate in the squared distances to neighbours. If the
    density were constant within these distances, each share would be 1/d and the derivative 0.
    """
    some, d = slice(0, 4096), points.shape[1]
    rows = []
    for k in ks:
        steps = points[some] - points[indices[some, k - 1]]
        shares = (steps / distances[some, k - 1, None]) ** 2
        rows.append(1 / 2 - d / 2 * shares.mean(axis=0))
    return np.array(rows)


def log_distances_in_half(
    points: Floats, logs: Float64, indices: Int64, rows: Int64, k: int
) -> Float64:
    """Average the log distances of points to their nearest neighbours within half of all points.

    The neighbours are among the nearest of all points, about half of which are in these rows.
    Points with fewer than k of them are compared with all rows.

    Parameters
    ----------
    points : ndarray of shape (n, d), float32 or float64
    logs : ndarray of shape (n, n_neighbours), float64
        Log distances to the nearest of all points, in each row ascending.
    indices : ndarray of shape (n, n_neighbours), int64
        Rows of these neighbours.
    rows : ndarray of shape (n_half,), int64
        The half.
    k : int

    Returns
    -------
    ndarray of shape (k,), float64
        Mean over the half of the log distance to the first, second, ... k-th neighbour.
    """
    from scipy.spatial.distance import cdist

    inside = np.zeros(len(points), bool)
    inside[rows] = True
    within = inside[indices[rows]]  # (half, neighbours)
    ranks = np.cumsum(within, axis=1, dtype=np.int16)
    counts = ranks[:, -1].copy()
    ranks *= within
    sums = np.bincount(ranks.ravel(), logs[rows].ravel(), k + 1)[1 : k + 1]
    short = np.flatnonzero(counts < k)
    if len(short):
        table = cdist(points[rows[short]], points[rows])
        table = np.sort(np.partition(table, k, axis=1)[:, : k + 1], axis=1)[:, 1:]
        missing = np.arange(k) >= counts[short, None]
        sums += np.log(np.where(missing, table, 1)).sum(axis=0)
    mean: Float64 = sums / len(rows)
    return mean


def published(
    coordinates: Float32, rng: np.random.Generator, k: int = 1, *, threshold: float = THRESHOLD
) -> float:
    """Compute the clustering entropy by the published procedure, in nats.

    Parameters
    ----------
    coordinates : ndarray of shape (n, d), float32
        In the leading principal components.
    rng : numpy.random.Generator
        Of the points that are drawn.
    k : int, default=1
        Neighbour whose distance is measured; less than n.
    threshold : float, default=2.2e-4
        Added to all distances.

    Returns
    -------
    float
        H_gauss - (log(n - 1) - psi(k) + (d / n) sum_i log(r_i + threshold)).

    Notes
    -----
    For comparison with published values; it does not measure clustering. n points are drawn with
    replacement, so that 63% of them coincide with another one. For these r is 0, and the result
    depends on the threshold alone: at d = 100 each factor of 10 in it changes the result by 145
    nats. log(n - 1) stands for psi(n), and the log volume of the unit sphere's interior is left
    out. H_gauss is that of the points before the draw.

    The published threshold is not known. No power of ten gives the published value without
    structure, 361 to 363; the default does for random unit vectors (n = 5,000 in the
    leading 100 components of 2,304): 362.7 on average over 18 draws, with a standard deviation of
    5.4 from draw to draw. In 100 dimensions of 100 the same gives 432, as distances there are
    larger.

    References
    ----------
    .. [Li2025] The procedure and its values.
    """
    n, d = coordinates.shape
    distances, _ = nearest(coordinates[rng.integers(n, size=n)], k)
    entropy = np.log(n - 1) - psi(k) + d * np.log(distances[:, -1] + threshold).mean()
    return float(gaussian_entropy(coordinates) - entropy)
