"""How far what lies along a direction follows what was measured of features or words."""

from dataclasses import dataclass
from typing import Any

import numpy as np

Array = np.ndarray[Any, Any]

_DRAWS = 2000
"""Times that points are drawn again for an interval."""

_NUMBERS = 2**22
"""Draws that are held at once."""


@dataclass(frozen=True)
class ExplainedVariance:
    """How far a direction follows an attribute. Columns of ``distractor_attribute``.

    Parameters
    ----------
    n : int
        Points that have the attribute.
    r2, r2_low, r2_high : float
        Squared correlation with its 95% interval; in [0, 1].
    """

    n: int
    r2: float
    r2_low: float
    r2_high: float


def explained_variance(
    coordinates: Array, attribute: Array, rng: np.random.Generator, groups: Array | None = None
) -> ExplainedVariance | None:
    """Measure how much of the variance along a direction an attribute explains.

    Parameters
    ----------
    coordinates : ndarray of shape (n,), float
        Of points, or of differences, along the direction.
    attribute : ndarray of shape (n,), float64
        Of each point; of a difference that of its output less that of its input. NaN if unknown.
    rng : numpy.random.Generator
        Of the interval.
    groups : ndarray of shape (n,), int, optional
        Points that depend on each other and are drawn together. Default: each by itself.

    Returns
    -------
    ExplainedVariance or None
        None where fewer than three points have the attribute, or all have the same.

    Notes
    -----
    The interval is of the correlation, from points (or groups) drawn again with replacement, and
    then squared: it reaches 0 where the sign is in doubt. Of squared correlations drawn again
    none would be 0, and an attribute without effect would seem to have one. It takes the
    direction as given, which may be: a direction knows nothing of attributes. With few groups, or
    one that holds most points, it is too narrow.

    References
    ----------
    Efron and Tibshirani, "An Introduction to the Bootstrap", 1993, chapter 13.
    """
    known = np.isfinite(attribute)
    x, y = attribute[known], np.asarray(coordinates, np.float64)[known]
    if len(x) < 3 or np.ptp(x) == 0 or np.ptp(y) == 0:
        return None
    x, y = (x - x.mean()) / np.ptp(x), (y - y.mean()) / np.ptp(y)
    moments = np.column_stack([np.ones_like(x), x, y, x * x, y * y, x * y])
    if groups is not None:
        _, own = np.unique(groups[known], return_inverse=True)
        moments = np.column_stack([np.bincount(own, column) for column in moments.T])
    draws = _correlation(_again(moments, rng))
    low, high = np.quantile(draws, [0.025, 0.975])
    ends = sorted((float(low**2), float(high**2)))
    r2 = float(_correlation(moments.sum(axis=0)[None])[0] ** 2)
    return ExplainedVariance(len(x), r2, 0.0 if low <= 0 <= high else ends[0], ends[1])


def _again(moments: Array, rng: np.random.Generator) -> Array:
    """Sum the moments of groups drawn with replacement: (_DRAWS, 6)."""
    n = len(moments)
    sums = np.empty((_DRAWS, moments.shape[1]))
    step = max(1, _NUMBERS // n)
    for first in range(0, _DRAWS, step):
        rows = min(step, _DRAWS - first)
        drawn = rng.integers(n, size=(rows, n)) + n * np.arange(rows)[:, None]
        times = np.bincount(drawn.ravel(), minlength=rows * n).reshape(rows, n)
        sums[first : first + rows] = times @ moments
    return sums


def _correlation(sums: Array) -> Array:
    """Correlate x and y from sums (m, 6) of 1, x, y, xx, yy, xy; 0 where one does not vary."""
    n, x, y, xx, yy, xy = sums.T
    variance_x, variance_y = xx - x * x / n, yy - y * y / n
    # what is left of 1 by rounding is no variance
    varies = (variance_x > 1e-12 * n) & (variance_y > 1e-12 * n)
    product = np.sqrt(np.where(varies, variance_x * variance_y, 1))
    correlation: Array = np.where(varies, (xy - x * y / n) / product, 0).clip(-1, 1)
    return correlation
