"""What crystals are sought among: vectors of features, and what was measured of each."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import sqlalchemy as sa

from saeatlas import errors
from saeatlas.analyses import chosen_features
from saeatlas.analyses.crystals.params import Terms
from saeatlas.analyses.crystals.search import Relation
from saeatlas.analyses.stats import pca
from saeatlas.schema import tables
from saeatlas.schema.database import connect
from saeatlas.schema.database.statements import statement
from saeatlas.schema.rows import word_vectors

Array = np.ndarray[Any, Any]

_BLOCKS = 20_000
"""Blocks, about, that densities and positions are measured in."""


@dataclass(frozen=True)
class Inputs:
    """What a run reads.

    Parameters
    ----------
    sae : int
    recording : int or None
        Whose densities and positions.
    facts : dict
        What the result depends on, for the run's hash.
    features : ndarray of shape (n,), int64
        Ascending.
    vectors : ndarray of shape (n, d), float32
        Their decoder vectors as unit vectors.
    attributes : dict of str to ndarray of shape (n,), float64
        NaN where unknown.
    relations : dict of str to Relation or None
        Word pairs. None if function vectors are to be found.
    n_zero, n_duplicates : int
        Features left out.
    """

    sae: int
    recording: int | None
    facts: dict[str, Any]
    features: Array
    vectors: Array
    attributes: dict[str, Array]
    relations: dict[str, Relation] | None
    n_zero: int
    n_duplicates: int


def read(connection: sa.Connection, sae: int, terms: Terms) -> Inputs:
    """Read vectors and attributes.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        Without a transaction that is still wanted.
    sae : int
        ``sae.id``.
    terms : Terms

    Returns
    -------
    Inputs

    Raises
    ------
    UnknownName, InputError
        No such SAE or recording, or no feature meets the condition.
    QueryFailed
        The condition does not run.
    """
    chosen = chosen_features.read(connection, sae, terms.features_where)
    features, facts = chosen.features, chosen.facts
    units, kept, n_zero = pca.unit_vectors(chosen.vectors[features])
    n_duplicates, features = len(features) - n_zero - len(kept), features[kept]
    recording = None
    attributes: dict[str, Array] = {}
    if not terms.keep_distractors:
        recording = _recording(connection, sae, terms)
        attributes = _attributes(connection, sae, recording, len(chosen.vectors), facts)
    wanted = {
        name: values[features] for name, values in attributes.items() if name in terms.attributes
    }
    relations = None if terms.words is None else _relations(connection, sae, units, terms, facts)
    return Inputs(sae, recording, facts, features, units, wanted, relations, n_zero, n_duplicates)


def _recording(connection: sa.Connection, sae: int, terms: Terms) -> int | None:
    table = tables.recording.c
    query = sa.select(table.id).where(table.sae == sae, table.n_blocks > 0)
    if terms.recording is not None:
        query = query.where(table.id == terms.recording)
    found: int | None = connection.execute(
        query.order_by(table.id.desc()).limit(1)
    ).scalar_one_or_none()
    if found is None and terms.recording is not None:
        raise errors.InputError(
            f"Recording {terms.recording} is not one of SAE {sae} with blocks.",
            hint="`saeatlas status` lists recordings with their SAEs.",
        )
    return found


def _attributes(
    connection: sa.Connection, sae: int, recording: int | None, n: int, facts: dict[str, Any]
) -> dict[str, Array]:
    """Read what is known of each feature of an SAE; (n,) each."""
    attributes = {}
    if recording is not None:
        table = tables.recording.c
        query = sa.select(table.n_blocks).where(table.id == recording)
        n_blocks = connection.execute(query).scalar_one()
        step = -(-n_blocks // _BLOCKS)
        facts |= {"recording": recording, "n_blocks": n_blocks}
        density, position = np.full((2, n), np.nan)
        rows = connect.raw(connection).execute(
            statement(__name__, "feature_attributes"),
            {"recording": recording, "step": step},
        )
        for feature, count, mean in rows:
            density[feature] = np.log10(count / -(-n_blocks // step))
            position[feature] = mean
        attributes = {"log_density": density, "position": position}
    tokens = tables.feature_token.c
    query = sa.select(tokens.feature, tokens.n_characters).where(
        tokens.sae == sae, tokens.rank == 1
    )
    found = connection.execute(query).all()
    if found:
        length = np.full(n, np.nan)
        for feature, n_characters in found:
            length[feature] = n_characters
        attributes["top_token_length"] = length
        facts["tokens"] = len(found)
    return attributes


def _relations(
    connection: sa.Connection, sae: int, vectors: Array, terms: Terms, facts: dict[str, Any]
) -> dict[str, Relation]:
    """Read the differences of word pairs, output less input, by relation."""
    assert terms.words is not None
    space = word_vectors.find_space(connection, terms.words)
    if space.d != vectors.shape[1]:
        raise errors.InputError(
            f"The words of {space.name} have {space.d:,} dimensions, the features of SAE {sae} "
            f"{vectors.shape[1]:,}.",
            hint="Ingest words of the same model and layer: `saeatlas ingest words`.",
        )
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
    facts |= {"space": space.id, "pairs": {name: len(one.ends) for name, one in found.items()}}
    return found
