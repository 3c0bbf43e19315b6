"""Exact distances to the nearest other points, from float32 products and a certificate."""

from collections.abc import Iterator
from typing import Any

import numpy as np

from saeatlas.analyses.threads import cores, each

Array = np.ndarray[Any, Any]

_TILE = 512
"""Points of a side of a product: small enough to stay in a core's own cache."""

_ROWS = 32
"""Points whose candidates are measured at once, for the same reason."""

_SAMPLE = 1024, 32
"""Points from which search radii are estimated: so many, or one of so many if that is more."""

_MISSES = 0.002
"""Share of points whose radius is too short, so that they are searched for the slow way."""

_SPARE = 2
"""Candidates more than asked for: a k-th neighbour is only sure if the next is not as near."""

_ULP = 2.0**-24
"""Rounding of float32, relative."""

_FAR = np.uint64(2**64 - 1)
"""Who is not there: beyond all others."""

_SLOW = 2**23
"""Distances at once of the slow way."""


def nearest(points: Array, k: int) -> tuple[Array, Array]:
    """Find the k nearest other points of each point.

    Parameters
    ----------
    points : ndarray of shape (n, d), float32 or float64
        Finite.
    k : int
        At most n - 1.

    Returns
    -------
    distances : ndarray of shape (n, k), float64
        Euclidean, in each row ascending, of float64 differences of the points as given.
    indices : ndarray of shape (n, k), int64
        Rows of ``points``, never the point's own; equal distances by index.

    Raises
    ------
    ValueError
        If there are not k other points, or if a point is not finite.

    Notes
    -----
    The neighbours are those that float64 differences give, not those that float32 products do.
    Products of the centred points in float32 give each distance to within a bound that follows
    from d and the point's norm. They select k + 2 candidates, whose distances are computed anew
    from differences in float64. If the k-th of these is nearer, by more than the bound, than the
    last candidate is in float32, nobody was lost. Points without this certificate are compared
    with all others in float64: one in 500, whose search radius, estimated from points drawn at
    random, was too short; and those whose neighbours float32 cannot tell apart. In a lattice, where
    many points are in one place, and of many points in very few dimensions (20,000 in one), most
    are of that kind: right, and slow.

    The matrix of products is symmetric. Each part is computed once, in tiles that stay in the
    cache, by as many threads as there are cores. In memory are four copies of the points and some
    1,500 bytes a point (k = 8; more with k).
    """
    n = len(points)
    if not 0 < k < n:
        raise ValueError(f"k must be from 1 to {n - 1}, as many as there are other points: {k}")
    if not np.isfinite(points).all():
        raise ValueError("points must be finite")
    distances, indices = np.empty((n, k)), np.empty((n, k), np.int64)
    search = _Search(points, k)
    unsure = each(lambda part: search.select(part, distances, indices), range(search.n_parts))
    _compare(search.points, k, np.concatenate(unsure), distances, indices)
    return distances, indices


