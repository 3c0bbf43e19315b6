"""``function vectors``: directions that pairs of features, or of words, share."""

from typing import Any

import sqlalchemy as sa

from saeatlas.catalog.language import nodes, vectors, views
from saeatlas.catalog.language.field_types import Brought, Field, Kind, columns
from saeatlas.catalog.language.fields import COSINE, RUN, SAE, sae_names
from saeatlas.catalog.language.select_builder import SelectBuilder
from saeatlas.schema import tables

NEAREST = 10
"""Rows that ``near`` shows, unless the query says how many."""


def _compile(builder: SelectBuilder) -> sa.Select[Any]:
    near = builder.one(nodes.Near)
    if near is None:
        return views.select_rows(builder)
    saes = vectors.resolved(builder, near)
    look = vectors.where_to_look(builder, near, saes[0])
    builder.restrict("sae", (sae.id for sae in look))
    distance = vectors.distance(builder.view.c.direction, near, saes)
    builder.columns[COSINE.name] = vectors.cosine(distance)
    builder.fields[COSINE.name] = COSINE
    builder.order = [distance, *builder.order]
    builder.limit = NEAREST
    return views.finish(builder)


FUNCTION_VECTORS = Kind(
    name="function vectors",
    view="function_vectors",
    fields=(
        RUN,
        *columns(tables.function_vector, "number=function_vector"),
        SAE,
        *sae_names(site=True),
        Field("space", "text", "Space of words that it was found in. NULL if it is of an SAE."),
        *columns(tables.function_vector, "relation", "n_pairs", "coherence", "coherence_before"),
        *columns(tables.function_vector, "n_trials", "null_mean", "null_sd", "z", "p"),
    ),
    order=("run", "function_vector"),
    clauses=("of", "in", "in run", "near"),
    compile=_compile,
    brought=(Brought("near", (COSINE,)),),
    vector="direction",
)
