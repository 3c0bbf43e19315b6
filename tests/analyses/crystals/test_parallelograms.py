"""Pairs of pairs: the search finds what comparing all finds, and measures what it says."""

import itertools
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saeatlas.analyses.crystals import parallelograms

Array = np.ndarray[Any, Any]


def _points(n: int, r: int, seed: int = 0, step: float = 0.0) -> Array:
    """Draw points; with a step, the second half follows the first in one direction."""
    rng = np.random.default_rng(seed)
    points = rng.standard_normal((n, r))
    if step:
        points[n // 2 :] = points[: n - n // 2] + step * points[0] + 0.3 * points[n // 2 :]
    return (points - points.mean(axis=0)).astype(np.float32)


def _cosine(one: Array, two: Array) -> float:
    return float(one @ two / np.linalg.norm(one) / np.linalg.norm(two))


def _plain(points: Array, corners: Array) -> tuple[float, float, float]:
    """Measure four points, one step after another."""
    a, b, c, d = points[corners].astype(np.float64)
    one, two = b - a, d - c
    along = one / np.linalg.norm(one) + two / np.linalg.norm(two)
    along /= np.linalg.norm(along)
    near, far = ((leg - (leg @ along) * along) for leg in (c - a, d - b))
    lengths = sorted([np.linalg.norm(one), np.linalg.norm(two)])
    return _cosine(one, two), _cosine(near, far), float(lengths[0] / lengths[1])


def _brute(points: Array, ends: Array, least: float) -> dict[tuple[int, ...], float]:
    """Compare all pairs of pairs, one after another."""
    found = {}
    sides = points[ends[:, 1]] - points[ends[:, 0]]
    sides /= np.linalg.norm(sides, axis=1, keepdims=True)
    cosines = sides @ sides.T
    for i, j in itertools.combinations(range(len(ends)), 2):
        (a, b), (c, d) = ends[i].tolist(), ends[j].tolist()
        if abs(cosines[i, j]) > least - 0.01 and len({a, b, c, d}) == 4:  # 0.01: rounding
            back = cosines[i, j] < 0
            corners = np.array([a, b, d, c] if back else [a, b, c, d])
            quality = min(_plain(points, corners)[:2])
            if quality >= least:
                found[tuple(corners.tolist())] = quality
    return found


def _all(n: int) -> Array:
    return np.array(list(itertools.combinations(range(n), 2)))


@pytest.mark.slow
@given(st.integers(8, 24), st.integers(2, 12), st.integers(0, 99))
@settings(max_examples=20)
def test_a_search_finds_what_comparing_all_finds(n: int, r: int, seed: int) -> None:
    points = _points(n, r, seed, step=1.5)
    found = parallelograms.parallel_pairs(points, _all(n), 0.6)
    expected = _brute(points, _all(n), 0.6)
    # right at the limit float32 and float64 may differ
    sure = {corners for corners, quality in expected.items() if abs(quality - 0.6) > 1e-4}
    mine = {tuple(one) for one in found.corners.tolist()}
    assert (
        sure
        <= mine
        <= set(expected)
        | {tuple(one) for one in found[np.abs(found.quality - 0.6) < 1e-4].corners.tolist()}
    )
    for corners, quality in zip(found.corners.tolist(), found.quality, strict=True):
        if tuple(corners) in expected:
            assert quality == pytest.approx(expected[tuple(corners)], abs=1e-4)


@pytest.mark.slow
def test_many_dimensions_are_searched_in_a_projection_and_measured_in_all() -> None:
    points = _points(40, 900, step=1.0)
    found = parallelograms.parallel_pairs(points, _all(40), 0.6)
    expected = _brute(points, _all(40), 0.6)
    assert len(expected) > 100
    missed = set(expected) - {tuple(one) for one in found.corners.tolist()}
    assert all(expected[one] < 0.63 for one in missed)
    assert len(missed) <= 0.01 * len(expected)
    assert found.quality.min() >= 0.6


def test_measures_are_those_of_the_definition() -> None:
    points = _points(12, 5)
    corners = np.random.default_rng(1).permuted(np.tile(np.arange(12), (50, 1)), axis=1)[:, :4]
    measured = parallelograms.measure_quads(points, corners)
    for i, one in enumerate(corners):
        expected = _plain(points, one)
        got = measured.sides[i], measured.legs[i], measured.ratio[i]
        np.testing.assert_allclose(got, expected, atol=1e-4)


def test_a_perfect_trapezoid_has_quality_1_and_its_ratio() -> None:
    rng = np.random.default_rng(0)
    a, c, side = rng.standard_normal((3, 20))
    points = np.array([a, a + side, c, c + 0.5 * side], np.float32)
    found = parallelograms.measure_quads(points, np.array([[0, 1, 2, 3]]))
    assert found.quality == pytest.approx(1, abs=1e-5)
    assert found.ratio == pytest.approx(0.5, abs=1e-5)


def test_two_clusters_are_no_crystal() -> None:
    """b - a and d - c are parallel since a is with c and b with d; the legs are not."""
    rng = np.random.default_rng(0)
    centres = rng.standard_normal((2, 64))
    points = (centres[[0, 1, 0, 1]] + 0.3 * rng.standard_normal((4, 64))).astype(np.float32)
    found = parallelograms.measure_quads(points, np.array([[0, 1, 2, 3]]))
    assert found.sides[0] > 0.85
    assert found.legs[0] < 0.3


def test_points_on_one_another_give_0_not_nan() -> None:
    points = np.zeros((4, 3), np.float32)
    points[3] = 1
    found = parallelograms.measure_quads(points, np.array([[0, 1, 2, 3], [0, 3, 1, 2]]))
    assert found.sides.tolist() == [0, 0]
    assert np.isfinite(found.quality).all()
    assert np.isfinite(found.ratio).all()


@given(st.integers(3, 60), st.integers(1, 8), st.integers(0, 99))
@settings(max_examples=30)
def test_pairs_are_the_nearest_by_cosine(n: int, k: int, seed: int) -> None:
    k = min(k, n - 1)
    points = _points(n, 6, seed)
    units = points / np.linalg.norm(points, axis=1, keepdims=True)
    cosines = units @ units.T
    np.fill_diagonal(cosines, -2)
    nearest = np.argsort(-cosines, axis=1)[:, :k]
    expected = {tuple(sorted((i, j))) for i in range(n) for j in nearest[i].tolist()}
    found = parallelograms.neighbour_pairs(points, k)
    assert {tuple(pair) for pair in found.tolist()} == expected
    assert (np.diff(found[:, 0]) >= 0).all()


def test_the_nearest_side_or_diagonals_of_a_parallelogram_have_a_cosine_of_a_third() -> None:
    """The bound in the docstring of `pairs`, on random parallelograms of unit vectors."""
    rng = np.random.default_rng(0)
    u, v, w = np.linalg.qr(rng.standard_normal((500, 9, 3)))[0].transpose(2, 0, 1)
    x, y = rng.uniform(0.05, 0.95, (2, 500))
    x *= np.sqrt(1 - y**2)  # half sides; the rest lies across both
    rest = np.sqrt(1 - x**2 - y**2)
    corners = [
        (rest[:, None] * w + i * x[:, None] * u + j * y[:, None] * v)
        for i, j in ((-1, -1), (1, -1), (-1, 1), (1, 1))
    ]
    for a, b, c, d in [corners]:
        assert np.allclose(np.linalg.norm(a, axis=1), 1)
        sides = np.maximum((a * b).sum(1), (a * c).sum(1))
        diagonals = -(a * d).sum(1)
        assert np.maximum(sides, diagonals).min() >= 1 / 3 - 1e-9
