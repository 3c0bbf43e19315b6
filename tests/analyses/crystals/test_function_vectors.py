"""Sides gathered by direction."""

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from saeatlas.analyses.crystals import function_vectors, parallelograms

Array = np.ndarray[Any, Any]


def _world(directions: int, pairs: int, seed: int, noise: float = 0.1) -> Array:
    """Draw points; 2 i and 2 i + 1 differ by direction i mod directions, either way round."""
    rng = np.random.default_rng(seed)
    n = directions * pairs
    starts = rng.standard_normal((n, 64))
    along = rng.standard_normal((directions, 64))[np.arange(n) % directions]
    ends = starts + along + noise * rng.standard_normal((n, 64))
    back = rng.random(n) < 0.5
    points = np.where(back[:, None, None], np.stack([ends, starts], 1), np.stack([starts, ends], 1))
    return points.reshape(2 * n, 64).astype(np.float32)


@given(st.integers(1, 5), st.integers(2, 12), st.integers(0, 50))
@settings(max_examples=20)
def test_planted_directions_are_the_groups(directions: int, pairs: int, seed: int) -> None:
    points = _world(directions, pairs, seed)
    n = directions * pairs
    ends = np.arange(2 * n).reshape(n, 2)
    quads = parallelograms.parallel_pairs(points, ends, 0.6)
    groups = function_vectors.group_sides(points, quads, 0.6)
    assert len(groups.members) == directions
    for members in groups.members:
        numbers = members.min(axis=1) // 2
        assert len({number % directions for number in numbers.tolist()}) == 1
        assert len(numbers) == pairs
        sides = parallelograms.unit_sides(points, members)
        assert (sides @ sides.T).min() > 0.5  # all turned the same way
    assert (groups.of >= 0).all()


def test_crystals_are_turned_along_their_direction() -> None:
    points = _world(2, 8, 3)
    quads = parallelograms.parallel_pairs(points, np.arange(32).reshape(16, 2), 0.6)
    groups = function_vectors.group_sides(points, quads, 0.6)
    mean = [parallelograms.unit_sides(points, members).mean(axis=0) for members in groups.members]
    for i, corners in enumerate(quads.corners):
        side = points[corners[1]] - points[corners[0]]
        along = side @ mean[groups.of[i]]
        assert (along < 0) == groups.reversed[i]


def test_a_chain_does_not_become_one_direction() -> None:
    """Each difference is 20 degrees off the last; together they go half around."""
    rng = np.random.default_rng(0)
    angles = np.deg2rad(20 * np.arange(10))
    plane = np.linalg.qr(rng.standard_normal((40, 2)))[0]
    sides = np.stack([np.cos(angles), np.sin(angles)], 1) @ plane.T
    starts = 1e-3 * rng.standard_normal((10, 40)) + 3 * np.linalg.qr(
        rng.standard_normal((40, 10)))[0].T  # fmt: skip
    points = np.stack([starts, starts + sides], 1).reshape(20, 40).astype(np.float32)
    quads = parallelograms.Quads(
        np.array([[2 * i, 2 * i + 1, 2 * i + 2, 2 * i + 3] for i in range(9)]), *np.ones((3, 9))
    )
    groups = function_vectors.group_sides(points, quads, 0.8)
    assert len(groups.members) > 1
    for members in groups.members:
        sides = parallelograms.unit_sides(points, members)
        assert (sides @ sides.T).min() > 0.1


def test_nothing_found_has_no_groups() -> None:
    nothing = parallelograms.Quads(np.empty((0, 4), int), *np.empty((3, 0)))
    groups = function_vectors.group_sides(np.ones((5, 3), np.float32), nothing, 0.6)
    assert groups.members == ()
    assert len(groups.of) == len(groups.reversed) == 0
