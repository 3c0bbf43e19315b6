"""What distracts is projected out, and nothing else."""

from typing import Any

import numpy as np
import pytest

from saeatlas import errors
from saeatlas.analyses.crystals import whitening

Array = np.ndarray[Any, Any]


def _vectors(n: int, d: int, seed: int = 0) -> Array:
    rng = np.random.default_rng(seed)
    return (rng.standard_normal((n, d)) * np.linspace(0.2, 3, d) + 1).astype(np.float32)


@pytest.mark.parametrize(("n", "d"), [(400, 20), (60, 20), (60, 300), (20, 20)])
def test_whitened_points_are_alike_in_all_directions(n: int, d: int) -> None:
    space = whitening.whiten(_vectors(n, d))
    r = min(d, n // 4)
    assert space.points.shape == (n, r)
    assert space.dimensions == r
    np.testing.assert_allclose(np.cov(space.points.T), np.eye(r), atol=1e-3)


def test_whitened_points_are_the_vectors_in_the_basis() -> None:
    vectors = _vectors(100, 10)
    space = whitening.whiten(vectors)
    np.testing.assert_allclose(
        (vectors - vectors.mean(axis=0)) @ space.basis, space.points, atol=1e-4
    )


@pytest.mark.parametrize("vectors", [np.ones((50, 4)), np.ones((20, 40))])
def test_without_spread_there_is_nothing_to_clean(vectors: Array) -> None:
    with pytest.raises(errors.InputError):
        whitening.whiten(vectors.astype(np.float32))
    with pytest.raises(errors.InputError):
        whitening.centre(vectors.astype(np.float32))


def test_too_few_vectors_are_refused() -> None:
    with pytest.raises(errors.InputError, match="there are 7"):
        whitening.whiten(_vectors(7, 5))


def test_rank_deficient_vectors_have_as_many_dimensions_as_they_span() -> None:
    vectors = _vectors(400, 5) @ np.random.default_rng(0).standard_normal((5, 30))
    space = whitening.whiten(vectors.astype(np.float32))
    assert space.points.shape == (400, 5)
    assert np.isfinite(space.points).all()


@pytest.mark.parametrize(("n", "d"), [(300, 12), (30, 90)])
def test_effective_dimensions_give_the_variance_of_cosines(n: int, d: int) -> None:
    vectors = _vectors(n, d)
    eigenvalues = np.linalg.eigvalsh(np.cov(vectors.T))
    expected = eigenvalues.sum() ** 2 / (eigenvalues**2).sum()
    assert whitening.centre(vectors).dimensions == pytest.approx(expected, rel=1e-3)


def test_the_direction_of_an_attribute_is_found_and_no_other() -> None:
    rng = np.random.default_rng(3)
    length, other = rng.integers(1, 12, 2000).astype(float), rng.standard_normal(2000)
    length[:50] = np.nan
    direction = np.linalg.qr(rng.standard_normal((30, 1)))[0][:, 0]
    vectors = rng.standard_normal((2000, 30)) + np.outer(np.nan_to_num(length), direction)
    space = whitening.whiten(vectors.astype(np.float32))
    attributes = np.column_stack([length, other, np.full(2000, 3.0), np.full(2000, np.nan)])
    found, used = whitening.attribute_directions(space, attributes)
    assert used.tolist() == [True, False, False, False]
    assert found.shape == (30, 1)
    cleaned = space.project_out(found)
    known = np.isfinite(length)
    correlations = np.corrcoef(cleaned.points[known].T, length[known])[-1, :-1]
    assert np.abs(correlations).max() < 0.05
    assert cleaned.dimensions == 29


def test_an_unrelated_attribute_is_seldom_taken() -> None:
    taken = 0
    for seed in range(100):
        rng = np.random.default_rng(seed)
        space = whitening.whiten(rng.standard_normal((300, 20)).astype(np.float32))
        _, used = whitening.attribute_directions(space, rng.standard_normal((300, 1)))
        taken += int(used[0])
    assert taken <= 2
