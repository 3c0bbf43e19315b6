"""Distractors: directions along which pairs of one relation differ, orthogonal to discriminants."""

import numpy as np

from saeatlas.analyses.arrays import Float32, Float64, Int64
from saeatlas.analyses.relations.lda import Whitened, axes_of_centred

_TAIL = 2.02
"""99% quantile of the Tracy-Widom distribution of real matrices."""


def within_relation_axes(differences: Float32, labels: Int64, most: int) -> tuple[Float32, Float64]:
    """Find the directions along which pairs of one relation differ most.

    Parameters
    ----------
    differences : ndarray of shape (n_pairs, d), float32
        Output less input.
    labels : ndarray of shape (n_pairs,), int
        Relation of each pair.
    most : int
        Largest number of directions.

    Returns
    -------
    (axes, within_share)
        float32 of shape (d, k), orthonormal, and float64 of shape (k,), descending: the share of
        the within-relation variance along each. k may be 0. The largest entry of an axis is
        positive.

    Notes
    -----
    The leading principal axes of the pooled covariance within relations, in the subspace that is
    orthogonal to all discriminants: projecting them out changes nothing along a discriminant.
    Means of relations may differ along a distractor, as words differ in length; they differ more
    clearly along the discriminants.

    Axes are tested one after another: the variance along an axis must exceed the 99% quantile of
    the largest eigenvalue of noise whose variance is the remaining one, spread over all remaining
    directions. So noise has no distractors, and variance that decreases smoothly, as that of real
    words, has as many as ``most`` allows.

    Directions depend on the differences in which they were found, and make these more coherent
    even if partners are random. To test coherence, use `project_out_by_fold`.

    crystals/within_class.py finds the same kind of directions for features; docs/decisions.md says
    why there are two estimators.

    References
    ----------
    .. [Johnstone2001] Distribution of the largest eigenvalue of noise.
    .. [KritchmanNadler2008] Testing axes one after another.
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
    inputs: Float32, outputs: Float32, labels: Int64, folds: Int64, most: int
) -> tuple[Float32, Float32]:
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
        Largest number of directions that are projected out.

    Returns
    -------
    (inputs, outputs)
        The same without their components along these directions, float32.

    Notes
    -----
    Projecting out directions reduces the variance of the differences in which they were found
    more than that of others, so with random partners the observed coherence would exceed that of
    shuffled ones. Of 300 relations of random partners 58% had p <= 0.05 that way (40 pairs each,
    three relations at a time, three distractors in 150 dimensions), and 5% with folds. Within a
    fold all assignments of partners are equally likely under the null, whatever the directions:
    pass the folds as strata to `coherence.pair_coherence`.
    """
    projected = inputs.copy(), outputs.copy()
    for fold in np.unique(folds):
        own = folds == fold
        axes, _ = within_relation_axes(outputs[~own] - inputs[~own], labels[~own], most)
        for vectors in projected:
            vectors[own] = project_out(vectors[own], axes)
    return projected


def project_out(vectors: Float32, axes: Float32) -> Float32:
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
    rest: Float32 = np.subtract(vectors, (vectors @ axes) @ axes.T)
    return rest


def _standing_out(values: Float64, n: int, d: int) -> int:
    """Count the leading variances that exceed those of noise of n independent vectors."""
    rest = values.sum() - np.concatenate([[0], np.cumsum(values)[:-1]])
    room = d - np.arange(len(values))
    side = np.sqrt(max(n - 1, 0)) + np.sqrt(room)
    spread = side * (1 / np.sqrt(max(n - 1, 1)) + 1 / np.sqrt(room)) ** (1 / 3)
    # edge of the eigenvalues of n vectors of variance 1, scaled to the remaining variance
    edge = rest / room * (side**2 + _TAIL * spread) / max(n, 1)
    above = values > edge
    return len(values) if above.all() else int(above.argmin())
