"""``labels``: explanations of features."""

from typing import Any

import sqlalchemy as sa

from saeatlas.catalog.language import nodes, views
from saeatlas.catalog.language.field_types import Kind, columns
from saeatlas.catalog.language.fields import FEATURE_PAGE, SAE, sae_names
from saeatlas.catalog.language.select_builder import SelectBuilder
from saeatlas.schema import tables


def _compile(builder: SelectBuilder) -> sa.Select[Any]:
    of = builder.one(nodes.OfFeature)
    if of is None:
        return views.select_rows(builder)
    views.keep_to_sae_of(builder, of.feature)
    builder.restrict("feature", [of.feature.number])
    return views.finish(builder)


LABELS = Kind(
    name="labels",
    view="labels",
    fields=(
        *columns(tables.label, "id=label"),
        *sae_names(),
        SAE,
        *columns(tables.label, "feature", "text", "source", "method", "score", "url"),
        FEATURE_PAGE,
    ),
    order=("sae", "feature", "label"),
    clauses=("of", "in", "of feature"),
    compile=_compile,
)
