"""Function vectors: directions that the sides of several crystals share."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import coo_array

from saeatlas.analyses.arrays import Bool, Float32, Float64, Int64
from saeatlas.analyses.crystals.parallelograms import Quads, unit_sides


@dataclass(frozen=True)
class Groups:
    """Pairs of points, grouped by the direction of their differences.

    Parameters
    ----------
    members : tuple of ndarray of shape (m, 2), int64
        Pairs (a, b) of each group, ordered so that all b - a point the same way; largest group
        first.
    of : ndarray of shape (n,), int64
        Group of both sides of each crystal; -1 if they are in two groups.
    reversed : ndarray of shape (n,), bool
        Crystals whose sides point the opposite way.
    """

    members: tuple[Int64, ...]
    of: Int64
    reversed: Bool


def group_sides(points: Float32, quads: Quads, min_cosine: float) -> Groups:
    """Group the sides of crystals by direction.

    Parameters
    ----------
    points : ndarray of shape (n, r), float32
    quads : Quads
    min_cosine : float
        Smallest cosine of the difference of a pair with the mean of its group.

    Returns
    -------
    Groups

    Notes
    -----
    The pair that is in most crystals starts a group, which all pairs parallel to it join. Further
    pairs join that are parallel to a member and near enough to the mean of the group, until there
    are none. Then the next group starts with the remaining pairs. The comparison with the mean
    prevents chains of pairs, each slightly off the last. A pair is in one group only.
    """
    pairs, at, back = _sides(quads)
    links = _links(len(pairs), at, back)
    units = unit_sides(points, pairs)
    owner, sign = np.full(len(pairs), -1), np.ones(len(pairs))
    members: list[Int64] = []
    for seed in np.argsort(-np.diff(links.indptr), kind="stable"):
        if owner[seed] < 0:
            rows, signs = _grow(units, links, int(seed), owner, min_cosine)
            if len(rows) > 1:
                owner[rows], sign[rows] = len(members), signs
                members.append(rows)
            else:
                owner[seed] = len(pairs)  # in no group
    ordered = [_reverse(pairs[rows], sign[rows] < 0) for rows in members]
    return _by_size(ordered, owner, sign, at, back)


def _sides(quads: Quads) -> tuple[Int64, Int64, Bool]:
    """Return each side once, (m, 2); the two of each crystal among them; which are reversed."""
    both = quads.corners.reshape(-1, 2)
    back = both[:, 0] > both[:, 1]
    pairs, at = np.unique(_reverse(both, back), axis=0, return_inverse=True)
    return pairs, at.reshape(-1, 2), back.reshape(-1, 2)


def _links(n: int, at: Int64, back: Bool) -> Any:
    """Return the graph of parallel pairs: 1 in the same direction, -1 in opposite ones."""
    values = np.where(back[:, 0] == back[:, 1], 1, -1)
    rows, columns = np.concatenate([at, at[:, ::-1]]).T
    return coo_array((np.tile(values, 2), (rows, columns)), (n, n)).tocsr()


def _grow(
    units: Float32, links: Any, seed: int, owner: Int64, min_cosine: float
) -> tuple[Int64, Float64]:
    """Gather pairs around one: which, and their signs."""
    inside = {seed: 1.0}
    fresh = [seed]
    total = units[seed].astype(np.float64)
    while fresh:
        near = np.unique(np.concatenate([_row(links, one) for one in fresh]))
        near = np.array([one for one in near if owner[one] < 0 and one not in inside], int)
        cosines = units[near] @ total / np.linalg.norm(total)
        kept = np.abs(cosines) >= min_cosine
        fresh = near[kept].tolist()
        signs = np.sign(cosines[kept])
        inside |= dict(zip(fresh, signs.tolist(), strict=True))
        total += signs @ units[near[kept]]
    return np.array(list(inside)), np.array(list(inside.values()))


def _row(links: Any, one: int) -> Int64:
    row: Int64 = links.indices[links.indptr[one] : links.indptr[one + 1]]
    return row


def _reverse(pairs: Int64, back: Bool) -> Int64:
    return np.where(back[:, None], pairs[:, ::-1], pairs)


def _by_size(members: list[Int64], owner: Int64, sign: Float64, at: Int64, back: Bool) -> Groups:
    """Return the groups, the largest first."""
    order = np.argsort([-len(one) for one in members], kind="stable")
    number = np.full(owner.max(initial=0) + 1, -1)
    number[order] = np.arange(len(order))
    one, two = number[owner[at]].T
    of = np.where(one == two, one, -1)
    opposite = (sign[at[:, 0]] < 0) != back[:, 0]
    return Groups(tuple(members[i] for i in order), of, opposite & (of >= 0))
