"""How well clusters separate an affinity: normalised cut, modularity and silhouettes."""

from dataclasses import dataclass

import numpy as np

from saeatlas.analyses.arrays import Float64, Int64
from saeatlas.analyses.lobes.affinities import Operator


@dataclass(frozen=True)
class Quality:
    """How well clusters separate an affinity.

    Parameters
    ----------
    ncut : float
        Normalised cut: the sum of the shares of their affinity that leave them.
    modularity : ndarray of shape (n_clusters,), float64
        Share of all affinity that lies within each, minus the share expected of its rows' sums.
    silhouettes : ndarray of shape (n_clusters,), float64
        Mean silhouette of the members of each, distance being the largest possible affinity less
        the affinity. NaN if there is one cluster only.
    silhouette : float
        Mean over all points.
    """

    ncut: float
    modularity: Float64
    silhouettes: Float64
    silhouette: float


def measure(affinity: Operator, degrees: Float64, labellings: list[Int64]) -> list[Quality]:
    """Measure several clusterings in one pass over the affinity.

    Parameters
    ----------
    affinity : Operator
    degrees : ndarray of shape (n,), float64
        Sums of its rows.
    labellings : list of ndarray of shape (n,), int
        Labels from 0.

    Returns
    -------
    list of Quality
    """
    sums = affinity.dot(np.hstack([_one_hot(labels) for labels in labellings]))
    edges = np.cumsum([labels.max() + 1 for labels in labellings])[:-1]
    parts = np.split(sums, edges, axis=1)
    return [
        _quality(part, labels, degrees, affinity.top)
        for part, labels in zip(parts, labellings, strict=True)
    ]


def _one_hot(labels: Int64) -> Float64:
    hot = np.zeros((len(labels), labels.max() + 1))  # float64: silhouettes are differences of sums
    hot[np.arange(len(labels)), labels] = 1
    return hot


def _quality(sums: Float64, labels: Int64, degrees: Float64, top: float) -> Quality:
    """Measure a clustering from each point's affinity with each cluster, of shape (n, k)."""
    n = np.bincount(labels)
    own = sums[np.arange(len(labels)), labels].astype(np.float64)
    within = np.bincount(labels, own)
    volume = np.bincount(labels, degrees)
    total = degrees.sum()
    inside = np.divide(within, volume, out=np.ones(len(n)), where=volume > 0)
    silhouettes = _silhouettes(sums, labels, n, top)
    return Quality(
        float((1 - inside).sum()),
        within / total - (volume / total) ** 2,
        np.bincount(labels, silhouettes) / n,
        float(silhouettes.mean()),
    )


def _silhouettes(sums: Float64, labels: Int64, n: Int64, top: float) -> Float64:
    """Return each point's silhouette; 0 for the only member of a cluster."""
    if len(n) == 1:
        return np.full(len(labels), np.nan)
    points = np.arange(len(labels))
    alone = n[labels] == 1
    # a point's affinity with itself counts as 0 in the sums, its distance as top: subtracted
    far = top * n - sums.astype(np.float64)
    own = (far[points, labels] - top) / np.maximum(n[labels] - 1, 1)
    means = far / n
    means[points, labels] = np.inf
    other = means.min(axis=1)
    larger = np.maximum(own, other)
    values = np.divide(other - own, larger, out=np.zeros(len(labels)), where=larger > 0)
    return np.where(alone, 0.0, values)
