"""A space in which differences are compared: what distracts is projected out of it."""

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from saeatlas import errors
from saeatlas.analyses import cloud

Array = np.ndarray[Any, Any]

_PER_AXIS = 4
"""Vectors an axis, at least: of fewer, whitening makes all alike."""

_MOST = 16
"""Directions that linear discriminant analysis removes, at most; and one in 16 of all."""

_ROUNDING = 1e-6
"""What rounding to float32 leaves of vectors less their mean, in lengths of the mean, at most."""

_HALVES = 10
"""Ways in which the members of function vectors are halved."""

_DOUBT = 0.001
"""Chance of an unrelated attribute to be taken for a distractor."""


@dataclass(frozen=True)
class Space:
    """Vectors in coordinates where parallel differences can be told from chance.

    Parameters
    ----------
    points : ndarray of shape (n, r), float32
    dimensions : float
        Effective dimensions: cosines of unrelated differences have variance 1 over this.
    basis : ndarray of shape (d, r), float64
        What takes vectors less their mean to points; as of before any removal.
    removed : ndarray of shape (r, k), float64
        Orthonormal directions that were projected out.
    """

    points: Array
    dimensions: float
    basis: Array
    removed: Array

    def without(self, directions: Array) -> "Space":
        """Project directions out.

        Parameters
        ----------
        directions : ndarray of shape (r, k)
            Orthonormal, and orthogonal to those removed before.

        Returns
        -------
        Space
        """
        flat = directions.astype(np.float32)
        return replace(
            self,
            points=self.points - (self.points @ flat) @ flat.T,
            dimensions=self.dimensions - directions.shape[1],
            removed=np.column_stack([self.removed, directions]),
        )

    def take(self, differences: Array) -> Array:
        """Bring differences of other vectors into the space.

        Parameters
        ----------
        differences : ndarray of shape (m, d)

        Returns
        -------
        ndarray of shape (m, r), float32
        """
        rows = differences @ self.basis
        rest: Array = (rows - (rows @ self.removed) @ self.removed.T).astype(np.float32)
        return rest

    def axis(self, number: int) -> Array:
        """Return a removed direction as a unit vector among the vectors as they are.

        Parameters
        ----------
        number : int
            From 0.

        Returns
        -------
        ndarray of shape (d,), float64
            Vectors less their mean, times this, are what was taken away, but for a factor.
        """
        axis: Array = self.basis @ self.removed[:, number]
        axis /= np.linalg.norm(axis)
        return axis


