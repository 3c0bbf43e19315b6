"""Silhouettes: of many labellings of the same points, or of directions in 1, 2, ... dimensions."""

import numpy as np

from saeatlas.analyses.arrays import Float32, Float64, Floats, Int64

DISTANCES_AT_ONCE = 2**19
"""Distances in memory at once: few enough to fit in the cache of a core."""

SUMS_AT_ONCE = 2**24
"""Sums of distances to a class in memory at once."""


def of_labellings(points: Floats, labels: Int64) -> Float64:
    """Compute the mean silhouette of several labellings of the same points.

    Parameters
    ----------
    points : ndarray of shape (n, d), float32 or float64
    labels : ndarray of shape (m, n), int
        m labellings, from 0.

    Returns
    -------
    ndarray of shape (m,), float64
        Mean over points of (b - a) / max(a, b): a is the mean distance to the other points of its
        class, b that to the points of the nearest other class. In [-1, 1]; 0 for a point alone in
        its class, and if there is one class.

    Notes
    -----
    Euclidean distances, which are computed once for all labellings. All points have the same
    weight, so large classes dominate.

    References
    ----------
    .. [Rousseeuw1987] The silhouette.
    """
    k = 1 + labels.max()
    points = points.astype(np.float64, copy=False)
    step = max(1, SUMS_AT_ONCE // (k * len(points)))
    return np.concatenate(
        [_some(points, labels[i : i + step], k) for i in range(0, len(labels), step)]
    )


def _some(points: Float64, labels: Int64, k: int) -> Float64:
    members = _members(labels, k)
    sizes = members.sum(axis=0).reshape(-1, k)
    lengths = np.einsum("ij,ij->i", points, points)
    total = np.zeros(len(labels))
    size = max(1, DISTANCES_AT_ONCE // len(points))
    for first in range(0, len(points), size):
        own = points[first : first + size]
        rows = np.arange(first, first + len(own))
        squared = lengths[rows, None] + lengths - 2 * (own @ points.T)
        squared[rows - first, rows] = 0
        distances = np.sqrt(squared.clip(0)).astype(np.float32)
        sums = (distances @ members).reshape(len(own), -1, k)
        total += _silhouettes(sums, labels[:, rows], sizes).sum(axis=0)
    return total / len(points)


def of_directions(coordinates: Floats, labels: Int64) -> Float64:
    """Compute the mean silhouette of directions in the first 1, 2, ... dimensions.

    Parameters
    ----------
    coordinates : ndarray of shape (n, d), float32 or float64
    labels : ndarray of shape (n,), int
        From 0.

    Returns
    -------
    ndarray of shape (d,), float64
        As `of_labellings` gives it, of the normalised first, first two, ... coordinates; a point
        that is 0 in these is not changed.
    """
    found = []
    for width in range(1, 1 + coordinates.shape[1]):
        points = coordinates[:, :width].astype(np.float64)
        lengths = np.linalg.norm(points, axis=1, keepdims=True)
        points /= np.where(lengths > 0, lengths, 1)
        found.append(of_labellings(points, labels[None])[0])
    return np.array(found)


def _members(labels: Int64, k: int) -> Float32:
    """Return 1 where a point is in a class: (n, m k) for m labellings."""
    members = labels.T[:, :, None] == np.arange(k)
    found: Float32 = members.astype(np.float32).reshape(len(members), -1)
    return found


def _silhouettes(sums: Float32, labels: Int64, sizes: Float32) -> Float32:
    """Compute silhouettes (rows, m) from sums of distances to classes (rows, m, k)."""
    own = labels.T[:, :, None]  # (rows, m, 1)
    others = sizes - (np.arange(sizes.shape[1]) == own)
    means = np.where(others > 0, sums / np.maximum(others, 1), np.inf)
    a = np.take_along_axis(means, own, 2)[..., 0]
    np.put_along_axis(means, own, np.inf, 2)
    b = means.min(axis=2)
    known = np.isfinite(a) & np.isfinite(b)
    longest = np.where(known, np.maximum(a, b), 1)
    apart = np.subtract(b, a, out=np.zeros_like(a), where=known & (longest > 0))
    silhouettes: Float32 = apart / np.where(longest > 0, longest, 1)
    return silhouettes
