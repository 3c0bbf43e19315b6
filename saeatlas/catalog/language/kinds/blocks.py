"""``blocks``: by their fields, and by the features that are active in them."""

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, REAL

from saeatlas.catalog.language import defaults, nodes, operands, views
from saeatlas.catalog.language.conditions import as_stored, compared, condition
from saeatlas.catalog.language.field_types import Brought, Field, Kind, columns
from saeatlas.catalog.language.fields import CORPUS_NAME
from saeatlas.catalog.language.names import Recording, Sae
from saeatlas.catalog.language.query_errors import QueryError
from saeatlas.catalog.language.select_builder import Expression, SelectBuilder, whole
from saeatlas.schema import tables

ACTIVATION = (
    Field("recording", "integer", "Recording that the first feature named is read from."),
    Field("peak", "number", "Maximum activation of the first feature named; 0 if none is stored.",
          single=True),
)  # fmt: skip


def compile_blocks(builder: SelectBuilder) -> sa.Select[Any]:
    """Make the statement of ``blocks``.

    Parameters
    ----------
    builder : SelectBuilder

    Returns
    -------
    sqlalchemy.Select
    """
    where = builder.query.where
    named = list(_named(where)) if where is not None else []
    joined = Activations(builder, named) if named else None
    if not joined:
        said = builder.number("recording") or next(iter(builder.all(nodes.Of)), None)
        if said:
            raise QueryError(said.at, "No feature is named whose activations these could be.",
                              hint="Name one: `blocks where 12:4821`.")  # fmt: skip
        defaults.keep_to(builder, "corpus")
    if where is not None:
        special = joined.special if joined else views.no_such(builder)
        builder.conditions.append(condition(builder, where, special))
    return builder.select()


class Activations:
    """Joins the blocks with the recorded activations of the features named.

    Parameters
    ----------
    builder : SelectBuilder
    named : list of Active
        The conditions that name features, at least one.
    """

    def __init__(self, builder: SelectBuilder, named: list[nodes.Active]) -> None:
        self._builder = builder
        saes = list(dict.fromkeys(builder.feature(node.feature) for node in named))
        self._recordings = defaults.recordings(builder, saes, named[0].at)
        builder.restrict("corpus", {one.corpus for one in self._recordings.values()})
        self._rows = {sae.id: self._join(sae, i) for i, sae in enumerate(saes)}
        first = builder.feature(named[0].feature)
        recording, peak = ACTIVATION
        builder.columns |= {
            recording.name: self._rows[first.id].c.recording,
            peak.name: self._peak(first, named[0].feature),
        }
        builder.fields |= {field.name: field for field in ACTIVATION}

    def _join(self, sae: Sae, place: int) -> sa.FromClause:
        table = sa.table(
            "activation",
            sa.column("recording", sa.Integer),
            sa.column("block", sa.Integer),
            sa.column("features", ARRAY(sa.Integer)),
            sa.column("peaks", ARRAY(REAL)),
            schema="atlas",
        )
        rows = table.alias("activation" if place == 0 else f"activation_{place + 1}")
        recording: Recording = self._recordings[sae.id]
        self._builder.source = self._builder.source.join(
            rows,
            (rows.c.recording == whole(recording.id))
            & (rows.c.block == self._builder.view.c.block),
        )
        return rows

    def _peak(self, sae: Sae, node: operands.Feature) -> Expression:
        rows = self._rows[sae.id]
        place = sa.func.array_position(rows.c.features, whole(node.number), type_=sa.Integer)
        return sa.func.coalesce(rows.c.peaks[place], sa.literal_column("0"), type_=REAL())

    def special(self, node: nodes.InLobe | nodes.Fires | nodes.Active) -> Expression:
        """Compile how active a feature is.

        Parameters
        ----------
        node : InLobe, Fires or Active

        Returns
        -------
        expression
        """
        if not isinstance(node, nodes.Active):
            return views.no_such(self._builder)(node)
        sae = self._builder.feature(node.feature)
        rows = self._rows[sae.id]
        if node.comparison is None or node.number is None:
            return whole(node.feature.number) == sa.any_(rows.c.features)
        least = self._recordings[sae.id].keep_above
        assert not isinstance(node.number.value, str)
        if as_stored(node.number.value) < least:
            raise QueryError(
                node.number.at, f"Recording {self._recordings[sae.id].id} keeps only maxima above "
                f"{least:g}: nothing is known below.", hint=f"Compare with {least:g} or more.",
            )  # fmt: skip
        peak = self._peak(sae, node.feature)
        return compared(peak, node.comparison, node.number, single=True)


def _named(node: nodes.Condition) -> Iterator[nodes.Active]:
    if isinstance(node, nodes.Active):
        yield node
    elif isinstance(node, nodes.Not):
        yield from _named(node.part)
    elif isinstance(node, nodes.Any | nodes.All):
        for part in node.parts:
            yield from _named(part)


BLOCKS = Kind(
    name="blocks",
    view="blocks",
    fields=(
        *columns(tables.block, "corpus"),
        CORPUS_NAME,
        *columns(tables.block, "block", "document", "position"),
        *columns(tables.document, "subset"),
        *columns(tables.document, "metadata"),
        *columns(tables.block, "n_tokens", "text"),
    ),
    order=("corpus", "block"),
    clauses=("of", "in recording", "in corpus"),
    compile=compile_blocks,
    brought=(Brought("where 12:4821", ACTIVATION),),
    conditions=("feature",),
)
