"""A straight line through log eigenvalue against log rank, and what else might fit."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

RANKS = (11, 150)
"""First and last rank fitted, as it was published."""

_FEWEST = 20
"""Ranks below which a line says nothing."""

_FIRSTS, _LASTS = (2, 6, 11, 16, 21), (100, 125, 150, 200, 300)
"""Other first and last ranks, for how much their choice matters."""


@dataclass(frozen=True)
class Line:
    """A line fitted to eigenvalues.

    Parameters
    ----------
    first, last : int
        Ranks fitted, from 1.
    slope : float
        Of log eigenvalue over log rank.
    r2 : float
        Share of the variance of log eigenvalues that it explains; in [0, 1].
    least, most : float
        Extremes of the slope over other choices of ranks.
    alternative : str or None
        Curve that fits better, exponential or lognormal; None if neither does.
    aic_difference : float
        Akaike's criterion of the line less that of the better curve.
    log_volume : float
        Sum of natural logarithms of the eigenvalues fitted.
    """

    first: int
    last: int
    slope: float
    r2: float
    least: float
    most: float
    alternative: str | None
    aic_difference: float
    log_volume: float


def fit(values: Array, ranks: tuple[int, int] = RANKS) -> Line | None:
    """Fit a power law to eigenvalues.

    Parameters
    ----------
    values : ndarray of shape (n,), float64
        Falling, above 0.
    ranks : (int, int)
        First and last rank; of few eigenvalues at most the upper half, as the lower end of a
        spectrum bends down whatever its upper one does.

    Returns
    -------
    Line or None
        None with fewer than 20 ranks to fit.

    Notes
    -----
    Alternatives have the same ranks: exponential is a line in the rank itself, lognormal a
    parabola in its logarithm, which bends as the quantiles of a log-normal distribution do. Their
    criterion takes residuals as independent, which those of a sorted list are not: a difference
    of some units says little, and a smooth curve is nearly always better than a line. How much
    the slope depends on the ranks, ``least`` and ``most``, says more.

    References
    ----------
    Li et al., "The Geometry of Concepts", Entropy 27(4):344, 2025: the line, ranks 11 to 150.
    Akaike, "A new look at the statistical model identification", IEEE TAC 19, 1974.
    """
    first, last = ranks[0], min(ranks[1], len(values) // 2)
    if last - first + 1 < _FEWEST:
        return None
    logs = np.log(values)
    rank = np.arange(first, last + 1, dtype=np.float64)
    y, x = logs[first - 1 : last], np.log(rank)
    line = _criterion(y, x)
    curves = {"exponential": _criterion(y, rank), "lognormal": _criterion(y, x, x**2)}
    best = min(curves, key=lambda name: curves[name])
    slopes = [
        slope(logs, (a, min(b, len(values) // 2)))
        for a in _FIRSTS
        for b in _LASTS
        if min(b, len(values) // 2) - a + 1 >= _FEWEST
    ]
    own = slope(logs, (first, last))
    fitted = own * (x - x.mean())
    spread = float(((y - y.mean()) ** 2).sum())
    return Line(
        first,
        last,
        own,
        float((fitted**2).sum()) / spread if spread else 1.0,
        min(slopes, default=own),
        max(slopes, default=own),
        best if curves[best] < line else None,
        line - curves[best],
        float(y.sum()),
    )


def slope(logs: Array, ranks: tuple[int, int]) -> float:
    """Return the slope of a least-squares line.

    Parameters
    ----------
    logs : ndarray of shape (n,), float64
        Logarithms of eigenvalues, falling.
    ranks : (int, int)
        First and last rank fitted; not above n.

    Returns
    -------
    float
    """
    return float(weights(ranks) @ logs[ranks[0] - 1 : ranks[1]])


def weights(ranks: tuple[int, int]) -> Array:
    """Return what each log eigenvalue adds to the slope.

    Parameters
    ----------
    ranks : (int, int)

    Returns
    -------
    ndarray of shape (last - first + 1,), float64
        Sum 0.
    """
    x = np.log(np.arange(ranks[0], ranks[1] + 1))
    x -= x.mean()
    result: Array = x / (x @ x)
    return result


def _criterion(y: Array, *terms: Array) -> float:
    """Return Akaike's criterion of a least-squares fit with Gaussian residuals."""
    design = np.column_stack([np.ones_like(y), *(_scaled(term) for term in terms)])
    residuals = y - design @ np.linalg.lstsq(design, y, rcond=None)[0]
    n, variance = len(y), float(residuals @ residuals) / len(y)
    exact = (8 * np.finfo(float).eps * max(1.0, float(np.abs(y).max()))) ** 2
    return float(n * np.log(max(variance, exact)) + 2 * (design.shape[1] + 1))


def _scaled(term: Array) -> Array:
    scaled: Array = (term - term.mean()) / term.std()
    return scaled


def influence(coordinates: Array, values: Array, ranks: tuple[int, int]) -> Array:
    """Return how far each vector moves the slope: its first-order influence.

    Parameters
    ----------
    coordinates : ndarray of shape (n, m), float32
        Along the leading axes; m at least the last rank.
    values : ndarray of shape (m,) or more, float64
        Their variances.
    ranks : (int, int)

    Returns
    -------
    ndarray of shape (n,), float64
        Mean about 0; its standard deviation / sqrt(n) is the standard error of the slope.
    """
    own = slice(ranks[0] - 1, ranks[1])
    scale = weights(ranks) / values[own]
    result = np.empty(len(coordinates))
    for first in range(0, len(result), 4096):
        part = slice(first, first + 4096)
        result[part] = coordinates[part, own].astype(np.float64) ** 2 @ scale
    return result


__all__: Sequence[str] = ["RANKS", "Line", "fit", "influence", "slope", "weights"]
