"""Clouds that spread alike in all directions: what a spectrum is compared with."""

from functools import lru_cache
from typing import Any

import numpy as np
import scipy.linalg

from saeatlas.analyses import threads
from saeatlas.analyses.spectra import population
from saeatlas.analyses.stats import nulls

Array = np.ndarray[Any, Any]

_ROWS = 4096


@lru_cache(maxsize=16)
def gaussian(n: int, d: int, n_draws: int, seed: int) -> Array:
    """Draw Gaussian clouds of which each direction has the same variance, 1 in sum.

    Parameters
    ----------
    n, d : int
        Vectors and dimensions.
    n_draws : int
    seed : int

    Returns
    -------
    ndarray of shape (n_draws, min(n - 1, d)), float64
        Eigenvalues of their covariance, falling. Kept: the next cloud of this size is free.
    """
    draws = np.random.default_rng([seed, n, d]).spawn(n_draws)
    return np.stack(threads.each(lambda own: population.draw(np.full(d, 1 / d), n, own), draws))


@lru_cache(maxsize=16)
def directions(n: int, d: int, n_draws: int, seed: int) -> Array:
    """Draw clouds of unit vectors of which each direction is as likely.

    Parameters
    ----------
    n, d : int
    n_draws : int
    seed : int

    Returns
    -------
    ndarray of shape (n_draws, min(n - 1, d)), float64
        Eigenvalues of their covariance, falling; exact to float32. Kept.
    """
    draws = np.random.default_rng([seed, n, d, 1]).spawn(n_draws)
    return np.stack(threads.each(lambda own: _eigenvalues(own, n, d), draws))


def _eigenvalues(rng: np.random.Generator, n: int, d: int) -> Array:
    if n <= d:
        units = nulls.directions(rng, n, d)
        units -= units.mean(axis=0)
        products = units @ units.T
    else:
        products, total = np.zeros((d, d), np.float32), np.zeros(d)
        for first in range(0, n, _ROWS):
            units = nulls.directions(rng, min(_ROWS, n - first), d)
            products += units.T @ units
            total += units.sum(axis=0, dtype=np.float64)
        products -= (np.outer(total, total) / n).astype(np.float32)
    values = scipy.linalg.eigvalsh(products, overwrite_a=True, check_finite=False)[::-1]
    found: Array = values[: min(n - 1, d)].astype(np.float64) / (n - 1)
    least: Array = np.maximum(found, found[0] * np.finfo(np.float32).eps)
    return least


def edges(n: int, d: int, variance: float) -> tuple[float, float]:
    """Return between which eigenvalues the Marchenko-Pastur law lies.

    Parameters
    ----------
    n, d : int
    variance : float
        Sum of the eigenvalues.

    Returns
    -------
    (low, high)
        Of those above 0.

    References
    ----------
    Marchenko & Pastur, "Distribution of eigenvalues for some sets of random matrices", 1967.
    """
    root = np.sqrt(d / (n - 1))
    return float(variance / d * (1 - root) ** 2), float(variance / d * (1 + root) ** 2)
