"""Affinities of two features, from counts of blocks: the SQL functions compute the same.

n is the number of blocks, n_i and n_j those with one feature active, n_ij those with both.
"""

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from saeatlas import errors

Counts = npt.NDArray[np.integer] | npt.NDArray[np.float64]
Values = npt.NDArray[np.float64]


def simple_matching(n: float, n_i: Counts, n_j: Counts, n_ij: Counts) -> Values:
    """Share of blocks in which both are active or neither is; in [0, 1]."""
    return (n - n_i - n_j + 2 * n_ij) / n


def jaccard(n: float, n_i: Counts, n_j: Counts, n_ij: Counts) -> Values:
    """Blocks with both over blocks with either; in [0, 1]."""
    return n_ij / (n_i + n_j - n_ij)


def dice(n: float, n_i: Counts, n_j: Counts, n_ij: Counts) -> Values:
    """Blocks with both over the mean of the blocks with each; in [0, 1]."""
    return 2 * n_ij / (n_i + n_j)


def overlap(n: float, n_i: Counts, n_j: Counts, n_ij: Counts) -> Values:
    """Share of the rarer feature's blocks in which the other is active too; in [0, 1]."""
    return n_ij / np.minimum(n_i, n_j)


def phi(n: float, n_i: Counts, n_j: Counts, n_ij: Counts) -> Values:
    """Pearson correlation of the two features' activity over blocks; in [-1, 1]."""
    # separate roots: the product of four counts is beyond what integers hold
    values: Values = (n * n_ij - n_i * n_j) / (np.sqrt(n_i * (n - n_i)) * np.sqrt(n_j * (n - n_j)))
    return values


def lift(n: float, n_i: Counts, n_j: Counts, n_ij: Counts) -> Values:
    """Blocks with both over those expected of independent features; 1 for independence."""
    return n * n_ij / (n_i * n_j)


def pmi(n: float, n_i: Counts, n_j: Counts, n_ij: Counts) -> Values:
    """Pointwise mutual information in nats: the logarithm of lift."""
    met = lift(n, n_i, n_j, n_ij)
    return np.log(np.where(met > 0, met, np.nan))


Formula = Callable[[float, Counts, Counts, Counts], Values]

FORMULAS: dict[str, Formula] = {
    "phi": phi,
    "jaccard": jaccard,
    "dice": dice,
    "overlap": overlap,
    "simple_matching": simple_matching,
    "lift": lift,
    "pmi": pmi,
}
"""By the names of their SQL functions. Undefined is NaN."""


def formula(measure: str) -> Formula:
    """Return the formula of a measure by its name.

    Parameters
    ----------
    measure : str

    Returns
    -------
    callable
        Of n, n_i, n_j and n_ij.

    Raises
    ------
    UnknownName
    """
    if measure not in FORMULAS:
        raise errors.UnknownName(
            f"{measure!r} is no measure of affinity.", available=errors.nearest(measure, FORMULAS)
        )
    return FORMULAS[measure]
