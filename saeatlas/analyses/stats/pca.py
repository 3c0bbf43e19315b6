"""A cloud of vectors: eigenvalues of its covariance, and coordinates along its main axes."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg
from scipy.linalg import blas

from saeatlas import errors

Array = np.ndarray[Any, Any]

N_COORDINATES = 200
"""Leading axes along which coordinates are kept."""

_ROWS = 4096
"""Vectors of which the products are summed at once: bounds the memory in float64."""


@dataclass(frozen=True)
class Cloud:
    """The covariance of n vectors, seen along its own axes.

    Parameters
    ----------
    n, d : int
        Vectors, and their dimensions.
    values : ndarray of shape (rank,), float64
        Eigenvalues of the sample covariance (divisor n - 1) that are above 0, falling.
    mean : ndarray of shape (rank + 1,), float64
        Mean vector along the axes of these; last the length of what lies across them.
    coordinates : ndarray of shape (n, min(rank, 200)), float32
        Vectors less their mean, along the leading axes. No columns where vectors were not kept.
    distances : ndarray of shape (n,), float64
        Squared Mahalanobis distance of each vector from the mean. Empty where vectors were not
        kept, or lie in fewer than d dimensions.
    """

    n: int
    d: int
    values: Array
    mean: Array
    coordinates: Array
    distances: Array


def directions(vectors: Array) -> tuple[Array, Array, int]:
    """Make vectors unit vectors, and leave out those without a direction and duplicates.

    Parameters
    ----------
    vectors : ndarray of shape (n, d), float32

    Returns
    -------
    units : ndarray of shape (m, d), float32
        In order.
    kept : ndarray of shape (m,), int64
        Rows that they are, ascending; of equal ones the first.
    n_zero : int
        Rows without a direction; all others left out are duplicates.
    """
    norms = np.linalg.norm(vectors, axis=1)
    some = np.flatnonzero(norms > 0)
    units = vectors[some] / norms[some, None]
    kept = _distinct(units)
    n_zero = len(vectors) - len(some)
    return (units[kept] if len(kept) < len(units) else units), some[kept], n_zero


def resolve(vectors: Array, *, n_coordinates: int = N_COORDINATES) -> Cloud:
    """Find the eigenvalues of the covariance of vectors, and their leading coordinates.

    Parameters
    ----------
    vectors : ndarray of shape (n, d), float32
        n >= 2.
    n_coordinates : int
        Leading axes to give coordinates along.

    Returns
    -------
    Cloud

    Raises
    ------
    InputError
        Fewer than two vectors, or all the same.

    Notes
    -----
    All in float64. An eigenvalue counts as 0 below max(n, d) epsilon times the largest: what
    rounding leaves of a rank that is not there. Of fewer vectors than dimensions the products of
    vectors serve, n x n, which have the same eigenvalues. In memory are 4,096 vectors in float64
    and two matrices of d x d.
    """
    n, d = vectors.shape
    if n < 2:
        raise errors.InputError(f"A cloud of {n} vectors has no covariance.")
    values, axes, mean = principal_axes(vectors)
    width = min(n_coordinates, len(values))
    coordinates, distances = (
        np.empty((n, width), np.float32),
        np.empty(n if len(values) == d else 0),
    )
    wanted = (axes if len(distances) else axes[:, :width]).astype(np.float32)
    for part in _parts(n):
        along = (vectors[part] - mean).astype(np.float32) @ wanted
        coordinates[part] = along[:, :width]
        if len(distances):
            distances[part] = (along**2) @ (1 / values)
    return Cloud(n, d, values, _along(axes, mean), coordinates, distances)


def principal_axes(vectors: Array) -> tuple[Array, Array, Array]:
    """Find the eigenvalues and axes of the covariance.

    Parameters
    ----------
    vectors : ndarray of shape (n, d), float32
        n >= 2.

    Returns
    -------
    (values, axes, mean)
        float64 of shapes (rank,), falling; (d, rank), a column an axis; and (d,).

    Raises
    ------
    InputError
        All vectors are the same.
    """
    mean = vectors.mean(axis=0, dtype=np.float64)
    n, d = vectors.shape
    if n > d:
        return *_leading(_covariance(vectors, mean), n, mean), mean
    centred = vectors - mean
    values, left = _leading(centred @ centred.T / (n - 1), d, mean)
    return values, centred.T @ (left / np.sqrt(values * (n - 1))), mean


def _distinct(rows: Array) -> Array:
    """Return the first of each set of equal rows, ascending."""
    bits = (rows + 0).view(np.uint32)  # so that -0 is 0
    sums = bits.sum(axis=1, dtype=np.uint64)  # the same of the same bits, in any order
    values, n = np.unique(sums, return_counts=True)
    alike = np.isin(sums, values[n > 1])
    whole = np.ascontiguousarray(bits[alike]).view(np.dtype((np.void, 4 * bits.shape[1]))).ravel()
    first = np.flatnonzero(alike)[np.unique(whole, return_index=True)[1]]
    return np.sort(np.append(np.flatnonzero(~alike), first))


def from_covariance(n: int, mean: Array, covariance: Array) -> Cloud:
    """Find the eigenvalues of a covariance whose vectors were not kept.

    Parameters
    ----------
    n : int
        Vectors.
    mean : ndarray of shape (d,), float64
    covariance : ndarray of shape (d, d), float64

    Returns
    -------
    Cloud
        Without coordinates.
    """
    values, axes = _leading(np.array(covariance, order="F"), n, mean)
    return Cloud(
        n, len(mean), values, _along(axes, mean), np.empty((n, 0), np.float32), np.empty(0)
    )


def _parts(n: int) -> list[slice]:
    return [slice(first, min(first + _ROWS, n)) for first in range(0, n, _ROWS)]


def _covariance(vectors: Array, mean: Array) -> Array:
    """Return the lower triangle of the covariance, in LAPACK's order."""
    n, d = vectors.shape
    covariance = np.zeros((d, d), order="F")
    wide = np.empty((min(n, _ROWS), d))  # written over part by part: fresh pages cost as much
    for part in _parts(n):
        rows = wide[: part.stop - part.start]
        np.subtract(vectors[part], mean, out=rows)
        covariance = blas.dsyrk(1 / (n - 1), rows.T, beta=1, c=covariance, lower=1, overwrite_c=1)
    return covariance


def _leading(matrix: Array, n: int, mean: Array) -> tuple[Array, Array]:
    """Return eigenvalues above 0, falling, and all of their axes, (d, rank)."""
    values, axes = scipy.linalg.eigh(
        matrix, lower=True, driver="evd", overwrite_a=True, check_finite=False
    )
    rank = _rank(values, max(n, len(matrix)), mean)
    return values[::-1][:rank].copy(), axes[:, ::-1][:, :rank]


def _rank(values: Array, size: int, mean: Array) -> int:
    """Count the eigenvalues, rising, that are more than what rounding leaves."""
    epsilon = size * np.finfo(np.float64).eps
    if values[-1] <= epsilon**2 * (mean @ mean) or values[-1] <= 0:
        raise errors.InputError("All vectors of the cloud are the same: nothing spreads.")
    return int((values > epsilon * values[-1]).sum())


def _along(axes: Array, mean: Array) -> Array:
    along = axes.T @ mean
    across = max(float(mean @ mean - along @ along), 0.0)
    return np.append(along, np.sqrt(across))
