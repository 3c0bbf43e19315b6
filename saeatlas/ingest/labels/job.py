"""Labels into the catalog: checked, sent to a temporary table, compared with what is there."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import DOUBLE_PRECISION

from saeatlas import errors
from saeatlas.ingest.corpora.document import excerpt
from saeatlas.ingest.formats.texts import without_surrogates
from saeatlas.ingest.labels.source import Label, Source, shortened
from saeatlas.progress import Progress, Report, silent
from saeatlas.schema import tables
from saeatlas.schema.database import connect, failures, statistics
from saeatlas.schema.database.copy import copy_rows
from saeatlas.schema.database.statements import statement
from saeatlas.schema.rows import label_words
from saeatlas.schema.rows.saes import find_saes
from saeatlas.wording import counted

_LONGEST = 10_000  # characters: a label is a sentence or two, and full text ends at a megabyte
_LONGEST_NAME = 250  # of a source or method: both are in an index, whose rows have an end

_incoming = sa.Table(
    "incoming_label",
    sa.MetaData(schema="pg_temp"),
    sa.Column("sae", sa.Integer, nullable=False),
    sa.Column("feature", sa.Integer, nullable=False),
    sa.Column("source", sa.Text, nullable=False),
    sa.Column("method", sa.Text),
    sa.Column("text", sa.Text, nullable=False),
    sa.Column("score", DOUBLE_PRECISION),
    sa.Column("url", sa.Text),
    prefixes=["TEMPORARY"],
    postgresql_on_commit="DROP",
)


@dataclass(frozen=True)
class Stored:
    """What was done with one SAE's labels from one source.

    Parameters
    ----------
    sae : int
        ``sae.id``.
    name : str
        ``release/sae_id``.
    source : str
        ``label.source``.
    features : int
        Features that were given a label.
    new, changed, unchanged : int
        Labels by what was there before; they add up to what the files say.
    dropped : int
        Labels of these features that were there and that the files no longer have.
    """

    sae: int
    name: str
    source: str
    features: int
    new: int
    changed: int
    unchanged: int
    dropped: int


@dataclass(frozen=True)
class LabelsOutcome:
    """What was done with some files of labels.

    Parameters
    ----------
    stored : list of Stored
        By SAE and source.
    empty : int
        Labels without text, which were left out.
    left : set of str, optional
        What else was left out.
    """

    stored: list[Stored]
    empty: int = 0
    left: frozenset[str] = frozenset()

    @property
    def summary(self) -> str:
        """What was done, a line each."""
        lines = []
        for part in self.stored:
            counts = f"{part.new:,} new, {part.changed:,} changed, {part.unchanged:,} unchanged"
            gone = f", {part.dropped:,} no longer there" if part.dropped else ""
            lines.append(
                f"SAE {part.sae}  {part.name}  labels of {counted(part.features, 'feature')} from "
                f"{part.source}: {counts}{gone}"
            )
        if self.empty:
            lines.append(f"{self.empty:,} without text were left out.")
        if self.left:
            lines.append(f"Left out, of other SAEs: {shortened(sorted(self.left))}.")
        return "\n".join(lines)


def ingest_labels(
    engine: sa.Engine, source: Source, *, sae: str | None = None, report: Report = silent
) -> LabelsOutcome:
    """Ingest labels of features.

    Writes ``label``, a row a label, and ``label_word``. One transaction: all of it or nothing. For
    each feature, source and method in the files, their labels replace those that were there.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    source : Source
        As `neuronpedia.Export`, `delphi.Explanations`, `table.LabelTable`.
    sae : str, optional
        Name or number of the SAE. Default: those that the labels themselves name.
    report : callable, optional
        Called with the labels read.

    Returns
    -------
    LabelsOutcome

    Raises
    ------
    BadLabels
        They cannot be read, belong to other SAEs, or there is none.
    UnknownName
        No such SAE.
    DatabaseError
    """
    with failures.storing(), engine.begin() as connection:
        label_words.lock(connection)
        if sae is None:
            saes: Sequence[sa.Row[Any]] = connection.execute(
                sa.select(tables.sae).order_by(tables.sae.c.id)
            ).all()
        else:
            saes = find_saes(connection, [sae])
        _incoming.create(connection)
        rows = _Rows(source.labels(saes, named=sae is not None), report)
        columns = [column.name for column in _incoming.columns]
        copy_rows(connection, _incoming, columns, rows)
        stored = _store(connection, {row.id: f"{row.release}/{row.sae_id}" for row in saes})
        if not stored:
            raise _none(rows.empty)
    return LabelsOutcome(stored, rows.empty, frozenset(source.left))


def _none(empty: int) -> errors.BadLabels:
    """Say that nothing was stored: a command that does nothing has not succeeded."""
    return errors.BadLabels(
        f"Of the {counted(empty, 'label')} of these files none has a text."
        if empty
        else "These files hold no labels.",
        hint="Name files of labels: explanations, not features, activations or scores.",
    )


class _Rows(Iterable[tuple[Any, ...]]):
    """Rows of ``incoming_label``, each checked; counts those without text, which it leaves out."""

    def __init__(self, found: Iterator[Label], report: Report) -> None:
        self.empty = 0
        self._found, self._report = found, report

    def __iter__(self) -> Iterator[tuple[Any, ...]]:
        for n, label in enumerate(self._found):
            if n % 1_000 == 0:
                self._report(Progress("labels", n))
            text, source, method = map(_clean, (label.text, label.source, label.method))
            _require_storable(label, text, max(source, method, key=len))
            if text:
                url = _clean(label.url) or None
                yield (
                    label.sae.id, label.feature, source, method or None, text, label.score, url
                )  # fmt: skip
            else:
                self.empty += 1


def _clean(text: str | None) -> str:
    """Take out what PostgreSQL refuses, and blanks around it."""
    return without_surrogates(text or "").replace("\0", "").strip()


def _require_storable(label: Label, text: str, name: str) -> None:
    if not 0 <= label.feature < label.sae.d_sae:
        raise errors.BadLabels(
            f"{label.origin}: there is no feature {label.feature}.",
            available=f"{label.sae.release}/{label.sae.sae_id} has features 0 to "
            f"{label.sae.d_sae - 1:,}.",
            hint="Name the SAE that these labels are of: --sae; features count from 0.",
        )
    for what, value, longest in (
        ("label", text, _LONGEST),
        ("name of a source or method", name, _LONGEST_NAME),
    ):
        if len(value) > longest:
            raise errors.BadLabels(
                f"{label.origin}: this {what} has {len(value):,} characters.",
                available=f"It begins with {excerpt(value)}; the longest taken has {longest:,}.",
                hint="Shorten it, or leave it out.",
            )


def _store(connection: sa.Connection, names: dict[int, str]) -> list[Stored]:
    """Let the server compare what came with what is there, and keep the words in step."""
    statistics.refresh(connection, _incoming)
    driver = connect.raw(connection)
    rows = driver.execute(statement(__name__, "store")).fetchall()
    stored = [Stored(sae, names[sae], *rest) for sae, *rest in rows]
    if any(part.new or part.changed for part in stored):
        label_words.add(connection)
    if any(part.changed or part.dropped for part in stored):
        label_words.prune(connection)
    statistics.refresh(connection, tables.label)
    return stored
