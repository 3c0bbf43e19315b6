"""Coherence of differences: how alike the pairs of one function vector are."""

from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from saeatlas.analyses.nulls import scores

Array = np.ndarray[Any, Any]

FEWEST = 4
"""Pairs, at least, whose partners are shuffled: of fewer there are hardly any ways to."""


@dataclass(frozen=True)
class Coherence:
    """Coherence against shuffled partners; columns of ``function_vector``.

    Parameters
    ----------
    coherence : float or None
        None of one pair.
    n_trials : int
    null_mean, null_sd, z, p : float or None
        None without trials; z also where null_sd is 0.
    """

    coherence: float | None
    n_trials: int = 0
    null_mean: float | None = None
    null_sd: float | None = None
    z: float | None = None
    p: float | None = None

    @property
    def columns(self) -> dict[str, Any]:
        """As the table has them."""
        return asdict(self)


def of(units: Array) -> float | None:
    """Return the mean cosine between different rows.

    Parameters
    ----------
    units : ndarray of shape (m, d)
        Unit vectors, or 0: those are left out.

    Returns
    -------
    float or None
        None of fewer than two.
    """
    total = units.sum(axis=0, dtype=np.float64)
    n = int(np.any(units, axis=1).sum())
    return float((total @ total - n) / (n * (n - 1))) if n > 1 else None


def with_others(units: Array) -> Array:
    """Return each row's cosine with the mean of the others.

    Parameters
    ----------
    units : ndarray of shape (m, d)
        Unit vectors, or 0.

    Returns
    -------
    ndarray of shape (m,), float64
        NaN where there are no others, or their mean is 0.
    """
    rows = units.astype(np.float64)
    others = rows.sum(axis=0) - rows
    lengths = np.linalg.norm(others, axis=1)
    cosines = np.full(len(rows), np.nan)
    some = lengths > 1e-9
    cosines[some] = np.einsum("ij,ij->i", rows[some], others[some]) / lengths[some]
    return cosines


def measure(starts: Array, ends: Array, *, n_trials: int, rng: np.random.Generator) -> Coherence:
    """Measure the coherence of pairs, and what it is with partners shuffled.

    Parameters
    ----------
    starts, ends : ndarray of shape (m, d)
        Vectors a and b of each pair.
    n_trials : int
        Times that ends are dealt out anew among the starts; fewer than 2 for none.
    rng : numpy.random.Generator

    Returns
    -------
    Coherence

    Notes
    -----
    Shuffled partners keep what all starts have in common and all ends: that countries differ from
    capitals in one way shows in them too. A function vector is more coherent than that only if it
    matters which end belongs to which start.
    """
    value = of(_units(starts, ends))
    if value is None or n_trials < 2 or len(starts) < FEWEST:
        return Coherence(value)
    draws = np.array([of(_units(starts, rng.permutation(ends))) or 0.0 for _ in range(n_trials)])
    [score] = scores(np.array([value]), draws[:, None])
    return Coherence(value, n_trials, score.mean, score.sd, score.z, score.p)


def _units(starts: Array, ends: Array) -> Array:
    rows = ends - starts
    lengths = np.linalg.norm(rows, axis=1)
    units: Array = rows / np.where(lengths > 0, lengths, 1)[:, None]
    return units
