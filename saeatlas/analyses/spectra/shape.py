"""The shape of a cloud's spectrum: slope, volume, effective rank, each against its null."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.stats import t as student

from saeatlas.analyses.spectra import isotropic_nulls, population, power_law
from saeatlas.analyses.spectra.population import Population
from saeatlas.analyses.spectra.power_law import Line
from saeatlas.analyses.stats import nulls
from saeatlas.analyses.stats.pca import Cloud

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Shape:
    """What is known of a spectrum.

    Parameters
    ----------
    columns : dict
        Columns of ``spectrum``.
    values : ndarray of shape (rank,), float64
        Eigenvalues, falling.
    band : ndarray of shape (2, rank), float64, or None
        95% band of each for a ball of the same size and variance; None if none was drawn.
    tests : list of dict
        Rows of ``spectrum_test``.
    """

    columns: dict[str, Any]
    values: Array
    band: Array | None
    tests: list[dict[str, Any]]


def describe(cloud: Cloud, *, unit: bool, n_draws: int, seed: int, published: bool) -> Shape:
    """Measure a cloud's spectrum.

    Parameters
    ----------
    cloud : Cloud
    unit : bool
        Whether its vectors are unit vectors: random directions are a null then.
    n_draws : int
        Clouds drawn for each null, at least 2.
    seed : int
    published : bool
        Only what was published: the line and the volume of the sample, no null.

    Returns
    -------
    Shape

    Notes
    -----
    Where slopes of several SAEs are compared, n, d and L0 should be the same, or
    ``slope_population`` be taken, which does not depend on n. Gaussian clouds and random
    directions have a slope too, of sampling alone; that of 16,384 vectors in 2,304 dimensions is
    not 0. The null ``covariance`` is drawn from the population estimated: it is not rejected
    unless the estimate fails, and says how far the slope varies from sample to sample.
    """
    line = power_law.fit(cloud.values)
    columns = _columns(cloud, line)
    if published:
        return Shape(columns, cloud.values, None, [])
    n, d = cloud.n, cloud.d
    if n > d == len(cloud.values):
        columns |= _interval("log_volume", population.log_volume(cloud.values, n, cloud.distances))
    found = _population(cloud, line, seed)
    if found is not None:
        columns |= _interval("slope", found.slope)
    balls_drawn = columns["variance"] * isotropic_nulls.gaussian(n, d, n_draws, seed)
    nulls = {"gaussian": balls_drawn}
    if unit:
        nulls["directions"] = isotropic_nulls.directions(n, d, n_draws, seed)
    if found is not None:
        nulls["covariance"] = found.draws
    tests = [row for name, drawn in nulls.items() for row in _tests(cloud, line, name, drawn)]
    return Shape(columns, cloud.values, _band(balls_drawn, len(cloud.values)), tests)


def _columns(cloud: Cloud, line: Line | None) -> dict[str, Any]:
    variance = float(cloud.values.sum())
    shares = cloud.values / variance
    low, high = isotropic_nulls.edges(cloud.n, cloud.d, variance)
    columns: dict[str, Any] = {
        "n": cloud.n,
        "d": cloud.d,
        "n_eigenvalues": len(shares),
        "variance": variance,
        "log_volume": float(np.log(cloud.values).sum()),
        "participation_ratio": float(1 / (shares**2).sum()),
        "entropy_rank": float(np.exp(-(shares * np.log(shares)).sum())),
        "edge_low": low,
        "edge_high": high,
        "n_above": int((cloud.values > high).sum()),
    }
    if line is not None:
        names = {
            "first": "rank_first",
            "last": "rank_last",
            "least": "slope_least",
            "most": "slope_most",
            "log_volume": "log_volume_fitted",
        }
        columns |= {names.get(name, name): value for name, value in asdict(line).items()}
    return columns


def _interval(name: str, found: population.Estimate | None) -> dict[str, float]:
    if found is None:
        return {}
    return {f"{name}_population": found.value, f"{name}_low": found.low, f"{name}_high": found.high}


def _population(cloud: Cloud, line: Line | None, seed: int) -> Population | None:
    n, d = cloud.n, cloud.d
    if line is None or len(cloud.values) < d or n < population.FEWEST * d:
        return None
    ranks = (line.first, line.last)
    inflation = 1.0
    if cloud.coordinates.shape[1] >= line.last:
        weights = power_law.weights(ranks)
        spread = power_law.influence(cloud.coordinates, cloud.values, ranks).std()
        inflation = float(spread / np.sqrt(2 * weights @ weights))
    rng = np.random.default_rng([seed, n, d, 2])
    return population.estimate(cloud.values, n, rng, ranks=ranks, inflation=inflation)


def _tests(cloud: Cloud, line: Line | None, name: str, drawn: Array) -> list[dict[str, Any]]:
    """Score the cloud against draws from one null."""
    logs, null = np.log(cloud.values), np.log(drawn)
    pairs: dict[str, tuple[float, Array]] = {}
    if line is not None:
        ranks = (line.first, line.last)
        slopes = np.array([power_law.slope(each, ranks) for each in null])
        pairs["steepness"] = (-power_law.slope(logs, ranks), -slopes)
    if len(logs) == null.shape[1]:
        pairs["log_volume"] = (-float(logs.sum()), -null.sum(axis=1))
    return [
        {"statistic": statistic, "null_model": name} | _score(value, draws)
        for statistic, (value, draws) in pairs.items()
    ]


def _score(value: float, draws: Array) -> dict[str, Any]:
    columns = asdict(nulls.scores(np.array([value]), draws[:, None])[0])
    del columns["p_adjusted"]
    return columns


def _band(drawn: Array, rank: int) -> Array:
    """Return the 95% band of one more draw, in logarithms near Gaussian."""
    logs = np.log(drawn[:, :rank])
    n = len(logs)
    reach = student.ppf(0.975, n - 1) * logs.std(axis=0, ddof=1) * np.sqrt(1 + 1 / n)
    centre = logs.mean(axis=0)
    band: Array = np.exp(np.stack([centre - reach, centre + reach]))
    return band
