"""Clusters: numbered by size, measured as by scikit-learn and networkx, right in clear cases."""

from typing import Any

import networkx
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import adjusted_mutual_info_score, silhouette_samples

from saeatlas.analyses.lobes.clustering import (
    cluster_points,
    numbered,
    parents,
    spectral_clustering,
)
from saeatlas.analyses.lobes.embedding import Embedding, embed
from saeatlas.analyses.lobes.quality import measure
from saeatlas.progress import Progress
from tests.support.matrices import Array, Given, blocks, symmetric

SEEDS = st.integers(0, 2**32 - 1)


@settings(max_examples=60, deadline=None)
@given(st.lists(st.integers(0, 9), min_size=1, max_size=40))
def test_numbers_fall_with_size_ties_by_lowest_member(labels: list[int]) -> None:
    found = numbered(np.array(labels)).tolist()
    groups = [[i for i, label in enumerate(labels) if label == one] for one in set(labels)]
    groups.sort(key=lambda group: (-len(group), group[0]))
    expected = [0] * len(labels)
    for number, group in enumerate(groups):
        for i in group:
            expected[i] = number
    assert found == expected


def _cluster_at_random(rng: np.random.Generator, n: int, k: int) -> Array:
    """k labels, none without a member."""
    labels = np.concatenate([np.arange(k), rng.integers(0, k, n - k)])
    return rng.permutation(labels)


@pytest.mark.slow
@settings(max_examples=25, deadline=None)
@given(SEEDS, st.integers(4, 70), st.sampled_from([1.0, 2.0]), st.data())
def test_measures_equal_other_programs(seed: int, n: int, top: float, data: st.DataObject) -> None:
    rng = np.random.default_rng(seed)
    affinity = Given(symmetric(rng, n) * top, top)
    wide = affinity.matrix.astype(np.float64)
    ks = data.draw(st.lists(st.integers(1, n), min_size=1, max_size=4))
    labellings = [_cluster_at_random(rng, n, k) for k in ks]
    qualities = measure(affinity, affinity.degrees, labellings)
    graph = networkx.from_numpy_array(wide)
    for labels, k, quality in zip(labellings, ks, qualities, strict=True):
        groups = [set(np.flatnonzero(labels == i).tolist()) for i in range(k)]
        leaving = sum(
            networkx.cut_size(graph, group, weight="weight")
            / networkx.volume(graph, group, weight="weight")
            for group in groups
        )
        assert quality.ncut == pytest.approx(leaving, rel=1e-5, abs=1e-6)
        modularity = networkx.community.modularity(graph, groups)
        assert quality.modularity.sum() == pytest.approx(modularity, abs=1e-6)
        for i, group in enumerate(groups):
            part = networkx.community.modularity(graph, [group, *({j} for j in set(graph) - group)])
            alone = sum(-((wide[j].sum() / wide.sum()) ** 2) for j in set(graph) - group)
            assert quality.modularity[i] == pytest.approx(part - alone, abs=1e-6)
        if k == 1:
            assert np.isnan(quality.silhouettes).all() and np.isnan(quality.silhouette)
            continue
        distance = top - wide
        np.fill_diagonal(distance, 0)
        expected = (
            silhouette_samples(distance, labels, metric="precomputed")
            if k < n  # sklearn refuses as many clusters as points
            else np.zeros(n)
        )
        assert quality.silhouette == pytest.approx(expected.mean(), abs=1e-5)
        means = [expected[labels == i].mean() for i in range(k)]
        np.testing.assert_allclose(quality.silhouettes, means, atol=1e-5)


def test_silhouettes_of_coinciding_points() -> None:
    matrix = np.ones((6, 6)) - np.eye(6)  # all at distance 0 from one another
    affinity = Given(matrix)
    (quality,) = measure(affinity, affinity.degrees, [np.array([0, 0, 0, 1, 1, 1])])
    assert quality.silhouettes.tolist() == [0, 0]


