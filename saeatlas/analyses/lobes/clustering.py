"""Cut an embedding in k clusters, number them, and measure the cut."""

import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from saeatlas.analyses.lobes.affinities import ByRows, Operator
from saeatlas.analyses.lobes.bilinear import Bilinear
from saeatlas.analyses.lobes.embedding import Embedding, embed
from saeatlas.schema.rows.clusterings import Made

Array = np.ndarray[Any, Any]
Assign = Literal["kmeans", "cluster_qr"]

_SMALL = 2**19
"""Distances of a step of k-means below which one thread is quicker than several."""

_STARTS = ((64, 10), (256, 3), (512, 2))
"""Starts of k-means with up to so many clusters; with more a single one, which takes minutes."""


@dataclass(frozen=True)
class Clusters:
    """A cut of n points in clusters.

    Parameters
    ----------
    labels : ndarray of shape (n,), int64
        From 0; the largest cluster first, ties by lowest member.
    stability : float or None
        Mean adjusted mutual information of the labels with those of the other starts: of single
        ones, so it is a low estimate for the best of them. None without others.
    """

    labels: Array
    stability: float | None


@dataclass(frozen=True)
class Quality:
    """How well clusters cut an affinity.

    Parameters
    ----------
    ncut : float
        Normalised cut: the sum of the shares of their affinity that leave them.
    modularity : ndarray of shape (n_clusters,), float64
        Share of all affinity that lies within each, less the share expected of its rows' sums.
    silhouettes : ndarray of shape (n_clusters,), float64
        Mean silhouette of the members of each, distance being the largest possible affinity less
        the affinity. NaN if there is one cluster only.
    silhouette : float
        Mean over all points.
    """

    ncut: float
    modularity: Array
    silhouettes: Array
    silhouette: float


def cut(embedding: Embedding, k: int, *, seed: int = 0, assign: Assign = "kmeans") -> Clusters:
    """Cut an embedding in k clusters.

    Parameters
    ----------
    embedding : Embedding
        With at least k columns.
    k : int
    seed : int
        Of the starts of k-means.
    assign : {'kmeans', 'cluster_qr'}
        k-means: the best of 10 starts; of 3, 2 and 1 with more than 64, 256 and 512 clusters.
        cluster_qr: a pivoted
        factorisation of the vectors, without a start and much quicker for large k.

    Returns
    -------
    Clusters
        Fewer than k where points coincide.

    References
    ----------
    Damle, Minden & Ying, "Simple, direct and efficient multi-way spectral clustering", Information
    and Inference 8, 2019: cluster_qr.
    """
    points = np.ascontiguousarray(embedding.points[:, :k])
    if k == 1:
        return Clusters(np.zeros(len(points), np.int64), None)
    if assign == "cluster_qr":
        from sklearn.cluster._spectral import cluster_qr

        root = np.sqrt(embedding.degrees)[:, None]
        return Clusters(numbered(cluster_qr(points.astype(np.float64) * root)), None)
    starts = [_k_means(points, k, start) for start in _seeds(seed, k)]
    best = min(starts, key=lambda start: start[0])[1]
    from sklearn.metrics import adjusted_mutual_info_score

    others = [labels for _, labels in starts if labels is not best]
    agreement = [adjusted_mutual_info_score(best, labels) for labels in others]
    return Clusters(numbered(best), float(np.mean(agreement)) if agreement else None)


def numbered(labels: Array) -> Array:
    """Give clusters numbers by falling size, ties by lowest member.

    Parameters
    ----------
    labels : ndarray of shape (n,), int

    Returns
    -------
    ndarray of shape (n,), int64
    """
    _, first, inverse, n = np.unique(
        labels, return_index=True, return_inverse=True, return_counts=True
    )
    number = np.empty(len(n), np.int64)
    number[np.lexsort((first, -n))] = np.arange(len(n))
    return number[inverse]


def measure(affinity: Operator, degrees: Array, cuts: list[Array]) -> list[Quality]:
    """Measure several cuts in one pass over the affinity.

    Parameters
    ----------
    affinity : Operator
    degrees : ndarray of shape (n,), float64
        Sums of its rows.
    cuts : list of ndarray of shape (n,), int
        Labels from 0.

    Returns
    -------
    list of Quality
    """
    sums = affinity.dot(np.hstack([_one_hot(labels) for labels in cuts]))
    edges = np.cumsum([labels.max() + 1 for labels in cuts])[:-1]
    parts = np.split(sums, edges, axis=1)
    return [
        _quality(part, labels, degrees, affinity.top)
        for part, labels in zip(parts, cuts, strict=True)
    ]


