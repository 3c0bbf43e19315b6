"""p-values of parallel differences, and false discovery rates."""

import numpy as np
from scipy.special import betainc

from saeatlas.analyses.arrays import Float64, Floats
from saeatlas.analyses.crystals.parallelograms import Quads

_LEAST = float(np.finfo(np.float64).tiny)
"""Smaller p-values are replaced by this."""


def two_sided_p(cosines: Floats, dimensions: float) -> Float64:
    """Compute two-sided p-values of cosines between unrelated directions.

    Parameters
    ----------
    cosines : ndarray of shape (n,), float64
    dimensions : float
        Effective dimensions, above 1.

    Returns
    -------
    ndarray of shape (n,), float64
        In (0, 1]. Two-sided, since the sign of a direction is arbitrary.

    Notes
    -----
    The square of the cosine of two directions, one of them uniform on the sphere, has a beta
    distribution with parameters 1/2 and (dimensions - 1) / 2.
    """
    rest = np.clip(1 - np.asarray(cosines, np.float64) ** 2, 0, 1)
    p: Float64 = np.maximum(betainc((dimensions - 1) / 2, 0.5, rest), _LEAST)
    return p


def one_sided_p(cosines: Floats, dimensions: float) -> Float64:
    """Compute one-sided p-values of cosines between unrelated directions.

    Parameters
    ----------
    cosines : ndarray of shape (n,), float64
    dimensions : float
        Effective dimensions, above 1.

    Returns
    -------
    ndarray of shape (n,), float64
        In (0, 1].
    """
    half = two_sided_p(cosines, dimensions) / 2
    return np.where(cosines > 0, np.maximum(half, _LEAST), 1 - half)


def crystal_p(quads: Quads, dimensions: float) -> Float64:
    """Compute p-values of crystals.

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
    The larger of two p-values, so that both must be small: that of parallel sides, under the null
    that the two pairs are unrelated; and that of parallel legs, under the null that a is near c
    and b near d, which alone makes sides parallel.
    """
    return np.maximum(two_sided_p(quads.sides, dimensions), two_sided_p(quads.legs, dimensions - 1))


def false_discovery_rates(p: Float64, n_tests: int) -> Float64:
    """Compute false discovery rates from p-values (Benjamini and Hochberg).

    Parameters
    ----------
    p : ndarray of shape (n,), float64
        The smallest p-values of all tests.
    n_tests : int
        Number of all tests, including those whose p-value is not given; at least n.

    Returns
    -------
    ndarray of shape (n,), float64
        q: expected share of false findings among those with at most this p-value; in (0, 1].

    References
    ----------
    .. [BenjaminiHochberg1995] The procedure.
    """
    order = np.argsort(p, kind="stable")
    rates = p[order] * n_tests / np.arange(1, len(p) + 1)
    q = np.empty(len(p))
    q[order] = np.minimum(np.minimum.accumulate(rates[::-1])[::-1], 1)
    return q
