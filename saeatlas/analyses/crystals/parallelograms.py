"""Crystals: pairs of pairs of points whose sides and legs are parallel."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np
import numpy.typing as npt

from saeatlas.analyses.arrays import Float32, Float64, Int64
from saeatlas.analyses.threads import cores, each

NEIGHBOURS = 16
"""Nearest neighbours that each point is paired with."""

_PROJECTED = 192
"""Dimensions in which all pairs of pairs are compared first."""

_SAFE = 3
"""Standard errors of a projected cosine below the limit at which pairs are still measured."""

_TILE = 1024
"""Pairs on each side of a product: few enough to fit in the cache of a core."""

_ROWS = 256
"""Points whose products with all others are computed at once."""

_MEASURED = 2048
"""Crystals that are measured at once, for the same reason."""

_TINY = np.finfo(np.float32).tiny


@dataclass(frozen=True)
class Quads:
    """Pairs of pairs of points, (a, b) and (c, d), that may be crystals.

    Parameters
    ----------
    corners : ndarray of shape (n, 4), int64
        a, b, c, d; all different.
    sides : ndarray of shape (n,), float64
        Cosine of b - a and d - c.
    legs : ndarray of shape (n,), float64
        Cosine of c - a and d - b, both minus their component along the sides.
    ratio : ndarray of shape (n,), float64
        Length of the shorter side over the longer.
    """

    corners: Int64
    sides: Float64
    legs: Float64
    ratio: Float64

    @property
    def quality(self) -> Float64:
        """The smaller of the two cosines."""
        return np.minimum(self.sides, self.legs)

    def __getitem__(self, chosen: npt.NDArray[np.bool_] | npt.NDArray[np.integer]) -> "Quads":
        return Quads(
            self.corners[chosen], self.sides[chosen], self.legs[chosen], self.ratio[chosen]
        )


def concatenate(parts: Sequence[Quads]) -> Quads:
    """Concatenate several `Quads`.

    Parameters
    ----------
    parts : sequence of Quads

    Returns
    -------
    Quads
    """
    nothing = Quads(np.empty((0, 4), np.int64), *np.empty((3, 0)))
    names = ("corners", "sides", "legs", "ratio")
    return Quads(*(np.concatenate([getattr(one, name) for one in [nothing, *parts]])
                   for name in names))  # fmt: skip


def neighbour_pairs(points: Float32, k: int = NEIGHBOURS) -> Int64:
    """Pair each point with its nearest neighbours by cosine.

    Parameters
    ----------
    points : ndarray of shape (n, d), float32
        Centred; none of them 0.
    k : int
        At most n - 1.

    Returns
    -------
    ndarray of shape (m, 2), int64
        Each pair once, the smaller number first, sorted; m is at most n k.

    Notes
    -----
    In a parallelogram on a sphere around 0 at least one pair of sides joins points of cosine 1/3
    or more, or both diagonals join points of cosine -1/3 or less: take the product of
    ``a = b + c - d`` with a. In the first case both sides are among the pairs unless other points
    are nearer.
    """
    n = len(points)
    units = points / np.linalg.norm(points, axis=1, keepdims=True)
    found = np.empty((n, k), np.int64)

    def search(part: slice) -> None:
        cosines = units[part] @ units.T
        cosines[np.arange(len(cosines)), np.arange(part.start, part.stop)] = -np.inf
        found[part] = np.argpartition(-cosines, k - 1, axis=1)[:, :k]

    each(search, _parts(n, _ROWS))
    both = np.column_stack([np.repeat(np.arange(n), k), found.ravel()])
    both.sort(axis=1)
    return np.unique(both, axis=0)


def parallel_pairs(points: Float32, ends: Int64, min_cosine: float, *, seed: int = 0) -> Quads:
    """Find all pairs of pairs whose sides are parallel and whose legs are.

    Parameters
    ----------
    points : ndarray of shape (n, r), float32
    ends : ndarray of shape (m, 2), int64
        Pairs of points.
    min_cosine : float
        Smallest cosine of sides and of legs, in (0, 1).
    seed : int
        Of the projection.

    Returns
    -------
    Quads
        Each pair of pairs once, ordered so that the sides point the same way. Pairs with a point in
        common are left out.

    Notes
    -----
    All m (m - 1) / 2 pairs of pairs are compared in a random projection to at most 192 dimensions
    (Johnson and Lindenstrauss); those within three standard errors of ``min_cosine`` are measured
    in all dimensions. One in 700 of those exactly at the limit is lost, and hardly any above it.
    Memory: the projected differences, 768 bytes for each pair, and the result.
    """
    r = points.shape[1]
    flat, margin = points, 0.0
    if r > _PROJECTED:
        rng = np.random.default_rng([seed, r])
        axes = rng.standard_normal((r, _PROJECTED), np.float32) / np.float32(np.sqrt(_PROJECTED))
        flat, margin = points @ axes, _SAFE * (1 - min_cosine**2) / np.sqrt(_PROJECTED)
    corners = _parallel(flat, ends, min_cosine - margin)
    if margin:
        rough = measure_quads(flat, corners)
        corners = corners[rough.legs >= min_cosine - margin]
    exact = measure_quads(points, corners)
    return exact[exact.quality >= min_cosine]


def measure_quads(points: Float32, corners: Int64) -> Quads:
    """Measure how close sets of four points are to a crystal.

    Parameters
    ----------
    points : ndarray of shape (n, r), float32
    corners : ndarray of shape (m, 4), int64
        a, b, c, d.

    Returns
    -------
    Quads
        One for each set. Cosines with a vector of length 0 are 0.

    Notes
    -----
    Parallel sides alone are no crystal: if a and c are neighbours, and b and d are, the sides are
    parallel for that reason. The legs c - a and d - b must be parallel as well, apart from their
    components along the sides, in which the legs of a trapezoid differ.
    """
    values = np.empty((3, len(corners)))
    for part in _parts(len(corners), _MEASURED):
        a, b, c, d = (points[corners[part, i]] for i in range(4))
        first, second, near, far = b - a, d - c, c - a, d - b
        one, two = _length(first), _length(second)
        along = _unit(first, one) + _unit(second, two)
        along = _unit(along, _length(along))
        near, far = _across(near, along), _across(far, along)
        values[0, part] = _cosine(first, second, one, two)
        values[1, part] = _cosine(near, far, _length(near), _length(far))
        values[2, part] = np.minimum(one, two) / np.maximum(np.maximum(one, two), _TINY)
    return Quads(corners, *values)


def unit_sides(points: Float32, ends: Int64) -> Float32:
    """Return normalised differences of pairs of points; 0 for equal points.

    Parameters
    ----------
    points : ndarray of shape (n, r), float32
    ends : ndarray of shape (m, 2), int64

    Returns
    -------
    ndarray of shape (m, r), float32
    """
    sides = points[ends[:, 1]] - points[ends[:, 0]]
    return _unit(sides, _length(sides))


def _parallel(points: Float32, ends: Int64, min_cosine: float) -> Int64:
    """Return pairs of pairs with parallel differences, ordered so that the cosine is above 0."""
    sides = unit_sides(points, ends)
    parts = _parts(len(ends), _TILE)
    tiles = iter([(a, b) for i, a in enumerate(parts) for b in parts[i:]])
    found = each(lambda _: _take(tiles, sides, ends, np.float32(min_cosine)), range(cores()))
    codes = np.sort(np.concatenate([*chain(*found)]))  # threads finish in any order
    pair, back = np.divmod(codes, 2)
    first, second = np.divmod(pair, len(ends))
    there = ends[second]
    there[back == 1] = there[back == 1, ::-1]
    return np.concatenate([ends[first], there], axis=1)


def _take(
    tiles: Iterator[tuple[slice, slice]], sides: Float32, ends: Int64, min_cosine: np.float32
) -> list[Int64]:
    """Take tiles until there are none left; code pairs of pairs as (i m + j) 2 + reversed."""
    found = [np.empty(0, np.int64)]
    for rows, columns in tiles:
        cosines = sides[rows] @ sides[columns].T
        hits = np.flatnonzero((cosines >= min_cosine) | (cosines <= -min_cosine))
        i, j = np.divmod(hits, cosines.shape[1])
        back = cosines.ravel()[hits] < 0
        i, j = i + rows.start, j + columns.start
        a, b = ends[i], ends[j]
        apart = (i < j) & (a[:, 0] != b[:, 0]) & (a[:, 1] != b[:, 1])
        apart &= (a[:, 0] != b[:, 1]) & (a[:, 1] != b[:, 0])
        found.append(((i * len(ends) + j) * 2 + back)[apart])
    return found


def _parts(n: int, size: int) -> list[slice]:
    return [slice(first, min(first + size, n)) for first in range(0, n, size)]


def _length(rows: Float32) -> Float32:
    length: Float32 = np.sqrt(np.einsum("ij,ij->i", rows, rows))
    return length


def _unit(rows: Float32, length: Float32) -> Float32:
    unit: Float32 = np.divide(rows, np.where(length > 0, length, 1)[:, None])
    return unit


def _across(rows: Float32, along: Float32) -> Float32:
    """Return rows minus their components along unit vectors."""
    rest: Float32 = rows - np.einsum("ij,ij->i", rows, along)[:, None] * along
    return rest


def _cosine(rows: Float32, others: Float32, length: Float32, other: Float32) -> Float32:
    product = length * other
    sums = np.einsum("ij,ij->i", rows, others)
    cosine: Float32 = np.divide(sums, np.where(product > 0, product, 1))
    return cosine
