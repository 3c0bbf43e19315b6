"""What chance makes: p-values of parallel differences, and false discovery rates."""

from typing import Any

import numpy as np
from scipy.special import betainc

from saeatlas.analyses.crystals.parallelograms import Quads

Array = np.ndarray[Any, Any]

_LEAST = float(np.finfo(np.float64).tiny)
"""Smaller p-values are written as this."""


def two_sided_p(cosines: Array, dimensions: float) -> Array:
    """Give the chance of cosines as far from 0, between unrelated directions.

    Parameters
    ----------
    cosines : ndarray of shape (n,), float64
    dimensions : float
        Effective dimensions, above 1.

    Returns
    -------
    ndarray of shape (n,), float64
        Two-sided, since either direction may be turned; in (0, 1].

    Notes
    -----
    The square of the cosine of two directions, one of them uniform on the sphere, has a beta
    distribution with parameters 1/2 and (dimensions - 1) / 2.
    """
    rest = np.clip(1 - np.asarray(cosines, np.float64) ** 2, 0, 1)
    p: Array = np.maximum(betainc((dimensions - 1) / 2, 0.5, rest), _LEAST)
    return p


def one_sided_p(cosines: Array, dimensions: float) -> Array:
    """Give the chance of cosines as large, between unrelated directions.

    Parameters
    ----------
    cosines : ndarray of shape (n,), float64
    dimensions : float
        Effective dimensions, above 1.

    Returns
    -------
    ndarray of shape (n,), float64
        One-sided; in (0, 1].
    """
    half = two_sided_p(cosines, dimensions) / 2
    return np.where(cosines > 0, np.maximum(half, _LEAST), 1 - half)


def crystal_p(quads: Quads, dimensions: float) -> Array:
    """Give the chance of crystals as good.

    Parameters
    ----------
    quads : Quads
    dimensions : float
        Effective dimensions, above 2.

    Returns
    -------
    ndarray of shape (n,), float64
        In (0, 1].

    Notes
    -----
    The larger of two p-values, so that both must be small: of parallel sides, if the two pairs
    have nothing to do with each other; of parallel legs, if a belongs with c and b with d, which
    makes sides parallel, and that is all.
    """
    return np.maximum(two_sided_p(quads.sides, dimensions), two_sided_p(quads.legs, dimensions - 1))


def false_discovery_rates(p: Array, n_tests: int) -> Array:
    """Turn p-values into false discovery rates (Benjamini and Hochberg).

    Parameters
    ----------
    p : ndarray of shape (n,), float64
        The smallest of all tests.
    n_tests : int
        All tests, those without a p-value included; at least n.

    Returns
    -------
    ndarray of shape (n,), float64
        q: of all findings with at most this p-value, the share that chance makes; in (0, 1].

    References
    ----------
    Benjamini and Hochberg, "Controlling the False Discovery Rate", Journal of the Royal
    Statistical Society B 57(1), 1995.
    """
    order = np.argsort(p, kind="stable")
    rates = p[order] * n_tests / np.arange(1, len(p) + 1)
    q = np.empty(len(p))
    q[order] = np.minimum(np.minimum.accumulate(rates[::-1])[::-1], 1)
    return q
