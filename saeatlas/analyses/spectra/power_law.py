"""Power law: a line fitted to log eigenvalues over log rank, and alternatives to it."""

from dataclasses import dataclass

import numpy as np

from saeatlas.analyses.arrays import Float32, Float64

RANKS = (11, 150)
"""First and last rank fitted, as published."""

_FEWEST = 20
"""Number of ranks below which no line is fitted."""

_FIRSTS, _LASTS = (2, 6, 11, 16, 21), (100, 125, 150, 200, 300)
"""Other first and last ranks, to show how much the slope depends on the choice."""


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
        Share of the variance of log eigenvalues that the line explains; in [0, 1].
    least, most : float
        Smallest and largest slope over other choices of ranks.
    alternative : str or None
        Curve that fits better, exponential or lognormal; None if neither does.
    aic_difference : float
        Akaike information criterion of the line minus that of the better curve.
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


def fit(values: Float64, ranks: tuple[int, int] = RANKS) -> Line | None:
    """Fit a power law to eigenvalues.

    Parameters
    ----------
    values : ndarray of shape (n,), float64
        Descending, above 0.
    ranks : (int, int)
        First and last rank; at most the upper half of the eigenvalues, as the lower end of any
        spectrum bends down.

    Returns
    -------
    Line or None
        None with fewer than 20 ranks to fit.

    Notes
    -----
    Alternatives are fitted to the same ranks: exponential is a line in the rank itself, lognormal
    a parabola in its logarithm, which bends as the quantiles of a log-normal distribution do. The
    criterion assumes independent residuals, which those of sorted values are not: a difference of
    some units means little, and a smooth curve is nearly always better than a line. The dependence
    of the slope on the ranks, ``least`` and ``most``, is more informative.

    References
    ----------
    .. [Li2025] The line, ranks 11 to 150.
    .. [Akaike1974] The criterion.
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


def slope(logs: Float64, ranks: tuple[int, int]) -> float:
    """Return the slope of a least-squares line.

    Parameters
    ----------
    logs : ndarray of shape (n,), float64
        Logarithms of eigenvalues, descending.
    ranks : (int, int)
        First and last rank fitted; not above n.

    Returns
    -------
    float
    """
    return float(weights(ranks) @ logs[ranks[0] - 1 : ranks[1]])


def weights(ranks: tuple[int, int]) -> Float64:
    """Return the weight of each log eigenvalue in the slope.

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
    result: Float64 = x / (x @ x)
    return result


def _criterion(y: Float64, *columns: Float64) -> float:
    """Return the Akaike criterion of a least-squares fit with Gaussian residuals."""
    design = np.column_stack([np.ones_like(y), *(_scaled(column) for column in columns)])
    residuals = y - design @ np.linalg.lstsq(design, y, rcond=None)[0]
    n, variance = len(y), float(residuals @ residuals) / len(y)
    exact = (8 * np.finfo(float).eps * max(1.0, float(np.abs(y).max()))) ** 2
    return float(n * np.log(max(variance, exact)) + 2 * (design.shape[1] + 1))


def _scaled(column: Float64) -> Float64:
    scaled: Float64 = (column - column.mean()) / column.std()
    return scaled


def influence(coordinates: Float32, values: Float64, ranks: tuple[int, int]) -> Float64:
    """Return the first-order influence of each vector on the slope.

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
