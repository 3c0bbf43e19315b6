"""Silhouettes of classes: for many labellings of points, or by direction in more dimensions."""

from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

_NUMBERS = 2**19
"""Distances that are held at once: few enough to stay in a core's cache."""

_SUMS = 2**24
"""Sums of distances to a class that are held at once."""


def of_labellings(points: Array, labels: Array) -> Array:
    """Measure how far classes are apart, for several labellings of the same points.

    Parameters
    ----------
    points : ndarray of shape (n, d), float32 or float64
    labels : ndarray of shape (m, n), int
        m labellings, from 0.

    Returns
    -------
    ndarray of shape (m,), float64
        Mean over points of (b - a) / max(a, b): a is the mean distance to the others of its own
        class, b that to the nearest other class. In [-1, 1]; 0 of a point alone in its class, and
        where there is one class.

    Notes
    -----
    Euclidean distances, which are computed once for all labellings. As points weigh the same,
    large classes decide.

    References
    ----------
    Rousseeuw, "Silhouettes: a Graphical Aid to the Interpretation and Validation of Cluster
    Analysis", Journal of Computational and Applied Mathematics 20, 1987.
    """
    k = 1 + labels.max()
    points = points.astype(np.float64, copy=False)
    step = max(1, _SUMS // (k * len(points)))
    return np.concatenate(
        [_some(points, labels[i : i + step], k) for i in range(0, len(labels), step)]
    )


def _some(points: Array, labels: Array, k: int) -> Array:
    members = _members(labels, k)
    sizes = members.sum(axis=0).reshape(-1, k)
    lengths = np.einsum("ij,ij->i", points, points)
    total = np.zeros(len(labels))
    size = max(1, _NUMBERS // len(points))
    for first in range(0, len(points), size):
        own = points[first : first + size]
        rows = np.arange(first, first + len(own))
        squared = lengths[rows, None] + lengths - 2 * (own @ points.T)
        squared[rows - first, rows] = 0
        distances = np.sqrt(squared.clip(0)).astype(np.float32)
        sums = (distances @ members).reshape(len(own), -1, k)
        total += _silhouettes(sums, labels[:, rows], sizes).sum(axis=0)
    return total / len(points)


def of_directions(coordinates: Array, labels: Array) -> Array:
    """Measure how far classes are apart by direction, in the first dimensions, more and more.

    Parameters
    ----------
    coordinates : ndarray of shape (n, d), float32 or float64
    labels : ndarray of shape (n,), int
        From 0.

    Returns
    -------
    ndarray of shape (d,), float64
        As of `of_labellings`, of the first, the first two, ... coordinates made unit vectors; a
        point that is 0 there stays.
    """
    found = []
    for width in range(1, 1 + coordinates.shape[1]):
        points = coordinates[:, :width].astype(np.float64)
        lengths = np.linalg.norm(points, axis=1, keepdims=True)
        points /= np.where(lengths > 0, lengths, 1)
        found.append(of_labellings(points, labels[None])[0])
    return np.array(found)


def _members(labels: Array, k: int) -> Array:
    """Return whether a point is of a class: (n, m k) for m labellings, float32."""
    members: Array = labels.T[:, :, None] == np.arange(k)
    return members.astype(np.float32).reshape(len(members), -1)


def _silhouettes(sums: Array, labels: Array, sizes: Array) -> Array:
    """Turn sums of distances to classes (rows, m, k) of sizes (m, k) into silhouettes (rows, m)."""
    own = labels.T[:, :, None]  # (rows, m, 1)
    others = sizes - (np.arange(sizes.shape[1]) == own)
    means = np.where(others > 0, sums / np.maximum(others, 1), np.inf)
    a = np.take_along_axis(means, own, 2)[..., 0]
    np.put_along_axis(means, own, np.inf, 2)
    b = means.min(axis=2)
    known = np.isfinite(a) & np.isfinite(b)
    longest = np.where(known, np.maximum(a, b), 1)
    apart = np.subtract(b, a, out=np.zeros_like(a), where=known & (longest > 0))
    silhouettes: Array = apart / np.where(longest > 0, longest, 1)
    return silhouettes
