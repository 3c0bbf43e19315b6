"""What distracts is projected out, and nothing else."""

from typing import Any

import numpy as np
import pytest

from saeatlas import errors
from saeatlas.analyses import clean
from saeatlas.analyses.parallels import unit_sides

Array = np.ndarray[Any, Any]


def _cloud(n: int, d: int, seed: int = 0) -> Array:
    rng = np.random.default_rng(seed)
    return (rng.standard_normal((n, d)) * np.linspace(0.2, 3, d) + 1).astype(np.float32)


@pytest.mark.parametrize(("n", "d"), [(400, 20), (60, 20), (60, 300), (20, 20)])
def test_whitened_points_are_alike_in_all_directions(n: int, d: int) -> None:
    space = clean.whiten(_cloud(n, d))
    r = min(d, n // 4)
    assert space.points.shape == (n, r)
    assert space.dimensions == r
    np.testing.assert_allclose(np.cov(space.points.T), np.eye(r), atol=1e-3)


def test_whitened_points_are_the_vectors_in_the_basis() -> None:
    vectors = _cloud(100, 10)
    space = clean.whiten(vectors)
    np.testing.assert_allclose(
        (vectors - vectors.mean(axis=0)) @ space.basis, space.points, atol=1e-4
    )


@pytest.mark.parametrize("vectors", [np.ones((50, 4)), np.ones((20, 40))])
def test_without_spread_there_is_nothing_to_clean(vectors: Array) -> None:
    with pytest.raises(errors.InputError):
        clean.whiten(vectors.astype(np.float32))
    with pytest.raises(errors.InputError):
        clean.as_they_are(vectors.astype(np.float32))


def test_too_few_vectors_are_refused() -> None:
    with pytest.raises(errors.InputError, match="there are 7"):
        clean.whiten(_cloud(7, 5))


def test_rank_deficient_vectors_have_as_many_dimensions_as_they_span() -> None:
    vectors = _cloud(400, 5) @ np.random.default_rng(0).standard_normal((5, 30))
    space = clean.whiten(vectors.astype(np.float32))
    assert space.points.shape == (400, 5)
    assert np.isfinite(space.points).all()


@pytest.mark.parametrize(("n", "d"), [(300, 12), (30, 90)])
def test_effective_dimensions_give_the_variance_of_cosines(n: int, d: int) -> None:
    vectors = _cloud(n, d)
    eigenvalues = np.linalg.eigvalsh(np.cov(vectors.T))
    expected = eigenvalues.sum() ** 2 / (eigenvalues**2).sum()
    assert clean.as_they_are(vectors).dimensions == pytest.approx(expected, rel=1e-3)


def test_the_direction_of_an_attribute_is_found_and_no_other() -> None:
    rng = np.random.default_rng(3)
    length, other = rng.integers(1, 12, 2000).astype(float), rng.standard_normal(2000)
    length[:50] = np.nan
    direction = np.linalg.qr(rng.standard_normal((30, 1)))[0][:, 0]
    vectors = rng.standard_normal((2000, 30)) + np.outer(np.nan_to_num(length), direction)
    space = clean.whiten(vectors.astype(np.float32))
    attributes = np.column_stack([length, other, np.full(2000, 3.0), np.full(2000, np.nan)])
    found, used = clean.attribute_directions(space, attributes)
    assert used.tolist() == [True, False, False, False]
    assert found.shape == (30, 1)
    cleaned = space.without(found)
    known = np.isfinite(length)
    correlations = np.corrcoef(cleaned.points[known].T, length[known])[-1, :-1]
    assert np.abs(correlations).max() < 0.05
    assert cleaned.dimensions == 29


def test_an_unrelated_attribute_is_seldom_taken() -> None:
    taken = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        space = clean.whiten(rng.standard_normal((300, 20)).astype(np.float32))
        _, used = clean.attribute_directions(space, rng.standard_normal((300, 1)))
        taken += int(used[0])
    assert taken <= 2


def _related(shift: float, seed: int = 0) -> tuple[clean.Space, list[Array], Array]:
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
    space = clean.Space(points.astype(np.float32), float(d), np.eye(d), np.empty((d, 0)))
    units = [unit_sides(space.points, pairs[np.arange(n) % 5 == i]) for i in range(5)]
    return space, units, distractors


def test_directions_that_pairs_differ_along_are_found() -> None:
    space, units, distractors = _related(2.0)
    found, shares = clean.within_directions(space, units, _alone(units))
    assert found.shape == (80, 2)
    np.testing.assert_allclose(found.T @ found, np.eye(2), atol=1e-9)
    assert np.linalg.norm(distractors.T @ found, axis=0).min() > 0.98
    assert shares.sum() > 0.5


def test_nothing_is_removed_where_pairs_differ_by_noise_alone() -> None:
    removed = 0
    for seed in range(10):
        space, units, _ = _related(0.0, seed)
        removed += clean.within_directions(space, units, _alone(units))[0].shape[1] > 0
    assert removed <= 1


def test_pairs_that_share_a_point_do_not_vouch_for_each_other() -> None:
    """All pairs of a function vector begin at one point: they are alike by that alone."""
    rng = np.random.default_rng(0)
    points = rng.standard_normal((300, 80)).astype(np.float32)
    space = clean.Space(points, 80.0, np.eye(80), np.empty((80, 0)))
    pairs = [
        np.column_stack([np.full(40, i), np.arange(10 + 40 * i, 50 + 40 * i)]) for i in range(5)
    ]
    units = [unit_sides(points, one) for one in pairs]
    found, _ = clean.within_directions(space, units, [np.zeros(40, int)] * 5)
    assert found.shape == (80, 0)


def _alone(units: list[Array]) -> list[Array]:
    return [np.arange(len(one)) for one in units]


def test_few_pairs_or_few_dimensions_remove_nothing() -> None:
    space, units, _ = _related(2.0)
    few = [one[:3] for one in units]
    assert clean.within_directions(space, few, _alone(few))[0].shape == (80, 0)
    narrow = clean.Space(space.points[:, :10], 10.0, np.eye(10), np.empty((10, 0)))
    flat = [one[:, :10] for one in units]
    assert clean.within_directions(narrow, flat, _alone(flat))[0].shape == (10, 0)
