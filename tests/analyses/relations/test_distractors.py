"""Distractors: planted ones are found, noise has none; p stays honest without them."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest

from saeatlas.analyses.crystals import coherence
from saeatlas.analyses.crystals.attributes import explained_variance
from saeatlas.analyses.relations import distractors
from saeatlas.analyses.relations.lda import Whitened, axes_of_centred
from saeatlas.analyses.stats import silhouettes
from tests.support.matrices import unit

Array = np.ndarray[Any, Any]


def _planted(seed: int, n: int = 300, d: int = 100) -> tuple[Array, Array, Array, Array, Array]:
    """Words whose partners are the same but for relation, noise, and length along one axis.

    Outputs of the later relations are longer. Of the differences' variance along the axis their
    lengths explain 12 / 14.5: 10 within relations, 2 between, and 2.5 is noise.
    """
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % 5
    axes = np.linalg.qr(rng.standard_normal((d, 6)))[0].T
    rates = np.column_stack([np.full(n, 4), 4 + labels])
    lengths = rng.poisson(rates)
    a = rng.standard_normal((n, d))
    b = a + 8 * axes[labels] + 0.4 * rng.standard_normal((n, d))
    along = 3 * (lengths + np.sqrt(rates) / 2 * rng.standard_normal((n, 2)))
    a, b = (word + along[:, [i]] * axes[5] for i, word in enumerate((a, b)))
    difference = (lengths[:, 1] - lengths[:, 0]).astype(float)
    return a.astype(np.float32), b.astype(np.float32), labels, axes[5], difference


@pytest.mark.slow
def test_a_planted_distractor_is_found_with_what_it_follows() -> None:
    found = []
    for seed in range(40):
        a, b, labels, axis, lengths = _planted(seed)
        axes, share = distractors.within_relation_axes(b - a, labels, 10)
        assert axes.shape[1] == 1
        assert abs(axes[:, 0] @ axis) > 0.99
        assert share[0] > 0.5
        follow = explained_variance((b - a) @ axes[:, 0], lengths, np.random.default_rng(0))
        assert follow is not None
        found.append(follow)
    truth = 12 / 14.5
    assert np.mean([each.r2 for each in found]) == pytest.approx(truth, abs=0.01)
    assert sum(each.r2_low < truth < each.r2_high for each in found) >= 35
    assert max(each.r2_high - each.r2_low for each in found) < 0.15


def test_relations_and_partners_are_clearer_without_it() -> None:
    a, b, labels, _, _ = _planted(1)
    folds = np.random.default_rng(0).permutation(300) % 5
    cleaned = distractors.project_out_by_fold(a, b, labels, folds, 10)
    before, after = (
        silhouettes.of_labellings(unit(y - x), labels[None])[0] for x, y in ((a, b), cleaned)
    )
    assert before < 0.4
    assert after > 0.5
    for relation in range(5):
        own = labels == relation
        raw = coherence.pair_coherence(a[own], b[own], trials=99)
        free = coherence.pair_coherence(cleaned[0][own], cleaned[1][own], folds[own], trials=99)
        assert free.coherence is not None and raw.coherence is not None
        assert free.coherence > raw.coherence + 0.1
        assert free.p == 0.01


@settings(max_examples=30, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    n=st.integers(20, 80),
    d=st.sampled_from([2, 5, 30, 100]),
    k=st.integers(1, 4),
    most=st.integers(0, 6),
)
def test_equals_the_axes_of_the_covariance(seed: int, n: int, d: int, k: int, most: int) -> None:
    rng = np.random.default_rng(seed)
    labels = np.arange(n) % k
    x = rng.standard_normal((n, d)) * np.geomspace(9, 0.1, d) + rng.standard_normal((k, d))[labels]
    axes, share = distractors.within_relation_axes(x.astype(np.float32), labels, most)
    assert axes.shape[1] == len(share) <= most
    assert axes.T @ axes == pytest.approx(np.eye(len(share)), abs=1e-4)
    assert (np.diff(share) <= 1e-6).all()
    within = x - np.array([x[labels == c].mean(axis=0) for c in range(k)])[labels]
    along = ((within @ axes) ** 2).sum(axis=0) / (within**2).sum()
    assert share == pytest.approx(along, abs=1e-4)
    whitened = Whitened(x.astype(np.float32))
    telling = whitened.axes @ whitened.discriminants(labels, k)
    telling = telling[:, telling.any(axis=0)]
    assert unit(telling.T) @ axes == pytest.approx(
        np.zeros((telling.shape[1], len(share))), abs=1e-3
    )
    # what is left has no larger axis than those found
    rest = distractors.project_out(within, np.linalg.qr(np.hstack([telling, axes]))[0])
    if len(share):
        assert axes_of_centred(rest)[0][0] * n / (within**2).sum() <= share[-1] + 1e-4
        assert (axes[np.abs(axes).argmax(axis=0), np.arange(len(share))] > 0).all()


@pytest.mark.slow
@pytest.mark.parametrize(("n", "d", "k"), [(300, 50, 5), (200, 400, 5), (200, 60, 1)])
def test_noise_has_no_distractors(n: int, d: int, k: int) -> None:
    rng = np.random.default_rng(0)
    found = [
        distractors.within_relation_axes(
            rng.standard_normal((n, d)).astype(np.float32), np.arange(n) % k, 5
        )[0].shape[1]
        for _ in range(20)
    ]
    assert sum(found) <= 2


def _random_partners(seed: int) -> tuple[Array, Array, Array]:
    """Words of three relations without correspondence, beneath three distractors."""
    rng = np.random.default_rng(seed)
    labels = np.repeat([0, 1, 2], 40)
    scale = np.where(np.arange(150) < 3, 6, 1)
    a, b = rng.standard_normal((2, 120, 150)) * scale
    b += 5 * np.eye(150)[labels + 5]
    return a.astype(np.float32), b.astype(np.float32), labels


@pytest.mark.slow
def test_p_of_random_partners_stays_uniform() -> None:
    fair, seen = [], []
    for seed in range(40):
        a, b, labels = _random_partners(seed)
        folds = np.random.default_rng(seed).permutation(120) % 5
        x, y = distractors.project_out_by_fold(a, b, labels, folds, 5)
        axes, _ = distractors.within_relation_axes(b - a, labels, 5)
        assert axes.shape[1] == 3
        u, v = (distractors.project_out(each, axes) for each in (a, b))
        for relation in range(3):
            own = labels == relation
            fair.append(
                coherence.pair_coherence(x[own], y[own], folds[own], trials=99, seed=seed).p
            )
            seen.append(coherence.pair_coherence(u[own], v[own], trials=99, seed=seed).p)
    within = np.random.default_rng(0).random(120) / 100
    assert kstest(np.array(fair) - within, "uniform").pvalue > 0.01
    assert np.mean(np.array(seen) <= 0.05) > 0.3  # directions that know the partners


def test_projection_leaves_nothing_along() -> None:
    rng = np.random.default_rng(0)
    axes = np.linalg.qr(rng.standard_normal((20, 3)))[0].astype(np.float32)
    vectors = rng.standard_normal((7, 20)).astype(np.float32)
    rest = distractors.project_out(vectors, axes)
    assert rest @ axes == pytest.approx(np.zeros((7, 3)), abs=1e-5)
    assert rest + (vectors @ axes) @ axes.T == pytest.approx(vectors, abs=1e-5)
    assert distractors.project_out(vectors, axes[:, :0]) == pytest.approx(vectors)


def test_vectors_given_are_not_changed() -> None:
    a, b, labels, _, _ = _planted(0)
    kept = a.copy(), b.copy()
    distractors.project_out_by_fold(a, b, labels, np.arange(300) % 2, 3)
    assert (a == kept[0]).all()
    assert (b == kept[1]).all()