def test_features_that_meet_no_other_do_not_spoil_the_measures() -> None:
    matrix = np.zeros((5, 5))
    matrix[:2, :2] = 1 - np.eye(2)
    affinity = Given(matrix)
    (quality,) = measure(affinity, affinity.degrees, [np.array([1, 1, 0, 0, 0])])
    assert quality.ncut == 0 and quality.modularity.tolist() == [0, 0]


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 3)), min_size=1, max_size=40))
def test_parents_hold_most_of_a_cluster(pairs: list[tuple[int, int]]) -> None:
    labels, coarser = numbered(np.array(pairs)[:, 0]), numbered(np.array(pairs)[:, 1])
    parent, share = parents(labels, coarser)
    for i in range(labels.max() + 1):
        n = [int(((labels == i) & (coarser == j)).sum()) for j in range(coarser.max() + 1)]
        assert parent[i] == n.index(max(n))  # ties to the lowest
        assert share[i] == max(n) / sum(n)


def _embedded(matrix: Array, k: int) -> Embedding:
    affinity = Given(matrix)
    return embed(affinity, affinity.degrees, k)


@pytest.mark.parametrize("assign", ["kmeans", "cluster_qr"])
@pytest.mark.parametrize("k", [2, 3, 7])
def test_clear_structure_is_found(assign: Any, k: int) -> None:
    matrix, truth = blocks(np.random.default_rng(k), 140, k, 0.1)
    found = cluster_points(_embedded(matrix, k), k, assign=assign)
    assert adjusted_mutual_info_score(truth, found.labels) == pytest.approx(1)
    assert (numbered(found.labels) == found.labels).all()
    if assign == "kmeans":
        # single starts may be worse than the best of them
        assert found.stability is not None and 0.7 < found.stability <= 1 + 1e-12
    else:
        assert found.stability is None


def test_stability_is_low_where_there_is_no_structure() -> None:
    clear, _ = blocks(np.random.default_rng(0), 200, 3, 0.05)
    noise = symmetric(np.random.default_rng(0), 200)
    stability = [cluster_points(_embedded(matrix, 8), 8).stability for matrix in (clear, noise)]
    assert stability[1] is not None and stability[1] < 0.5
    three = cluster_points(_embedded(clear, 3), 3).stability
    assert three is not None and three == pytest.approx(1)


def test_one_cluster_needs_no_start() -> None:
    for assign in ("kmeans", "cluster_qr"):
        found = cluster_points(
            _embedded(symmetric(np.random.default_rng(0), 9), 1), 1, assign=assign
        )
        assert found.labels.tolist() == [0] * 9 and found.stability is None


@pytest.mark.slow
@pytest.mark.parametrize("seed", [0, 1])
def test_the_same_seed_the_same_labels(seed: int) -> None:
    embedding = _embedded(symmetric(np.random.default_rng(0), 120), 6)
    first, second = cluster_points(embedding, 6, seed=seed), cluster_points(embedding, 6, seed=seed)
    other = cluster_points(embedding, 6, seed=seed + 10)
    assert (first.labels == second.labels).all() and first.stability == second.stability
    assert first.stability != other.stability


def test_coinciding_points_give_fewer_clusters() -> None:
    points = np.repeat(np.eye(3, 5, dtype=np.float32), 4, axis=0)
    embedding = Embedding(points, np.ones(5), np.ones(12), 0.0)
    found = cluster_points(embedding, 5)
    assert found.labels.tolist() == [0] * 4 + [1] * 4 + [2] * 4


def test_one_embedding_serves_every_k() -> None:
    matrix, truth = blocks(np.random.default_rng(0), 90, 3, 0.1)
    affinity = Given(matrix)
    features = np.arange(90) * 2
    steps: list[Progress] = []
    done = spectral_clustering(
        "phi", affinity, affinity.degrees, features, [1, 2, 3, 9], seed=3, report=steps.append
    )
    assert [step.done for step in steps] == list(range(7)) and steps[-1].total == 6
    made = done.clusterings
    assert [(one.affinity, one.k) for one in made] == [("phi", k) for k in (1, 2, 3, 9)]
    one, two, three, nine = made
    assert adjusted_mutual_info_score(truth, three.lobes) == pytest.approx(1)
    assert one.columns["silhouette"] is None and one.each["silhouette"] == [None]
    assert "parent" not in one.each and two.each["parent"] == [0, 0]
    assert two.columns["ncut"] < nine.columns["ncut"]
    assert nine.each["parent"] == parents(nine.lobes, three.lobes)[0].tolist()
    assert sum(three.each["modularity"]) == pytest.approx(three.columns["modularity"])
    assert (three.features == features).all()
