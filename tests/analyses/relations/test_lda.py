"""Discriminants: scikit-learn's; held out, planted relations are seen and noise is not."""

from typing import Any

import numpy as np
import pytest
import scipy.linalg
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest
from sklearn.covariance import ledoit_wolf_shrinkage
from sklearn.discriminant_analysis import LinearDiscriminantAnalysis
from sklearn.metrics import silhouette_score

from saeatlas.analyses.crystals import pair_groups
from saeatlas.analyses.relations.lda import Separation, Whitened, separations

Array = np.ndarray[Any, Any]


def _draw(seed: int, n: int, d: int, k: int, signal: float = 1.0) -> tuple[Array, Array]:
    """Differences of k relations, with directions that vary more and less."""
    rng = np.random.default_rng(seed)
    labels = rng.permutation(np.arange(n) % k)
    means = signal * rng.standard_normal((k, d))
    noise = rng.standard_normal((n, d)) * np.geomspace(4, 0.3, d)
    return (means[labels] + noise).astype(np.float32), labels


def _generalised(x: Array, labels: Array, k: int) -> Array:
    """Discriminants from the covariances themselves: (d, k - 1), variance 1 within."""
    x = x.astype(np.float64)
    n, d = x.shape
    total = np.cov(x.T, bias=True)
    shrinkage = ledoit_wolf_shrinkage(x)
    means = np.array([x[labels == c].mean(axis=0) for c in np.unique(labels)]) - x.mean(axis=0)
    shares = np.unique(labels, return_counts=True)[1] / n
    between = (1 - shrinkage) * (means.T * shares) @ means
    shrunk = (1 - shrinkage) * total + shrinkage * np.trace(total) / d * np.eye(d)
    _, axes = scipy.linalg.eigh(between, shrunk - between)
    found = np.zeros((d, k - 1))
    there = min(len(shares), k) - 1
    found[:, :there] = axes[:, ::-1][:, :there]
    return found


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), n=st.integers(5, 60), d=st.integers(2, 60))
def test_shrinks_as_much_as_scikit_learn(seed: int, n: int, d: int) -> None:
    x, _ = _draw(seed, n, d, 2)
    assert Whitened(x).shrinkage == pytest.approx(
        ledoit_wolf_shrinkage(x.astype(np.float64)), abs=1e-5
    )


@pytest.mark.slow
@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    n=st.integers(30, 90),
    d=st.sampled_from([6, 30, 120]),
    k=st.integers(2, 5),
    empty=st.booleans(),
)
def test_equals_the_generalised_eigenproblem(
    seed: int, n: int, d: int, k: int, empty: bool
) -> None:
    x, labels = _draw(seed, n, d, k)
    labels = np.where(empty & (labels == k - 1), 0, labels)
    found = Whitened(x).project(x, labels, k)
    expected = x @ _generalised(x, labels, k)
    # of equal eigenvalues the axes are free, and signs are; products of points are not
    products = expected @ expected.T
    assert np.abs(found @ found.T - products).max() < 0.01 * products.max(initial=1)


@pytest.mark.slow
@pytest.mark.parametrize("solver", ["svd", "eigen"])
def test_spans_what_scikit_learns_spans(solver: str) -> None:
    x, labels = _draw(0, 20_000, 20, 4)  # so many that there is next to no shrinkage
    lda = LinearDiscriminantAnalysis(solver=solver).fit(x.astype(np.float64), labels)
    whitened = Whitened(x)
    axes = whitened.axes @ whitened.discriminants(labels, 4)
    assert whitened.shrinkage < 0.01
    angles = scipy.linalg.subspace_angles(axes, lda.scalings_[:, :3])
    assert np.rad2deg(angles).max() < 1
    found, expected = (
        np.abs(points - points.mean(axis=0))
        for points in (whitened.project(x, labels, 4), lda.transform(x.astype(np.float64)))
    )
    assert found == pytest.approx(expected, abs=0.1)


def _plain(points: Array, labels: Array) -> list[float]:
    """Silhouettes of directions in the first coordinate, the first two, and so on."""
    found = []
    for i in range(1, 1 + points.shape[1]):
        lengths = np.linalg.norm(points[:, :i], axis=1, keepdims=True)
        found.append(float(silhouette_score(points[:, :i] / lengths, labels)))
    return found


def _held_out(x: Array, labels: Array, dealt: Array, k: int) -> Array:
    """One fit and one score after the other."""
    total = np.zeros(k - 1)
    for fold in range(dealt.max() + 1):
        out = dealt == fold
        points = x[out] @ _generalised(x[~out], labels[~out], k)
        total += np.array(_plain(points, labels[out])) * out.sum()
    return total / len(x)


