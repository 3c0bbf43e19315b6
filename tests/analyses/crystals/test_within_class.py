"""What pairs of one function vector differ by is found, and nothing in noise."""

from typing import Any

import numpy as np
import pytest

from saeatlas.analyses.crystals import whitening, within_class
from saeatlas.analyses.crystals.parallelograms import unit_sides

Array = np.ndarray[Any, Any]


def _related(shift: float, seed: int = 0) -> tuple[whitening.Space, list[Array], Array]:
    """Pairs of five function vectors, whose ends are shifted along two directions."""
    rng = np.random.default_rng(seed)
    n, d = 300, 80
    distractors = np.linalg.qr(rng.standard_normal((d, 2)))[0]
    along = 6 * np.linalg.qr(rng.standard_normal((d, 5)))[0].T[np.arange(n) % 5]
    starts = rng.standard_normal((n, d))
    ends = starts + along + 0.3 * rng.standard_normal((n, d))
    points = np.stack([starts, ends], 1).reshape(2 * n, d)
    points += shift * rng.standard_normal((2 * n, 2)) @ distractors.T
    pairs = np.arange(2 * n).reshape(n, 2)
    space = whitening.Space(points.astype(np.float32), float(d), np.eye(d), np.empty((d, 0)))
    units = [unit_sides(space.points, pairs[np.arange(n) % 5 == i]) for i in range(5)]
    return space, units, distractors


def test_directions_that_pairs_differ_along_are_found() -> None:
    space, units, distractors = _related(2.0)
    found, shares = within_class.within_class_axes(space, units, _alone(units))
    assert found.shape == (80, 2)
    np.testing.assert_allclose(found.T @ found, np.eye(2), atol=1e-9)
    assert np.linalg.norm(distractors.T @ found, axis=0).min() > 0.98
    assert shares.sum() > 0.5


@pytest.mark.slow
def test_nothing_is_removed_where_pairs_differ_by_noise_alone() -> None:
    removed = 0
    for seed in range(10):
        space, units, _ = _related(0.0, seed)
        removed += within_class.within_class_axes(space, units, _alone(units))[0].shape[1] > 0
    assert removed <= 1


def test_pairs_that_share_a_point_do_not_vouch_for_each_other() -> None:
    """All pairs of a function vector begin at one point: they are alike by that alone."""
    rng = np.random.default_rng(0)
    points = rng.standard_normal((300, 80)).astype(np.float32)
    space = whitening.Space(points, 80.0, np.eye(80), np.empty((80, 0)))
    pairs = [
        np.column_stack([np.full(40, i), np.arange(10 + 40 * i, 50 + 40 * i)]) for i in range(5)
    ]
    units = [unit_sides(points, one) for one in pairs]
    found, _ = within_class.within_class_axes(space, units, [np.zeros(40, int)] * 5)
    assert found.shape == (80, 0)


def _alone(units: list[Array]) -> list[Array]:
    return [np.arange(len(one)) for one in units]


def test_few_pairs_or_few_dimensions_remove_nothing() -> None:
    space, units, _ = _related(2.0)
    few = [one[:3] for one in units]
    assert within_class.within_class_axes(space, few, _alone(few))[0].shape == (80, 0)
    narrow = whitening.Space(space.points[:, :10], 10.0, np.eye(10), np.empty((10, 0)))
    flat = [one[:, :10] for one in units]
    assert within_class.within_class_axes(narrow, flat, _alone(flat))[0].shape == (10, 0)
