"""Leading eigenvectors of a matrix in memory, by LAPACK."""

import numpy as np
import scipy.linalg
from scipy.linalg import lapack

from saeatlas.analyses.arrays import Float32, Float64

PANEL = 1024
"""Reflections that are undone at once."""


def direct_eigenpairs(
    matrix: Float32, first: Float64, wanted: int, low: float
) -> tuple[Float64, Float32]:
    """Find leading eigenpairs, orthogonal to the first eigenvector, by LAPACK's reduction.

    Parameters
    ----------
    matrix : ndarray of shape (n, n), float32
        Symmetric, with 0 as the eigenvalue of `first`; overwritten.
    first : ndarray of shape (n,), float64
    wanted : int
        How many.
    low : float
        Below all eigenvalues.

    Returns
    -------
    values : ndarray of shape (wanted,), float64
        Falling.
    vectors : ndarray of shape (n, wanted), float32
    """
    n = len(matrix)
    for i in range(n):  # the first below all others: at 0 it would mix with those near 0
        matrix[i] += (low * first[i] * first).astype(np.float32)
    order = matrix.T  # the same, in LAPACK's order: overwritten and not copied
    lwork = int(lapack.ssytrd_lwork(n, lower=1)[0])
    order, diagonal, off, tau, _ = lapack.ssytrd(order, lower=1, lwork=lwork, overwrite_a=1)
    # float64 tells apart what is the same in float32, where LAPACK's own driver fails on it
    values, inner = scipy.linalg.eigh_tridiagonal(
        diagonal.astype(np.float64),
        off.astype(np.float64),
        select="i",
        select_range=(n - wanted, n - 1),
        check_finite=False,
        lapack_driver="stemr",
    )
    vectors = np.asfortranarray(inner[:, ::-1], np.float32)
    _reflect(order, tau, vectors)
    return values[::-1], vectors


def _reflect(order: Float32, tau: Float32, vectors: Float32) -> None:
    """Turn a tridiagonal matrix's eigenvectors, in place, into those of the matrix it came from."""
    for first in reversed(range(0, len(tau), PANEL)):
        last = min(first + PANEL, len(tau))
        panel = np.asfortranarray(order[first + 1 :, first:last])
        part = np.asfortranarray(vectors[first + 1 :])
        lwork = int(lapack.sormqr("L", "N", panel, tau[first:last], part, -1)[1][0])
        vectors[first + 1 :] = lapack.sormqr("L", "N", panel, tau[first:last], part, lwork)[0]
