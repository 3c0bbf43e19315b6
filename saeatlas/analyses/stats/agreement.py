"""How far two labellings of features agree, and how far they agree by chance."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

Ints = npt.NDArray[np.integer]

TABLE_CELLS = 16
"""Cells of a contingency table per feature, above which sorting is quicker than counting."""


def adjusted_mutual_information(a: Ints, b: Ints) -> float:
    """Compare two labellings, corrected for chance.

    Parameters
    ----------
    a, b : ndarray of shape (n,), int
        Labels.

    Returns
    -------
    float
        1 for the same partition; 0 is what labellings with these sizes share on average if they
        are unrelated. Below 0 for less.

    Notes
    -----
    (MI - E[MI]) / ((H(a) + H(b)) / 2 - E[MI]), natural logarithms, E over permutations. It is a
    measure of effect, not of evidence: with few features large values arise by chance.

    References
    ----------
    .. [VinhEppsBailey2010] The definition.
    """
    return float(permuted([a], b, np.arange(len(b))[None])[0, 0])


def permuted(lobes: Sequence[Ints], clusters: Ints, orders: Ints) -> npt.NDArray[np.float64]:
    """Compare labellings with permutations of another.

    Parameters
    ----------
    lobes : sequence of ndarray of shape (n,), int
        Labels, each of the same n features.
    clusters : ndarray of shape (n,), int
        Labels that are permuted.
    orders : ndarray of shape (m, n), int
        Permutations.

    Returns
    -------
    ndarray of shape (m, len(lobes)), float64
        Adjusted mutual information of each labelling with ``clusters[order]``.

    Notes
    -----
    Sizes of lobes and clusters do not change under permutation, nor do entropies and the expected
    mutual information: they are computed once. What is left is the sum of n_ij log n_ij over the
    contingency table.
    """
    pairs = [_Pair(each, clusters) for each in lobes]
    values = np.empty((len(orders), len(pairs)))
    for row, order in enumerate(orders):
        for column, pair in enumerate(pairs):
            values[row, column] = pair.score(order)
    return values


class _Pair:
    """Two labellings, and all of their agreement that no permutation changes."""

    def __init__(self, a: Ints, b: Ints) -> None:
        from sklearn.metrics.cluster import contingency_matrix, expected_mutual_information

        _, a = np.unique(a, return_inverse=True)
        _, b = np.unique(b, return_inverse=True)
        n, (n_a, n_b) = len(a), (np.bincount(a), np.bincount(b))
        self.n, self.one = n, min(len(n_a), len(n_b)) == 1
        self.same = len(n_a) == len(n_b)  # asked only where one of them is 1
        self.cells = len(n_a) * len(n_b)
        kind = np.int32 if self.cells < 2**31 else np.int64
        self.a: Ints = (a * len(n_b)).astype(kind)
        self.b: Ints = b.astype(kind)
        self.log = np.log(np.arange(n + 1).clip(1))
        h_a, h_b = (np.log(n) - size @ self.log[size] / n for size in (n_a, n_b))
        self.joint = h_a + h_b - np.log(n)  # MI minus the sum of n_ij log n_ij / n
        self.expected = expected_mutual_information(contingency_matrix(a, b, sparse=True), n)
        self.room = (h_a + h_b) / 2 - self.expected

    def score(self, order: Ints) -> float:
        if self.one:
            return float(self.same)
        if self.room < 1e-12:  # as if each feature were a lobe: every permutation matches
            return 1.0
        codes = self.a + self.b[order]
        if self.cells <= TABLE_CELLS * self.n:
            total = self.log[np.bincount(codes, minlength=self.cells)[codes]].sum()
        else:
            codes.sort()
            sizes = np.diff(np.flatnonzero(np.diff(codes, append=-1)), prepend=-1)
            total = sizes @ self.log[sizes]
        return float((self.joint + total / self.n - self.expected) / self.room)


def shuffles(
    rng: np.random.Generator, n: int, m: int, strata: Ints | None = None
) -> npt.NDArray[np.int32]:
    """Draw permutations.

    Parameters
    ----------
    rng : numpy.random.Generator
    n : int
        Features.
    m : int
        Permutations.
    strata : ndarray of shape (n,), int, optional
        Features change places only with those of the same stratum. Default: with all.

    Returns
    -------
    ndarray of shape (m, n), int32
        Each row holds 0 to n - 1 once; ``strata[row]`` equals ``strata``.
    """
    _, codes = np.unique(np.zeros(n) if strata is None else strata, return_inverse=True)
    places = np.argsort(codes, kind="stable").astype(np.int32)
    ranks: npt.NDArray[np.float64] = codes[places].astype(np.float64)
    orders = np.empty((m, n), np.int32)
    for row in orders:
        # sorting by stratum and then at random permutes each stratum within itself
        row[places] = places[np.argsort(ranks + rng.random(n))]
    return orders


def frequency_strata(n_blocks_active: Ints, size: int = 32) -> npt.NDArray[np.int64]:
    """Group features of about the same frequency.

    Parameters
    ----------
    n_blocks_active : ndarray of shape (n,), int
        Blocks in which each feature is active.
    size : int, default=32
        Features of a stratum.

    Returns
    -------
    ndarray of shape (n,), int64
        Stratum of each feature, from 0, the rarest first; ties by the feature's place. The last
        one takes the remainder too, so that it has fewer than 2 * size.

    Notes
    -----
    Within a stratum frequency still varies, most where features are few and in the last one, of
    the most frequent. In a simulation where lobes and geometry follow frequency and nothing else,
    such shuffles reject 11% at a level of 5% with 200 features in strata of 32, and 8% with 400
    in strata of 16 (200 simulated catalogs, standard error 2%); unrestricted shuffles reject all.
    """
    n = len(n_blocks_active)
    strata = np.empty(n, np.int64)
    strata[np.argsort(n_blocks_active, kind="stable")] = np.arange(n) // size
    return strata.clip(max=max(n // size - 1, 0))
