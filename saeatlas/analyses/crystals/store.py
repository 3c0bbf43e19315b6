"""Rows of crystals, function vectors and distractors."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import sqlalchemy as sa

from saeatlas.analyses.arrays import Float32, Float64, Int64, or_null
from saeatlas.analyses.crystals.attributes import ExplainedVariance
from saeatlas.schema import tables
from saeatlas.schema.database import statistics
from saeatlas.schema.database.copy import copy_rows


@dataclass(frozen=True)
class FunctionVector:
    """A function vector with the pairs that follow it.

    Parameters
    ----------
    columns : dict
        Columns of ``function_vector`` but for run and number.
    pairs : sequence of (a, b)
        Features, or words, of each pair.
    cosines : ndarray of shape (n_pairs,), float64
        Of each pair's difference with the mean of the others; NaN where there is no other.
    """

    columns: dict[str, Any]
    pairs: Sequence[Sequence[Any]]
    cosines: Float64


@dataclass(frozen=True)
class Distractor:
    """A direction that was projected out.

    Parameters
    ----------
    origin : {'attribute', 'lda'}
    within_share : float or None
        Share of the within-class variance along it; None of attributes.
    direction : ndarray of shape (d,), float
        Unit vector.
    attributes : mapping of str to ExplainedVariance
        How much of the variance along it each attribute explains.
    """

    origin: str
    within_share: float | None
    direction: Float32 | Float64
    attributes: Mapping[str, ExplainedVariance]


@dataclass(frozen=True)
class Crystals:
    """Crystals, the most significant first. Columns of ``crystal``.

    Parameters
    ----------
    function_vector : ndarray of shape (n,), int64
        Number of the function vector; -1 where the sides belong to two.
    corners : ndarray of shape (n, 4), int64
        Features a, b, c, d.
    quality_before, quality_after : ndarray of shape (n,), float64
        Smaller cosine of sides and legs, among the vectors and in the whitened space; in [-1, 1].
    length_ratio : ndarray of shape (n,), float64
        Length of the shorter side over the longer, in the whitened space.
    p, q : ndarray of shape (n,), float64
    """

    function_vector: Int64
    corners: Int64
    quality_before: Float64
    quality_after: Float64
    length_ratio: Float64
    p: Float64
    q: Float64


PARALLELOGRAM = 0.9
"""Smallest length of the shorter side over the longer in a parallelogram."""


def write_function_vectors(
    connection: sa.Connection, run: int, found: Sequence[FunctionVector], ends: tuple[str, str]
) -> list[int]:
    """Write ``function_vector`` and ``function_vector_member``.

    Parameters
    ----------
    connection : sqlalchemy.Connection
    run : int
    found : sequence of FunctionVector
    ends : (str, str)
        Columns of both ends of a pair: a and b of features, input and output of words.

    Returns
    -------
    list of int
        ``function_vector.id`` of each.
    """
    if not found:
        return []
    table = tables.function_vector
    insert = sa.insert(table).returning(table.c.id, sort_by_parameter_order=True)
    values = [one.columns | {"run": run, "number": i} for i, one in enumerate(found)]
    ids = list(connection.execute(insert, values).scalars())
    copy_rows(
        connection,
        tables.function_vector_member,
        ["function_vector", "rank", *ends, "cosine"],
        (
            (number, rank, *one.pairs[i], or_null(one.cosines[i]))
            for number, one in zip(ids, found, strict=True)
            for rank, i in enumerate(np.argsort(-one.cosines, kind="stable"), 1)
        ),
    )
    statistics.refresh(connection, tables.function_vector_member)
    return ids


def write_crystals(
    connection: sa.Connection, run: int, function_vectors: Sequence[int], found: Crystals
) -> None:
    """Write ``crystal``.

    Parameters
    ----------
    connection : sqlalchemy.Connection
    run : int
    function_vectors : sequence of int
        ``function_vector.id`` by number.
    found : Crystals
    """
    owner = [*function_vectors, None]
    kinds = np.where(found.length_ratio >= PARALLELOGRAM, "parallelogram", "trapezoid")
    numbers = [found.quality_before, found.quality_after, found.length_ratio, found.p, found.q]
    rows = zip(
        found.function_vector.tolist(), kinds.tolist(), found.corners.tolist(),
        np.column_stack(numbers).tolist(), strict=True,
    )  # fmt: skip
    columns = ["run", "crystal", "function_vector", "kind", "a", "b", "c", "d", "quality_before",
               "quality_after", "length_ratio", "p", "q"]  # fmt: skip
    copy_rows(
        connection,
        tables.crystal,
        columns,
        (
            (run, i, owner[of], kind, *corners, *own)
            for i, (of, kind, corners, own) in enumerate(rows)
        ),
    )
    statistics.refresh(connection, tables.crystal)


def write_distractors(connection: sa.Connection, run: int, found: Sequence[Distractor]) -> None:
    """Write ``distractor`` and ``distractor_attribute``.

    Parameters
    ----------
    connection : sqlalchemy.Connection
    run : int
    found : sequence of Distractor
    """
    table = tables.distractor
    for i, one in enumerate(found, 1):
        columns = {"run": run, "number": i, "origin": one.origin,
                   "within_share": one.within_share, "direction": one.direction}  # fmt: skip
        number = connection.execute(
            sa.insert(table).values(columns).returning(table.c.id)
        ).scalar_one()
        own = [
            asdict(explained) | {"distractor": number, "attribute": name}
            for name, explained in one.attributes.items()
        ]
        if own:
            connection.execute(sa.insert(tables.distractor_attribute), own)
