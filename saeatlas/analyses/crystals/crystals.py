"""Crystals: parallelograms and trapezoids of features, and the function vectors they follow."""

from dataclasses import dataclass

import numpy as np
import sqlalchemy as sa

from saeatlas.analyses import run_driver
from saeatlas.analyses.arrays import Float32, Int64
from saeatlas.analyses.crystals import attributes, coherence, parallelograms, store
from saeatlas.analyses.crystals.inputs import Inputs, identify, read
from saeatlas.analyses.crystals.params import Params
from saeatlas.analyses.crystals.search import Projected, Search, search
from saeatlas.analyses.crystals.store import Crystals, Distractor, FunctionVector
from saeatlas.analyses.run_driver import Analysis
from saeatlas.progress import Report, silent

MAX_CRYSTALS = 100_000
"""Largest number of crystals that are written."""


@dataclass(frozen=True, kw_only=True)
class Result(run_driver.Result):
    """Crystals of an SAE.

    Parameters
    ----------
    crystals : Crystals
    function_vectors : list of FunctionVector
    distractors : list of Distractor
        Directions that were projected out.
    """

    crystals: Crystals
    function_vectors: list[FunctionVector]
    distractors: list[Distractor]


def compute(inputs: Inputs, params: Params, report: Report = silent) -> Result:
    """Search for crystals among the vectors of features.

    Parameters
    ----------
    inputs : Inputs
    params : Params
    report : callable, optional

    Returns
    -------
    Result
        ``quality`` has n_vectors, n_compared and n_parallel (pairs of pairs), n_crystals,
        n_function_vectors, n_removed (directions) and dimensions (effective, of the whitened
        space).

    Raises
    ------
    InputError
        There are fewer than eight vectors, or all are the same.

    Notes
    -----
    See `search` for what is found and what is missed.

    References
    ----------
    .. [Li2025] Definitions of crystals and function vectors, and crystals of words. Features were
       not searched there.
    """
    searched = search(inputs.vectors, params, inputs.attributes, inputs.relations, report)
    found, projected = searched.found, searched.projected
    quality = {
        "n_vectors": len(inputs.features),
        "n_compared": found.n_compared,
        "n_parallel": found.n_parallel,
        "n_crystals": len(found.q),
        "n_function_vectors": len(found.members),
        "n_removed": len(projected.origins),
        "dimensions": round(projected.space.dimensions, 3),
    }
    return Result(
        quality=quality,
        notes=_notes(inputs, params, searched),
        crystals=_crystals(inputs, searched),
        function_vectors=[
            _function_vector(inputs, projected.space.points, pairs, relation)
            for pairs, relation in zip(found.members, found.relations, strict=True)
        ],
        distractors=_distractors(inputs, projected, params.seed),
    )


def _crystals(inputs: Inputs, searched: Search) -> Crystals:
    """Take the most significant crystals, and measure them among the vectors themselves."""
    found, best = searched.found, slice(MAX_CRYSTALS)
    corners = found.quads.corners[best]
    before = parallelograms.measure_quads(inputs.vectors, corners)
    return Crystals(
        found.of[best], inputs.features[corners], before.quality, found.quads.quality[best],
        found.quads.ratio[best], found.p[best], found.q[best],
    )  # fmt: skip


def _function_vector(
    inputs: Inputs, points: Float32, pairs: Int64, relation: str | None
) -> FunctionVector:
    a, b = pairs.T
    # no p-value: the pairs were gathered because they are parallel
    made = coherence.pair_coherence(points[a], points[b], trials=0)
    before = coherence.pair_coherence(inputs.vectors[a], inputs.vectors[b], trials=0)
    own = {"coherence_before": before.coherence, "direction": before.direction}
    columns = made.columns | own | {"relation": relation, "n_pairs": len(pairs)}
    cosines = made.members if len(pairs) > 1 else np.full(1, np.nan)
    return FunctionVector(columns, inputs.features[pairs].tolist(), cosines)


def _distractors(inputs: Inputs, projected: Projected, seed: int) -> list[Distractor]:
    """Measure how much each attribute explains along the directions that were removed."""
    rng = np.random.default_rng(seed)
    found = []
    for i, (origin, share) in enumerate(zip(projected.origins, projected.shares, strict=True)):
        axis = projected.space.removed_axis(i)
        explained = {
            name: attributes.explained_variance(inputs.vectors @ axis, values, rng)
            for name, values in inputs.attributes.items()
        }
        known = {name: one for name, one in explained.items() if one is not None}
        found.append(Distractor(origin, share, axis, known))
    return found


def _notes(inputs: Inputs, params: Params, searched: Search) -> tuple[str, ...]:
    """Say what was left out, and why."""
    notes, n_crystals = [], len(searched.found.q)
    if inputs.n_zero:
        notes.append(f"{_features(inputs.n_zero)} left out: the decoder vector is 0.")
    if inputs.n_duplicates:
        notes.append(f"{_features(inputs.n_duplicates)} left out: another has the same vector.")
    if not params.keep_distractors:
        unknown = [name for name in params.attributes if name not in inputs.attributes]
        if unknown:
            notes.append(f"Unknown, so not projected out: {', '.join(unknown)}.")
        if searched.projected.unused:
            notes.append(f"Vectors do not depend on: {', '.join(searched.projected.unused)}.")
    if not n_crystals:
        notes.append(f"No crystals at a false discovery rate of {params.fdr:g}.")
    if n_crystals > MAX_CRYSTALS:
        notes.append(
            f"Of {n_crystals:,} crystals the most significant {MAX_CRYSTALS:,} are written."
        )
    return tuple(notes)


def _features(n: int) -> str:
    return "1 feature is" if n == 1 else f"{n:,} features are"


def write(connection: sa.Connection, run: int, result: Result) -> None:
    """Write ``function_vector``, ``function_vector_member``, ``crystal`` and ``distractor``.

    The attributes of distractors go to ``distractor_attribute``.
    """
    ids = store.write_function_vectors(connection, run, result.function_vectors, ("a", "b"))
    store.write_crystals(connection, run, ids, result.crystals)
    store.write_distractors(connection, run, result.distractors)


ANALYSIS = Analysis(
    name="crystals",
    what="run of crystals",
    ask="select * from crystals where run = {run}",
    identify=identify,
    read=read,
    compute=compute,
    write=write,
)
