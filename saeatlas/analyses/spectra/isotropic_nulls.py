"""Isotropic nulls: eigenvalues of vectors without any preferred direction."""

from functools import lru_cache

import numpy as np
import scipy.linalg

from saeatlas.analyses import threads
from saeatlas.analyses.arrays import Float64
from saeatlas.analyses.spectra import population
from saeatlas.analyses.stats import nulls

_ROWS = 4096


@lru_cache(maxsize=16)
def gaussian_eigenvalues(n: int, d: int, n_draws: int, seed: int) -> Float64:
    """Draw sets of isotropic Gaussian vectors, of total variance 1.

    Parameters
    ----------
    n, d : int
        Number of vectors, and their dimensions.
    n_draws : int
    seed : int

    Returns
    -------
    ndarray of shape (n_draws, min(n - 1, d)), float64
        Eigenvalues of their covariance, descending. Cached.
    """
    draws = np.random.default_rng([seed, n, d]).spawn(n_draws)
    return np.stack(threads.each(lambda own: population.draw(np.full(d, 1 / d), n, own), draws))


@lru_cache(maxsize=16)
def direction_eigenvalues(n: int, d: int, n_draws: int, seed: int) -> Float64:
    """Draw sets of unit vectors, uniform on the sphere.

    Parameters
    ----------
    n, d : int
    n_draws : int
    seed : int

    Returns
    -------
    ndarray of shape (n_draws, min(n - 1, d)), float64
        Eigenvalues of their covariance, descending; exact to float32. Cached.
    """
    draws = np.random.default_rng([seed, n, d, 1]).spawn(n_draws)
    return np.stack(threads.each(lambda own: _eigenvalues(own, n, d), draws))


def _eigenvalues(rng: np.random.Generator, n: int, d: int) -> Float64:
    if n <= d:
        units = nulls.random_directions(rng, n, d)
        units -= units.mean(axis=0)
        products = units @ units.T
    else:
        products, total = np.zeros((d, d), np.float32), np.zeros(d)
        for first in range(0, n, _ROWS):
            units = nulls.random_directions(rng, min(_ROWS, n - first), d)
            products += units.T @ units
            total += units.sum(axis=0, dtype=np.float64)
        products -= (np.outer(total, total) / n).astype(np.float32)
    values = scipy.linalg.eigvalsh(products, overwrite_a=True, check_finite=False)[::-1]
    found: Float64 = values[: min(n - 1, d)].astype(np.float64) / (n - 1)
    least: Float64 = np.maximum(found, found[0] * np.finfo(np.float32).eps)
    return least


def marchenko_pastur_edges(n: int, d: int, variance: float) -> tuple[float, float]:
    """Return the smallest and the largest eigenvalue under the Marchenko-Pastur law.

    Parameters
    ----------
    n, d : int
    variance : float
        Sum of the eigenvalues.

    Returns
    -------
    (low, high)
        Of the eigenvalues above 0.

    References
    ----------
    .. [MarchenkoPastur1967] The law and its edges.
    """
    root = np.sqrt(d / (n - 1))
    return float(variance / d * (1 - root) ** 2), float(variance / d * (1 + root) ** 2)
