"""How many features of each lobe are active in a block, and which is its top lobe."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from saeatlas.schema.rows.clusterings import Labels

Counts = npt.NDArray[np.float32]

TIE = 1e-12
"""Two values that differ by less than this share of themselves are a tie."""

_SLAB = 32
"""Bytes of each row that are unpacked at once: few enough to stay near the processor."""

_BITS = np.unpackbits(np.arange(256, dtype=np.uint8)[:, None], axis=1).astype(np.float32)


def membership(
    labels: Sequence[Labels],
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
    """Lay the lobes of all clusterings side by side.

    Parameters
    ----------
    labels : sequence of Labels
        Clusterings of one SAE's features.

    Returns
    -------
    features : ndarray of shape (n_features,), int64
        Features that have a lobe in any of them, ascending.
    members : ndarray of shape (n_lobes, n_features), float32
        1 where the feature lies in the lobe; first all lobes of the first clustering.
    """
    features = np.unique(np.concatenate([one.features for one in labels]))
    sizes = [int(one.lobes.max()) + 1 for one in labels]
    members = np.zeros((sum(sizes), len(features)), np.float32)
    first = 0
    for one, size in zip(labels, sizes, strict=True):
        members[first + one.lobes, np.searchsorted(features, one.features)] = 1
        first += size
    return features, members


def count_active(bits: npt.NDArray[np.uint8], members: npt.NDArray[np.float32]) -> Counts:
    """Count the active features of each lobe in each block.

    Parameters
    ----------
    bits : ndarray of shape (n_features, n_bytes), uint8
        Bit b of row f, most significant first: whether feature f is active in block b.
    members : ndarray of shape (n_lobes, n_features), float32
        1 where a feature lies in a lobe.

    Returns
    -------
    ndarray of shape (8 * n_bytes, n_lobes), float32
        Whole numbers: float32 is exact up to 2**24 features.

    Notes
    -----
    One matrix product a slab of blocks serves all clusterings at once. Bits become numbers by
    looking up each byte's eight, several times quicker than unpacking and converting.
    """
    n_features, n_bytes = bits.shape
    active = np.empty((8 * n_bytes, len(members)), np.float32)
    room = np.empty(n_features * _SLAB * 8, np.float32)
    for first in range(0, n_bytes, _SLAB):
        slab = bits[:, first : first + _SLAB]
        wide = room[: 8 * slab.size].reshape(*slab.shape, 8)  # (n_features, bytes, 8)
        # no index is out of range; clip spares a copy
        np.take(_BITS, slab, axis=0, out=wide, mode="clip")
        product = members @ wide.reshape(n_features, -1)  # (n_lobes, blocks of the slab)
        active[8 * first : 8 * (first + slab.shape[1])] = product.T
    return active


def by_share(active: Counts, sizes: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
    """Find the lobe with the largest share of its features active: the published procedure.

    Parameters
    ----------
    active : ndarray of shape (n_blocks, n_lobes)
        Active features of each lobe of one clustering.
    sizes : ndarray of shape (n_lobes,), int
        Features of each lobe, at least 1.

    Returns
    -------
    ndarray of shape (n_blocks,), int32
        -1 for a tie and for a block without active features.

    Notes
    -----
    Misleads where lobes differ in how often their features are active: a lobe of frequent features
    is the top lobe of nearly every block, whatever the text. A small lobe has shares that vary
    much, so that among many lobes the small ones are on top more often than their size deserves.

    References
    ----------
    .. [Li2025] The procedure.
    """
    return _largest(active.astype(np.float64) / sizes, active)


def by_excess(active: Counts, activity: npt.NDArray[np.int64]) -> npt.NDArray[np.int32]:
    """Find the lobe whose activity most exceeds the expectation from its frequency.

    Of the T active features of a block, a_l lie in lobe l. If each came from lobe l with the
    probability p_l that an active feature has in general, a_l would have mean T p_l and variance
    T p_l (1 - p_l). The top lobe has the largest z_l = (a_l - T p_l) / sqrt(T p_l (1 - p_l)).

    Parameters
    ----------
    active : ndarray of shape (n_blocks, n_lobes)
        Active features of each lobe of one clustering: a_l.
    activity : ndarray of shape (n_lobes,), int
        Blocks with each feature active, summed over the lobe's features, where the lobes were
        built. p_l is its share of the sum over lobes.

    Returns
    -------
    ndarray of shape (n_blocks,), int32
        -1 for a tie and for a block without active features. A lobe without active features is
        never on top; an only lobe always is.

    Notes
    -----
    z orders lobes; it is no test. Features of a lobe co-occur by construction, so a_l varies
    more than the binomial variance says, by a factor that grows with the lobe's size and
    coherence: a large tight lobe is still on top somewhat more often than a small loose one.
    """
    a = active.astype(np.float64)
    n = activity.astype(np.float64)
    total = a.sum(axis=1, keepdims=True)
    # both multiplied by the sum of n, so that the differences are of whole numbers: 0 stays 0
    over = a * n.sum() - total * n
    spread = np.sqrt(total * n * (n.sum() - n))
    with np.errstate(divide="ignore", invalid="ignore"):
        z = over / spread
    z[np.isnan(z)] = 0  # 0 / 0: just as expected, without any spread
    z[a == 0] = -np.inf
    return _largest(z, active)


def _largest(values: npt.NDArray[np.float64], active: Counts) -> npt.NDArray[np.int32]:
    """Find the one largest value of each row; -1 where there are two, or nothing is active."""
    best = values.max(axis=1, keepdims=True)
    with np.errstate(invalid="ignore"):
        level = values >= best - TIE * np.abs(best)
    level |= values == best  # of infinite ones the line above knows nothing
    clear = (level.sum(axis=1) == 1) & active.any(axis=1)
    return np.where(clear, values.argmax(axis=1), -1).astype(np.int32)
