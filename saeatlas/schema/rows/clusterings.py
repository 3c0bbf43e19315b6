"""Clusterings written to their tables and read back as arrays."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from saeatlas import errors
from saeatlas.schema import tables
from saeatlas.schema.database import statistics
from saeatlas.schema.database.copy import copy_rows, read_numbers


@dataclass(frozen=True)
class Labels:
    """Which lobe each feature lies in.

    Parameters
    ----------
    clustering : int
        ``clustering.id``.
    affinity : str
    k : int
    features : ndarray of shape (n,), int64
        Ascending.
    lobes : ndarray of shape (n,), int64
        From 0, the largest first.
    """

    clustering: int
    affinity: str
    k: int
    features: npt.NDArray[np.int64]
    lobes: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Clustering:
    """A clustering to be written.

    Parameters
    ----------
    affinity : str
    k : int
    features, lobes : ndarray of shape (n,), int
        Features that have a lobe, and which.
    columns : dict
        Columns of ``clustering`` that measure it.
    each : dict of str to sequence
        Columns of ``lobe``, a value a lobe.
    """

    affinity: str
    k: int
    features: npt.NDArray[np.int64]
    lobes: npt.NDArray[np.int64]
    columns: dict[str, Any]
    each: dict[str, Sequence[Any]]


def write(connection: sa.Connection, run: int, clusterings: Sequence[Clustering]) -> None:
    """Write ``clustering``, ``lobe`` and ``lobe_member``, in the transaction that writes the run.

    Parameters
    ----------
    connection : sqlalchemy.Connection
    run : int
        ``run.id``.
    clusterings : sequence of Clustering
    """
    for one in clusterings:
        n = np.bincount(one.lobes)
        values = {"run": run, "affinity": one.affinity, "k": one.k, "n_lobes": len(n)}
        insert = sa.insert(tables.clustering).values(
            values | {"n_features": len(one.features)} | one.columns
        )
        number = connection.execute(insert.returning(tables.clustering.c.id)).scalar_one()
        rows = [
            {"clustering": number, "lobe": lobe, "n_features": int(n[lobe])}
            | {name: column[lobe] for name, column in one.each.items()}
            for lobe in range(len(n))
        ]
        connection.execute(sa.insert(tables.lobe), rows)
        members = zip(one.features.tolist(), one.lobes.tolist(), strict=True)
        copy_rows(
            connection,
            tables.lobe_member,
            ["clustering", "feature", "lobe"],
            ((number, feature, lobe) for feature, lobe in members),
        )
    statistics.refresh(connection, tables.lobe_member)


def find(
    connection: sa.Connection, run: int, *, affinities: Sequence[str] = (), ks: Sequence[int] = ()
) -> list[sa.Row[Any]]:
    """Find the clusterings of a run, ordered by affinity and k, without their members.

    Parameters
    ----------
    connection : sqlalchemy.Connection
    run : int
        ``run.id`` of lobes or geometry.
    affinities : sequence of str, optional
    ks : sequence of int, optional
        Only these. Default: all.

    Returns
    -------
    list of sqlalchemy.Row
        Of ``clustering``.

    Raises
    ------
    UnknownName
        There is no such run, or it has none of these.
    """
    table = tables.clustering
    rows = connection.execute(
        sa.select(table).where(table.c.run == run).order_by(table.c.affinity, table.c.k)
    ).all()
    wanted = [
        row
        for row in rows
        if (not affinities or row.affinity in affinities) and (not ks or row.k in ks)
    ]
    if not wanted:
        raise _unknown(connection, run, rows)
    return wanted


def read(
    connection: sa.Connection, run: int, *, affinities: Sequence[str] = (), ks: Sequence[int] = ()
) -> list[Labels]:
    """Read the clusterings of a run, ordered by affinity and k.

    Parameters
    ----------
    connection : sqlalchemy.Connection
    run : int
        ``run.id`` of lobes or geometry.
    affinities : sequence of str, optional
    ks : sequence of int, optional
        Only these. Default: all.

    Returns
    -------
    list of Labels

    Raises
    ------
    UnknownName
        There is no such run, or it has none of these.
    """
    rows = find(connection, run, affinities=affinities, ks=ks)
    return [_labels(connection, row) for row in rows]


def names(connection: sa.Connection, clustering: int) -> list[str] | None:
    """Read what a file calls the clusters of a published clustering.

    Parameters
    ----------
    connection : sqlalchemy.Connection
    clustering : int
        ``clustering.id``.

    Returns
    -------
    list of str or None
        In the order of lobes; None if they were computed here.
    """
    lobe = tables.lobe.c
    query = sa.select(lobe.name).where(lobe.clustering == clustering).order_by(lobe.lobe)
    found = connection.execute(query).scalars().all()
    return None if None in found else list(found)


def _labels(connection: sa.Connection, row: sa.Row[Any]) -> Labels:
    member = tables.lobe_member.c
    query = sa.select(member.feature, member.lobe).where(member.clustering == row.id)
    features, labels = read_numbers(connection, query.order_by(member.feature))
    return Labels(row.id, row.affinity, row.k, features.astype(np.int64), labels.astype(np.int64))


def _unknown(connection: sa.Connection, run: int, rows: Sequence[sa.Row[Any]]) -> Exception:
    if rows:
        there = ", ".join(f"{row.affinity} k {row.k}" for row in rows)
        return errors.UnknownName(f"Run {run} has no such lobes.", available=f"It has {there}.")
    query = sa.select(tables.run.c.id).where(tables.run.c.analysis.in_(["lobes", "geometry"]))
    known = connection.execute(query.order_by(tables.run.c.id)).scalars().all()
    return errors.UnknownName(
        f"Run {run} is not a run of lobes or geometry.",
        available=f"Available: {', '.join(map(str, known)) or 'none'}.",
        hint="`saeatlas analyze lobes --cooccurrence RUN` makes one; `saeatlas status` lists runs.",
    )
