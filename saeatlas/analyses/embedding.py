"""Leading eigenvectors of a normalised affinity: one set serves every number of lobes."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse.linalg

from saeatlas.analyses.affinities import ByRows

Array = np.ndarray[Any, Any]

_DEGREE = 10
"""Degree of the polynomial that a round of the blocked solver applies."""

_ROUNDS = 40
"""Rounds after which the blocked solver gives up."""

TOLERANCE = 1e-4
"""Largest residual of an eigenvector, in units of the largest eigenvalue but the first."""


@dataclass(frozen=True)
class Embedding:
    """Coordinates of features in which lobes are clusters of points.

    Parameters
    ----------
    points : ndarray of shape (n, k_max), float32
        Column c is the c-th eigenvector of D^-1/2 W D^-1/2 times D^-1/2; the first k columns serve
        k lobes. Each column's sign makes its largest entry positive.
    eigenvalues : ndarray of shape (k_max,), float64
        Falling; the first is 1.
    degrees : ndarray of shape (n,), float64
        Sums of the affinity's rows.
    residual : float
        Largest norm of A v - lambda v, computed in float64, in units of the largest eigenvalue but
        the first.
    """

    points: Array
    eigenvalues: Array
    degrees: Array
    residual: float


def embed(affinity: ByRows, degrees: Array, k_max: int, *, seed: int = 0) -> Embedding:
    """Find the leading eigenvectors of the normalised affinity D^-1/2 W D^-1/2.

    Parameters
    ----------
    affinity : ByRows
        W, not negative.
    degrees : ndarray of shape (n,), float64
        Sums of its rows, all positive.
    k_max : int
        How many; at most n.
    seed : int
        Of the blocked solver's start.

    Returns
    -------
    Embedding

    Raises
    ------
    numpy.linalg.LinAlgError
        The solver did not get there.

    Notes
    -----
    In memory is one n x n matrix of float32. Of few vectors (16 k_max < n) a blocked solver finds
    them: subspace iteration with a Chebyshev filter, matrix times block of vectors all the way. Of
    many, LAPACK's reduction is quicker. The first eigenvector is known, sqrt of the degrees, and is
    taken out beforehand: float32 then resolves the others, whose eigenvalues may be a thousandth.

    References
    ----------
    Shi & Malik, "Normalized cuts and image segmentation", IEEE TPAMI 22, 2000.
    Zhou, Saad, Tiago & Chelikowsky, "Self-consistent-field calculations using Chebyshev-filtered
    subspace iteration", J. Comput. Phys. 219, 2006.
    """
    n = len(affinity)
    root = np.sqrt(degrees)
    first = root / np.linalg.norm(root)
    values, vectors = np.ones(1), first[:, None].astype(np.float32)
    residual = 0.0
    if k_max > 1:
        matrix = _deflated(affinity, root, first)
        wanted = min(k_max, n)  # one more: the first may come back with the eigenvalue 0
        if 16 * wanted < n:
            found, others = _filtered(matrix, wanted, seed)
        else:
            found, others = _direct(matrix, wanted)
        del matrix
        found, others = _without(found, others, first, k_max - 1)
        residual = _residual(affinity, root, found, others)
        values, vectors = np.append(values, found), np.hstack([vectors, others])
    points = vectors / root[:, None].astype(np.float32)
    largest = points[np.abs(points).argmax(axis=0), np.arange(points.shape[1])]
    points *= np.where(largest < 0, -1, 1).astype(np.float32)
    return Embedding(points, values, degrees, residual)


def _deflated(affinity: ByRows, root: Array, first: Array) -> Array:
    """Return D^-1/2 W D^-1/2 - v v^T for the first eigenvector v; float32 of shape (n, n)."""
    matrix = np.empty((len(affinity), len(affinity)), np.float32)
    for part, rows in affinity.rows():
        matrix[part] = rows / root[part, None] / root - first[part, None] * first
    return matrix


def _direct(matrix: Array, wanted: int) -> tuple[Array, Array]:
    n = len(matrix)
    values, vectors = scipy.linalg.eigh(
        matrix.T,  # the same, in LAPACK's order: overwritten and not copied
        subset_by_index=[n - wanted, n - 1],
        overwrite_a=True,
        check_finite=False,
    )
    return values[::-1].astype(np.float64), vectors[:, ::-1]


def _filtered(matrix: Array, wanted: int, seed: int) -> tuple[Array, Array]:
    """Find leading eigenpairs by subspace iteration with a Chebyshev filter, in float32."""
    n = len(matrix)
    block = min(n, wanted + max(8, wanted // 4))  # more than wanted: the last converge slowly
    rng = np.random.default_rng(seed)
    vectors = np.linalg.qr(rng.standard_normal((n, block), np.float32))[0]
    start = rng.standard_normal(n).astype(np.float32)
    low = float(
        scipy.sparse.linalg.eigsh(
            matrix, 1, which="SA", tol=0.05, v0=start, return_eigenvectors=False
        )[0]
    )
    for _ in range(_ROUNDS):
        image = matrix @ vectors
        values, turn = np.linalg.eigh((vectors.T @ image).astype(np.float64))
        turn = turn[:, ::-1].astype(np.float32)
        values, vectors, image = values[::-1], vectors @ turn, image @ turn
        gaps = np.linalg.norm(image - vectors * values.astype(np.float32), axis=0)[:wanted]
        if gaps.max() <= TOLERANCE * abs(values[0]) / 2:
            return values[:wanted], vectors[:, :wanted]
        vectors = np.linalg.qr(_chebyshev(matrix, vectors, image, low * 1.05, values[-1]))[0]
    raise np.linalg.LinAlgError(f"eigenvectors not found in {_ROUNDS} rounds")


def _chebyshev(matrix: Array, vectors: Array, image: Array, low: float, high: float) -> Array:
    """Magnify what lies above high against what lies between low and high."""
    if high - low < 1e-7:  # nothing lies between: a step of power iteration does
        return image
    centre, half = np.float32((high + low) / 2), np.float32((high - low) / 2)
    previous, current = vectors, (image - centre * vectors) / half
    for _ in range(_DEGREE - 1):
        following = (matrix @ current - centre * current) * (2 / half) - previous
        scale = np.abs(following).max()  # it grows exponentially
        previous, current = current / scale, following / scale
    return current


def _without(values: Array, vectors: Array, first: Array, wanted: int) -> tuple[Array, Array]:
    """Take out the first eigenvector where it has come back, and keep so many others."""
    along = np.abs(first.astype(np.float32) @ vectors)
    keep = np.ones(len(values), bool)
    if along.max() > 0.5:
        keep[along.argmax()] = False
    return values[keep][:wanted], vectors[:, keep][:, :wanted]


def _residual(affinity: ByRows, root: Array, values: Array, vectors: Array) -> float:
    """Return the largest norm of A v - lambda v over the eigenpairs, relative, in float64."""
    wide = vectors.astype(np.float64)
    image = affinity.dot(wide / root[:, None]) / root[:, None]
    gaps = np.linalg.norm(image - wide * values, axis=0)
    return float(gaps.max() / max(abs(values[0]), np.finfo(float).tiny))
