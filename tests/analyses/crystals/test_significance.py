"""p-values of parallel differences hold their level; false discovery rates are the textbook's."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats

from saeatlas.analyses.crystals import parallelograms, significance

Array = np.ndarray[Any, Any]


@pytest.mark.parametrize("d", [3, 20, 128])
def test_unrelated_directions_have_uniform_p(d: int) -> None:
    rng = np.random.default_rng(d)
    one, two = rng.standard_normal((2, 4000, d))
    cosines = (one * two).sum(1) / np.linalg.norm(one, axis=1) / np.linalg.norm(two, axis=1)
    assert stats.kstest(significance.two_sided_p(cosines, d), "uniform").pvalue > 0.01


def test_unrelated_points_make_no_better_crystals_than_said() -> None:
    """Both p-values must be small, so that theirs is, if anything, too large."""
    rng = np.random.default_rng(0)
    points = rng.standard_normal((8000, 24)).astype(np.float32)
    corners = np.arange(8000).reshape(-1, 4)
    p = significance.crystal_p(parallelograms.measure_quads(points, corners), 24)
    for level in (0.01, 0.05, 0.2):
        assert (p <= level).mean() <= level + 3 * np.sqrt(level / len(p))


def test_clusters_alone_do_not_count() -> None:
    rng = np.random.default_rng(1)
    centres = rng.standard_normal((2, 40))
    points = centres[[0, 1, 0, 1]] + 0.2 * rng.standard_normal((2000, 4, 40))
    flat = points.reshape(-1, 40).astype(np.float32)
    measured = parallelograms.measure_quads(flat, np.arange(8000).reshape(-1, 4))
    assert np.median(measured.sides) > 0.9
    assert (significance.crystal_p(measured, 40) <= 0.05).mean() < 0.065


@given(st.lists(st.floats(1e-12, 1), min_size=1, max_size=40), st.integers(0, 500))
def test_rates_are_those_of_benjamini_and_hochberg(p: list[float], more: int) -> None:
    """Tests without a p-value are as good as p = 1."""
    found = significance.false_discovery_rates(np.array(p), len(p) + more)
    everything = np.concatenate([p, np.ones(more)])
    expected = stats.false_discovery_control(everything, method="bh")
    np.testing.assert_allclose(found, expected[: len(p)], rtol=1e-9)


def test_the_best_cosine_is_no_p_of_0() -> None:
    assert significance.two_sided_p(np.array([1.0]), 2304)[0] > 0
    assert len(significance.false_discovery_rates(np.empty(0), 10)) == 0
