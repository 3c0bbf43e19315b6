"""``crystals``: parallelograms and trapezoids of four features."""

from typing import Any

import sqlalchemy as sa

from saeatlas.catalog.language import nodes, views
from saeatlas.catalog.language.field_types import Field, Kind, columns
from saeatlas.catalog.language.fields import RUN, SAE, sae_names
from saeatlas.catalog.language.query_errors import QueryError
from saeatlas.catalog.language.select_builder import SelectBuilder, whole
from saeatlas.schema import tables


def _compile(builder: SelectBuilder) -> sa.Select[Any]:
    with_ = builder.one(nodes.With)
    if with_ is None:
        return views.select_rows(builder)
    if with_.measure:
        raise QueryError(with_.measure.at, "A crystal has no measure of affinity.",
                         hint="Write `crystals with 12:4821`.")  # fmt: skip
    views.keep_to_sae_of(builder, with_.feature)
    corners = [builder.columns[corner] for corner in "abcd"]
    builder.conditions.append(whole(with_.feature.number).in_(corners))
    return views.finish(builder)


CRYSTALS = Kind(
    name="crystals",
    view="crystals",
    fields=(
        RUN,
        *columns(tables.crystal, "crystal"),
        Field(
            "function_vector",
            "integer",
            "Function vector that its sides follow: its number "
            "within the run. NULL if they follow two.",
        ),
        SAE,
        *sae_names(site=True),
        *columns(
            tables.crystal, "kind", *"abcd", "quality_before", "quality_after", "length_ratio"
        ),
        *columns(tables.crystal, "p", "q"),
    ),
    order=("run", "crystal"),
    clauses=("of", "in", "in run", "with"),
    compile=_compile,
)
