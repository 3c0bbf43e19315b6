"""``blocks``: by their fields, and by the features that are active in them."""

from collections.abc import Iterator
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import ARRAY, REAL

from saeatlas.catalog.language import meant, nodes
from saeatlas.catalog.language.conditions import Special, as_stored, compared, condition
from saeatlas.catalog.language.draft import Draft, Expression, whole
from saeatlas.catalog.language.fields import HEARD
from saeatlas.catalog.language.names import Recording, Sae


def compile_blocks(draft: Draft) -> sa.Select[Any]:
    """Make the statement of ``blocks``.

    Parameters
    ----------
    draft : Draft

    Returns
    -------
    sqlalchemy.Select
    """
    where = draft.query.where
    named = list(_named(where)) if where is not None else []
    heard = Heard(draft, named) if named else None
    if not heard:
        said = draft.number("recording") or next(iter(draft.all(nodes.Of)), None)
        if said:
            raise draft.wrong(said.at, "No feature is named whose activations these could be.",
                              hint="Name one: `blocks where 12:4821`.")  # fmt: skip
        meant.keep_to(draft, "corpus")
    if where is not None:
        draft.conditions.append(condition(draft, where, heard.special if heard else refused(draft)))
    return draft.select()


class Heard:
    """Joins the blocks with what the SAEs of the features named heard in them.

    Parameters
    ----------
    draft : Draft
    named : list of Active
        The conditions that name features, at least one.
    """

    def __init__(self, draft: Draft, named: list[nodes.Active]) -> None:
        self._draft = draft
        saes = list(dict.fromkeys(draft.feature(node.feature) for node in named))
        self._recordings = meant.recordings(draft, saes, named[0].at)
        draft.restrict("corpus", {one.corpus for one in self._recordings.values()})
        self._rows = {sae.id: self._join(sae, i) for i, sae in enumerate(saes)}
        first = draft.feature(named[0].feature)
        recording, peak = HEARD
        draft.columns |= {
            recording.name: self._rows[first.id].c.recording,
            peak.name: self._peak(first, named[0].feature),
        }
        draft.fields |= {field.name: field for field in HEARD}

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
        self._draft.source = self._draft.source.join(
            rows,
            (rows.c.recording == whole(recording.id)) & (rows.c.block == self._draft.view.c.block),
        )
        return rows

    def _peak(self, sae: Sae, node: nodes.Feature) -> Expression:
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
            return refused(self._draft)(node)
        sae = self._draft.feature(node.feature)
        rows = self._rows[sae.id]
        if node.comparison is None or node.number is None:
            return whole(node.feature.number) == sa.any_(rows.c.features)
        least = self._recordings[sae.id].keep_above
        assert not isinstance(node.number.value, str)
        if as_stored(node.number.value) < least:
            raise self._draft.wrong(
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


def refused(draft: Draft) -> Special:
    """Make what refuses conditions that a kind of rows does not have.

    Parameters
    ----------
    draft : Draft

    Returns
    -------
    callable
    """

    def refuse(node: nodes.InLobe | nodes.Fires | nodes.Active) -> Expression:
        raise draft.wrong(
            node.at, f"{draft.kind.name.capitalize()} have no such condition.",
            hint="Lobes and document types are asked of features, activity of blocks.",
        )  # fmt: skip

    return refuse
