"""Leading eigenvectors of a normalised affinity: one set serves every number of lobes."""

from dataclasses import dataclass

import numpy as np
import scipy.sparse.linalg

from saeatlas import errors
from saeatlas.analyses import threads
from saeatlas.analyses.arrays import Float32, Float64
from saeatlas.analyses.lobes import direct_solver
from saeatlas.analyses.lobes.affinities import ByRows, Operator
from saeatlas.analyses.lobes.bilinear import Bilinear, Deflated

SMALL = 4096
"""Features up to which LAPACK is quick enough for any number of vectors."""

_DEGREE, _GAIN = 64, 1e3
"""Highest degree of a polynomial of the blocked solver, and the most that it magnifies."""

PATIENCE = 2
"""Products of the matrix with n vectors after which the blocked solver leaves it to LAPACK."""

PRODUCTS = 2_000
"""Products after which the blocked solver gives up where there is no matrix for LAPACK."""

_SPARE, _LOOSE = 32, 2
"""Without a matrix: vectors more than wanted, which cost little there; and how far below the
typical one the lowest eigenvalue may be said to lie before it is worth finding."""

_EPSILON = 1e-6
"""What float32 leaves of a residual, in units of the matrix."""

TOLERANCE = 1e-4
"""Largest residual of an eigenvector that the blocked solver leaves; units as in `Embedding`."""


@dataclass(frozen=True)
class Embedding:
    """Coordinates of features in which lobes are clusters of points.

    Parameters
    ----------
    points : ndarray of shape (n, k_max), float32
        Column c is the c-th eigenvector of D^-1/2 W D^-1/2 times D^-1/2; the first k columns serve
        k lobes. Each column's sign makes its largest entry positive. 0 where a row of W is 0.
    eigenvalues : ndarray of shape (k_max,), float64
        Falling; the first is 1.
    degrees : ndarray of shape (n,), float64
        Sums of the affinity's rows.
    residual : float
        Largest norm of A v - lambda v, computed in float64, in units of the largest magnitude of
        the eigenvalues but the first; of 1 / (n - 1) where that is larger.
    """

    points: Float32
    eigenvalues: Float64
    degrees: Float64
    residual: float


def embed(affinity: ByRows | Bilinear, degrees: Float64, k_max: int, *, seed: int = 0) -> Embedding:
    """Find the leading eigenvectors of the normalised affinity D^-1/2 W D^-1/2.

    Parameters
    ----------
    affinity : ByRows or Bilinear
        W, not negative.
    degrees : ndarray of shape (n,), float64
        Sums of its rows; not all 0.
    k_max : int
        How many; at most n.
    seed : int
        Of the blocked solver's start.

    Returns
    -------
    Embedding

    Raises
    ------
    InputError
        Without a matrix the eigenvectors were not found in a bounded number of products.

    Notes
    -----
    Of `ByRows` one n x n matrix of float32 is in memory. Of few vectors (16 k_max < n) a blocked
    solver finds them: subspace iteration with a Chebyshev filter, matrix times block of vectors
    all the way. Of many, LAPACK's reduction is quicker; it also steps in where the filter takes
    too long. Of `Bilinear` the blocked solver finds any number, from products with bits. The first
    eigenvector is known, sqrt of the degrees, and is taken out beforehand: float32 then resolves
    the others, whose eigenvalues may be a thousandth.

    References
    ----------
    .. [ShiMalik2000] The normalised affinity.
    .. [Zhou2006] Subspace iteration with a Chebyshev filter.
    """
    first = np.sqrt(degrees / degrees.sum())
    root = np.where(degrees > 0, np.sqrt(degrees), 1)
    values, vectors = np.ones(1), first[:, None].astype(np.float32)
    residual = 0.0
    if k_max > 1:
        if isinstance(affinity, Bilinear):
            found, others = _without_matrix(Deflated(affinity, root, first), first, k_max - 1, seed)
        else:
            found, others = _others(_deflated(affinity, root, first), first, k_max - 1, seed)
        residual = _residual(affinity, root, found, others)
        values, vectors = np.append(values, found), np.hstack([vectors, others])
    points = vectors / root[:, None].astype(np.float32)
    largest = points[np.abs(points).argmax(axis=0), np.arange(points.shape[1])]
    points *= np.where(largest < 0, -1, 1).astype(np.float32)
    return Embedding(points, values, degrees, residual)


def _deflated(affinity: ByRows, root: Float64, first: Float64) -> Float32:
    """Return D^-1/2 W D^-1/2 - v v^T for the first eigenvector v; float32 of shape (n, n)."""
    matrix = np.empty((len(affinity), len(affinity)), np.float32)
    for part, rows in affinity.rows():
        matrix[part] = rows / root[part, None] / root - first[part, None] * first
    return matrix


def _others(matrix: Float32, first: Float64, wanted: int, seed: int) -> tuple[Float64, Float32]:
    """Find leading eigenpairs, orthogonal to the first eigenvector; the matrix is used up."""
    start = np.random.default_rng(seed).standard_normal(len(matrix)).astype(np.float32)
    low = float(
        scipy.sparse.linalg.eigsh(
            matrix, 1, which="SA", tol=0.05, v0=start, return_eigenvectors=False
        )[0]
    )
    pairs = None
    if len(matrix) > SMALL and 16 * (wanted + 1) < len(matrix):
        pairs = _filtered(matrix, first, wanted, 1.05 * low, seed)
    return pairs or direct_solver.direct_eigenpairs(matrix, first, wanted, 2 * low)


