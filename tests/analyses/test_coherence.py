"""Coherence of differences, against shuffled partners."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from saeatlas.analyses import coherence

Array = np.ndarray[Any, Any]


def _units(m: int, d: int, seed: int) -> Array:
    rows = np.random.default_rng(seed).standard_normal((m, d))
    return rows / np.linalg.norm(rows, axis=1, keepdims=True)


@given(st.integers(2, 12), st.integers(1, 6), st.integers(0, 99))
def test_coherence_is_the_mean_of_all_cosines(m: int, d: int, seed: int) -> None:
    units = _units(m, d, seed)
    cosines = [units[i] @ units[j] for i in range(m) for j in range(m) if i != j]
    assert coherence.of(units) == pytest.approx(np.mean(cosines), abs=1e-9)
    with_0 = np.vstack([units, np.zeros(d)])
    assert coherence.of(with_0) == pytest.approx(np.mean(cosines), abs=1e-9)


@given(st.integers(2, 12), st.integers(2, 6), st.integers(0, 99))
def test_each_is_compared_with_the_others_only(m: int, d: int, seed: int) -> None:
    units = _units(m, d, seed)
    for i, cosine in enumerate(coherence.with_others(units)):
        mean = np.delete(units, i, axis=0).mean(axis=0)
        assert cosine == pytest.approx(units[i] @ mean / np.linalg.norm(mean), abs=1e-6)


def test_one_pair_has_no_coherence() -> None:
    rng = np.random.default_rng(0)
    one = _units(1, 5, 0)
    assert coherence.measure(0 * one, one, n_trials=9, rng=rng) == coherence.Coherence(None)
    assert np.isnan(coherence.with_others(one)).all()
    opposite = np.array([[1.0, 0], [-1, 0], [1, 0]])
    assert np.isnan(coherence.with_others(opposite)[2])


def test_a_relation_is_more_coherent_than_shuffled_partners() -> None:
    rng = np.random.default_rng(0)
    starts = rng.standard_normal((40, 30))
    ends = starts + rng.standard_normal(30) + 0.2 * rng.standard_normal((40, 30))
    found = coherence.measure(starts, ends, n_trials=99, rng=rng)
    assert found.p == 0.01
    assert found.z is not None and found.z > 5
    again = coherence.measure(starts, ends, n_trials=99, rng=np.random.default_rng(1))
    assert again.coherence == found.coherence


def test_two_groups_apart_are_no_relation() -> None:
    """Starts and ends differ in one way, whoever is whose: p is uniform."""
    p = []
    for seed in range(100):
        rng = np.random.default_rng(seed)
        starts, ends = rng.standard_normal((2, 12, 8))
        found = coherence.measure(starts, ends + 3, n_trials=19, rng=rng)
        assert found.coherence is not None and found.coherence > 0.3
        p.append(found.p)
    assert 0 <= np.mean(np.array(p) <= 0.1) <= 0.2


def test_differences_of_0_are_left_out() -> None:
    starts = _units(6, 4, 1)
    ends = starts.copy()
    ends[:3] += 1
    found = coherence.measure(starts, ends, n_trials=19, rng=np.random.default_rng(0))
    assert found.coherence == pytest.approx(1)
    assert found.null_mean is not None and np.isfinite(found.null_mean)