def whiten(vectors: Array) -> Space:
    """Make the variance of vectors the same in all directions.

    Parameters
    ----------
    vectors : ndarray of shape (n, d), float32

    Returns
    -------
    Space
        Of min(d, n / 4) dimensions, the leading ones.

    Raises
    ------
    InputError
        Fewer than eight vectors, or all the same.

    Notes
    -----
    Linear discriminant analysis with all differences in one cluster: what any two vectors differ
    by counts as noise. What is parallel stays parallel, whichever way a space is stretched; what
    changes is how far off something is that is nearly parallel, and that differences of unrelated
    Gaussian vectors are the same in all directions, so that the distribution of their cosines is
    known.
    """
    n, d = vectors.shape
    if n < 2 * _PER_AXIS:
        raise errors.InputError(
            f"Crystals are sought among {2 * _PER_AXIS} vectors or more; there are {n}.",
            mend="Choose more features.",
        )
    if n > d:
        values, axes, mean = cloud.principal_axes(vectors)
    else:
        mean = vectors.mean(axis=0, dtype=np.float64)
        _, lengths, rows = np.linalg.svd(vectors - mean, full_matrices=False)
        _require_spread(lengths[0] ** 2 / n, mean)
        values, axes = lengths**2 / (n - 1), rows.T
        kept = values > n * np.finfo(np.float32).eps * values[0]
        values, axes = values[kept], axes[:, kept]
    r = min(len(values), n // _PER_AXIS)
    basis = axes[:, :r] / np.sqrt(values[:r])
    points = (vectors - mean.astype(np.float32)) @ basis.astype(np.float32)
    return Space(points, float(r), basis, np.empty((r, 0)))


def as_they_are(vectors: Array) -> Space:
    """Take vectors less their mean as they are.

    Parameters
    ----------
    vectors : ndarray of shape (n, d), float32

    Returns
    -------
    Space

    Notes
    -----
    Its effective dimensions are the participation ratio of the covariance's eigenvalues, which
    gives the variance of cosines, not their distribution: far from isotropic, p-values are rough.
    """
    n, d = vectors.shape
    mean = vectors.mean(axis=0, dtype=np.float64)
    points = vectors - mean.astype(np.float32)
    # the sum of squares of a covariance is that of the smaller matrix of products
    products = points.T @ points if d < n else points @ points.T
    total = float(np.trace(products, dtype=np.float64))
    squares = float(np.einsum("ij,ij->", products, products, dtype=np.float64))
    _require_spread(total / n, mean)
    return Space(points, total**2 / squares, np.eye(d), np.empty((d, 0)))


def attribute_directions(space: Space, attributes: Array) -> tuple[Array, Array]:
    """Find the directions that measured attributes follow.

    Parameters
    ----------
    space : Space
    attributes : ndarray of shape (n, q), float64
        NaN where unknown.

    Returns
    -------
    directions : ndarray of shape (r, k), float64
        Orthonormal.
    used : ndarray of shape (q,), bool
        Attributes that points follow more than chance explains.

    Notes
    -----
    An attribute's direction is that of its covariance with the points, which are as spread in all
    directions. Of an unrelated one, n times the squared length of its correlations has a
    chi-squared distribution with as many degrees of freedom as there are dimensions.
    """
    from scipy.stats import chi2

    columns, used = [], np.zeros(attributes.shape[1], bool)
    for i, values in enumerate(attributes.T):
        known = np.isfinite(values)
        spread = values[known].std() if known.any() else 0.0
        if spread > 0:
            scores = (values[known] - values[known].mean()) / spread
            column = scores @ space.points[known] / known.sum()
            used[i] = chi2.sf(known.sum() * column @ column, space.dimensions) < _DOUBT
            columns += [column] if used[i] else []
    if not columns:
        return np.empty((space.points.shape[1], 0)), used
    left, lengths, _ = np.linalg.svd(np.column_stack(columns), full_matrices=False)
    return left[:, lengths > 1e-6 * lengths[0]], used


def within_directions(
    space: Space, units: Sequence[Array], related: Sequence[Array], *, seed: int = 0
) -> tuple[Array, Array]:
    """Find the directions along which pairs of one function vector differ, as LDA does.

    Parameters
    ----------
    space : Space
    units : sequence of ndarray of shape (m, r), float32
        Of each function vector the differences b - a that follow it, as unit vectors.
    related : sequence of ndarray of shape (m,), int64
        Of each of these the family: pairs with a point in common, see `sharing.groups`.
    seed : int

    Returns
    -------
    directions : ndarray of shape (r, k), float64
        Orthonormal; those along which pairs differ most first. None if removing them does not
        make pairs more alike that they were not found on.
    shares : ndarray of shape (k,), float64
        Share of what pairs differ by, in all directions together.

    Notes
    -----
    The number k is chosen on held-out pairs: directions come from one half of each function
    vector's pairs, and the mean cosine between pairs of the other half says what removing them is
    worth, beyond removing as many at random. The least k is taken that is within one standard
    error of the best, over ten ways to halve. Pairs with a point in common are alike by that:
    one of a family takes part each time, and function vectors of four families or more.
    """
    large = [(one, own) for one, own in zip(units, related, strict=True) if len(set(own)) >= 4]
    r, gone = space.removed.shape
    most = min(_MOST, r // 16 - gone, sum(len(set(own)) for _, own in large) // 4)
    nothing = np.empty((r, 0)), np.empty(0)
    if most <= 0:
        return nothing
    rng = np.random.default_rng(seed)
    gain = np.array([_held_out(large, most, rng) for _ in range(_HALVES)])
    best = int(gain.mean(axis=0).argmax())
    behind = gain[:, [best]] - gain
    error = behind.std(axis=0, ddof=1) / np.sqrt(_HALVES)
    k = int(np.argmax(behind.mean(axis=0) <= error))
    return _within([one for one, _ in large], k) if k else nothing


def _require_spread(variance: float, mean: Array) -> None:
    if variance <= (_ROUNDING * np.linalg.norm(mean)) ** 2:
        raise errors.InputError("All vectors are the same: there are no crystals among them.")


def _held_out(related: list[tuple[Array, Array]], most: int, rng: np.random.Generator) -> Array:
    """Return what removing 0, 1, ... directions of one half gains in coherence of the other.

    More, that is, than removing as many at random, across all function vectors as these are:
    fewer dimensions have less noise.
    """
    halves: tuple[list[Array], list[Array]] = ([], [])
    for one, own in related:
        order = rng.permutation(len(one))
        first = rng.permutation(np.unique(own[order], return_index=True)[1])
        for half, part in zip(halves, np.array_split(order[first], 2), strict=True):
            half.append(one[part])
    directions, _ = _within(halves[0], most)
    means = np.linalg.qr(np.column_stack([one.mean(axis=0) for one in halves[0]]))[0]
    drawn = np.asarray(rng.standard_normal(directions.shape))
    random = np.linalg.qr(drawn - means @ (means.T @ drawn))[0]
    gain: Array = _coherences(halves[1], directions) - _coherences(halves[1], random)
    return gain


def _coherences(units: list[Array], directions: Array) -> Array:
    """Return the mean cosine between rows of the same, after removing 0, 1, ... directions."""
    rest = [one.astype(np.float64) for one in units]
    means = np.empty((directions.shape[1] + 1, len(units)))
    for k in range(len(means)):
        if k:
            axis = directions[:, k - 1]
            rest = [one - np.outer(one @ axis, axis) for one in rest]
        means[k] = [_coherence(one) for one in rest]
    sizes = [len(one) for one in units]
    averages: Array = np.average(means, axis=1, weights=sizes)
    return averages


def _coherence(rows: Array) -> float:
    """Return the mean cosine between different rows."""
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    n, total = len(rows), rows.sum(axis=0)
    return float((total @ total - n) / (n * (n - 1)))


def _within(units: list[Array], most: int) -> tuple[Array, Array]:
    """Return the leading axes of what rows differ by from the mean of theirs, and shares."""
    rest = np.concatenate([one - one.mean(axis=0) for one in units]).astype(np.float64)
    wide = rest.shape[0] < rest.shape[1]
    squares, axes = np.linalg.eigh(rest @ rest.T if wide else rest.T @ rest)
    squares, axes = squares[::-1], axes[:, ::-1][:, :most]
    if wide:
        axes = rest.T @ axes
        axes = axes / np.linalg.norm(axes, axis=0)
    return axes, squares[:most] / squares.sum()
