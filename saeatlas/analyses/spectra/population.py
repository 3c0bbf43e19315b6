"""Eigenvalues of the population, estimated from those of a sample."""

from dataclasses import dataclass

import numpy as np
import scipy.linalg
from scipy.special import polygamma, psi
from scipy.stats import t as student

from saeatlas.analyses import threads
from saeatlas.analyses.arrays import Float32, Float64, Int64
from saeatlas.analyses.spectra import power_law

MIN_PER_DIMENSION = 6
"""Vectors for each dimension below which the slope of the population is not estimated: with 4 the
intervals contained the true slope in 75 to 100% of simulated sets."""

_STEPS, _STRIDE = 2, 1.5
"""Corrections of the estimate, and their step size: more of them fit the noise of the draws."""

_FEW_CORES = 2
"""Number of cores up to which one spectrum after the other is faster than several at once."""

_ALONE, _GROUPS = 5, 6
"""Leading ranks that are corrected separately; groups of later ranks for each factor of ten."""


@dataclass(frozen=True)
class Estimate:
    """An estimate of a property of the population, with its interval.

    Parameters
    ----------
    value, low, high : float
        Estimate and 95% interval.
    """

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class Population:
    """The population of a sample, as its spectrum shows it.

    Parameters
    ----------
    slope : Estimate
        Of the log eigenvalues of the population over log rank.
    draws : ndarray of shape (n_draws, d), float64
        Eigenvalues of Gaussian samples of the same size, drawn from the estimated population.
    """

    slope: Estimate
    draws: Float64


def draw(values: Float64, n: int, rng: np.random.Generator) -> Float64:
    """Draw a Gaussian sample and return the eigenvalues of its covariance.

    Parameters
    ----------
    values : ndarray of shape (d,), float64
        Of the population, above 0.
    n : int
        Number of vectors.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of shape (min(n - 1, d),), float64
        Descending; exact to float32.

    Notes
    -----
    If there are more vectors than dimensions, by Bartlett's decomposition: the covariance of any
    number of Gaussian vectors is the product of a random triangular matrix and its transpose.
    """
    return _spread(values, _triangle(len(values), n, rng))


def estimate(
    values: Float64,
    n: int,
    rng: np.random.Generator,
    *,
    ranks: tuple[int, int] = power_law.RANKS,
    inflation: float = 1.0,
    n_draws: int = 6,
) -> Population:
    """Estimate the slope of the population from the eigenvalues of a sample.

    Parameters
    ----------
    values : ndarray of shape (d,), float64
        Of the sample, descending, above 0.
    n : int
        Number of vectors; at least 6 d.
    rng : numpy.random.Generator
    ranks : (int, int)
        First and last rank fitted, in the upper half; to fit most of all ranks takes 20 d vectors.
    inflation : float
        Standard error of the slope relative to that of Gaussian vectors: `power_law.influence`.
    n_draws : int
        Samples drawn to measure the error of the estimate.

    Returns
    -------
    Population

    Notes
    -----
    Sampling n vectors in d dimensions spreads the eigenvalues of the covariance (Marchenko-Pastur),
    which biases the slope of the sample by many standard errors, more for larger d / n. The
    population is estimated such that a Gaussian sample of it has the observed eigenvalues: guess,
    draw, compare, correct smoothly over log rank, twice. The procedure is then repeated with
    samples of the estimate, whose slope is known: the mean of their errors corrects the result (a
    second-order bootstrap). The interval combines their spread with the correction, which is
    itself uncertain. It contained the true slope in 96% of simulated sets (slope -0.6, 1,500
    vectors in 60 dimensions, 200 sets), 92% (-0.4, 700 in 100) and all (-0.3, 2,100 in 300; -0.2,
    6,000 in 300; 16 each).

    References
    ----------
    .. [MarchenkoPastur1967] Spread of the sample eigenvalues.
    .. [Hall1986] Bootstrap intervals of second order.
    """
    found = _guess(values, n, rng)
    slope = power_law.slope(np.log(found), ranks)

    def again(own: np.random.Generator) -> tuple[Float64, float]:
        sample = draw(found, n, own)
        return sample, power_law.slope(np.log(_guess(sample, n, own)), ranks) - slope

    each = map if threads.cores() <= _FEW_CORES else threads.each
    draws, missed = zip(*each(again, rng.spawn(n_draws)), strict=True)
    correction = float(np.mean(missed))
    centre = slope - correction
    spread = float(np.std(missed, ddof=1)) * np.sqrt(1 + 1 / n_draws) * max(inflation, 1.0)
    # the correction is itself as uncertain as it is large
    reach = float(student.ppf(0.975, n_draws - 1)) * float(np.hypot(spread, correction))
    return Population(Estimate(centre, centre - reach, centre + reach), np.stack(draws))


