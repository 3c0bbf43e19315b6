"""Word pairs that share words: what of them stays together when pairs are dealt or relabelled."""

from typing import Any

import numpy as np

from saeatlas.analyses.stats.agreement import shuffles

Array = np.ndarray[Any, Any]


def connected_pairs(labels: Array, inputs: Array, outputs: Array) -> Array:
    """Group pairs of one relation that share a word, directly or through other pairs.

    Parameters
    ----------
    labels : ndarray of shape (n_pairs,), int
        Relation of each pair.
    inputs, outputs : ndarray of shape (n_pairs,), int
        Words of each pair, by number; from 0.

    Returns
    -------
    ndarray of shape (n_pairs,), int64
        Group of each pair, from 0, in the order of their first pairs.

    Notes
    -----
    All landmarks of one country are a group, and a relation with few outputs is few groups: of
    510 persons and their four instruments there are two. Words that relations share join nothing,
    or countries would make one group of three relations: a difference may still have its input or
    its output in common with one of another relation.
    """
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n, width = len(labels), 1 + max(inputs.max(), outputs.max())
    words = np.concatenate([labels * width + inputs, labels * width + outputs])
    _, nodes = np.unique(words, return_inverse=True)
    edges = coo_array((np.ones(n, bool), (nodes[:n], nodes[n:])), shape=(2 * n, 2 * n))
    _, parts = connected_components(edges, directed=False)
    _, first, found = np.unique(parts[nodes[:n]], return_index=True, return_inverse=True)
    ranks: Array = np.argsort(np.argsort(first))
    return ranks[found]


def deal_folds(groups: Array, n_folds: int, rng: np.random.Generator) -> Array:
    """Deal whole groups to folds of about the same size.

    Parameters
    ----------
    groups : ndarray of shape (n_pairs,), int
    n_folds : int
        There are no more than groups.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of shape (n_pairs,), int64
        Fold of each pair, from 0.

    Notes
    -----
    The largest group is dealt first, each to the fold that has the fewest pairs; groups of one
    size in random order. Folds do not know the relations, so that they are the same for relations
    that are shuffled. A relation of few groups may be in one fold as a whole.
    """
    _, own, sizes = np.unique(groups, return_inverse=True, return_counts=True)
    load = np.zeros(min(n_folds, len(sizes)), np.int64)
    dealt = np.empty(len(sizes), np.int64)
    for each in np.lexsort((rng.random(len(sizes)), -sizes)):
        dealt[each] = load.argmin()
        load[dealt[each]] += sizes[each]
    return dealt[own]


def shuffle_labels(labels: Array, groups: Array, m: int, rng: np.random.Generator) -> Array:
    """Shuffle relations among groups of as many pairs.

    Parameters
    ----------
    labels : ndarray of shape (n_pairs,), int
        Relation of each pair; of the pairs of one group the same.
    groups : ndarray of shape (n_pairs,), int
    m : int
        Shuffles.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray of shape (m, n_pairs), int
        Labels; each relation keeps its number of pairs and the sizes of its groups.

    Notes
    -----
    Valid if relations have nothing to do with differences: then any groups of one size are as
    likely to have changed places. It keeps what sharing a word does: persons that play the guitar
    are close together as they share the guitar, and were they dealt out one by one the null would
    miss that. A group that is the only one of its size keeps its relation, in every shuffle; a
    relation of large groups only hardly takes part, and the test then says less about it.
    """
    _, first, own, sizes = np.unique(
        groups, return_index=True, return_inverse=True, return_counts=True
    )
    orders = shuffles(rng, len(sizes), m, sizes)
    shuffled: Array = labels[first][orders][:, own]
    return shuffled
