"""How much farther from Gaussian a cloud is than clouds that have no clusters."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from saeatlas.analyses.spectra.exact_neighbours import nearest
from saeatlas.analyses.spectra.gaussian_references import before, directions, gaussian, root, shaped
from saeatlas.analyses.spectra.negentropy import KS, differences, negentropies, tilts
from saeatlas.analyses.stats.pca import PrincipalAxes
from saeatlas.analyses.threads import alone, each

Array = np.ndarray[Any, Any]

_ROOM = 4
"""Fewest points per dimension: of twice as many as dimensions halves still tell a variance."""

_FLAT = 1e-5
"""Smallest standard deviation of a component, in units of the first's, that float32 resolves."""

_SAME = 1e-6
"""Points this close, in units of the first component's standard deviation, are in one place."""


@dataclass(frozen=True)
class Excess:
    """Negentropy of a cloud, and how far it exceeds that of references. In nats.

    The fields are columns of ``cluster_entropy``, but for the last.

    Parameters
    ----------
    components, neighbour : int
        Leading principal components; the neighbour whose distance is measured.
    n_draws : int
        Clouds drawn for each reference.
    negentropy, negentropy_low, negentropy_high : float or None
        Entropy of the Gaussian of the same covariance less the cloud's, with its 95% interval.
    gaussian : float or None
        Mean of the same for Gaussian clouds of the same n and covariance.
    excess_gaussian, excess_gaussian_low, excess_gaussian_high : float or None
        negentropy - gaussian, with its 95% interval.
    z_gaussian : float or None
        The excess in units of its standard error.
    directions, excess_directions, excess_directions_low, excess_directions_high : float or None
        The same for Gaussian vectors of the same mean and covariance, made unit vectors. None
        unless the cloud's points are such.
    z_directions : float or None
        As z_gaussian.
    reason : str or None
        Why the numbers are None.
    """

    components: int
    neighbour: int
    n_draws: int
    negentropy: float | None = None
    negentropy_low: float | None = None
    negentropy_high: float | None = None
    gaussian: float | None = None
    excess_gaussian: float | None = None
    excess_gaussian_low: float | None = None
    excess_gaussian_high: float | None = None
    z_gaussian: float | None = None
    directions: float | None = None
    excess_directions: float | None = None
    excess_directions_low: float | None = None
    excess_directions_high: float | None = None
    z_directions: float | None = None
    reason: str | None = None


def measure(
    cloud: PrincipalAxes,
    ds: Sequence[int] = (100,),
    ks: Sequence[int] = KS,
    *,
    unit: bool,
    draws: int = 4,
    splits: int = 32,
    seed: int = 0,
) -> Iterator[Excess]:
    """Compare a cloud's negentropy with that of clouds without clusters.

    Parameters
    ----------
    cloud : PrincipalAxes
        Without duplicates.
    ds : sequence of int, default=(100,)
        Numbers of leading components.
    ks : sequence of int, default=1 to 8
        Neighbours whose distance is measured.
    unit : bool
        Whether the cloud's points are unit vectors.
    draws : int, default=4
        Clouds of each reference, at least 2.
    splits : int, default=32
        Splits in halves, from which the intervals are.
    seed : int, default=0

    Yields
    ------
    Excess
        One for each d and, within it, each k. Where nothing can be said, with the reason.

    Notes
    -----
    Negentropy is >= 0 and 0 for a Gaussian only; its estimate is not, as nearest neighbours
    mislead in many dimensions. That bias depends on n and covariance, which the references share.
    The excess is what clusters, and any other departure from Gaussian, add; it says how much
    there is at this n, not what the entropy is. The components are fitted to the same points; for
    Gaussian vectors this makes no difference (see `reference_clouds.gaussian`).

    Intervals are from halves drawn without replacement. Drawing with replacement would put most
    points on top of another one. The two halves of a split are disjoint: a quarter of the squared
    difference of their values estimates the variance at n, if it falls as 1/n. Halves have their
    own covariance, as the whole does. For the excess, what a reference would change with a half's
    variances is taken off, to first order. Intervals are of what such a cloud gives on average at
    this n; they contain the references' own noise and not the bias.
    """
    if draws < 2:
        raise ValueError(f"draws must be at least 2: {draws}")
    rng = np.random.default_rng(seed)
    reasons = {d: _reason(cloud.coordinates, d) for d in ds}
    widest = max((d for d, reason in reasons.items() if reason is None), default=0)
    clouds = _references(cloud, widest, draws, rng, unit=unit) if widest else []
    for d in ds:
        rows = [Excess(d, k, draws, reason=reasons[d]) for k in ks]
        if reasons[d] is None:
            with alone():
                rows = _compare(rows, cloud.coordinates[:, :d], clouds, splits, rng)
        yield from rows


