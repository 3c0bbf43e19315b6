"""How crystals, function vectors and what distracts are written."""

from typing import Any

import numpy as np
import sqlalchemy as sa

from saeatlas.analyses import coherence, distractors, parallels
from saeatlas.analyses.crystal_inputs import Inputs
from saeatlas.analyses.crystal_search import Search
from saeatlas.schema import crystals, runs, statistics
from saeatlas.schema.copy import copy_rows

Array = np.ndarray[Any, Any]

ALIKE = 0.9
"""Least length of the shorter side over the longer in a parallelogram."""

MOST = 100_000
"""Crystals that are written, at most."""


def publish(
    engine: sa.Engine, key: bytes, inputs: Inputs, search: Search, remarks: tuple[str, ...],
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
    remarks : tuple of str
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
        "remarks": list(remarks),
    }
    vectors = _function_vectors(inputs, search)
    columns = {"sae": inputs.sae, "recording": inputs.recording, "seed": terms.seed}
    with engine.begin() as connection:
        number = runs.create(
            connection, "crystals", key, params=terms.params, quality=quality, **columns
        )
        ids = write_function_vectors(connection, number, vectors)
        _write_members(connection, ids, inputs, search)
        _write_crystals(connection, number, ids, inputs, search)
        _write_distractors(connection, number, inputs, search)
        for table in (crystals.crystal, crystals.function_vector_member):
            statistics.refresh(connection, table)
    return number


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
    table = crystals.function_vector
    insert = sa.insert(table).returning(table.c.id, sort_by_parameter_order=True)
    values = [row | {"run": run, "number": i} for i, row in enumerate(rows)]
    return list(connection.execute(insert, values).scalars())


def _function_vectors(inputs: Inputs, search: Search) -> list[dict[str, Any]]:
    """Measure the function vectors; rows of ``function_vector``."""
    rng = np.random.default_rng(search.terms.seed)
    rows = []
    for pairs, relation in zip(search.found.members, search.found.relations, strict=True):
        points = search.space.points
        made = coherence.measure(
            points[pairs[:, 0]], points[pairs[:, 1]], n_trials=search.terms.trials, rng=rng
        )
        raw = parallels.unit_sides(inputs.vectors, pairs).astype(np.float64)
        direction = raw.sum(axis=0)
        rows.append(
            made.columns
            | {
                "relation": relation,
                "n_pairs": len(pairs),
                "coherence_before": coherence.of(raw),
                "direction": direction / max(float(np.linalg.norm(direction)), 1e-12),
            }
        )
    return rows


def _write_members(
    connection: sa.Connection, ids: list[int], inputs: Inputs, search: Search
) -> None:
    rows = []
    for number, pairs in zip(ids, search.found.members, strict=True):
        cosines = coherence.with_others(parallels.unit_sides(search.space.points, pairs))
        for rank, i in enumerate(np.argsort(-cosines, kind="stable"), 1):
            a, b = inputs.features[pairs[i]].tolist()
            rows.append((number, rank, a, b, float(cosines[i])))
    columns = ["function_vector", "rank", "a", "b", "cosine"]
    copy_rows(connection, crystals.function_vector_member, columns, rows)


def _write_crystals(
    connection: sa.Connection, run: int, ids: list[int], inputs: Inputs, search: Search
) -> None:
    found = search.found
    best = found.quads[np.arange(len(found.q)) < MOST]
    before = parallels.measure(inputs.vectors, best.corners)
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
    copy_rows(connection, crystals.crystal, columns, rows)


def _write_distractors(connection: sa.Connection, run: int, inputs: Inputs, search: Search) -> None:
    """Write the directions removed, and which attributes they follow."""
    rng = np.random.default_rng(search.terms.seed)
    for i, (origin, share) in enumerate(zip(search.origins, search.shares, strict=True)):
        axis = search.space.axis(i)
        insert = sa.insert(crystals.distractor).returning(crystals.distractor.c.id)
        row = {"run": run, "number": i + 1, "origin": origin, "within_share": share}
        number = connection.execute(insert, row | {"direction": axis}).scalar_one()
        coordinates = inputs.vectors @ axis
        for name, values in inputs.attributes.items():
            followed = distractors.follows(coordinates, values, rng)
            if followed is not None:
                connection.execute(
                    sa.insert(crystals.distractor_attribute),
                    followed.columns | {"distractor": number, "attribute": name},
                )
