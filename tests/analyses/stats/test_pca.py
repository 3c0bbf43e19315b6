"""Eigenvalues and coordinates of vectors against numpy's, also where there is no variance."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saeatlas import errors
from saeatlas.analyses.stats import pca

Array = np.ndarray[Any, Any]


def _vectors(n: int, d: int, seed: int = 0) -> Array:
    rng = np.random.default_rng(seed)
    sizes = np.arange(1, d + 1) ** -0.7
    return (rng.standard_normal((n, d)) * sizes + rng.standard_normal(d)).astype(np.float32)


@settings(max_examples=40, deadline=None)
@given(st.integers(2, 60), st.integers(1, 40), st.integers(0, 99))
def test_as_numpy_has_it(n: int, d: int, seed: int) -> None:
    vectors = _vectors(n, d, seed)
    found = pca.principal_axes(vectors)
    wide = vectors.astype(np.float64)
    covariance = np.atleast_2d(np.cov(wide, rowvar=False))
    values, axes = np.linalg.eigh(covariance)
    values, axes = values[::-1], axes[:, ::-1]
    rank = min(n - 1, d)
    assert (found.n, found.d, len(found.values)) == (n, d, rank)
    np.testing.assert_allclose(found.values, values[:rank], rtol=1e-8)
    theirs = (wide - wide.mean(axis=0)) @ axes[:, :rank]
    np.testing.assert_allclose(abs(found.coordinates), abs(theirs), atol=2e-4)
    assert np.square(found.mean).sum() == pytest.approx(np.square(wide.mean(axis=0)).sum())
    if rank == d and n > d:
        centred = wide - wide.mean(axis=0)
        distances = np.einsum("ij,jk,ik->i", centred, np.linalg.inv(covariance), centred)
        np.testing.assert_allclose(found.distances, distances, rtol=2e-3)
    else:
        assert not len(found.distances)


def test_many_vectors_are_summed_in_parts() -> None:
    vectors = _vectors(9000, 12)
    values = np.linalg.eigvalsh(np.cov(vectors.astype(np.float64), rowvar=False))[::-1]
    found = pca.principal_axes(vectors)
    np.testing.assert_allclose(found.values, values, rtol=1e-9)
    np.testing.assert_allclose(found.coordinates.var(axis=0, ddof=1), values, rtol=1e-4)


def test_covariance_serves_as_well_as_vectors() -> None:
    vectors = _vectors(500, 20).astype(np.float64)
    known = pca.principal_axes_of_covariance(
        500, vectors.mean(axis=0), np.cov(vectors, rowvar=False)
    )
    whole = pca.principal_axes(vectors.astype(np.float32))
    np.testing.assert_allclose(known.values, whole.values, rtol=1e-9)
    np.testing.assert_allclose(abs(known.mean[:-1]), abs(whole.mean[:-1]), atol=1e-9)
    assert known.coordinates.shape == (500, 0)


def test_what_lies_in_fewer_dimensions_has_fewer_eigenvalues() -> None:
    rng = np.random.default_rng(0)
    flat = rng.standard_normal((300, 5)) @ rng.standard_normal((5, 40))
    found = pca.principal_axes(np.ascontiguousarray(flat, np.float64))
    assert len(found.values) == 5
    assert (found.values > 0).all()


def test_zero_vectors_and_duplicates_are_left_out_and_counted() -> None:
    vectors = _vectors(20, 6)
    vectors[3] = 0
    vectors[7] = vectors[5]
    vectors[8] = vectors[5]
    vectors[9] = vectors[10][::-1]  # the same numbers in another order are another vector
    units, kept, n_zero = pca.unit_vectors(vectors)
    assert (len(units), n_zero) == (17, 1)
    assert kept.tolist() == [i for i in range(20) if i not in (3, 7, 8)]
    np.testing.assert_allclose(np.linalg.norm(units, axis=1), 1, rtol=1e-6)
    np.testing.assert_allclose(
        units[:3], vectors[:3] / np.linalg.norm(vectors[:3], axis=1)[:, None]
    )


@pytest.mark.parametrize("vectors", [np.ones((1, 4)), np.full((5, 4), 0.3), np.full((50, 4), 0.3)])
def test_without_spread_there_are_no_principal_axes(vectors: Array) -> None:
    with pytest.raises(errors.InputError, match="no covariance|no variance"):
        pca.principal_axes(vectors.astype(np.float32))
