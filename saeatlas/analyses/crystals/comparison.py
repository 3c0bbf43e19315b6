"""Pairs of features compared with each other: crystals, p-values and function vectors."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from saeatlas.analyses.arrays import Float32, Float64, Int64
from saeatlas.analyses.crystals import function_vectors, parallelograms, significance
from saeatlas.analyses.crystals.parallelograms import Quads, unit_sides
from saeatlas.analyses.crystals.params import Params
from saeatlas.analyses.crystals.whitening import Space

_ROWS = 4096
"""Pairs whose products are computed at once."""


@dataclass(frozen=True)
class Found:
    """Crystals and their function vectors.

    Parameters
    ----------
    quads : Quads
        The most significant first; sides point along their function vector.
    of : ndarray of shape (n,), int64
        Function vector of each crystal; -1 where its sides belong to two.
    p, q : ndarray of shape (n,), float64
        p-value, and false discovery rate.
    members : tuple of ndarray of shape (m, 2), int64
        Pairs of each function vector.
    relations : tuple of str or None
        Relation of each function vector; None of those found.
    n_compared, n_parallel : int
        Pairs of pairs that were compared; those with a quality of at least ``min_cosine``.
    """

    quads: Quads
    of: Int64
    p: Float64
    q: Float64
    members: tuple[Int64, ...]
    relations: tuple[str | None, ...]
    n_compared: int
    n_parallel: int


def compare_all(space: Space, ends: Int64, params: Params) -> Found:
    """Compare all pairs of pairs, and gather those that are parallel into function vectors.

    Parameters
    ----------
    space : Space
    ends : ndarray of shape (m, 2), int64
        Pairs of points.
    params : Params

    Returns
    -------
    Found
    """
    quads = _parallel(space, ends, params)
    n_compared = len(ends) * (len(ends) - 1) // 2
    p = significance.crystal_p(quads, space.dimensions)
    q = significance.false_discovery_rates(p, n_compared)
    n_parallel, sure = len(q), q <= params.fdr
    quads, p, q = quads[sure], p[sure], q[sure]
    groups = function_vectors.group_sides(space.points, quads, params.min_cosine)
    sizes = np.array([len(one) for one in groups.members] + [0])[groups.of]
    quads.corners[groups.reversed] = quads.corners[groups.reversed][:, [1, 0, 3, 2]]
    once = _once(quads, p, sizes)
    used, of = np.unique(np.append(groups.of[once], -1), return_inverse=True)
    members = tuple(groups.members[i] for i in used[1:])
    return Found(
        quads[once], of[:-1] - 1, p[once], q[once], members, (None,) * len(members), n_compared,
        n_parallel,
    )  # fmt: skip


def compare_followers(
    space: Space, ends: Int64, differences: Mapping[str, Float32], params: Params
) -> Found:
    """Find the pairs that follow known relations, and compare those of one relation.

    Parameters
    ----------
    space : Space
    ends : ndarray of shape (m, 2), int64
        Pairs of points.
    differences : mapping of str to ndarray of shape (p, r), float32
        By relation, differences of its word pairs in the space, as unit vectors.
    params : Params

    Returns
    -------
    Found
    """
    followers = _followers(space, ends, differences, params)
    quads = [_parallel(space, pairs, params) for pairs in followers.values()]
    of = np.repeat(np.arange(len(quads)), [len(one.sides) for one in quads])
    n_compared = sum(len(pairs) * (len(pairs) - 1) // 2 for pairs in followers.values())
    everything = parallelograms.concatenate(quads)
    p = significance.crystal_p(everything, space.dimensions)
    q = significance.false_discovery_rates(p, max(n_compared, 1))
    once = _once(everything, p, np.zeros(len(p)))
    once = once[q[once] <= params.fdr]
    return Found(
        everything[once], of[once], p[once], q[once], tuple(followers.values()), tuple(followers),
        n_compared, len(q),
    )  # fmt: skip


def _followers(
    space: Space, ends: Int64, differences: Mapping[str, Float32], params: Params
) -> dict[str, Int64]:
    """Return the pairs that follow each relation, in its direction; relations without any lack."""
    means = np.array([one.sum(axis=0) for one in differences.values()])  # (relations, r)
    means /= np.maximum(np.linalg.norm(means, axis=1), 1e-12)[:, None]
    cosines = unit_sides(space.points, ends) @ means.T  # (pairs, relations)
    similar = _similarities(space.points, ends, means)
    p = np.maximum(
        significance.two_sided_p(cosines.ravel(), space.dimensions),
        significance.one_sided_p(similar.ravel(), space.dimensions - 1),
    )
    n = len(space.points)
    rates = significance.false_discovery_rates(p, n * (n - 1) // 2 * len(means))
    sure = (rates <= params.fdr).reshape(cosines.shape)
    followers = {}
    for i, name in enumerate(differences):
        own, back = ends[sure[:, i]], cosines[sure[:, i], i] < 0
        own[back] = own[back, ::-1]
        if len(own):
            followers[name] = own
    return followers


def _similarities(points: Float32, ends: Int64, means: Float32) -> Float32:
    """Return the cosine of both ends minus their parts along each relation; (pairs, relations)."""
    along = points @ means.T  # (n, relations)
    squares = np.einsum("ij,ij->i", points, points)[:, None] - along**2
    products = np.empty((len(ends), len(means)))
    for first in range(0, len(ends), _ROWS):
        part = ends[first : first + _ROWS]
        products[first : first + _ROWS] = np.einsum(
            "ij,ij->i", points[part[:, 0]], points[part[:, 1]]
        )[:, None]
    a, b = ends.T
    lengths = np.sqrt(np.maximum(squares[a] * squares[b], 1e-12))
    cosines: Float32 = (products - along[a] * along[b]) / lengths
    return cosines


def _parallel(space: Space, ends: Int64, params: Params) -> Quads:
    return parallelograms.parallel_pairs(space.points, ends, params.min_cosine, seed=params.seed)


def _once(quads: Quads, p: Float64, sizes: Float64) -> Int64:
    """Choose one of the ways in which four features are a crystal; the most significant first."""
    order = np.lexsort((-quads.quality, p, -sizes))
    _, first = np.unique(np.sort(quads.corners, axis=1)[order], axis=0, return_index=True)
    once = order[first]
    best: Int64 = once[np.lexsort((quads.corners[once, 0], -quads.quality[once], p[once]))]
    return best