class _Search:
    """Half the squared distances of all pairs as products, and who is within each one's radius."""

    def __init__(self, points: Array, k: int) -> None:
        self.n, self.d = points.shape
        self.k, self.wanted = k, min(k + _SPARE, self.n - 1)
        self.points = points.astype(np.float64)
        centred = self.points - self.points.mean(axis=0)
        self.scale = float(np.abs(centred).max()) or 1.0  # else squares might overflow
        x = (centred / self.scale).astype(np.float32)
        half = np.einsum("ij,ij->i", x, x, dtype=np.float64) / 2
        one = np.ones(self.n)
        # left[i] @ right[j] = |x_i - x_j|^2 / 2
        left = np.column_stack([x, half, one]).astype(np.float32)
        right = np.column_stack([-x, one, half]).astype(np.float32)
        self.parts = [slice(i, min(i + _TILE, self.n)) for i in range(0, self.n, _TILE)]
        self.n_parts = len(self.parts)
        radii = self._radii(left, right)
        # the widest first: in a tile of earlier by later points only rows have to be looked at
        self.order = np.argsort(-radii, kind="stable")
        self.left, self.right = left[self.order], right[self.order]
        self.radii, self.norms = radii[self.order], np.sqrt(2 * half[self.order])
        # of each part, rows from 0 and codes of who is near them
        self.found: list[list[tuple[Array, Array]]] = [[] for _ in self.parts]
        tiles = iter([(a, b) for a in range(self.n_parts) for b in range(a, self.n_parts)])
        each(lambda _: self._search(tiles), range(cores()))

    def _radii(self, left: Array, right: Array) -> Array:
        """Estimate within which half squared distance enough others are; (n,) float32."""
        from scipy.special import pdtr  # Poisson's distribution function

        size = min(self.n, max(_SAMPLE[0], self.n // _SAMPLE[1]))
        sample = np.random.default_rng(0).permutation(self.n)[:size]
        # so many of the sample are among the wanted, on average, and seldom more than the rank
        rank = 1 + int((pdtr(np.arange(size), self.wanted * size / self.n) < 1 - _MISSES).sum())
        radii = np.full(self.n, np.inf, np.float32)
        if rank >= size:
            return radii
        own = np.full(self.n, -1)
        own[sample] = np.arange(size)
        sampled = right[sample].T

        def estimate(part: slice) -> None:
            halves = left[part] @ sampled  # (part, sample)
            rows = np.flatnonzero(own[part] >= 0)
            halves[rows, own[part][rows]] = np.inf
            halves.partition(rank - 1, axis=1)
            radii[part] = halves[:, rank - 1]

        each(estimate, self.parts)
        return radii

    def _search(self, tiles: Iterator[tuple[int, int]]) -> None:
        """Take tiles until there are none left."""
        room, flags = np.empty(_TILE**2, np.float32), np.empty(_TILE**2, bool)
        for a, b in tiles:
            rows, columns = self.parts[a], self.parts[b]
            shape = (rows.stop - rows.start, columns.stop - columns.start)
            size = shape[0] * shape[1]
            tile, near = room[:size].reshape(shape), flags[:size]
            np.matmul(self.left[rows], self.right[columns].T, out=tile)
            if a == b:
                np.fill_diagonal(tile, np.inf)
            np.less(tile, self.radii[rows, None], out=near.reshape(shape))
            hits = np.flatnonzero(near)
            i, j = np.divmod(hits, shape[1])
            # sorted as integers, codes are in the order of distance: so are the bits of floats
            halves = room[hits]
            codes = np.abs(halves).view(np.uint32).astype(np.uint64) << np.uint64(32)
            self.found[a].append(
                (i.astype(np.int16), codes | (j + columns.start).astype(np.uint64))
            )
            if a != b:
                kept = np.flatnonzero(halves < self.radii[columns][j])
                others = (i[kept] + rows.start).astype(np.uint64)
                self.found[b].append((j[kept].astype(np.int16), codes[kept] | others))

    def select(self, number: int, distances: Array, indices: Array) -> Array:
        """Write the k nearest of a part's points; return those that may have lost some."""
        part = self.order[self.parts[number]]
        candidates, last, sure = self._candidates(number)
        candidates.sort(axis=1)  # so that equal distances stay by index
        squares = np.empty(candidates.shape)
        for i in range(0, len(candidates), _ROWS):
            rows = slice(i, i + _ROWS)
            differences = self.points[candidates[rows]] - self.points[part[rows], None]
            squares[rows] = np.einsum("ijk,ijk->ij", differences, differences)
        order = np.argsort(squares, axis=1, kind="stable")[:, : self.k]
        squares = np.take_along_axis(squares, order, 1)
        distances[part] = np.sqrt(squares)
        indices[part] = np.take_along_axis(candidates, order, 1)
        if self.wanted < self.n - 1:
            least = (last - self._bound(number, last)) * 2 * self.scale**2  # of who is left out
            sure &= squares[:, -1] < least
        return part[~sure]

    def _candidates(self, number: int) -> tuple[Array, Array, Array]:
        """Return the wanted of a part's points, the last one's half, and if there are so many."""
        part, found = self.parts[number], self.found[number]
        rows, codes = (np.concatenate(each) for each in zip(*found, strict=True))
        counts = np.bincount(rows, minlength=part.stop - part.start)
        order = np.argsort(rows, kind="stable")  # of 16 bits: by radix
        places = np.arange(len(rows)) - np.repeat(counts.cumsum() - counts, counts)
        table = np.full((len(counts), max(int(counts.max()), self.wanted)), _FAR)
        table[rows[order], places] = codes[order]
        table.sort(axis=1)
        table = table[:, : self.wanted]
        enough = counts >= self.wanted
        table[~enough] = 0
        last = (table[:, -1] >> np.uint64(32)).astype(np.uint32).view(np.float32)
        candidates = self.order[(table & np.uint64(2**32 - 1)).astype(np.int64)]
        return candidates, last.astype(np.float64), enough

    def _bound(self, number: int, halves: Array) -> Array:
        """Bound what float32 does to half squared distances of up to so much.

        Who is so near has a norm of at most the point's own plus the distance, hence all terms of
        the sum together are at most (|x| + |y|)^2 / 2. Each is rounded with its factors, its
        product and its sums.
        """
        reach = 2 * self.norms[self.parts[number]] + np.sqrt(2 * halves)
        bound: Array = 1.01 * (self.d + 5) * _ULP * reach**2 / 2 + self.d * 2.0**-126
        return bound


def _compare(points: Array, k: int, rows: Array, distances: Array, indices: Array) -> None:
    """Compare some points with all others in float64 and write who is nearest."""
    from scipy.spatial.distance import cdist

    size = max(1, _SLOW // len(points))
    for first in range(0, len(rows), size):
        part = rows[first : first + size]
        table = cdist(points[part], points)
        table[np.arange(len(part)), part] = np.inf
        order = np.argsort(table, axis=1, kind="stable")[:, :k]
        distances[part], indices[part] = np.take_along_axis(table, order, 1), order