def _references(
    cloud: PrincipalAxes, width: int, draws: int, rng: np.random.Generator, *, unit: bool
) -> list[list[Array]]:
    """Draw Gaussian clouds and, for unit vectors, directions."""
    n = len(cloud.coordinates)
    with alone():
        factor = root(cloud.coordinates[:, :width])
        clouds = [each(lambda own: gaussian(own, n, factor), rng.spawn(draws))]
        if unit:
            source = before(rng, n, cloud)
            clouds.append(
                each(
                    lambda own: shaped(directions(own, n, source, width), factor), rng.spawn(draws)
                )
            )
    return clouds


def _reason(coordinates: Array, d: int) -> str | None:
    n, width = coordinates.shape
    if d > width:
        return f"there are {width} components, not {d}"
    if n < _ROOM * d or n < 2:
        return f"{n} points are too few in {d} dimensions: {_ROOM * d} are needed"
    sizes = np.linalg.eigvalsh(np.atleast_2d(np.cov(coordinates[:, :d], rowvar=False)))
    if sizes[0] <= _FLAT**2 * sizes[-1]:
        return f"the points lie in fewer than {d} dimensions"
    return None


def _compare(
    rows: list[Excess],
    points: Array,
    clouds: list[list[Array]],
    splits: int,
    rng: np.random.Generator,
) -> list[Excess]:
    """Fill in the rows of a cloud in d components, one for each k."""
    n, d = points.shape
    ks = [row.neighbour for row in rows if n >= _ROOM * (row.neighbour + 1)]
    if not ks:
        return [_left_out(row, n) for row in rows]
    distances, indices = nearest(points, min(4 * max(ks) + 8, n - 1))
    floor = _SAME * points.std(axis=0).max()
    logs = np.log(np.maximum(distances, floor))
    values = negentropies(points, logs, ks)
    changes, spreads = differences(points, logs, indices, ks, splits, rng)
    against = []
    for some in clouds:
        drawn, slopes = zip(*(_drawn(x[:, :d], ks) for x in some), strict=True)
        # a reference of the half's own variances would change by so much, and the excess not
        own = changes - spreads @ np.mean(slopes, axis=0).T
        against.append((np.array(drawn), (own**2).mean(axis=0)))
    noise = (changes**2).mean(axis=0)
    same = (distances <= floor).sum(axis=0)
    filled = []
    for row in rows:
        if row.neighbour not in ks:
            filled.append(_left_out(row, n))
        elif there := int(same[row.neighbour - 1]):
            reason = f"{there} points are where {row.neighbour} others are"
            filled.append(replace(row, reason=reason))
        else:
            at = ks.index(row.neighbour)
            one = [(drawn[:, at], float(variance[at])) for drawn, variance in against]
            filled.append(_filled(row, float(values[at]), float(noise[at]), one, splits))
    return filled


def _left_out(row: Excess, n: int) -> Excess:
    needed = _ROOM * (row.neighbour + 1)
    reason = f"{n} points are too few for neighbour {row.neighbour}: {needed} are needed"
    return replace(row, reason=reason)


def _filled(
    row: Excess,
    value: float,
    variance: float,
    against: list[tuple[Array, float]],
    splits: int,
) -> Excess:
    """Fill in a row, given draws of each reference and the variance of the excess over it."""
    low, high, _ = _interval(value, [(variance, splits)])
    row = replace(row, negentropy=value, negentropy_low=low, negentropy_high=high)
    for name, (draws, own) in zip(("gaussian", "directions"), against, strict=False):
        mean = float(draws.mean())
        noise = (float(draws.var(ddof=1)) / len(draws), len(draws) - 1)
        low, high, z = _interval(value - mean, [(own, splits), noise])
        names = (name, f"excess_{name}", f"excess_{name}_low", f"excess_{name}_high", f"z_{name}")
        numbers = (mean, value - mean, low, high, z)
        found: dict[str, Any] = dict(zip(names, numbers, strict=True))
        row = replace(row, **found)
    return row


def _interval(centre: float, parts: list[tuple[float, int]]) -> tuple[float, float, float | None]:
    """Return the 95% interval and z, of variances with their degrees of freedom (Welch)."""
    from scipy.special import stdtrit

    variance = sum(part for part, _ in parts)
    if variance <= 0:
        return centre, centre, None
    freedom = variance**2 / sum(part**2 / df for part, df in parts)
    reach = float(stdtrit(freedom, 0.975)) * variance**0.5
    return centre - reach, centre + reach, centre / variance**0.5


def _drawn(points: Array, ks: Sequence[int]) -> tuple[Array, Array]:
    """Return negentropies and how they change with the variances."""
    distances, indices = nearest(points, max(ks))
    return negentropies(points, np.log(distances), ks), tilts(points, distances, indices, ks)
