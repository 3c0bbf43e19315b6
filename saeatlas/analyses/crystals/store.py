"""How crystals, function vectors and what distracts are written."""

from dataclasses import asdict
from typing import Any

import numpy as np
import sqlalchemy as sa

from saeatlas.analyses.crystals import attributes, coherence, parallelograms
from saeatlas.analyses.crystals.attributes import Follow
from saeatlas.analyses.crystals.inputs import Inputs
from saeatlas.analyses.crystals.search import Search
from saeatlas.schema import tables
from saeatlas.schema.database import statistics
from saeatlas.schema.database.copy import copy_rows
from saeatlas.schema.rows import runs

Array = np.ndarray[Any, Any]

ALIKE = 0.9
"""Least length of the shorter side over the longer in a parallelogram."""

MOST = 100_000
"""Crystals that are written, at most."""


def publish(
    engine: sa.Engine, key: bytes, inputs: Inputs, search: Search, notes: tuple[str, ...],
    seconds: float,
) -> int:  # fmt: skip
    """Write the run and its rows.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    key : bytes
    inputs : Inputs
    search : Search
        Done.
    notes : tuple of str
    seconds : float

    Returns
    -------
    int
        ``run.id``.
    """
    found, terms = search.found, search.terms
    quality = {
        "n_vectors": len(inputs.features),
        "n_compared": found.n_compared,
        "n_parallel": found.n_parallel,
        "n_crystals": len(found.q),
        "n_function_vectors": len(found.members),
        "n_removed": len(search.origins),
        "dimensions": round(search.space.dimensions, 3),
        "seconds": round(seconds, 3),
        "notes": list(notes),
    }
    columns = {"sae": inputs.sae, "recording": inputs.recording, "seed": terms.seed}
    with engine.begin() as connection:
        number = runs.create(
            connection, "crystals", key, params=terms.params, quality=quality, **columns
        )
        ids = _function_vectors(connection, number, inputs, search)
        _write_crystals(connection, number, ids, inputs, search)
        write_distractors(connection, number, _distractors(inputs, search))
        for table in (tables.crystal, tables.function_vector_member):
            statistics.refresh(connection, table)
    return number


def any_of(connection: sa.Connection, run: int) -> bool:
    """Say whether a run has crystals.

    Parameters
    ----------
    connection : sqlalchemy.Connection
    run : int

    Returns
    -------
    bool
    """
    first = sa.select(tables.crystal.c.run).where(tables.crystal.c.run == run).limit(1)
    return connection.execute(first).first() is not None


def write_function_vectors(
    connection: sa.Connection, run: int, rows: list[dict[str, Any]]
) -> list[int]:
    """Write function vectors, numbered as they stand.

    Parameters
    ----------
    connection : sqlalchemy.Connection
    run : int
    rows : list of dict
        Columns of ``function_vector`` but for run and number.

    Returns
    -------
    list of int
        ``function_vector.id``.
    """
    if not rows:
        return []
    table = tables.function_vector
    insert = sa.insert(table).returning(table.c.id, sort_by_parameter_order=True)
    values = [row | {"run": run, "number": i} for i, row in enumerate(rows)]
    return list(connection.execute(insert, values).scalars())


def _function_vectors(
    connection: sa.Connection, run: int, inputs: Inputs, search: Search
) -> list[int]:
    """Measure the function vectors and write them with their members."""
    points = search.space.points
    rows, members = [], []
    for pairs, relation in zip(search.found.members, search.found.relations, strict=True):
        a, b = pairs.T
        # gathered for being parallel: that they are so more than others is no finding
        made = coherence.measure(points[a], points[b], trials=0)
        before = coherence.measure(inputs.vectors[a], inputs.vectors[b], trials=0)
        own = {"coherence_before": before.coherence, "direction": before.direction}
        rows.append(made.columns | own | {"relation": relation, "n_pairs": len(pairs)})
        members.append((inputs.features[pairs], made.members))
    ids = write_function_vectors(connection, run, rows)
    copy_rows(
        connection,
        tables.function_vector_member,
        ["function_vector", "rank", "a", "b", "cosine"],
        (
            (number, rank, *map(int, pairs[i]), float(cosines[i]) if len(pairs) > 1 else None)
            for number, (pairs, cosines) in zip(ids, members, strict=True)
            for rank, i in enumerate(np.argsort(-cosines, kind="stable"), 1)
        ),
    )
    return ids


def _write_crystals(
    connection: sa.Connection, run: int, ids: list[int], inputs: Inputs, search: Search
) -> None:
    found = search.found
    best = found.quads[np.arange(len(found.q)) < MOST]
    before = parallelograms.measure(inputs.vectors, best.corners)
    owner = [*ids, None]
    rows = (
        (
            run, i, owner[found.of[i]],
            "parallelogram" if best.ratio[i] >= ALIKE else "trapezoid",
            *inputs.features[best.corners[i]].tolist(),
            float(before.quality[i]), float(best.quality[i]), float(best.ratio[i]),
            float(found.p[i]), float(found.q[i]),
        )
        for i in range(len(best.sides))
    )  # fmt: skip
    columns = ["run", "crystal", "function_vector", "kind", "a", "b", "c", "d", "quality_before",
               "quality_after", "length_ratio", "p", "q"]  # fmt: skip
    copy_rows(connection, tables.crystal, columns, rows)


def write_distractors(
    connection: sa.Connection, run: int, rows: list[tuple[dict[str, Any], dict[str, Follow]]]
) -> None:
    """Write directions that were projected out, numbered as they stand.

    Parameters
    ----------
    connection : sqlalchemy.Connection
    run : int
    rows : list of (dict, dict of str to Follow)
        Columns of ``distractor`` but for run and number, and what follows it.
    """
    table = tables.distractor
    for i, (columns, followed) in enumerate(rows, 1):
        insert = sa.insert(table).values(columns | {"run": run, "number": i}).returning(table.c.id)
        number = connection.execute(insert).scalar_one()
        own = [
            asdict(one) | {"distractor": number, "attribute": name}
            for name, one in followed.items()
        ]
        if own:
            connection.execute(sa.insert(tables.distractor_attribute), own)


def _distractors(inputs: Inputs, search: Search) -> list[tuple[dict[str, Any], dict[str, Follow]]]:
    """Measure which attributes the directions follow that were removed."""
    rng = np.random.default_rng(search.terms.seed)
    rows = []
    for i, (origin, share) in enumerate(zip(search.origins, search.shares, strict=True)):
        axis = search.space.axis(i)
        followed = {
            name: attributes.follows(inputs.vectors @ axis, values, rng)
            for name, values in inputs.attributes.items()
        }
        columns = {"origin": origin, "within_share": share, "direction": axis}
        rows.append((columns, {name: one for name, one in followed.items() if one is not None}))
    return rows