class Cutting:
    """One affinity cut for several k.

    Parameters
    ----------
    name : str
        The affinity's.
    affinity : ByRows or Bilinear
    degrees : ndarray of shape (n,), float64
        Sums of its rows; not all 0.
    features : ndarray of shape (n,), int
        What its rows stand for.
    ks : sequence of int
        Rising, at most n.
    seed : int
    assign : {'kmeans', 'cluster_qr'}

    Attributes
    ----------
    n_steps : int
    embedding : Embedding
    made : list of Made
        Ready to be written, once `steps` has come to its end.
    """

    def __init__(
        self,
        name: str,
        affinity: ByRows | Bilinear,
        degrees: Array,
        features: Array,
        ks: Sequence[int],
        *,
        seed: int = 0,
        assign: Assign = "kmeans",
    ) -> None:
        self.name, self.affinity, self.degrees, self.features = name, affinity, degrees, features
        self.ks, self._seed, self._assign = ks, seed, assign
        self.n_steps = len(ks) + 2
        self.made: list[Made] = []

    def steps(self) -> Iterator[int]:
        """Embed, cut for each k, measure.

        Yields
        ------
        int
            Steps done.
        """
        self.embedding = embed(self.affinity, self.degrees, max(self.ks), seed=self._seed)
        yield 1
        cuts: list[Clusters] = []
        for k in self.ks:
            cuts.append(cut(self.embedding, k, seed=self._seed, assign=self._assign))
            yield 1 + len(cuts)
        labels = [one.labels for one in cuts]
        qualities = measure(self.affinity, self.degrees, labels)
        for i, (k, one, quality) in enumerate(zip(self.ks, cuts, qualities, strict=True)):
            parent = parents(one.labels, labels[i - 1]) if i else None
            self.made.append(_made(self.name, k, self.features, one, quality, parent))
        yield self.n_steps


def parents(labels: Array, coarser: Array) -> tuple[Array, Array]:
    """Find for each cluster the coarser one that more of it lies in than in any other.

    Parameters
    ----------
    labels, coarser : ndarray of shape (n,), int

    Returns
    -------
    (parent, share) : ndarrays of shape (n_clusters,), int64 and float64
        Ties go to the lowest number.
    """
    table = np.zeros((labels.max() + 1, coarser.max() + 1), np.int64)
    np.add.at(table, (labels, coarser), 1)
    return table.argmax(axis=1), table.max(axis=1) / table.sum(axis=1)


def _made(
    name: str,
    k: int,
    features: Array,
    one: Clusters,
    quality: Quality,
    parent: tuple[Array, Array] | None,
) -> Made:
    alone = one.labels.max() == 0
    columns = {
        "ncut": quality.ncut,
        "modularity": float(quality.modularity.sum()),
        "silhouette": None if alone else quality.silhouette,
        "seed_stability": one.stability,
    }
    each = {
        "modularity": quality.modularity.tolist(),
        "silhouette": [None] if alone else quality.silhouettes.tolist(),
    }
    if parent is not None:
        each |= {"parent": parent[0].tolist(), "parent_share": parent[1].tolist()}
    return Made(name, k, features, one.labels, columns, each)


def _seeds(seed: int, k: int) -> list[int]:
    n_starts = next((n for most, n in _STARTS if k <= most), 1)
    drawn = np.random.SeedSequence(seed).generate_state(n_starts)
    return [int(number) % 2**31 for number in drawn]


def _k_means(points: Array, k: int, seed: int) -> tuple[float, Array]:
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits

    # where a step takes microseconds, threads only wait for each other
    threads = 1 if len(points) * k < _SMALL else None
    with threadpool_limits(threads), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer distinct points than k
        model = KMeans(k, n_init=1, random_state=seed).fit(points)
    return float(model.inertia_), model.labels_


def _one_hot(labels: Array) -> Array:
    hot = np.zeros((len(labels), labels.max() + 1))  # float64: silhouettes are differences of sums
    hot[np.arange(len(labels)), labels] = 1
    return hot


def _quality(sums: Array, labels: Array, degrees: Array, top: float) -> Quality:
    """Measure a cut from each point's affinity with each cluster, float64 of shape (n, k)."""
    n = np.bincount(labels)
    own = sums[np.arange(len(labels)), labels].astype(np.float64)
    within = np.bincount(labels, own)
    volume = np.bincount(labels, degrees)
    total = degrees.sum()
    kept = np.divide(within, volume, out=np.ones(len(n)), where=volume > 0)
    silhouettes = _silhouettes(sums, labels, n, top)
    return Quality(
        float((1 - kept).sum()),
        within / total - (volume / total) ** 2,
        np.bincount(labels, silhouettes) / n,
        float(silhouettes.mean()),
    )


def _silhouettes(sums: Array, labels: Array, n: Array, top: float) -> Array:
    """Return each point's silhouette; 0 for the only member of a cluster."""
    if len(n) == 1:
        return np.full(len(labels), np.nan)
    points = np.arange(len(labels))
    alone = n[labels] == 1
    # a point's affinity with itself stands as 0 in the sums, its distance as top: taken off again
    far = top * n - sums.astype(np.float64)
    own = (far[points, labels] - top) / np.maximum(n[labels] - 1, 1)
    means = far / n
    means[points, labels] = np.inf
    other = means.min(axis=1)
    larger = np.maximum(own, other)
    values = np.divide(other - own, larger, out=np.zeros(len(labels)), where=larger > 0)
    return np.where(alone, 0.0, values)