def log_volume(values: Float64, n: int, distances: Float64) -> Estimate | None:
    """Estimate the log determinant of the covariance of the population.

    Parameters
    ----------
    values : ndarray of shape (d,), float64
        All d eigenvalues of the sample.
    n : int
        Number of vectors, more than d.
    distances : ndarray of shape (n,), float64
        Squared Mahalanobis distance of each vector from the mean; if empty, Gaussian vectors are
        assumed.

    Returns
    -------
    Estimate or None
        None if a single vector spans a direction alone.

    Notes
    -----
    The bias of a Gaussian sample is known exactly and subtracted. The interval is that of the
    jackknife, which leaves out one vector at a time; the distances give it in closed form. It
    holds for any distribution, and is some per cent too wide where d / n is not small.

    References
    ----------
    .. [CaiLiangZhou2015] Bias and variance for Gaussian samples.
    """
    d = len(values)
    halves = (n - 1 - np.arange(d)) / 2
    centre = float(np.log(values).sum() - (psi(halves) - np.log((n - 1) / 2)).sum())
    variance = float(polygamma(1, halves).sum())
    if len(distances):
        left = 1 - distances * n / (n - 1) ** 2
        if left.min() < 1e-9:
            return None
        variance = float((n - 1) * np.log(left).var())
    reach = 1.96 * np.sqrt(variance)
    return Estimate(centre, centre - reach, centre + reach)


def _triangle(d: int, n: int, rng: np.random.Generator) -> Float32:
    """Draw T such that T T^t is the covariance of n standard Gaussian vectors."""
    if n <= d:
        full: Float32 = rng.standard_normal((d, n - 1), np.float32) / np.float32(np.sqrt(n - 1))
        return full
    triangle: Float32 = np.tril(rng.standard_normal((d, d), np.float32), -1)
    np.fill_diagonal(triangle, np.sqrt(rng.chisquare(n - 1 - np.arange(d))))
    triangle /= np.float32(np.sqrt(n - 1))
    return triangle


def _spread(values: Float64, triangle: Float32) -> Float64:
    """Return the eigenvalues of the covariance of a sample."""
    scaled = np.sqrt(values).astype(np.float32)[:, None] * triangle
    short = scaled.shape[1] < scaled.shape[0]
    products = scaled.T @ scaled if short else scaled @ scaled.T
    found = scipy.linalg.eigvalsh(products, overwrite_a=True, check_finite=False)[::-1]
    least = found[0] * np.finfo(np.float32).eps  # rounding errors may be below 0
    spread: Float64 = np.maximum(found, least).astype(np.float64)
    return spread


def _guess(values: Float64, n: int, rng: np.random.Generator) -> Float64:
    """Find eigenvalues of a population whose sample has those given."""
    triangle = _triangle(len(values), n, rng)
    wanted = np.log(values)
    logs = wanted.copy()
    groups = _groups(len(values))
    for _ in range(_STEPS):
        logs += _STRIDE * _smooth(wanted - np.log(_spread(np.exp(logs), triangle)), groups)
        logs = np.sort(logs)[::-1]
    guess: Float64 = np.exp(logs)
    return guess


def _groups(d: int) -> Int64:
    """Return the start of each group of ranks, and the end of the last."""
    bounds = list(range(min(_ALONE, d)))
    at = float(_ALONE)
    while at < d:
        bounds.append(int(at))
        at = max(at + 1, at * 10 ** (1 / _GROUPS))
    return np.array([*bounds, d])


def _smooth(values: Float64, groups: Int64) -> Float64:
    """Interpolate the means of groups over log rank."""
    sizes = np.diff(groups)
    means = np.add.reduceat(values, groups[:-1]) / sizes
    centres = np.log((groups[:-1] + groups[1:] + 1) / 2)
    smooth: Float64 = np.interp(np.log(np.arange(1, len(values) + 1)), centres, means)
    return smooth
