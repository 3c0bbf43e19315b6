"""Cluster the points of an embedding and number the clusters: spectral clustering."""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from saeatlas.analyses.arrays import Float64, Int64
from saeatlas.analyses.lobes.affinities import ByRows
from saeatlas.analyses.lobes.bilinear import Bilinear
from saeatlas.analyses.lobes.embedding import Embedding, embed
from saeatlas.analyses.lobes.quality import Quality, measure
from saeatlas.progress import Progress, Report, silent
from saeatlas.schema.rows.clusterings import Clustering

Assign = Literal["kmeans", "cluster_qr"]

_SMALL = 2**19
"""Distances of a step of k-means below which one thread is quicker than several."""

_STARTS = ((64, 10), (256, 3), (512, 2))
"""Starts of k-means with up to so many clusters; with more a single one, which takes minutes."""


@dataclass(frozen=True)
class Clusters:
    """n points in clusters.

    Parameters
    ----------
    labels : ndarray of shape (n,), int64
        From 0; the largest cluster first, ties by lowest member.
    stability : float or None
        Mean adjusted mutual information of the labels with those of the other starts: of single
        ones, so it is a low estimate for the best of them. None without others.
    """

    labels: Int64
    stability: float | None


def cluster_points(
    embedding: Embedding, k: int, *, seed: int = 0, assign: Assign = "kmeans"
) -> Clusters:
    """Put the points of an embedding into k clusters.

    Parameters
    ----------
    embedding : Embedding
        With at least k columns.
    k : int
    seed : int
        Of the starts of k-means.
    assign : {'kmeans', 'cluster_qr'}
        k-means: the best of 10 starts; of 3, 2 and 1 with more than 64, 256 and 512 clusters.
        cluster_qr: a pivoted factorisation of the vectors, without a start and much quicker for
        large k.

    Returns
    -------
    Clusters
        Fewer than k where points coincide.

    References
    ----------
    .. [DamleMindenYing2019] cluster_qr.
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


def numbered(labels: Int64) -> Int64:
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


@dataclass(frozen=True)
class SpectralClustering:
    """One affinity clustered for several k.

    Parameters
    ----------
    embedding : Embedding
        Its first k columns served k clusters.
    clusterings : list of Clustering
        Ready to be written, one a k.
    """

    embedding: Embedding
    clusterings: list[Clustering]


def spectral_clustering(
    name: str, affinity: ByRows | Bilinear, degrees: Float64, features: Int64, ks: Sequence[int], *,
    seed: int = 0, assign: Assign = "kmeans", report: Report = silent,
) -> SpectralClustering:  # fmt: skip
    """Embed an affinity once, cluster the points for each k, and measure the clusterings.

    Parameters
    ----------
    name : str
        The affinity's.
    affinity : ByRows or Bilinear
    degrees : ndarray of shape (n,), float64
        Sums of its rows; not all 0.
    features : ndarray of shape (n,), int64
        Those of its rows.
    ks : sequence of int
        Rising, at most n.
    seed : int
    assign : {'kmeans', 'cluster_qr'}
    report : callable, optional
        Called with each `Progress`: one step for the embedding, one a k, one for measuring.

    Returns
    -------
    SpectralClustering
    """
    stage, total = f"cluster by {name}", len(ks) + 2
    report(Progress(stage, 0, total))
    embedding = embed(affinity, degrees, max(ks), seed=seed)
    report(Progress(stage, 1, total))
    found: list[Clusters] = []
    for k in ks:
        found.append(cluster_points(embedding, k, seed=seed, assign=assign))
        report(Progress(stage, 1 + len(found), total))
    labels = [one.labels for one in found]
    qualities = measure(affinity, degrees, labels)
    made = []
    for i, (k, one, quality) in enumerate(zip(ks, found, qualities, strict=True)):
        parent = parents(one.labels, labels[i - 1]) if i else None
        made.append(_clustering(name, k, features, one, quality, parent))
    report(Progress(stage, total, total))
    return SpectralClustering(embedding, made)


def parents(labels: Int64, coarser: Int64) -> tuple[Int64, Float64]:
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


def _clustering(
    name: str,
    k: int,
    features: Int64,
    one: Clusters,
    quality: Quality,
    parent: tuple[Int64, Float64] | None,
) -> Clustering:
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
    return Clustering(name, k, features, one.labels, columns, each)


def _seeds(seed: int, k: int) -> list[int]:
    n_starts = next((n for most, n in _STARTS if k <= most), 1)
    drawn = np.random.SeedSequence(seed).generate_state(n_starts)
    return [int(number) % 2**31 for number in drawn]


def _k_means(points: npt.NDArray[np.float32], k: int, seed: int) -> tuple[float, Int64]:
    from sklearn.cluster import KMeans
    from sklearn.exceptions import ConvergenceWarning
    from threadpoolctl import threadpool_limits

    # where a step takes microseconds, threads only wait for each other
    threads = 1 if len(points) * k < _SMALL else None
    with threadpool_limits(threads), warnings.catch_warnings():
        warnings.simplefilter("ignore", ConvergenceWarning)  # fewer distinct points than k
        model = KMeans(k, n_init=1, random_state=seed).fit(points)
    return float(model.inertia_), model.labels_
