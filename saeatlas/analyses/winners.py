"""Which lobe wins a block, and which document types a lobe prefers: on arrays."""

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

Array = np.ndarray[Any, Any]
Preset = Literal["default", "paper"]

_SLAB_BLOCKS = 2048
"""Blocks that are unpacked at once, a float32 a feature and block."""

_DRAWS, _DRAWS_AT_ONCE = 1000, 50
"""Times that documents are resampled for an interval, and how many of them at once."""

NONE = -1
"""Stands for no winner: a tie, or nothing active."""


def count_active(bits: Array, lobes: list[Array], features: list[Array]) -> list[Array]:
    """Count each lobe's active features in each block.

    Parameters
    ----------
    bits : ndarray of shape (d_sae, n_bytes), uint8
        Bitmaps, the most significant bit of a byte first.
    lobes : list of ndarray of shape (n,), int
        Labels from 0, one array a clustering.
    features : list of ndarray of shape (n,), int
        The features that they label.

    Returns
    -------
    list of ndarray of shape (8 * n_bytes, n_lobes), float32
        Whole numbers; exact, as they are below 2^24.
    """
    sizes = [labels.max() + 1 for labels in lobes]
    hot = np.zeros((bits.shape[0], sum(sizes)), np.float32)
    for labels, members, first in zip(lobes, features, np.cumsum([0, *sizes]), strict=False):
        hot[members, first + labels] = 1
    counts = np.empty((8 * bits.shape[1], hot.shape[1]), np.float32)
    step = _SLAB_BLOCKS // 8
    for first in range(0, bits.shape[1], step):
        active = np.unpackbits(bits[:, first : first + step], axis=1).astype(np.float32)
        counts[8 * first : 8 * first + active.shape[1]] = active.T @ hot
    return np.split(counts, np.cumsum(sizes)[:-1], axis=1)


def winners(active: Array, sizes: Array, activity: Array, preset: Preset) -> Array:
    """Say which lobe wins each block.

    Parameters
    ----------
    active : ndarray of shape (n_blocks, n_lobes), float
        Active features of each lobe.
    sizes : ndarray of shape (n_lobes,), int
        Features of each lobe.
    activity : ndarray of shape (n_lobes,), int
        How often its features are active in the blocks that lobes were made from, summed.
    preset : {'default', 'paper'}
        paper: the largest share of its own features active. default: the largest excess over what
        the block's activity and the lobe's make expect, in standard deviations,
        (a_l - T p_l) / sqrt(T p_l (1 - p_l)), with T active features in the block and p_l the
        lobe's part of all activity.

    Returns
    -------
    ndarray of shape (n_blocks,), int64
        -1 for a tie and for a block without active features.

    Notes
    -----
    Features of a lobe are active together, so that the excess is no z-score of a test: it ranks
    lobes within a block.
    """
    total = active.sum(axis=1, keepdims=True).astype(np.float64)
    if active.shape[1] == 1:
        return np.where(total[:, 0] > 0, 0, NONE)
    if preset == "paper":
        score = active / sizes
    else:
        p = activity / activity.sum()
        spread = np.sqrt(np.maximum(total, 1) * np.maximum(p * (1 - p), np.finfo(float).tiny))
        score = (active - total * p) / spread
    best = score.max(axis=1, keepdims=True)
    tied = (score >= best - 1e-12 * np.abs(best)).sum(axis=1) > 1
    return np.where(tied | (total[:, 0] == 0), NONE, score.argmax(axis=1))


@dataclass(frozen=True)
class Preference:
    """Lobes by document type; NaN for what is undefined.

    Parameters
    ----------
    n_blocks : ndarray of shape (n_types,), int64
        Blocks of each type.
    n_won : ndarray of shape (n_lobes, n_types), int64
    mean_share : ndarray of shape (n_lobes, n_types), float64
    enrichment, low, high : ndarray of shape (n_lobes, n_types), float64
        Share of blocks won there over that of all blocks, and its 95% interval.
    """

    n_blocks: Array
    n_won: Array
    mean_share: Array
    enrichment: Array
    low: Array
    high: Array


def prefer(
    won: Array, shares: Array, types: Array, documents: Array, *, n_types: int, seed: int
) -> Preference:
    """Compare how often each lobe wins blocks of each type with how often it wins at all.

    Parameters
    ----------
    won : ndarray of shape (n_blocks,), int
        Winning lobe, -1 for none.
    shares : ndarray of shape (n_blocks, n_lobes), float
        Share of each lobe's features that are active.
    types : ndarray of shape (n_blocks,), int
        Document type, -1 for a document without.
    documents : ndarray of shape (n_blocks,), int
        Blocks of one document are not independent: whole documents are resampled.
    n_types : int
    seed : int

    Returns
    -------
    Preference

    Notes
    -----
    Intervals are percentiles over 1,000 draws in which each document counts as often as a Poisson
    variable of mean 1 says. With few documents of a type they are too narrow; with one there is
    none.
    """
    n_lobes = shares.shape[1]
    number, place = np.unique(documents, return_inverse=True)
    kinds = np.full(len(number), -1)
    kinds[place] = types
    wins = np.zeros((len(number), n_lobes + 1))  # the last column: all blocks
    np.add.at(wins, (place, np.where(won >= 0, won, n_lobes)), won >= 0)
    wins[:, -1] = np.bincount(place, minlength=len(number))
    table = np.stack([wins[kinds == kind].sum(axis=0) for kind in range(n_types)], axis=1)
    n_blocks, n_won = table[-1].astype(np.int64), table[:-1].astype(np.int64)
    mean = np.full((n_lobes, n_types), np.nan)
    for kind in np.flatnonzero(n_blocks):
        mean[:, kind] = shares[types == kind].mean(axis=0, dtype=np.float64)
    enrichment = _enrichment(table, wins.sum(axis=0))
    low, high = _interval(wins, kinds, n_types, seed)
    few = np.bincount(kinds[kinds >= 0], minlength=n_types) < 2
    for bound in (low, high):
        bound[:, few] = np.nan
        bound[np.isnan(enrichment)] = np.nan
    return Preference(n_blocks, n_won, mean, enrichment, low, high)


def _enrichment(table: Array, total: Array) -> Array:
    """Return shares of blocks won over those of all, from sums of shape (n_lobes + 1, n_types)."""
    with np.errstate(invalid="ignore", divide="ignore"):
        everywhere = total[:-1] / total[-1]
        found: Array = table[:-1] / table[-1] / everywhere[:, None]
    return np.where(np.isfinite(found), found, np.nan)


def _interval(wins: Array, kinds: Array, n_types: int, seed: int) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    drawn = np.empty((_DRAWS, wins.shape[1] - 1, n_types))
    for first in range(0, _DRAWS, _DRAWS_AT_ONCE):
        weights = rng.poisson(1.0, (_DRAWS_AT_ONCE, len(wins))).astype(np.float64)
        totals = weights @ wins
        tables = [weights[:, kinds == kind] @ wins[kinds == kind] for kind in range(n_types)]
        for i in range(_DRAWS_AT_ONCE):
            table = np.stack([part[i] for part in tables], axis=1)
            drawn[first + i] = _enrichment(table, totals[i])
    # undefined draws are those without a block of the type, or without a win: nothing is enriched
    low, high = np.percentile(np.nan_to_num(drawn, nan=0.0), [2.5, 97.5], axis=0)
    return low, high
