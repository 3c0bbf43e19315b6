"""Principal axes of a set of vectors: eigenvalues of the covariance, and coordinates along them."""

from dataclasses import dataclass

import numpy as np
import scipy.linalg
from scipy.linalg import blas

from saeatlas import errors
from saeatlas.analyses.arrays import Float32, Float64, Floats, Int64

N_COORDINATES = 200
"""Leading axes along which coordinates are computed."""

_ROWS = 4096
"""Vectors whose products are summed at once: bounds the memory in float64."""


@dataclass(frozen=True)
class PrincipalAxes:
    """The covariance of n vectors, in the coordinates of its own eigenvectors.

    Parameters
    ----------
    n, d : int
        Number of vectors, and their dimensions.
    values : ndarray of shape (rank,), float64
        Eigenvalues of the sample covariance (divisor n - 1) that are above 0, descending.
    mean : ndarray of shape (rank + 1,), float64
        Coordinates of the mean vector along the eigenvectors; last the length of its part that is
        orthogonal to all of them.
    coordinates : ndarray of shape (n, min(rank, 200)), float32
        Vectors minus their mean, along the leading axes. No columns if the vectors are not given.
    distances : ndarray of shape (n,), float64
        Squared Mahalanobis distance of each vector from the mean. Empty if the vectors are not
        given, or span fewer than d dimensions.
    """

    n: int
    d: int
    values: Float64
    mean: Float64
    coordinates: Float32
    distances: Float64


def unit_vectors(vectors: Float32) -> tuple[Float32, Int64, int]:
    """Normalise vectors, and leave out zero vectors and duplicates.

    Parameters
    ----------
    vectors : ndarray of shape (n, d), float32

    Returns
    -------
    units : ndarray of shape (m, d), float32
        In the order of ``vectors``.
    kept : ndarray of shape (m,), int64
        Their rows in ``vectors``, ascending; of equal ones the first.
    n_zero : int
        Number of zero vectors; all others that are left out are duplicates.
    """
    norms = np.linalg.norm(vectors, axis=1)
    some = np.flatnonzero(norms > 0)
    units = vectors[some] / norms[some, None]
    kept = _distinct(units)
    n_zero = len(vectors) - len(some)
    return (units[kept] if len(kept) < len(units) else units), some[kept], n_zero


def principal_axes(vectors: Floats, *, n_coordinates: int = N_COORDINATES) -> PrincipalAxes:
    """Find the eigenvalues of the covariance of vectors, and their leading coordinates.

    Parameters
    ----------
    vectors : ndarray of shape (n, d), float32
        n >= 2.
    n_coordinates : int
        Number of leading axes along which coordinates are computed.

    Returns
    -------
    PrincipalAxes

    Raises
    ------
    InputError
        There are fewer than two vectors, or all are the same.

    Notes
    -----
    Computed in float64. An eigenvalue counts as 0 below max(n, d) epsilon times the largest: the
    size of rounding errors. If there are fewer vectors than dimensions, the n x n matrix of their
    products is decomposed, which has the same eigenvalues. Memory: 4,096 vectors in float64 and
    two matrices of d x d.
    """
    n, d = vectors.shape
    if n < 2:
        raise errors.InputError(f"A set of {n} vectors has no covariance.")
    values, axes, mean = decompose(vectors)
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
    return PrincipalAxes(n, d, values, _along(axes, mean), coordinates, distances)


def principal_axes_of_covariance(n: int, mean: Float64, covariance: Float64) -> PrincipalAxes:
    """Find the eigenvalues of a covariance whose vectors are not stored.

    Parameters
    ----------
    n : int
        Number of vectors.
    mean : ndarray of shape (d,), float64
    covariance : ndarray of shape (d, d), float64

    Returns
    -------
    PrincipalAxes
        Without coordinates.
    """
    values, axes = _leading(np.array(covariance, order="F"), n, mean)
    return PrincipalAxes(
        n, len(mean), values, _along(axes, mean), np.empty((n, 0), np.float32), np.empty(0)
    )


def decompose(vectors: Floats) -> tuple[Float64, Float64, Float64]:
    """Find the eigenvalues and eigenvectors of the covariance of vectors, and their mean.

    Parameters
    ----------
    vectors : ndarray of shape (n, d), float32
        n >= 2.

    Returns
    -------
    (values, axes, mean)
        float64 of shapes (rank,), descending; (d, rank), one column for each eigenvector; and
        (d,).

    Raises
    ------
    InputError
        All vectors are the same.
    """
    mean: Float64 = vectors.mean(axis=0, dtype=np.float64)
    n, d = vectors.shape
    if n > d:
        return *_leading(_covariance(vectors, mean), n, mean), mean
    centred = vectors - mean
    values, left = _leading(centred @ centred.T / (n - 1), d, mean)
    return values, centred.T @ (left / np.sqrt(values * (n - 1))), mean


def _distinct(rows: Float32) -> Int64:
    """Return the first of each set of equal rows, ascending."""
    bits = (rows + 0).view(np.uint32)  # so that -0 is 0
    sums = bits.sum(axis=1, dtype=np.uint64)  # the same of the same bits, in any order
    values, n = np.unique(sums, return_counts=True)
    alike = np.isin(sums, values[n > 1])
    whole = np.ascontiguousarray(bits[alike]).view(np.dtype((np.void, 4 * bits.shape[1]))).ravel()
    first = np.flatnonzero(alike)[np.unique(whole, return_index=True)[1]]
    return np.sort(np.append(np.flatnonzero(~alike), first))


def _parts(n: int) -> list[slice]:
    return [slice(first, min(first + _ROWS, n)) for first in range(0, n, _ROWS)]


def _covariance(vectors: Floats, mean: Float64) -> Float64:
    """Return the lower triangle of the covariance, in LAPACK's order."""
    n, d = vectors.shape
    covariance: Float64 = np.zeros((d, d), order="F")
    wide = np.empty(
        (min(n, _ROWS), d)
    )  # reused for each part: allocating anew costs as much as the product
    for part in _parts(n):
        rows = wide[: part.stop - part.start]
        np.subtract(vectors[part], mean, out=rows)
        covariance = blas.dsyrk(1 / (n - 1), rows.T, beta=1, c=covariance, lower=1, overwrite_c=1)
    return covariance


def _leading(matrix: Float64, n: int, mean: Float64) -> tuple[Float64, Float64]:
    """Return eigenvalues above 0, descending, and their eigenvectors, (d, rank)."""
    values, axes = scipy.linalg.eigh(
        matrix, lower=True, driver="evd", overwrite_a=True, check_finite=False
    )
    rank = _rank(values, max(n, len(matrix)), mean)
    return values[::-1][:rank].copy(), axes[:, ::-1][:, :rank]


def _rank(values: Float64, size: int, mean: Float64) -> int:
    """Count the eigenvalues, ascending, that are larger than rounding errors."""
    epsilon = size * np.finfo(np.float64).eps
    if values[-1] <= epsilon**2 * (mean @ mean) or values[-1] <= 0:
        raise errors.InputError("All vectors are the same: there is no variance.")
    return int((values > epsilon * values[-1]).sum())


def _along(axes: Float64, mean: Float64) -> Float64:
    along = axes.T @ mean
    across = max(float(mean @ mean - along @ along), 0.0)
    return np.append(along, np.sqrt(across))