@pytest.mark.slow
@pytest.mark.parametrize(("n", "d", "k"), [(120, 8, 3), (90, 150, 4)])
def test_equals_fits_and_scores_one_by_one(n: int, d: int, k: int) -> None:
    x, labels = _draw(3, n, d, k, 0.5)
    groups = np.arange(n) // 2
    labels = labels[2 * groups]  # relations of whole groups
    found = separations(x, labels, groups, folds=3, trials=6, seed=8)
    rng = np.random.default_rng(8)
    dealt = pair_groups.deal_folds(groups, 3, rng)
    draws = pair_groups.shuffle_labels(labels, groups, 6, rng)
    held_out = _held_out(x, labels, dealt, k)
    null = np.array([_held_out(x, own, dealt, k) for own in draws])
    known = _plain(x @ _generalised(x, labels, k), labels)
    plain = float(silhouette_score(x / np.linalg.norm(x, axis=1, keepdims=True), labels))
    assert (found[0].silhouette, found[0].held_out) == pytest.approx((plain, plain), abs=1e-5)
    for i, each in enumerate(found[1:]):
        assert each.components == i + 1
        assert each.n_trials == 6
        assert each.held_out == pytest.approx(held_out[i], abs=2e-3)
        assert each.null_mean == pytest.approx(null[:, i].mean(), abs=2e-3)
        assert each.null_sd == pytest.approx(null[:, i].std(ddof=1), abs=2e-3)
        assert each.silhouette == pytest.approx(known[i], abs=2e-3)


def _words(seed: int) -> tuple[Array, Array, Array, Array]:
    """Pairs of words without relation; one output serves several inputs of its relation."""
    rng = np.random.default_rng(seed)
    sizes = [40, 40, 30]
    labels = np.repeat([0, 1, 2], sizes)
    inputs = np.arange(110)
    outputs = 110 + 50 * labels + np.concatenate([rng.integers(0, s // 3, s) for s in sizes])
    words = rng.standard_normal((260, 12)) * np.linspace(1, 3, 12)
    return labels, inputs, outputs, words.astype(np.float32)


def _noise(seed: int, grouped: bool) -> list[Separation]:
    labels, inputs, outputs, words = _words(seed)
    groups = (
        pair_groups.connected_pairs(labels, inputs, outputs) if grouped else np.arange(len(labels))
    )
    differences = words[outputs] - words[inputs]
    return separations(differences, labels, groups, folds=3, trials=39, seed=seed)


def _uniform(p: Array, steps: int, seed: int = 0) -> float:
    """Test whether p, of so many steps, are uniform: p of Kolmogorov and Smirnov."""
    within = np.random.default_rng(seed).random(len(p)) / steps
    return float(kstest(p - within, "uniform").pvalue)


@pytest.mark.slow
def test_p_of_noise_is_uniform_and_nothing_is_gained() -> None:
    worlds = [_noise(seed, grouped=True) for seed in range(80)]
    for i in range(3):
        assert _uniform(np.array([each[i].p for each in worlds]), 40) > 0.01
    # what is gained by discriminants is what shuffled relations gain
    gains = np.array([[s.held_out - s.null_mean for s in each] for each in worlds])
    gains = gains[:, 1:] - gains[:, :1]
    assert np.abs(gains.mean(axis=0) / gains.std(axis=0) * np.sqrt(80)).max() < 3.5
    # in sight of the labels it looks like a finding
    seen = np.array([each[2].silhouette - each[2].held_out for each in worlds])
    assert seen.mean() > 0.02


@pytest.mark.slow
def test_pairs_that_share_a_word_are_not_evidence_each() -> None:
    """Dealt one by one, words that serve one relation only would make it a finding."""
    p = np.array([_noise(seed, grouped=False)[2].p for seed in range(40)])
    assert (p <= 0.05).mean() > 0.2


@pytest.mark.slow
def test_noise_in_more_dimensions_than_pairs() -> None:
    p = []
    for seed in range(60):
        x, labels = _draw(seed, 60, 90, 3, signal=0)
        p.append(separations(x, labels, np.arange(60), folds=3, trials=19, seed=seed)[2].p)
    assert _uniform(np.array(p), 20) > 0.01


@pytest.mark.slow
def test_planted_relations_are_seen_beneath_a_distractor() -> None:
    rng = np.random.default_rng(0)
    labels = np.repeat(np.arange(6), 40)
    means = np.linalg.qr(rng.standard_normal((200, 7)))[0].T
    x = means[labels] + 0.05 * rng.standard_normal((240, 200))
    x += 6 * rng.standard_normal((240, 1)) * means[6]
    found = separations(x.astype(np.float32), labels, np.arange(240), trials=99)
    assert found[0].held_out < 0.1
    assert found[5].held_out > 0.8
    assert found[5].p == 0.01
    assert found[5].z is not None
    assert found[5].z > 5
    assert found[5].null_mean < 0.05


def test_the_same_seed_gives_the_same() -> None:
    x, labels = _draw(0, 60, 10, 3)
    once, again, other = (
        separations(x, labels, np.arange(60), trials=5, seed=seed) for seed in (1, 1, 2)
    )
    assert once == again
    assert once != other


def test_a_relation_of_one_group_keeps_its_pairs() -> None:
    """Nothing can change places: every shuffle is what was observed."""
    x, labels = _draw(0, 60, 10, 2)
    groups = np.where(labels == 0, 0, np.where(np.arange(60) < 40, 1, 2))
    assert len(np.unique(np.bincount(groups))) == 3
    assert all((each.p, each.z) == (1, None) for each in separations(x, labels, groups, trials=5))


def test_one_relation_or_group_is_refused() -> None:
    x, labels = _draw(0, 20, 4, 2)
    with pytest.raises(ValueError, match="cannot be told apart"):
        separations(x, np.zeros(20, int), np.arange(20))
    with pytest.raises(ValueError, match="cannot be told apart"):
        separations(x, labels, np.zeros(20, int))
