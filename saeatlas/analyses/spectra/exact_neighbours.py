"""Exact nearest neighbours, from float32 products and a bound on their rounding errors."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt

from saeatlas.analyses.arrays import Bool, Float32, Float64, Floats, Int64
from saeatlas.analyses.threads import cores, each

TILE = 512
"""Points on each side of a product: few enough to fit in the cache of a core."""

_ROWS = 32
"""Points whose candidate distances are computed at once, for the same reason."""

SAMPLE = 1024, 32
"""Points from which search radii are estimated: a number, or one of so many if that is more."""

_MISSES = 0.002
"""Share of points whose radius is too small, so that they are searched exhaustively."""

_SPARE = 2
"""Candidates beyond k: the k-th neighbour is certain only if the next one is farther away."""

_ULP = 2.0**-24
"""Relative rounding error of float32."""

_FAR = np.uint64(2**64 - 1)
"""Code of a missing candidate: farther than all others."""

_SLOW = 2**23
"""Distances computed at once in the exhaustive search."""


def nearest(points: Floats, k: int) -> tuple[Float64, Int64]:
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
    The neighbours are exact to float64. Products of the centred points in float32 give each
    distance to within a bound that follows from d and the norm of the point. They select k + 2
    candidates, whose distances are recomputed from differences in float64. If the k-th of these is
    nearer, by more than the bound, than the last candidate is in float32, no neighbour was missed.
    All other points are compared with every point in float64: one in 500, whose search radius,
    estimated from points drawn at random, was too small; and those whose neighbours float32 cannot
    distinguish. In a lattice, among many coinciding points and in very few dimensions (20,000
    points in one), these are most points: the result is correct, and slow.

    The matrix of products is symmetric. Each tile of it is computed once and fits in the cache;
    all cores compute tiles. Memory: four copies of the points and about 1,500 bytes for each point
    (k = 8; more with larger k).
    """
    n = len(points)
    if not 0 < k < n:
        raise ValueError(f"k must be from 1 to {n - 1}, as many as there are other points: {k}")
    if not np.isfinite(points).all():
        raise ValueError("points must be finite")
    distances, indices = np.empty((n, k)), np.empty((n, k), np.int64)
    search = Search(points, k)
    unsure = each(lambda part: search.select(part, distances, indices), range(search.n_parts))
    search_exhaustively(search.points, k, np.concatenate(unsure), distances, indices)
    return distances, indices


class Search:
    """Half the squared distances of all pairs as products, and the points within each radius.

    Parameters
    ----------
    points : ndarray of shape (n, d), float32 or float64
        Finite.
    k : int
        Neighbours of each; at most n - 1.
    """

    def __init__(self, points: Floats, k: int) -> None:
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
        self.parts = [slice(i, min(i + TILE, self.n)) for i in range(0, self.n, TILE)]
        self.n_parts = len(self.parts)
        radii = self._radii(left, right)
        # by descending radius: who is within the smaller radius is within the larger one too
        self.order = np.argsort(-radii, kind="stable")
        self.left, self.right = left[self.order], right[self.order]
        self.radii, self.norms = radii[self.order], np.sqrt(2 * half[self.order])
        # for each part, rows from 0 and codes of the points near them
        self.found: list[list[tuple[npt.NDArray[np.int16], npt.NDArray[np.uint64]]]] = [
            [] for _ in self.parts
        ]
        tiles = iter([(a, b) for a in range(self.n_parts) for b in range(a, self.n_parts)])
        each(lambda _: self._search(tiles), range(cores()))

    def _radii(self, left: Float32, right: Float32) -> Float32:
        """Estimate half the squared distance within which enough others lie; (n,)."""
        from scipy.special import pdtr  # Poisson's distribution function

        size = min(self.n, max(SAMPLE[0], self.n // SAMPLE[1]))
        sample = np.random.default_rng(0).permutation(self.n)[:size]
        # the number of sampled points among the nearest exceeds the rank in few cases
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
        room, flags = np.empty(TILE**2, np.float32), np.empty(TILE**2, bool)
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

    def select(self, number: int, distances: Float64, indices: Int64) -> Int64:
        """Write the k nearest of the points of a part.

        Parameters
        ----------
        number : int
            Of the part.
        distances : ndarray of shape (n, k), float64
        indices : ndarray of shape (n, k), int64
            Of all points, written at those of the part.

        Returns
        -------
        ndarray of shape (n_unsure,), int64
            The points whose neighbours are uncertain.
        """
        part = self.order[self.parts[number]]
        candidates, last, sure = self._candidates(number)
        candidates.sort(axis=1)  # equal distances by index
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
            least = (last - self.bound(number, last)) * 2 * self.scale**2  # of all others
            sure &= squares[:, -1] < least
        return part[~sure]

    def _candidates(self, number: int) -> tuple[Int64, Float64, Bool]:
        """Return the candidates of a part, half the squared distance of the last, and if enough."""
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

    def bound(self, number: int, halves: Float64) -> Float64:
        """Bound the float32 rounding errors of half squared distances up to some size.

        A point at this distance has a norm of at most |x| plus the distance, hence all summands
        together are at most (|x| + |y|)^2 / 2. Each is rounded as factor, product and sum.

        Parameters
        ----------
        number : int
            Of a part.
        halves : ndarray of shape (n_part,), float64
            A half squared distance of each of its points.

        Returns
        -------
        ndarray of shape (n_part,), float64
        """
        reach = 2 * self.norms[self.parts[number]] + np.sqrt(2 * halves)
        bound: Float64 = 1.01 * (self.d + 5) * _ULP * reach**2 / 2 + self.d * 2.0**-126
        return bound


def search_exhaustively(
    points: Float64, k: int, rows: Int64, distances: Float64, indices: Int64
) -> None:
    """Compare some points with all others in float64 and write their nearest.

    Parameters
    ----------
    points : ndarray of shape (n, d), float64
    k : int
    rows : ndarray of shape (m,), int64
        The points that are compared.
    distances : ndarray of shape (n, k), float64
    indices : ndarray of shape (n, k), int64
        Written at these rows.
    """
    from scipy.spatial.distance import cdist

    size = max(1, _SLOW // len(points))
    for first in range(0, len(rows), size):
        part = rows[first : first + size]
        table = cdist(points[part], points)
        table[np.arange(len(part)), part] = np.inf
        order = np.argsort(table, axis=1, kind="stable")[:, :k]
        distances[part], indices[part] = np.take_along_axis(table, order, 1), order
