"""Directions along which pairs of one relation differ, and which tell no relations apart."""

from typing import Any

import numpy as np

from saeatlas.analyses.relations.lda import Whitened, axes_of_centred

Array = np.ndarray[Any, Any]

_TAIL = 2.02
"""99% point of the Tracy-Widom distribution of real matrices."""


def within_relation_axes(differences: Array, labels: Array, most: int) -> tuple[Array, Array]:
    """Find the directions along which pairs of one relation differ most.

    Parameters
    ----------
    differences : ndarray of shape (n_pairs, d), float32
        Output less input.
    labels : ndarray of shape (n_pairs,), int
        Relation of each pair.
    most : int
        Most directions to return.

    Returns
    -------
    (axes, within_share)
        float32 of shape (d, k), orthonormal, and float64 of shape (k,), falling: the share along
        each of what pairs of one relation differ by. k may be 0. The largest entry of an axis is
        positive.

    Notes
    -----
    The leading principal axes of the covariance within relations, pooled, among those directions
    that are orthogonal to all discriminants: projecting them out changes nothing along a
    discriminant. Relations may differ along a distractor on average, as words differ in length;
    they differ more clearly elsewhere.

    Whether an axis stands out from noise is asked one after the other: its variance must exceed
    what the largest of noise would be in 99 of 100 clouds, were the rest of the variance spread
    over all remaining directions. So noise gives none, and variance that falls off smoothly, as
    that of real words, as many as are asked for.

    Directions know the differences they were found in, which makes these more coherent even if
    partners are random. To test coherence, see `project_out_by_fold`.

    References
    ----------
    Johnstone, "On the distribution of the largest eigenvalue in principal components analysis",
    Annals of Statistics 29, 2001.
    Kritchman and Nadler, "Determining the number of components in a factor model from limited
    noisy data", Chemometrics and Intelligent Laboratory Systems 94, 2008.
    """
    _, labels, sizes = np.unique(labels, return_inverse=True, return_counts=True)
    members = (np.arange(len(sizes))[:, None] == labels).astype(differences.dtype)
    means = members @ differences / sizes[:, None]
    within = differences - means[labels]
    (n, d), k = differences.shape, len(sizes)
    whitened = Whitened(differences)
    telling = whitened.axes @ whitened.discriminants(labels, k)
    telling, _ = np.linalg.qr(telling[:, telling.any(axis=0)])
    room = d - telling.shape[1]
    values, axes = axes_of_centred(project_out(within, telling))
    count = min(most, _standing_out(values[:room], n - k, room))
    found = axes[:, :count]
    signs = np.sign(found[np.abs(found).argmax(axis=0), np.arange(count)])
    return (found * signs).astype(np.float32), values[:count] * n / (within**2).sum()


def project_out_by_fold(
    inputs: Array, outputs: Array, labels: Array, folds: Array, most: int
) -> tuple[Array, Array]:
    """Project out of the pairs of each fold the directions found in the other folds.

    Parameters
    ----------
    inputs, outputs : ndarray of shape (n_pairs, d), float32
        Vectors of the words of each pair.
    labels : ndarray of shape (n_pairs,), int
        Relation of each pair.
    folds : ndarray of shape (n_pairs,), int
        At least two, of `pair_groups.deal_folds`.
    most : int
        Most directions to project out.

    Returns
    -------
    (inputs, outputs)
        The same less what lies along these directions, float32.

    Notes
    -----
    Differences that helped to find the directions lose more along them than others do: with
    random partners their coherence exceeds that of shuffled ones. Of 300 relations without any
    correspondence 58% had p <= 0.05 that way (40 pairs each, three relations at a time, three
    distractors in 150 dimensions), and 5% as here. Within a fold partners that change places are
    as likely as those observed, whatever the directions: give the folds as strata to
    `coherence.pair_coherence`.
    """
    cleaned = inputs.copy(), outputs.copy()
    for fold in np.unique(folds):
        own = folds == fold
        axes, _ = within_relation_axes(outputs[~own] - inputs[~own], labels[~own], most)
        for vectors in cleaned:
            vectors[own] = project_out(vectors[own], axes)
    return cleaned


def project_out(vectors: Array, axes: Array) -> Array:
    """Project directions out of vectors.

    Parameters
    ----------
    vectors : ndarray of shape (n, d), float32
    axes : ndarray of shape (d, k), float32
        Orthonormal.

    Returns
    -------
    ndarray of shape (n, d), float32
    """
    rest: Array = vectors - (vectors @ axes) @ axes.T
    return rest


def _standing_out(values: Array, n: int, d: int) -> int:
    """Count the leading variances that noise of n free vectors would not have."""
    rest = values.sum() - np.concatenate([[0], np.cumsum(values)[:-1]])
    room = d - np.arange(len(values))
    side = np.sqrt(max(n - 1, 0)) + np.sqrt(room)
    spread = side * (1 / np.sqrt(max(n - 1, 1)) + 1 / np.sqrt(room)) ** (1 / 3)
    # of the products of n free vectors of variance 1, whose trace is n times the room
    edge = rest / room * (side**2 + _TAIL * spread) / max(n, 1)
    above = values > edge
    return len(values) if above.all() else int(above.argmin())
