"""How far differences of one relation point the same way, against partners shuffled."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from saeatlas.analyses.stats import nulls
from saeatlas.analyses.stats.agreement import shuffles

Array = np.ndarray[Any, Any]

_NOTHING = 1e-10
"""Share of the squared lengths of two vectors below which that of their difference is rounding."""

_NUMBERS = 2**22
"""Weights of pairs in shuffles that are held at once."""


@dataclass(frozen=True)
class Coherence:
    """Differences of one relation. All but `members` are columns of ``function_vector``.

    Parameters
    ----------
    coherence : float or None
        Mean cosine of the differences of two pairs; in [-1, 1]. None of one pair.
    members : ndarray of shape (n,), float64
        Cosine of each difference with the mean of the others, all made unit vectors. 0 where that
        mean is 0, and of one pair.
    direction : ndarray of shape (d,), float32
        Mean of the differences made unit vectors, made one.
    n_trials : int
        Times that partners were shuffled.
    null_mean, null_sd : float or None
        Mean and standard deviation of the coherence with partners shuffled. None without trials.
    z : float or None
        (coherence - null_mean) / null_sd. None where null_sd is 0, and without trials.
    p : float or None
        (r + 1) / (n_trials + 1), r shuffles being at least as coherent. None without trials.
    """

    coherence: float | None
    members: Array
    direction: Array
    n_trials: int = 0
    null_mean: float | None = None
    null_sd: float | None = None
    z: float | None = None
    p: float | None = None

    @property
    def columns(self) -> dict[str, Any]:
        """As ``function_vector`` has them, but for the direction."""
        names = ("coherence", "n_trials", "null_mean", "null_sd", "z", "p")
        return {name: getattr(self, name) for name in names}


def pair_coherence(
    inputs: Array,
    outputs: Array,
    strata: Array | None = None,
    *,
    trials: int = 1000,
    seed: int = 0,
) -> Coherence:
    """Measure how far differences point the same way, and whether partners belong together.

    Parameters
    ----------
    inputs, outputs : ndarray of shape (n, d), float32
        Vectors of the words, or features, of n pairs, none of them twice the same.
    strata : ndarray of shape (n,), int, optional
        Partners are shuffled within each, as within the folds of
        `distractors.project_out_by_fold`. Default: all together.
    trials : int, default=1000
        0 for none; else at least 2.
    seed : int, default=0

    Returns
    -------
    Coherence

    Raises
    ------
    ValueError
        No pair, or a difference of length 0.

    Notes
    -----
    Coherence alone says little: any capitals less any countries point much the same way, from the
    mean of one to that of the other. The null has that too, and words that occur in many pairs.
    Whatever the partners, the sum of all differences is the same; what the right ones add is that
    their differences are shorter across it. So z asks whether an output lies where its own input
    lies among inputs, and is small for a relation of few outputs however coherent it is.

    A shuffle may give a word itself for a partner; that pair is skipped. If fewer than two are
    left, the shuffle counts as what was observed.
    """
    n = len(inputs)
    if not n:
        raise ValueError("Coherence needs differences; there is none.")
    centre = (inputs.mean(axis=0, dtype=np.float64) + outputs.mean(axis=0, dtype=np.float64)) / 2
    a, b = inputs - centre, outputs - centre  # differences do not change, and lose fewer digits
    units, lengths = _units(b - a)
    if not lengths.all():
        raise ValueError("Coherence needs differences, and none of length 0.")
    total = units.sum(axis=0)
    squared = float(total @ total)
    observed = (squared - n) / (n * (n - 1)) if n > 1 else 0.0
    along = units @ total
    others = np.sqrt((squared - 2 * along + 1).clip(0))  # length of the sum of the others
    members = np.divide(along - 1, others, out=np.zeros(n), where=others > _NOTHING).clip(-1, 1)
    direction = _units(total[None])[0][0].astype(np.float32)
    if not trials or n < 2:
        return Coherence(observed if n > 1 else None, members, direction)
    orders = shuffles(np.random.default_rng(seed), n, trials, strata)
    draws = _shuffled(a, b, orders, observed)
    score = nulls.scores(np.array([observed]), draws[:, None])[0]
    return Coherence(observed, members, direction, trials, score.mean, score.sd, score.z, score.p)


def _shuffled(a: Array, b: Array, orders: Array, observed: float) -> Array:
    """Return the coherence of b[order] - a for each of m orders."""
    n = len(a)
    products = a @ b.T
    own, partner = np.einsum("ij,ij->i", a, a), np.einsum("ij,ij->i", b, b)
    values = np.empty(len(orders))
    step = max(1, _NUMBERS // n)
    for first in range(0, len(orders), step):
        order = orders[first : first + step]
        both = own + partner[order]
        lengths = both - 2 * products[np.arange(n), order]
        there = lengths > _NOTHING * both
        weights = there / np.sqrt(np.where(there, lengths, 1))
        turned = np.zeros_like(weights)
        np.put_along_axis(turned, order.astype(np.int64), weights, axis=1)
        total = turned @ b - weights @ a
        k = there.sum(axis=1)
        coherence = (np.einsum("ij,ij->i", total, total) - k) / np.maximum(k * (k - 1), 1)
        values[first : first + step] = np.where(k >= 2, coherence, observed)
    return values


def _units(vectors: Array) -> tuple[Array, Array]:
    """Return vectors made unit vectors, those of length 0 as they are, and their lengths."""
    lengths = np.linalg.norm(vectors, axis=1)
    return vectors / np.where(lengths > 0, lengths, 1)[:, None], lengths
