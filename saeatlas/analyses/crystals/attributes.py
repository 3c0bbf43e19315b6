"""How much of the variance along a direction a measured attribute explains."""

from dataclasses import dataclass

import numpy as np

from saeatlas.analyses.arrays import Float64, Floats, Int64

_DRAWS = 2000
"""Bootstrap draws for an interval."""

_NUMBERS = 2**22
"""Random numbers in memory at once."""


@dataclass(frozen=True)
class ExplainedVariance:
    """Variance along a direction explained by an attribute. Columns of ``distractor_attribute``.

    Parameters
    ----------
    n : int
        Points whose attribute is known.
    r2, r2_low, r2_high : float
        Squared correlation with its 95% interval; in [0, 1].
    """

    n: int
    r2: float
    r2_low: float
    r2_high: float


def explained_variance(
    coordinates: Floats,
    attribute: Float64,
    rng: np.random.Generator,
    groups: Int64 | None = None,
) -> ExplainedVariance | None:
    """Measure how much of the variance along a direction an attribute explains.

    Parameters
    ----------
    coordinates : ndarray of shape (n,), float
        Of points, or of differences, along the direction.
    attribute : ndarray of shape (n,), float64
        Of each point; of a difference that of its output minus that of its input. NaN if unknown.
    rng : numpy.random.Generator
        Of the interval.
    groups : ndarray of shape (n,), int, optional
        Groups of dependent points, which are drawn together. Default: all are independent.

    Returns
    -------
    ExplainedVariance or None
        None if fewer than three points have the attribute, or all have the same value.

    Notes
    -----
    The interval is a bootstrap percentile interval of the correlation, squared afterwards: it
    includes 0 if the sign is uncertain. Bootstrap draws of the squared correlation would all be
    above 0, and an attribute without effect would seem to have one. The direction is taken as
    fixed, which is right because it was found without the attributes. With few groups, or one that
    holds most points, the interval is too narrow.

    References
    ----------
    .. [EfronTibshirani1993] Chapter 13.
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
    draws = _correlation(_resampled(moments, rng))
    low, high = np.quantile(draws, [0.025, 0.975])
    ends = sorted((float(low**2), float(high**2)))
    r2 = float(_correlation(moments.sum(axis=0)[None])[0] ** 2)
    return ExplainedVariance(len(x), r2, 0.0 if low <= 0 <= high else ends[0], ends[1])


def _resampled(moments: Float64, rng: np.random.Generator) -> Float64:
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


def _correlation(sums: Float64) -> Float64:
    """Correlate x and y from sums (m, 6) of 1, x, y, xx, yy, xy; 0 where one does not vary."""
    n, x, y, xx, yy, xy = sums.T
    variance_x, variance_y = xx - x * x / n, yy - y * y / n
    # differences this small are rounding errors
    varies = (variance_x > 1e-12 * n) & (variance_y > 1e-12 * n)
    product = np.sqrt(np.where(varies, variance_x * variance_y, 1))
    correlation: Float64 = np.where(varies, (xy - x * y / n) / product, 0).clip(-1, 1)
    return correlation
