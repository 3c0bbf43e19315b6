"""What crystals are searched for among: vectors of features and their measured attributes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import sqlalchemy as sa

from saeatlas import errors
from saeatlas.analyses import chosen_features
from saeatlas.analyses.arrays import Float32, Float64, Int64
from saeatlas.analyses.crystals.params import Params
from saeatlas.analyses.crystals.search import Relation
from saeatlas.analyses.run_driver import Source
from saeatlas.analyses.stats import pca
from saeatlas.progress import Report, silent
from saeatlas.schema import tables
from saeatlas.schema.database import connect
from saeatlas.schema.database.statements import statement
from saeatlas.schema.rows import word_vectors

_BLOCKS = 20_000
"""Blocks, about, in which densities and positions are measured."""


@dataclass(frozen=True)
class Subject(Source):
    """What is searched.

    Parameters
    ----------
    choice : Choice
        Features of the SAE.
    recording : int or None
        In which densities and positions are measured.
    n_blocks : int
        Blocks of it.
    relations : mapping of str to Relation, or None
        Word pairs. None if function vectors are to be found.
    """

    choice: chosen_features.Choice
    recording: int | None
    n_blocks: int
    relations: Mapping[str, Relation] | None


@dataclass(frozen=True)
class Inputs:
    """What a run reads.

    Parameters
    ----------
    features : ndarray of shape (n,), int64
        Ascending.
    vectors : ndarray of shape (n, d), float32
        Their decoder vectors, normalised.
    attributes : mapping of str to ndarray of shape (n,), float64
        NaN where unknown.
    relations : mapping of str to Relation, or None
        Word pairs. None if function vectors are to be found.
    n_zero, n_duplicates : int
        Features left out.
    """

    features: Int64
    vectors: Float32
    attributes: Mapping[str, Float64]
    relations: Mapping[str, Relation] | None = None
    n_zero: int = 0
    n_duplicates: int = 0


def identify(connection: sa.Connection, params: Params, _report: Report = silent) -> Subject:
    """Find the SAE, the features that meet the condition, the recording and the word pairs.

    Raises
    ------
    UnknownName, InputError
        No such SAE, recording or space of words, or no feature meets the condition.
    QueryFailed
        The condition does not run.
    """
    choice = chosen_features.choose(connection, params.sae, params.features_where)
    facts: dict[str, Any] = {**choice.facts, "measured_in": None}
    recording, n_blocks, relations = None, 0, None
    if not params.keep_distractors:
        recording, n_blocks = _recording(connection, params)
        facts |= {"measured_in": [recording, n_blocks], "tokens": _n_tokens(connection, params.sae)}
    if params.words is not None:
        space = word_vectors.find_space(connection, params.words)
        relations = _relations(connection, space)
        sizes = {name: len(one.ends) for name, one in relations.items()}
        facts |= {"space": space.id, "pairs": sizes}
    columns = {**choice.columns, "recording": recording}
    return Subject(columns, facts, choice, recording, n_blocks, relations)


def read(
    connection: sa.Connection, source: Subject, params: Params, _report: Report = silent
) -> Inputs:
    """Read the decoder vectors, normalised, and the attributes of their features.

    Raises
    ------
    InputError
        Words and features have different numbers of dimensions.
    """
    vectors, features = chosen_features.vectors(connection, source.choice, "decoder")
    units, kept, n_zero = pca.unit_vectors(vectors)
    if source.relations is not None:
        _require_dimensions(params, source.relations, units.shape[1])
    n_duplicates = len(features) - n_zero - len(kept)
    known = _attributes(connection, source, params)
    attributes = {
        name: _of_features(values, features[kept])
        for name, values in known.items()
        if name in params.attributes
    }
    return Inputs(features[kept], units, attributes, source.relations, n_zero, n_duplicates)


def _recording(connection: sa.Connection, params: Params) -> tuple[int | None, int]:
    """Find the recording in which attributes are measured, and count its blocks."""
    table = tables.recording.c
    query = sa.select(table.id, table.n_blocks).where(table.sae == params.sae, table.n_blocks > 0)
    if params.recording is not None:
        query = query.where(table.id == params.recording)
    found = connection.execute(query.order_by(table.id.desc()).limit(1)).one_or_none()
    if found is None and params.recording is not None:
        raise errors.InputError(
            f"Recording {params.recording} is not one of SAE {params.sae} with blocks.",
            hint="`saeatlas status` lists recordings with their SAEs.",
        )
    return (None, 0) if found is None else (found.id, found.n_blocks)


def _n_tokens(connection: sa.Connection, sae: int) -> int:
    """Count the features of which the most promoted token is known."""
    tokens = tables.feature_token.c
    query = sa.select(sa.func.count()).where(tokens.sae == sae, tokens.rank == 1)
    return int(connection.execute(query).scalar_one())


def _attributes(
    connection: sa.Connection, source: Subject, params: Params
) -> dict[str, dict[int, float]]:
    """Read attributes, by name and feature."""
    if params.keep_distractors:
        return {}
    attributes: dict[str, dict[int, float]] = {}
    if source.recording is not None:
        step = -(-source.n_blocks // _BLOCKS)
        rows = connect.raw(connection).execute(
            statement(__name__, "feature_attributes"),
            {"recording": source.recording, "step": step},
        )
        density, position = {}, {}
        for feature, count, mean in rows:
            density[feature] = float(np.log10(count / -(-source.n_blocks // step)))
            position[feature] = mean
        attributes = {"log_density": density, "position": position}
    tokens = tables.feature_token.c
    query = sa.select(tokens.feature, tokens.n_characters).where(
        tokens.sae == params.sae, tokens.rank == 1
    )
    lengths = {row.feature: float(row.n_characters) for row in connection.execute(query)}
    return attributes | ({"top_token_length": lengths} if lengths else {})


def _of_features(values: Mapping[int, float], features: Int64) -> Float64:
    return np.array([values.get(feature, np.nan) for feature in features.tolist()], np.float64)


def _relations(connection: sa.Connection, space: sa.Row[Any]) -> dict[str, Relation]:
    """Read the differences of word pairs, output less input, by relation."""
    pairs = word_vectors.read(connection, space.id)
    rows = pairs.vectors[pairs.outputs] - pairs.vectors[pairs.inputs]
    ends = np.column_stack([pairs.inputs, pairs.outputs])
    found = {
        name: Relation(ends[pairs.relation == i], rows[pairs.relation == i])
        for i, name in enumerate(pairs.relations)
        if (pairs.relation == i).sum() > 1
    }
    if not found:
        raise errors.InputError(
            f"The words of {space.name} have no relation of two pairs or more.",
            hint="`saeatlas ingest words PAIRS.json` adds relations.",
        )
    return found


def _require_dimensions(params: Params, relations: Mapping[str, Relation], d: int) -> None:
    words = next(iter(relations.values())).differences.shape[1]
    if words != d:
        raise errors.InputError(
            f"The words of space {params.words} have {words:,} dimensions, the features of SAE "
            f"{params.sae} {d:,}.",
            hint="Ingest words of the same model and layer: `saeatlas ingest words`.",
        )
