"""Clouds with the covariance of another one, and no clusters."""

from dataclasses import replace
from typing import Any

import numpy as np
import scipy.linalg

from saeatlas.analyses.stats.pca import PrincipalAxes

Array = np.ndarray[Any, Any]

_ROWS = 512
"""Vectors drawn at once."""

_TRIED, _STEPS = 4096, 5
"""Vectors and steps of `before`."""


def root(points: Array) -> Array:
    """Decompose points' sample covariance.

    Parameters
    ----------
    points : ndarray of shape (n, d), float32

    Returns
    -------
    ndarray of shape (d, d), float64
        Lower Cholesky factor.
    """
    lower: Array = scipy.linalg.cholesky(np.atleast_2d(np.cov(points, rowvar=False)), lower=True)
    return lower


def gaussian(rng: np.random.Generator, n: int, factor: Array) -> Array:
    """Draw a Gaussian cloud given its sample covariance.

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
        Mean 0. The sample covariance is the given one, not only that of the population.

    Notes
    -----
    Of Gaussian vectors, in however many dimensions, what is left once their mean and covariance
    are known is n points of covariance 1, each rotation of the n as likely, and their leading
    principal components are so distributed as well. Hence Gaussian vectors in their principal
    components are distributed as these draws, exactly, given the covariance that they turned out
    to have. The first columns are what a draw in fewer dimensions would be.
    """
    z = rng.standard_normal((n, len(factor)), np.float32)
    return shaped(z, factor)


def shaped(points: Array, factor: Array) -> Array:
    """Give points another sample covariance.

    Parameters
    ----------
    points : ndarray of shape (n, d), float32
    factor : ndarray of shape (d, d), float64
        Lower Cholesky factor of the covariance they shall have.

    Returns
    -------
    ndarray of shape (n, d), float32
        A linear image of the points, mean 0. Each column is made of those up to it.
    """
    turn = scipy.linalg.solve_triangular(root(points), factor.T, lower=True, trans="T")
    image: Array = (points - points.mean(axis=0)) @ turn.astype(np.float32)
    return image


def before(rng: np.random.Generator, n: int, cloud: PrincipalAxes) -> PrincipalAxes:
    """Find what Gaussian vectors, made unit vectors, have a cloud's mean and covariance.

    Parameters
    ----------
    rng : numpy.random.Generator
        Of the vectors with which it is tried.
    n : int
        Points of which the spectrum is.
    cloud : PrincipalAxes
        Of unit vectors.

    Returns
    -------
    PrincipalAxes
        With the eigenvalues and mean that they have before.

    Notes
    -----
    By iteration with the same 4,096 vectors, from the mean and covariance that they shall have.
    It matters where few directions hold most of the covariance. There the fit is not perfect, as
    axes are kept and covariances off them are not looked at.
    """
    z = _whitened(rng, _TRIED, n, len(cloud.mean))
    aim, centre = np.append(np.sqrt(cloud.values), 0), cloud.mean
    spread, mean = aim, centre
    for _ in range(_STEPS):
        raw = z * spread.astype(np.float32) + mean.astype(np.float32)
        unit = raw / np.linalg.norm(raw, axis=1, keepdims=True)
        change = unit.std(axis=0) / np.maximum(raw.std(axis=0), np.finfo(np.float32).tiny)
        mean = centre - (unit.mean(axis=0) - raw.mean(axis=0))
        spread = np.divide(aim, change, out=np.zeros_like(aim), where=change > 0)
    return replace(cloud, values=spread[:-1] ** 2, mean=mean)


def directions(rng: np.random.Generator, n: int, cloud: PrincipalAxes, width: int) -> Array:
    """Draw Gaussian vectors with some mean and covariance and make them unit vectors.

    Parameters
    ----------
    rng : numpy.random.Generator
    n : int
    cloud : PrincipalAxes
        Whose mean and covariance they have before they are made unit vectors.
    width : int
        Coordinates that are kept.

    Returns
    -------
    ndarray of shape (n, width), float32
        Along the cloud's own leading axes.

    Notes
    -----
    Drawn along all axes of the cloud, so that nothing is rotated.
    Normalising changes the covariance, most where few directions hold most of it; see `before`.
    """
    sizes = np.append(np.sqrt(cloud.values), 0)  # across the axes lies the mean alone
    spread, mean = sizes.astype(np.float32), cloud.mean.astype(np.float32)
    drawn = np.empty((n, width), np.float32)
    for first in range(0, n, _ROWS):
        part = drawn[first : first + _ROWS]
        z = _whitened(rng, len(part), n, len(spread))
        z *= spread
        z += mean
        part[:] = z[:, :width] / np.linalg.norm(z, axis=1, keepdims=True)
    return drawn


def _whitened(rng: np.random.Generator, rows: int, n: int, d: int) -> Array:
    """Draw some rows of n Gaussian vectors that are made to have the sample covariance 1.

    Who is far out has a share in the covariance himself, so that afterwards he is not as far out:
    squared norms have the variance 2 d (1 - d / n), not 2 d. As spectrum and components are of the
    same n points, this is what they come from. Apart from it rows are as good as independent.
    """
    z = rng.standard_normal((rows, d), np.float32)
    squares = np.einsum("ij,ij->i", z, z)
    z *= np.sqrt((d + (squares - d) * max(1 - d / n, 0) ** 0.5) / squares)[:, None]
    return z
