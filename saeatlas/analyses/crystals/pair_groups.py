"""Groups of pairs that share words: they stay together in folds and in shuffles."""

import numpy as np

from saeatlas.analyses.arrays import Int64
from saeatlas.analyses.stats.agreement import shuffles


def connected_pairs(labels: Int64, inputs: Int64, outputs: Int64) -> Int64:
    """Group pairs of one relation that share a word, directly or through other pairs.

    Parameters
    ----------
    labels : ndarray of shape (n_pairs,), int
        Relation of each pair.
    inputs, outputs : ndarray of shape (n_pairs,), int
        Numbers of the words of each pair, from 0.

    Returns
    -------
    ndarray of shape (n_pairs,), int64
        Group of each pair, from 0, in the order of their first pairs.

    Notes
    -----
    All landmarks of one country are a group, and a relation with few outputs has few groups: 510
    persons and their four instruments have two. Words shared by different relations do not connect
    pairs, or countries would make one group of three relations: a difference may still share its
    input or output with one of another relation.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n, width = len(labels), 1 + max(inputs.max(), outputs.max())
    words = np.concatenate([labels * width + inputs, labels * width + outputs])
    _, nodes = np.unique(words, return_inverse=True)
    edges = coo_array((np.ones(n, bool), (nodes[:n], nodes[n:])), shape=(2 * n, 2 * n))
    _, parts = connected_components(edges, directed=False)
    _, first, found = np.unique(parts[nodes[:n]], return_index=True, return_inverse=True)
    ranks: Int64 = np.argsort(np.argsort(first))
    return ranks[found]


def deal_folds(groups: Int64, n_folds: int, rng: np.random.Generator) -> Int64:
    """Assign whole groups to folds of about the same size.

    Parameters
    ----------
    groups : ndarray of shape (n_pairs,), int
    n_folds : int
        Fewer if there are fewer groups.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of shape (n_pairs,), int64
        Fold of each pair, from 0.

    Notes
    -----
    Groups are assigned by descending size, each to the fold with the fewest pairs; groups of equal
    size in random order. Folds do not depend on the relations, so they are the same for shuffled
    relations. All of a relation with few groups may be in one fold.
    """
    _, own, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    load = np.zeros(min(n_folds, len(sizes)), np.int64)
    dealt = np.empty(len(sizes), np.int64)
    for each in np.lexsort((rng.random(len(sizes)), -sizes)):
        dealt[each] = load.argmin()
        load[dealt[each]] += sizes[each]
    return dealt[own]


def shuffle_labels(labels: Int64, groups: Int64, m: int, rng: np.random.Generator) -> Int64:
    """Shuffle relations among groups of equal size.

    Parameters
    ----------
    labels : ndarray of shape (n_pairs,), int
        Relation of each pair; the same within a group.
    groups : ndarray of shape (n_pairs,), int
    m : int
        Number of shuffles.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of shape (m, n_pairs), int
        Labels; number of pairs and sizes of groups of each relation are preserved.

    Notes
    -----
    Under the null, relations are independent of differences, and groups of equal size are
    exchangeable. Groups preserve the effect of a shared word: persons that play the guitar are
    close together because they share the guitar, and a shuffle of single pairs would lose that. A
    group that is the only one of its size has the same relation in every shuffle; a relation of
    large groups only hardly changes, and the test has little power for it.
    """
    _, first, own, sizes = np.unique(
        groups, return_index=True, return_inverse=True, return_counts=True
    )
    orders = shuffles(rng, len(sizes), m, sizes)
    shuffled: Int64 = labels[first][orders][:, own]
    return shuffled
