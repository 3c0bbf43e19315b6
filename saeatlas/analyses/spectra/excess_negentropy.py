"""Excess negentropy: that of vectors minus that of references without clusters."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np

from saeatlas.analyses.arrays import Float32, Float64
from saeatlas.analyses.spectra import gaussian_references as references
from saeatlas.analyses.spectra.exact_neighbours import nearest
from saeatlas.analyses.spectra.negentropy import differences, negentropies, variance_derivatives
from saeatlas.analyses.spectra.params import NEIGHBOURS
from saeatlas.analyses.stats.pca import PrincipalAxes
from saeatlas.analyses.threads import alone, each

Draws: TypeAlias = list[Float32]

_ROOM = 4
"""Smallest number of points for each dimension: halves then have two for each."""

_FLAT = 1e-5
"""Smallest standard deviation of a component, relative to the first, that float32 resolves."""

_SAME = 1e-6
"""Distance, relative to the first standard deviation, below which points coincide."""


@dataclass(frozen=True)
class Excess:
    """Negentropy of a set of vectors, and its excess over references, in nats.

    The fields are columns of ``cluster_entropy``, but for the last.

    Parameters
    ----------
    components, neighbour : int
        Leading principal components; the neighbour whose distance is measured.
    n_draws : int
        Sets of vectors drawn from each reference.
    negentropy, negentropy_low, negentropy_high : float or None
        Entropy of the Gaussian with the same covariance minus that of the vectors, with its 95%
        interval.
    gaussian : float or None
        Mean negentropy of Gaussian vectors of the same n and covariance.
    excess_gaussian, excess_gaussian_low, excess_gaussian_high : float or None
        negentropy - gaussian, with its 95% interval.
    z_gaussian : float or None
        The excess in units of its standard error.
    directions, excess_directions, excess_directions_low, excess_directions_high : float or None
        The same for Gaussian vectors that are normalised and have the same mean and covariance.
        None unless the vectors are unit vectors.
    z_directions : float or None
        As z_gaussian.
    reason : str or None
        Why the other fields are None.
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


def excess_negentropies(
    axes: PrincipalAxes,
    ds: Sequence[int] = (100,),
    ks: Sequence[int] = NEIGHBOURS,
    *,
    unit: bool,
    draws: int = 4,
    splits: int = 32,
    seed: int = 0,
) -> Iterator[Excess]:
    """Compare the negentropy of vectors with that of references without clusters.

    Parameters
    ----------
    axes : PrincipalAxes
        Of vectors without duplicates.
    ds : sequence of int, default=(100,)
        Numbers of leading components.
    ks : sequence of int, default=1 to 8
        Neighbours whose distance is measured.
    unit : bool
        Whether the vectors are unit vectors.
    draws : int, default=4
        Sets of vectors drawn from each reference, at least 2.
    splits : int, default=32
        Random splits into halves, which give the intervals.
    seed : int, default=0

    Yields
    ------
    Excess
        One for each d and, within it, each k; with the reason where it cannot be measured.

    Notes
    -----
    Negentropy is >= 0, and 0 only for a Gaussian; its estimate by nearest neighbours is biased in
    many dimensions. The bias depends on n and on the covariance, which the references share. The
    excess is due to clusters and to any other departure from a Gaussian; it compares sets of this
    n and is not an estimate of entropy. The components are fitted to the same points; for Gaussian
    vectors this makes no difference (see `gaussian_references.draw_gaussian`).

    Intervals come from halves drawn without replacement: with replacement most points would
    coincide with another one. The two halves of a split are disjoint, so a quarter of the squared
    difference of their values estimates the variance at n, if that falls as 1/n. Each half has its
    own covariance. For the excess, the change of the reference with the variances of a half is
    subtracted, to first order. Intervals are those of the mean over sets of n such vectors; they
    include the noise of the references and not the bias.
    """
    if draws < 2:
        raise ValueError(f"draws must be at least 2: {draws}")
    rng = np.random.default_rng(seed)
    reasons = {d: _reason(axes.coordinates, d) for d in ds}
    widest = max((d for d, reason in reasons.items() if reason is None), default=0)
    drawn = _references(axes, widest, draws, rng, unit=unit) if widest else []
    for d in ds:
        rows = [Excess(d, k, draws, reason=reasons[d]) for k in ks]
        if reasons[d] is None:
            with alone():
                rows = _compare(rows, axes.coordinates[:, :d], drawn, splits, rng)
        yield from rows


def _references(
    axes: PrincipalAxes, width: int, draws: int, rng: np.random.Generator, *, unit: bool
) -> list[Draws]:
    """Draw Gaussian vectors and, if the vectors are unit vectors, normalised ones."""
    n = len(axes.coordinates)

    def normalised(own: np.random.Generator) -> Float32:
        return references.with_covariance(
            references.draw_unit_vectors(own, n, source, width), factor
        )

    with alone():
        factor = references.covariance_factor(axes.coordinates[:, :width])
        drawn = [each(lambda own: references.draw_gaussian(own, n, factor), rng.spawn(draws))]
        if unit:
            source = references.before_normalising(rng, n, axes)
            drawn.append(each(normalised, rng.spawn(draws)))
    return drawn


def _reason(coordinates: Float32, d: int) -> str | None:
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
    points: Float32,
    drawn: list[Draws],
    splits: int,
    rng: np.random.Generator,
) -> list[Excess]:
    """Fill in the rows of d components, one for each k."""
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
    for some in drawn:
        values_drawn, slopes = zip(*(_drawn(x[:, :d], ks) for x in some), strict=True)
        # by so much a reference with the variances of the half changes, and the excess does not
        own = changes - spreads @ np.mean(slopes, axis=0).T
        against.append((np.array(values_drawn), (own**2).mean(axis=0)))
    noise = (changes**2).mean(axis=0)
    same = (distances <= floor).sum(axis=0)
    filled = []
    for row in rows:
        if row.neighbour not in ks:
            filled.append(_left_out(row, n))
        elif there := int(same[row.neighbour - 1]):
            reason = f"{there} points coincide with {row.neighbour} others"
            filled.append(replace(row, reason=reason))
        else:
            at = ks.index(row.neighbour)
            one = [(own[:, at], float(variance[at])) for own, variance in against]
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
    against: list[tuple[Float64, float]],
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


def _drawn(points: Float32, ks: Sequence[int]) -> tuple[Float64, Float64]:
    """Return negentropies, and their derivatives by the log variances."""
    distances, indices = nearest(points, max(ks))
    return negentropies(points, np.log(distances), ks), variance_derivatives(
        points, distances, indices, ks
    )
