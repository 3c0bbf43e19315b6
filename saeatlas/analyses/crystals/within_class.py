"""What pairs of one function vector differ by: discriminant analysis, judged on other pairs."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from saeatlas.analyses.crystals.whitening import Space

Array = np.ndarray[Any, Any]

_MOST = 16
"""Directions that linear discriminant analysis removes, at most; and one in 16 of all."""

_HALVES = 10
"""Ways in which the members of function vectors are halved."""


def within_class_axes(
    space: Space, units: Sequence[Array], related: Sequence[Array], *, seed: int = 0
) -> tuple[Array, Array]:
    """Find the directions along which pairs of one function vector differ, as LDA does.

    Parameters
    ----------
    space : Space
    units : sequence of ndarray of shape (m, r), float32
        Of each function vector the differences b - a that follow it, as unit vectors.
    related : sequence of ndarray of shape (m,), int64
        Of each of these its group of pairs with points in common, see
        `pair_groups.connected_pairs`.
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
