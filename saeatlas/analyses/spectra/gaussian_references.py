"""Reference vectors without clusters that have the covariance of given vectors."""

from dataclasses import replace

import numpy as np
import scipy.linalg

from saeatlas.analyses.arrays import Float32, Float64
from saeatlas.analyses.stats.pca import PrincipalAxes

_ROWS = 512
"""Vectors drawn at once."""

_TRIED, _STEPS = 4096, 5
"""Vectors and steps of `before_normalising`."""


def covariance_factor(points: Float32) -> Float64:
    """Decompose the sample covariance of points.

    Parameters
    ----------
    points : ndarray of shape (n, d), float32

    Returns
    -------
    ndarray of shape (d, d), float64
        Lower Cholesky factor.
    """
    lower: Float64 = scipy.linalg.cholesky(np.atleast_2d(np.cov(points, rowvar=False)), lower=True)
    return lower


def draw_gaussian(rng: np.random.Generator, n: int, factor: Float64) -> Float32:
    """Draw Gaussian vectors given their sample covariance.

    Parameters
    ----------
    rng : numpy.random.Generator
    n : int
        More than d.
    factor : ndarray of shape (d, d), float64
        Lower Cholesky factor of the covariance.

    Returns
    -------
    ndarray of shape (n, d), float32
        Mean 0. The covariance of the sample is exactly the given one.

    Notes
    -----
    Given their sample mean and covariance, Gaussian vectors in any number of dimensions are n
    points of covariance 1 under a uniformly random rotation of the n, and so are their leading
    principal components. Hence Gaussian vectors, in their principal components and given their
    sample covariance, have exactly the distribution of these draws. The first columns of a draw
    have the distribution of a draw in fewer dimensions.
    """
    z = rng.standard_normal((n, len(factor)), np.float32)
    return with_covariance(z, factor)


def with_covariance(points: Float32, factor: Float64) -> Float32:
    """Transform points linearly so that they have a given sample covariance.

    Parameters
    ----------
    points : ndarray of shape (n, d), float32
    factor : ndarray of shape (d, d), float64
        Lower Cholesky factor of that covariance.

    Returns
    -------
    ndarray of shape (n, d), float32
        Mean 0. Each column is a combination of the columns of ``points`` up to it.
    """
    own = covariance_factor(points)
    matrix = scipy.linalg.solve_triangular(own, factor.T, lower=True, trans="T")
    image: Float32 = (points - points.mean(axis=0)) @ matrix.astype(np.float32)
    return image


def before_normalising(rng: np.random.Generator, n: int, axes: PrincipalAxes) -> PrincipalAxes:
    """Find Gaussian vectors that, once normalised, have the mean and covariance of unit vectors.

    Parameters
    ----------
    rng : numpy.random.Generator
        Of the vectors that are drawn to fit them.
    n : int
        Number of unit vectors.
    axes : PrincipalAxes
        Of the unit vectors.

    Returns
    -------
    PrincipalAxes
        With the eigenvalues and mean before normalising.

    Notes
    -----
    Fixed-point iteration with the same 4,096 vectors, which starts from the mean and covariance of
    the unit vectors. It matters where few directions hold most of the covariance. There the fit is
    not perfect: only variances along the axes are fitted, not covariances between them.
    """
    z = _whitened(rng, _TRIED, n, len(axes.mean))
    aim, centre = np.append(np.sqrt(axes.values), 0), axes.mean
    spread, mean = aim, centre
    for _ in range(_STEPS):
        raw = z * spread.astype(np.float32) + mean.astype(np.float32)
        unit = raw / np.linalg.norm(raw, axis=1, keepdims=True)
        change = unit.std(axis=0) / np.maximum(raw.std(axis=0), np.finfo(np.float32).tiny)
        mean = centre - (unit.mean(axis=0) - raw.mean(axis=0))
        spread = np.divide(aim, change, out=np.zeros_like(aim), where=change > 0)
    return replace(axes, values=spread[:-1] ** 2, mean=mean)


def draw_unit_vectors(rng: np.random.Generator, n: int, axes: PrincipalAxes, width: int) -> Float32:
    """Draw Gaussian vectors of given mean and covariance, and normalise them.

    Parameters
    ----------
    rng : numpy.random.Generator
    n : int
    axes : PrincipalAxes
        With the mean and covariance before normalising.
    width : int
        Number of coordinates that are returned.

    Returns
    -------
    ndarray of shape (n, width), float32
        Along the leading axes.

    Notes
    -----
    Normalising changes the covariance, most where few directions hold most of it; see
    `before_normalising`.
    """
    sizes = np.append(np.sqrt(axes.values), 0)  # orthogonal to the axes there is the mean alone
    spread, mean = sizes.astype(np.float32), axes.mean.astype(np.float32)
    drawn = np.empty((n, width), np.float32)
    for first in range(0, n, _ROWS):
        part = drawn[first : first + _ROWS]
        z = _whitened(rng, len(part), n, len(spread))
        z *= spread
        z += mean
        part[:] = z[:, :width] / np.linalg.norm(z, axis=1, keepdims=True)
    return drawn


def _whitened(rng: np.random.Generator, rows: int, n: int, d: int) -> Float32:
    """Draw some rows of n Gaussian vectors that are whitened to the sample covariance 1.

    A vector with a large norm raises the covariance itself, so that whitening shortens it: squared
    norms have the variance 2 d (1 - d / n), not 2 d. Spectrum and components are those of the same
    n points, so the reference needs this variance too. Apart from it rows are nearly independent.
    """
    z = rng.standard_normal((rows, d), np.float32)
    squares = np.einsum("ij,ij->i", z, z)
    z *= np.sqrt((d + (squares - d) * max(1 - d / n, 0) ** 0.5) / squares)[:, None]
    return z
