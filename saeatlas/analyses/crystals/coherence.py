"""Coherence of the differences of one relation, compared with shuffled partners."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from saeatlas.analyses.arrays import Float32, Float64, Int64
from saeatlas.analyses.stats import nulls
from saeatlas.analyses.stats.agreement import shuffles

_NOTHING = 1e-10
"""Squared length of a difference, relative to those of its ends, that is a rounding error."""

WEIGHTS_AT_ONCE = 2**22
"""Weights of pairs in shuffles, in memory at once."""


@dataclass(frozen=True)
class Coherence:
    """Coherence of one relation. All fields but `members` are columns of ``function_vector``.

    Parameters
    ----------
    coherence : float or None
        Mean cosine between the differences of two pairs; in [-1, 1]. None for a single pair.
    members : ndarray of shape (n,), float64
        Cosine of each difference with the mean of the others, all normalised. 0 if that mean is 0,
        and for a single pair.
    direction : ndarray of shape (d,), float32
        Normalised mean of the normalised differences.
    n_trials : int
        Shuffles of the partners.
    null_mean, null_sd : float or None
        Mean and standard deviation of the coherence of shuffled partners. None without trials.
    z : float or None
        (coherence - null_mean) / null_sd. None if null_sd is 0, and without trials.
    p : float or None
        (r + 1) / (n_trials + 1), where r shuffles are at least as coherent. None without trials.
    """

    coherence: float | None
    members: Float64
    direction: Float32
    n_trials: int = 0
    null_mean: float | None = None
    null_sd: float | None = None
    z: float | None = None
    p: float | None = None

    @property
    def columns(self) -> dict[str, Any]:
        """Columns of ``function_vector``, without the direction."""
        names = ("coherence", "n_trials", "null_mean", "null_sd", "z", "p")
        return {name: getattr(self, name) for name in names}


def pair_coherence(
    inputs: Float32,
    outputs: Float32,
    strata: Int64 | None = None,
    *,
    trials: int = 1000,
    seed: int = 0,
) -> Coherence:
    """Measure how similar the directions of differences are, and whether partners belong together.

    Parameters
    ----------
    inputs, outputs : ndarray of shape (n, d), float32
        Vectors of the words, or features, of n pairs; input and output of a pair differ.
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
    Coherence alone is weak evidence: any capitals less any countries have similar directions, from
    the mean of one to the mean of the other. Shuffled partners share that, and words that occur in
    many pairs. The sum of all differences does not depend on the partners; with the right partners
    the differences deviate less from it. So z tests whether the position of an output among
    outputs corresponds to that of its own input among inputs, and is small for a relation of few
    outputs, however coherent.

    A shuffle may assign a word to itself; that pair is skipped. If fewer than two are left, the
    shuffle counts as equal to the observed coherence.
    """
    n = len(inputs)
    if not n:
        raise ValueError("Coherence needs differences; there is none.")
    centre = (inputs.mean(axis=0, dtype=np.float64) + outputs.mean(axis=0, dtype=np.float64)) / 2
    a, b = inputs - centre, outputs - centre  # same differences, fewer digits lost
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


def _shuffled(
    a: Float64, b: Float64, orders: npt.NDArray[np.integer[Any]], observed: float
) -> Float64:
    """Return the coherence of b[order] - a for each of m orders."""
    n = len(a)
    products = a @ b.T
    own, partner = np.einsum("ij,ij->i", a, a), np.einsum("ij,ij->i", b, b)
    values = np.empty(len(orders))
    step = max(1, WEIGHTS_AT_ONCE // n)
    for first in range(0, len(orders), step):
        order = orders[first : first + step]
        both = own + partner[order]
        lengths = both - 2 * products[np.arange(n), order]
        there = lengths > _NOTHING * both
        weights = there / np.sqrt(np.where(there, lengths, 1))
        of_outputs = np.zeros_like(weights)
        np.put_along_axis(of_outputs, order.astype(np.int64), weights, axis=1)
        total = of_outputs @ b - weights @ a
        k = there.sum(axis=1)
        coherence = (np.einsum("ij,ij->i", total, total) - k) / np.maximum(k * (k - 1), 1)
        values[first : first + step] = np.where(k >= 2, coherence, observed)
    return values


def _units(vectors: Float64) -> tuple[Float64, Float64]:
    """Return normalised vectors, zero vectors unchanged, and their lengths."""
    lengths = np.linalg.norm(vectors, axis=1)
    return vectors / np.where(lengths > 0, lengths, 1)[:, None], lengths