def _without_matrix(
    matrix: Deflated, first: Float64, wanted: int, seed: int
) -> tuple[Float64, Float32]:
    """Find leading eigenpairs, orthogonal to the first eigenvector, by products alone."""
    with threads.alone():  # numpy's threads and torch's would wait for each other
        pairs = _filtered(matrix, first, wanted, _floor(matrix, seed), seed)
    if pairs is None:
        raise errors.InputError(
            f"{wanted + 1:,} eigenvectors of {len(matrix):,} features were not found in "
            f"{PRODUCTS:,} products with their bits.",
            available="For k above the number of real lobes, eigenvalues lie close together.",
            hint="Choose smaller --k, or leave out --matrix-free.",
        )
    return pairs


def _floor(matrix: Deflated, seed: int) -> float:
    """Return what no eigenvalue is below: known, unless one feature has few relations.

    Looking for it takes some twenty products with single vectors.
    """
    n = len(matrix)
    if matrix.floor > _LOOSE * matrix.typical_floor or n <= 2:
        return matrix.floor
    alone = scipy.sparse.linalg.LinearOperator(
        (n, n), dtype=np.float32, matvec=lambda x: (matrix @ x.reshape(-1, 1))[:, 0]
    )
    start = np.random.default_rng(seed).standard_normal(n).astype(np.float32)
    found = scipy.sparse.linalg.eigsh(
        alone, 1, which="SA", tol=0.05, v0=start, return_eigenvectors=False
    )
    return max(matrix.floor, 1.05 * float(found[0]))


def _filtered(
    matrix: Float32 | Deflated, first: Float64, wanted: int, low: float, seed: int
) -> tuple[Float64, Float32] | None:
    """Find leading eigenpairs by subspace iteration with a Chebyshev filter, in float32.

    Those found are locked: the others stay orthogonal to them. None if it takes too long.
    """
    n, free = len(matrix), isinstance(matrix, Deflated)
    # more than wanted: the last converge slowly
    block = min(n - 1, wanted + max(_SPARE if free else 8, wanted // 4))
    locked, found = first[:, None].astype(np.float32), np.empty(0)
    rng = np.random.default_rng(seed)
    vectors = _orthonormal(rng.standard_normal((n, block), np.float32), locked)
    spent, most = 0, PRODUCTS if free else PATIENCE * n
    while spent < most:
        image = matrix @ vectors
        values, turn = np.linalg.eigh((vectors.T @ image).astype(np.float64))
        turn = turn[:, ::-1].astype(np.float32)
        values, vectors, image = values[::-1], vectors @ turn, image @ turn
        gaps = np.linalg.norm(image - vectors * values.astype(np.float32), axis=0)
        largest = max(values[0], -low, *found)
        enough = max(
            TOLERANCE * _unit(np.append(found, values)[:wanted], n) / 2, _EPSILON * largest
        )
        n_good = int(np.argmax(np.append(gaps > enough, True)))
        found = np.append(found, values[:n_good])
        locked = np.hstack([locked, vectors[:, :n_good]])
        if len(found) >= wanted:
            order = np.argsort(-found, kind="stable")[:wanted]
            return found[order], locked[:, 1:][:, order]
        values, vectors, image = values[n_good:], vectors[:, n_good:], image[:, n_good:]
        vectors, degree = _chebyshev(matrix, vectors, image, values, low, locked)
        spent += (degree + 1) * (1 if free else vectors.shape[1])
        vectors = _orthonormal(vectors, locked)
    return None


def _orthonormal(vectors: Float32, locked: Float32) -> Float32:
    """Make vectors orthonormal, and orthogonal to the locked ones."""
    for _ in range(2):  # once does not quite do
        vectors = np.linalg.qr(vectors - locked @ (locked.T @ vectors))[0]
    return vectors


def _chebyshev(
    matrix: Float32 | Deflated,
    vectors: Float32,
    image: Float32,
    values: Float64,
    low: float,
    locked: Float32,
) -> tuple[Float32, int]:
    """Magnify what lies above the smallest Ritz value against what lies between low and it.

    Returns the degree of the polynomial too.
    """
    high = values[-1]
    if high - low < 1e-7 * max(abs(low), values[0]):  # nothing between: power iteration does
        return image, 0
    centre, half = np.float32((high + low) / 2), np.float32((high - low) / 2)
    # the largest must not outgrow what float32 tells from the others
    outside = float(np.arccosh(max((values[0] - centre) / half, 1)))
    degree = _DEGREE if outside == 0 else min(_DEGREE, max(1, int(np.log(_GAIN) / outside)))
    previous = vectors
    current: Float32 = image - centre * vectors
    current /= half
    for _ in range(degree - 1):
        following: Float32 = matrix @ current
        following -= centre * current
        following *= np.float32(2) / half
        following -= previous
        following -= locked @ (locked.T @ following)  # of which rounding errors would grow
        previous, current = current, following
    return current, degree


def _unit(values: Float64, n: int) -> float:
    """Return the largest magnitude, at least the mean one: the trace is 0, the first is 1."""
    return max(float(np.abs(values).max()), 1 / (n - 1))


def _residual(affinity: Operator, root: Float64, values: Float64, vectors: Float32) -> float:
    """Return the largest norm of A v - lambda v over the eigenpairs, relative, in float64."""
    wide = vectors.astype(np.float64)
    image = affinity.dot(wide / root[:, None]) / root[:, None]
    gaps = np.linalg.norm(image - wide * values, axis=0)
    return float(gaps.max()) / _unit(values, len(root))
