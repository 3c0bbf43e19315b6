"""Agreement of labellings: scikit-learn's, for many permutations; strata stay whole."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import adjusted_mutual_info_score

from saeatlas.analyses.stats import agreement
from saeatlas.analyses.stats.agreement import (
    adjusted_mutual_information,
    frequency_strata,
    permuted,
    shuffles,
)


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    n=st.integers(10, 80),
    ks=st.tuples(st.integers(1, 9), st.integers(1, 9), st.integers(1, 9)),
    dense=st.booleans(),
)
def test_equals_scikit_learns(seed: int, n: int, ks: tuple[int, int, int], dense: bool) -> None:
    rng = np.random.default_rng(seed)
    a, b, clusters = (3 * rng.integers(0, k, n) for k in ks)  # labels need not be consecutive
    b[: n // 2] = clusters[: n // 2]  # some agreement to begin with
    orders = np.vstack([np.arange(n), shuffles(rng, n, 4)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(agreement, "TABLE_CELLS", 10**6 if dense else 0)
        found = permuted([a, b], clusters, orders)
    expected = [
        [adjusted_mutual_info_score(each, clusters[order]) for each in (a, b)] for order in orders
    ]
    assert np.abs(found - expected).max() < 1e-9
    assert adjusted_mutual_information(b, clusters) == pytest.approx(found[0, 1], abs=1e-12)


def test_both_ways_to_count_give_the_same() -> None:
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 100, (2, 500))
    orders = shuffles(rng, 500, 20)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(agreement, "TABLE_CELLS", 10**6)
        dense = permuted([a], b, orders)
    assert np.abs(dense - permuted([a], b, orders)).max() < 1e-12
    assert dense.std() > 0


def test_labellings_without_room_for_chance() -> None:
    each, one = np.arange(20), np.zeros(20, int)
    orders = shuffles(np.random.default_rng(0), 20, 3)
    assert (permuted([each, one], each, orders) == [1, 0]).all()
    assert (permuted([each, one], one, orders) == [0, 1]).all()


@settings(max_examples=40, deadline=None)
@given(seed=st.integers(0, 2**32), n=st.integers(1, 200), size=st.integers(1, 50))
def test_strata_keep_their_features(seed: int, n: int, size: int) -> None:
    rng = np.random.default_rng(seed)
    frequency = rng.integers(0, 30, n)
    strata = frequency_strata(frequency, size)
    orders = shuffles(rng, n, 3, strata)
    for order in orders:
        assert (np.sort(order) == np.arange(n)).all()
        assert (strata[order] == strata).all()
        for stratum in range(strata.max() + 1):
            own = strata == stratum
            assert (np.sort(frequency[order][own]) == np.sort(frequency[own])).all()
    sizes = np.bincount(strata)
    assert n < size or ((sizes[:-1] == size).all() and size <= sizes[-1] < 2 * size)
    assert all(
        frequency[strata == s].max() <= frequency[strata == s + 1].min()
        for s in range(len(sizes) - 1)
    )


@pytest.mark.parametrize("strata", [None, np.array([0, 0, 0, 7, 7])])
def test_shuffles_are_uniform(strata: np.ndarray | None) -> None:
    """Each possible order as often: 120, or 3! x 2! = 12; within 5 standard errors."""
    orders = shuffles(np.random.default_rng(0), 5, 24_000, strata)
    _, counts = np.unique(orders, axis=0, return_counts=True)
    possible = 120 if strata is None else 12
    assert len(counts) == possible
    assert np.abs(counts - 24_000 / possible).max() < 5 * np.sqrt(24_000 / possible)
