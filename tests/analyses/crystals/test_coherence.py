"""Coherence: the mean over pairs of differences; partners that belong together, and random."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import kstest

from saeatlas.analyses.crystals import coherence
from saeatlas.analyses.crystals.coherence import pair_coherence
from saeatlas.analyses.stats.agreement import shuffles

Array = np.ndarray[Any, Any]


def _draw(seed: int, n: int, d: int, shared: float, offset: float = 0) -> tuple[Array, Array]:
    """Words and their partners, which have so much of the word in common."""
    rng = np.random.default_rng(seed)
    a, b = rng.standard_normal((2, n, d))
    b = shared * a + np.sqrt(1 - shared**2) * b
    b[:, 0] += 3
    return (a + offset).astype(np.float32), (b + offset).astype(np.float32)


def _plain(differences: Array) -> tuple[float, list[float]]:
    """Mean cosine of two differences, and of each with the mean of the others; zeros skipped."""
    x = np.array([each for each in differences.astype(np.float64) if each.any()])
    x /= np.linalg.norm(x, axis=1, keepdims=True)
    n = len(x)
    pairs = [x[i] @ x[j] for i in range(n) for j in range(n) if i != j]
    members = []
    for i in range(n):
        mean = np.delete(x, i, axis=0).mean(axis=0)
        members.append(float(x[i] @ mean / np.linalg.norm(mean)))
    return float(np.mean(pairs)), members


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    n=st.integers(2, 12),
    d=st.integers(2, 20),
    strata=st.booleans(),
    repeated=st.booleans(),
)
def test_equals_the_mean_over_pairs(
    seed: int, n: int, d: int, strata: bool, repeated: bool
) -> None:
    a, b = _draw(seed, n, d, 0.3, offset=5)
    if repeated:  # a word is input and output, another output of two
        b[-1], b[n // 2] = a[0], b[0]
    own = np.arange(n) % 2 if strata else None
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(coherence, "WEIGHTS_AT_ONCE", 3 * n)
        found = pair_coherence(a, b, own, trials=7, seed=5)
    expected, members = _plain(b - a)
    assert found.coherence == pytest.approx(expected, abs=1e-5)
    assert found.members == pytest.approx(members, abs=1e-4)
    draws = [
        _plain(b[order] - a)[0] if (b[order] != a).any(axis=1).sum() >= 2 else expected
        for order in shuffles(np.random.default_rng(5), n, 7, own)
    ]
    assert found.null_mean == pytest.approx(np.mean(draws), abs=1e-5)
    assert found.null_sd == pytest.approx(np.std(draws, ddof=1), abs=1e-5)
    units = (b - a) / np.linalg.norm(b - a, axis=1, keepdims=True)
    direction = units.sum(axis=0) / np.linalg.norm(units.sum(axis=0))
    assert found.direction == pytest.approx(direction, abs=1e-3)
    assert found.direction.dtype == np.float32


def test_partners_that_belong_together_are_found() -> None:
    a, b = _draw(0, 100, 50, 0.5)
    found = pair_coherence(a, b, trials=999)
    assert found.p == 0.001
    assert found.z is not None
    assert found.z > 5
    assert found.n_trials == 999


def test_p_of_random_partners_is_uniform_however_coherent_they_are() -> None:
    found = [pair_coherence(*_draw(seed, 30, 20, 0), trials=99, seed=seed) for seed in range(200)]
    coherences = np.array([each.coherence for each in found], float)
    assert coherences.min() > 0.05  # inputs and outputs are apart
    p = np.array([each.p for each in found]) - np.random.default_rng(0).random(200) / 100
    assert kstest(p, "uniform").pvalue > 0.01
    null_means = np.array([each.null_mean for each in found], float)
    assert abs(np.mean(coherences - null_means)) < 0.003


def test_p_of_random_partners_from_few_outputs_is_uniform() -> None:
    p = []
    for seed in range(200):
        a, b = _draw(seed, 30, 20, 0)
        p.append(pair_coherence(a, b[np.arange(30) % 4], trials=99, seed=seed).p)
    within = np.random.default_rng(0).random(200) / 100
    assert kstest(np.array(p) - within, "uniform").pvalue > 0.01


def test_parallel_differences_are_coherent_whatever_their_lengths() -> None:
    rng = np.random.default_rng(0)
    a = rng.standard_normal((20, 30)).astype(np.float32)
    step = rng.standard_normal(30).astype(np.float32)
    found = pair_coherence(
        a, a + step * rng.uniform(0.5, 20, (20, 1)).astype(np.float32), trials=99
    )
    assert found.coherence == pytest.approx(1, abs=1e-5)
    assert found.members == pytest.approx(np.ones(20), abs=1e-5)
    assert found.direction @ step == pytest.approx(np.linalg.norm(step), rel=1e-5)
    assert found.p == 0.01


def test_large_vectors_that_differ_little_keep_their_digits() -> None:
    a, b = _draw(0, 40, 10, 0.4)
    near, far = (
        pair_coherence(a + np.float32(shift), b + np.float32(shift), trials=99)
        for shift in (0, 1000)
    )
    assert far.coherence == pytest.approx(near.coherence, abs=1e-3)
    assert far.null_mean == pytest.approx(near.null_mean, abs=1e-3)


def test_strata_keep_their_partners() -> None:
    a, b = _draw(0, 12, 5, 0.5)
    found = pair_coherence(a, b, np.arange(12), trials=9)
    assert (found.null_mean, found.null_sd, found.z, found.p) == (
        pytest.approx(found.coherence),
        0,
        None,
        1,
    )


def test_shuffles_that_leave_nothing_are_no_evidence() -> None:
    a = np.eye(3, dtype=np.float32)[:2]
    found = pair_coherence(a, a[::-1], trials=50)  # the other order pairs each word with itself
    assert found.coherence == pytest.approx(-1)
    assert (found.p, found.z) == (1, None)
    assert np.isfinite(found.direction).all()
    assert np.isfinite(found.members).all()


def test_a_zero_difference_is_refused_and_one_pair_has_no_coherence() -> None:
    a, b = _draw(0, 3, 4, 0)
    b[1] = a[1]
    for few in ((a[:0], b[:0]), (a, b)):
        with pytest.raises(ValueError, match="Coherence needs differences"):
            pair_coherence(*few)
    assert pair_coherence(a[:1], b[:1]).coherence is None
    assert pair_coherence(a[:1], b[:1]).columns["p"] is None


def test_without_trials_nothing_is_shuffled() -> None:
    a, b = _draw(0, 8, 4, 1)
    found, tested = pair_coherence(a, b, trials=0), pair_coherence(a, b, trials=9)
    assert found.coherence == tested.coherence
    assert (found.n_trials, found.null_mean, found.z, found.p) == (0, None, None, None)
