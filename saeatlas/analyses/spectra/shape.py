"""The shape of a spectrum: slope, volume and effective rank, each compared with its nulls."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
from scipy.stats import t as student

from saeatlas.analyses.arrays import Float64
from saeatlas.analyses.spectra import isotropic_nulls, population, power_law
from saeatlas.analyses.spectra.population import Population
from saeatlas.analyses.spectra.power_law import Line
from saeatlas.analyses.stats import nulls
from saeatlas.analyses.stats.pca import PrincipalAxes


@dataclass(frozen=True)
class Shape:
    """What is known of a spectrum.

    Parameters
    ----------
    columns : dict
        Columns of ``spectrum``.
    values : ndarray of shape (rank,), float64
        Eigenvalues, descending.
    band : ndarray of shape (2, rank), float64, or None
        95% band of each eigenvalue under the isotropic Gaussian null with the same n, d and total
        variance; None if none was drawn.
    tests : list of dict
        Rows of ``spectrum_test``.
    """

    columns: dict[str, Any]
    values: Float64
    band: Float64 | None
    tests: list[dict[str, Any]]


def describe(axes: PrincipalAxes, *, unit: bool, n_draws: int, seed: int, published: bool) -> Shape:
    """Measure the spectrum of a set of vectors.

    Parameters
    ----------
    axes : PrincipalAxes
    unit : bool
        Whether they are unit vectors: random directions are a null then.
    n_draws : int
        Sets drawn from each null, at least 2.
    seed : int
    published : bool
        Only what was published: the line and the volume of the sample, no null.

    Returns
    -------
    Shape

    Notes
    -----
    To compare the slopes of several SAEs, choose SAEs with the same n, d and L0, or compare
    ``slope_population``, which does not depend on n. Isotropic Gaussian vectors and random
    directions have a slope too, from sampling alone; that of 16,384 vectors in 2,304 dimensions is
    not 0. The null ``covariance`` is drawn from the estimated population: it is rejected only if
    the estimate fails, and shows how far the slope varies from sample to sample.
    """
    line = power_law.fit(axes.values)
    columns = _columns(axes, line)
    if published:
        return Shape(columns, axes.values, None, [])
    n, d = axes.n, axes.d
    if n > d == len(axes.values):
        columns |= _interval("log_volume", population.log_volume(axes.values, n, axes.distances))
    found = _population(axes, line, seed)
    if found is not None:
        columns |= _interval("slope", found.slope)
    gaussian = columns["variance"] * isotropic_nulls.gaussian_eigenvalues(n, d, n_draws, seed)
    drawn = {"gaussian": gaussian}
    if unit:
        drawn["directions"] = isotropic_nulls.direction_eigenvalues(n, d, n_draws, seed)
    if found is not None:
        drawn["covariance"] = found.draws
    tests = [row for name, some in drawn.items() for row in _tests(axes.values, line, name, some)]
    return Shape(columns, axes.values, _band(gaussian, len(axes.values)), tests)


def _columns(axes: PrincipalAxes, line: Line | None) -> dict[str, Any]:
    variance = float(axes.values.sum())
    shares = axes.values / variance
    low, high = isotropic_nulls.marchenko_pastur_edges(axes.n, axes.d, variance)
    columns: dict[str, Any] = {
        "n": axes.n,
        "d": axes.d,
        "n_eigenvalues": len(shares),
        "variance": variance,
        "log_volume": float(np.log(axes.values).sum()),
        "participation_ratio": float(1 / (shares**2).sum()),
        "entropy_rank": float(np.exp(-(shares * np.log(shares)).sum())),
        "edge_low": low,
        "edge_high": high,
        "n_above": int((axes.values > high).sum()),
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


def _population(axes: PrincipalAxes, line: Line | None, seed: int) -> Population | None:
    n, d = axes.n, axes.d
    if line is None or len(axes.values) < d or n < population.MIN_PER_DIMENSION * d:
        return None
    ranks = (line.first, line.last)
    inflation = 1.0
    if axes.coordinates.shape[1] >= line.last:
        weights = power_law.weights(ranks)
        spread = power_law.influence(axes.coordinates, axes.values, ranks).std()
        inflation = float(spread / np.sqrt(2 * weights @ weights))
    rng = np.random.default_rng([seed, n, d, 2])
    return population.estimate(axes.values, n, rng, ranks=ranks, inflation=inflation)


def _tests(values: Float64, line: Line | None, name: str, drawn: Float64) -> list[dict[str, Any]]:
    """Score eigenvalues against draws from one null."""
    logs, null = np.log(values), np.log(drawn)
    pairs: dict[str, tuple[float, Float64]] = {}
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


def _score(value: float, draws: Float64) -> dict[str, Any]:
    columns = asdict(nulls.scores(np.array([value]), draws[:, None])[0])
    del columns["p_adjusted"]
    return columns


def _band(drawn: Float64, rank: int) -> Float64:
    """Return the 95% prediction band of a further draw; logarithms are nearly Gaussian."""
    logs = np.log(drawn[:, :rank])
    n = len(logs)
    reach = student.ppf(0.975, n - 1) * logs.std(axis=0, ddof=1) * np.sqrt(1 + 1 / n)
    centre = logs.mean(axis=0)
    band: Float64 = np.exp(np.stack([centre - reach, centre + reach]))
    return band
