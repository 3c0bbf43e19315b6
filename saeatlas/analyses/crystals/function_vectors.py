"""Function vectors: directions that the sides of several crystals share."""

from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.sparse import coo_array

from saeatlas.analyses.crystals.parallelograms import Quads, unit_sides

Array = np.ndarray[Any, Any]


@dataclass(frozen=True)
class Groups:
    """Pairs of points that follow the same directions.

    Parameters
    ----------
    members : tuple of ndarray of shape (m, 2), int64
        Of each direction the pairs (a, b), turned so that b - a follows it; most pairs first.
    of : ndarray of shape (n,), int64
        Direction that both sides of each crystal follow; -1 if they follow two.
    turned : ndarray of shape (n,), bool
        Crystals whose sides as they stand point against it.
    """

    members: tuple[Array, ...]
    of: Array
    turned: Array


def group_sides(points: Array, quads: Quads, least: float) -> Groups:
    """Gather the sides of crystals by direction.

    Parameters
    ----------
    points : ndarray of shape (n, r), float32
    quads : Quads
    least : float
        Least cosine of a pair's difference with the mean of those gathered before.

    Returns
    -------
    Groups

    Notes
    -----
    The pair that is in most crystals begins a direction, with all that are parallel to it; their
    mean takes in further pairs that are parallel to one of them, until none is near enough to the
    mean. Then the next begins, of those left. A chain of pairs, each a little off the last, thus
    does not become one direction. A pair follows one direction only.
    """
    pairs, at, back = _sides(quads)
    links = _links(len(pairs), at, back)
    units = unit_sides(points, pairs)
    owner, sign = np.full(len(pairs), -1), np.ones(len(pairs))
    members: list[Array] = []
    for seed in np.argsort(-np.diff(links.indptr), kind="stable"):
        if owner[seed] < 0:
            rows, signs = _grow(units, links, int(seed), owner, least)
            if len(rows) > 1:
                owner[rows], sign[rows] = len(members), signs
                members.append(rows)
            else:
                owner[seed] = len(pairs)  # it has nobody left
    turned = [_turn(pairs[rows], sign[rows] < 0) for rows in members]
    return _ordered(turned, owner, sign, at, back)


def _sides(quads: Quads) -> tuple[Array, Array, Array]:
    """Return all sides once, (m, 2); where each crystal's two are among them; who is turned."""
    both = quads.corners.reshape(-1, 2)
    back = both[:, 0] > both[:, 1]
    pairs, at = np.unique(_turn(both, back), axis=0, return_inverse=True)
    return pairs, at.reshape(-1, 2), back.reshape(-1, 2)


def _links(n: int, at: Array, back: Array) -> Any:
    """Make the graph of parallel pairs: 1 the same way, -1 against each other."""
    values = np.where(back[:, 0] == back[:, 1], 1, -1)
    rows, columns = np.concatenate([at, at[:, ::-1]]).T
    return coo_array((np.tile(values, 2), (rows, columns)), (n, n)).tocsr()


def _grow(units: Array, links: Any, seed: int, owner: Array, least: float) -> tuple[Array, Array]:
    """Gather pairs around one: which, and whether they are turned."""
    inside = {seed: 1.0}
    fresh = [seed]
    total = units[seed].astype(np.float64)
    while fresh:
        near = np.unique(np.concatenate([_row(links, one) for one in fresh]))
        near = np.array([one for one in near if owner[one] < 0 and one not in inside], int)
        cosines = units[near] @ total / np.linalg.norm(total)
        kept = np.abs(cosines) >= least
        fresh = near[kept].tolist()
        signs = np.sign(cosines[kept])
        inside |= dict(zip(fresh, signs.tolist(), strict=True))
        total += signs @ units[near[kept]]
    return np.array(list(inside)), np.array(list(inside.values()))


def _row(links: Any, one: int) -> Array:
    row: Array = links.indices[links.indptr[one] : links.indptr[one + 1]]
    return row


def _turn(pairs: Array, back: Array) -> Array:
    return np.where(back[:, None], pairs[:, ::-1], pairs)


def _ordered(members: list[Array], owner: Array, sign: Array, at: Array, back: Array) -> Groups:
    """Return the directions in the order of their size."""
    order = np.argsort([-len(one) for one in members], kind="stable")
    number = np.full(owner.max(initial=0) + 1, -1)
    number[order] = np.arange(len(order))
    one, two = number[owner[at]].T
    of = np.where(one == two, one, -1)
    turned = (sign[at[:, 0]] < 0) != back[:, 0]
    return Groups(tuple(members[i] for i in order), of, turned & (of >= 0))
