"""Leading eigenvectors of a normalised affinity: one set serves every number of lobes."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import scipy.linalg
import scipy.sparse.linalg

from saeatlas.analyses.affinities import ByRows

Array = np.ndarray[Any, Any]

_DEGREE, _GAIN = 64, 7.0
"""Highest degree of a polynomial of the blocked solver, and log of the most that it magnifies."""

_SMALL = 4096
"""Features up to which LAPACK is quick enough for any number of vectors."""

_PATIENCE = 2
"""Products of the matrix with n vectors after which the blocked solver leaves it to LAPACK."""

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

    Notes
    -----
    In memory is one n x n matrix of float32. Of many features but few vectors (16 k_max < n) a
    blocked solver finds them: subspace iteration with a Chebyshev filter, products of the matrix
    with blocks of vectors all the way. Otherwise LAPACK is quicker. The first eigenvector is known,
    the square roots of the degrees, and taken out beforehand: float32 then resolves the others,
    whose eigenvalues may be a thousandth of its own.

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
        pairs = None
        if n > _SMALL and 16 * k_max < n:
            pairs = _filtered(_deflated(affinity, root, first), first, k_max - 1, seed)
        found, others = pairs or _direct(
            partial(_deflated, affinity, root, first), first, k_max - 1
        )
        others -= np.outer(first, first @ others).astype(np.float32)  # what rounding left of it
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


def _direct(make: Callable[[], Array], first: Array, wanted: int) -> tuple[Array, Array]:
    """Find leading eigenpairs but the first, whose eigenvalue stands as 0 here, by LAPACK."""
    n = len(first)
    ends = [n - wanted - 1, n - 1]
    # transposed it is the same, in LAPACK's order: overwritten and not copied
    values, vectors = scipy.linalg.eigh(
        make().T, subset_by_index=ends, overwrite_a=True, check_finite=False
    )
    if len(values) <= wanted:  # bisection may miss some of many that are equal
        values, vectors = scipy.linalg.eigh(
            make().T, driver="evd", overwrite_a=True, check_finite=False
        )
    values, vectors = values[::-1].astype(np.float64), vectors[:, ::-1]
    along = np.abs(first.astype(np.float32) @ vectors)
    keep = np.ones(len(values), bool)
    if along.max() > 0.5:
        keep[along.argmax()] = False
    return values[keep][:wanted], vectors[:, keep][:, :wanted]


def _filtered(matrix: Array, first: Array, wanted: int, seed: int) -> tuple[Array, Array] | None:
    """Find the same by subspace iteration with a Chebyshev filter; None if that would take long."""
    n = len(matrix)
    block = min(n, wanted + max(8, wanted // 4))  # more than wanted: the last converge slowly
    rng = np.random.default_rng(seed)
    active = rng.standard_normal((n, block), np.float32)
    active = np.linalg.qr(active - np.outer(first, first @ active).astype(np.float32))[0]
    low = _lowest(matrix, rng.standard_normal(n).astype(np.float32))
    known, found = first[:, None].astype(np.float32), np.zeros(1)
    spent = 0
    while spent < _PATIENCE * n:
        image = matrix @ active
        values, turn = np.linalg.eigh((active.T @ image).astype(np.float64))
        values, turn = values[::-1], turn[:, ::-1].astype(np.float32)
        active, image = active @ turn, image @ turn
        gaps = np.linalg.norm(image - active * values.astype(np.float32), axis=0)
        scale = abs(found[1] if len(found) > 1 else values[0])
        good = gaps <= TOLERANCE * scale / 2
        ready = int(good.argmin()) if not good.all() else len(good)  # in order, from the first
        found, known = np.append(found, values[:ready]), np.hstack([known, active[:, :ready]])
        if len(found) > wanted:
            return found[1 : wanted + 1], known[:, 1 : wanted + 1]
        rest = (low, values[ready:])
        active, degree = _magnified(matrix, active[:, ready:], rest, (found, known))
        spent += (degree + 1) * active.shape[1]
    return None


def _lowest(matrix: Array, start: Array) -> float:
    """Return a bound, roughly, of the spectrum from below."""
    lowest = scipy.sparse.linalg.eigsh(
        matrix, 1, which="SA", tol=0.01, v0=start, return_eigenvectors=False
    )[0]
    return float(lowest) - 0.1 * abs(float(lowest))


def _magnified(
    matrix: Array, active: Array, spectrum: tuple[float, Array], pairs: tuple[Array, Array]
) -> tuple[Array, int]:
    """Magnify what lies above the smallest Ritz value against what lies below; orthonormal.

    Eigenpairs that are known are moved to the middle of what is damped. The degree is as high as
    keeps the largest of the others from drowning the rest in float32; it is returned too.
    """
    (low, values), (found, known) = spectrum, pairs
    high = float(values[-1])
    centre, half = (high + low) / 2, max((high - low) / 2, 1e-9)
    moved = (found - centre).astype(np.float32)[:, None]
    reach = np.arccosh(max((values[0] - centre) / half, 1 + 1e-6))
    degree = int(np.clip(_GAIN / reach, 1, _DEGREE))

    def scaled(x: Array) -> Array:
        image: Array = matrix @ x
        image -= known @ (moved * (known.T @ x)) + centre * x
        image /= half
        return image

    previous, current = active, scaled(active)
    for _ in range(degree - 1):
        previous, current = current, 2 * scaled(current) - previous
    for _ in range(2):  # once more takes out what rounding left of the known
        current = np.linalg.qr(current - known @ (known.T @ current))[0]
    return current, degree


def _residual(affinity: ByRows, root: Array, values: Array, vectors: Array) -> float:
    """Return the largest norm of A v - lambda v over the eigenpairs, relative, in float64."""
    wide = vectors.astype(np.float64)
    image = affinity.dot(wide / root[:, None]) / root[:, None]
    gaps = np.linalg.norm(image - wide * values, axis=0)
    return float(gaps.max() / max(abs(values[0]), np.finfo(float).tiny))
