"""Within-class directions of function vectors: LDA, whose number of axes is cross-validated."""

from collections.abc import Sequence

import numpy as np

from saeatlas.analyses.arrays import Float32, Float64, Int64
from saeatlas.analyses.crystals.whitening import Space

_MOST = 16
"""Largest number of directions that are removed; and at most one in 16 of all."""

_HALVES = 10
"""Random splits of the members of function vectors into halves."""


def within_class_axes(
    space: Space, units: Sequence[Float32], related: Sequence[Int64], *, seed: int = 0
) -> tuple[Float64, Float64]:
    """Find the directions along which pairs of one function vector differ, as LDA does.

    Parameters
    ----------
    space : Space
    units : sequence of ndarray of shape (m, r), float32
        For each function vector, the normalised differences b - a of its pairs.
    related : sequence of ndarray of shape (m,), int64
        Group of each of these pairs, see `pair_groups.connected_pairs`.
    seed : int

    Returns
    -------
    directions : ndarray of shape (r, k), float64
        Orthonormal, by descending within-class variance. None if removing them does not make
        held-out pairs more similar.
    shares : ndarray of shape (k,), float64
        Share of the within-class variance along each.

    Notes
    -----
    The number k is chosen on held-out pairs: directions are found in one half of the pairs of each
    function vector, and the gain of removing them is the increase of the mean cosine between pairs
    of the other half, minus that of removing as many random directions. The smallest k is taken
    whose gain is within one standard error of the largest, over ten splits. Pairs with a point in
    common are similar for that reason: each split takes one pair of each group, and only function
    vectors with four groups or more. relations/distractors.py finds the same kind of directions
    for words; docs/decisions.md says why there are two estimators.
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


def _held_out(related: list[tuple[Float32, Int64]], most: int, rng: np.random.Generator) -> Float64:
    """Return the gain in coherence of one half from removing 0, 1, ... directions of the other.

    It is relative to removing as many random directions that are orthogonal to all function
    vectors: fewer dimensions alone have less noise.
    """
    halves: tuple[list[Float32], list[Float32]] = ([], [])
    for one, own in related:
        order = rng.permutation(len(one))
        first = rng.permutation(np.unique(own[order], return_index=True)[1])
        for half, part in zip(halves, np.array_split(order[first], 2), strict=True):
            half.append(one[part])
    directions, _ = _within(halves[0], most)
    means = np.linalg.qr(np.column_stack([one.mean(axis=0) for one in halves[0]]))[0]
    drawn = np.asarray(rng.standard_normal(directions.shape))
    random = np.linalg.qr(drawn - means @ (means.T @ drawn))[0]
    gain: Float64 = _coherences(halves[1], directions) - _coherences(halves[1], random)
    return gain


def _coherences(units: list[Float32], directions: Float64) -> Float64:
    """Return the mean cosine within classes after removing 0, 1, ... directions."""
    rest = [one.astype(np.float64) for one in units]
    means = np.empty((directions.shape[1] + 1, len(units)))
    for k in range(len(means)):
        if k:
            axis = directions[:, k - 1]
            rest = [one - np.outer(one @ axis, axis) for one in rest]
        means[k] = [_coherence(one) for one in rest]
    sizes = [len(one) for one in units]
    averages: Float64 = np.average(means, axis=1, weights=sizes)
    return averages


def _coherence(rows: Float64) -> float:
    """Return the mean cosine between different rows."""
    rows = rows / np.linalg.norm(rows, axis=1, keepdims=True)
    n, total = len(rows), rows.sum(axis=0)
    return float((total @ total - n) / (n * (n - 1)))


def _within(units: list[Float32], most: int) -> tuple[Float64, Float64]:
    """Return the leading axes of the within-class scatter, and their shares."""
    rest = np.concatenate([one - one.mean(axis=0) for one in units]).astype(np.float64)
    wide = rest.shape[0] < rest.shape[1]
    squares, axes = np.linalg.eigh(rest @ rest.T if wide else rest.T @ rest)
    squares, axes = squares[::-1], axes[:, ::-1][:, :most]
    if wide:
        axes = rest.T @ axes
        axes = axes / np.linalg.norm(axes, axis=0)
    return axes, squares[:most] / squares.sum()
