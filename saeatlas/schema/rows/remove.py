"""Remove something from the catalog, with everything that depends on it."""

from collections.abc import Sequence
from typing import Any

import sqlalchemy as sa

from saeatlas import errors
from saeatlas.schema import tables
from saeatlas.schema.database import partitions
from saeatlas.schema.rows import label_words, word_vectors


def remove_run(connection: sa.Connection, run: int) -> None:
    """Remove a run with all its rows, and the runs that analysed its lobes.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        In a transaction that the caller commits.
    run : int
        ``run.id``.

    Raises
    ------
    UnknownName
    """
    _require(connection, tables.run, run)
    table = tables.run.c
    analyses = ["subsets", "spatiality", "spectra", "agreement"]
    dependent = (table.input_run == run) & table.analysis.in_(analyses)
    other = table.params["other"].as_integer() == run
    dependent |= (table.analysis == "agreement") & other
    for other in _numbers(connection, tables.run, dependent):
        remove_run(connection, other)
    for parent in (tables.cooccurrence, tables.block_lobe):
        partitions.drop(connection, parent, run)
    connection.execute(sa.delete(tables.run).where(tables.run.c.id == run))


def remove_recording(connection: sa.Connection, recording: int) -> None:
    """Remove a recording, its activations and the runs on it; its corpus stays for other SAEs.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        In a transaction that the caller commits.
    recording : int
        ``recording.id``.

    Raises
    ------
    UnknownName
    """
    _require(connection, tables.recording, recording)
    for run in _numbers(connection, tables.run, tables.run.c.recording == recording):
        remove_run(connection, run)
    for bitmap in _numbers(connection, tables.bitmap, tables.bitmap.c.recording == recording):
        partitions.drop(connection, tables.feature_bitmap, bitmap)
    partitions.drop(connection, tables.activation, recording)
    connection.execute(sa.delete(tables.recording).where(tables.recording.c.id == recording))


def remove_sae(connection: sa.Connection, sae: int) -> None:
    """Remove an SAE, its features, encoder vectors, labels and recordings.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        In a transaction that the caller commits.
    sae : int
        ``sae.id``.

    Raises
    ------
    UnknownName
    """
    _require(connection, tables.sae, sae)
    for recording in _numbers(connection, tables.recording, tables.recording.c.sae == sae):
        remove_recording(connection, recording)
    for run in _numbers(connection, tables.run, tables.run.c.sae == sae):
        remove_run(connection, run)  # of no recording: counts from a file
    for parent in (tables.feature, tables.encoder):
        partitions.drop(connection, parent, sae)
    _drop_labels(connection, tables.label.c.sae == sae)
    connection.execute(sa.delete(tables.sae).where(tables.sae.c.id == sae))


def remove_labels(connection: sa.Connection, saes: Sequence[int], source: str | None = None) -> int:
    """Remove labels of SAEs.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        In a transaction that the caller commits.
    saes : sequence of int
        ``sae.id``.
    source : str, optional
        Only those of this source. Default: all.

    Returns
    -------
    int
        How many they were.

    Raises
    ------
    UnknownName
        There are none.
    """
    table = tables.label
    theirs = table.c.sae.in_(saes)
    found = theirs if source is None else theirs & (table.c.source == source)
    n = _drop_labels(connection, found)
    if not n:
        query = sa.select(table.c.source).where(theirs).distinct()
        known = connection.execute(query).scalars().all()
        raise errors.UnknownName(
            "There are no such labels." if source is None else f"No label is from {source!r}.",
            available=errors.nearest(source or "", known),
            hint="Add some with `saeatlas ingest labels`.",
        )
    return n


def _drop_labels(connection: sa.Connection, which: sa.ColumnElement[bool]) -> int:
    label_words.lock(connection)
    n = connection.execute(sa.delete(tables.label).where(which)).rowcount
    if n:
        label_words.prune(connection)
    return n


def remove_corpus(connection: sa.Connection, corpus: int) -> None:
    """Remove a corpus, its documents, blocks and recordings.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        In a transaction that the caller commits.
    corpus : int
        ``corpus.id``.

    Raises
    ------
    UnknownName
    """
    _require(connection, tables.corpus, corpus)
    for recording in _numbers(connection, tables.recording, tables.recording.c.corpus == corpus):
        remove_recording(connection, recording)
    connection.execute(sa.delete(tables.corpus).where(tables.corpus.c.id == corpus))


def remove_unused_corpus(connection: sa.Connection, corpus: int) -> None:
    """Remove a corpus if no recording is on it; nothing happens if it is gone.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        In a transaction that the caller commits.
    corpus : int
        ``corpus.id``.
    """
    table = tables.corpus
    on_it = sa.select(tables.recording.c.id).where(tables.recording.c.corpus == corpus)
    connection.execute(sa.select(table.c.id).where(table.c.id == corpus).with_for_update())
    connection.execute(sa.delete(table).where(table.c.id == corpus, ~sa.exists(on_it)))


def remove_words(connection: sa.Connection, name: str) -> sa.Row[Any]:
    """Remove a space of word vectors; its relations stay for other spaces.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        In a transaction that the caller commits.
    name : str
        Name or number.

    Returns
    -------
    sqlalchemy.Row
        The removed row of ``word_space``.

    Raises
    ------
    UnknownName
    """
    row = word_vectors.find_space(connection, name)
    connection.execute(sa.delete(tables.word_space).where(tables.word_space.c.id == row.id))
    return row


def remove_relation(connection: sa.Connection, name: str) -> sa.Row[Any]:
    """Remove a relation and its pairs; the vectors of their words stay, as others may share them.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        In a transaction that the caller commits.
    name : str

    Returns
    -------
    sqlalchemy.Row
        The removed row of ``relation``.

    Raises
    ------
    UnknownName
    """
    row = word_vectors.find_relations(connection, [name])[0]
    connection.execute(sa.delete(tables.relation).where(tables.relation.c.id == row.id))
    return row


def _numbers(
    connection: sa.Connection, table: sa.Table, where: sa.ColumnElement[bool]
) -> list[int]:
    """List rows, the newest first: a run goes before the run that it read."""
    query = sa.select(table.c.id).where(where).order_by(table.c.id.desc())
    return list(connection.execute(query).scalars())


def _require(connection: sa.Connection, table: sa.Table, number: int) -> None:
    """Lock the row, so that nothing is added to it while its dependents are removed."""
    row = sa.select(table.c.id).where(table.c.id == number).with_for_update()
    if connection.execute(row).first() is None:
        known = connection.execute(sa.select(table.c.id).order_by(table.c.id)).scalars().all()
        shown = ", ".join(map(str, known)) or "none"
        raise errors.UnknownName(
            f"There is no {table.name} {number}.",
            available=f"Available: {shown}.",
            hint="`saeatlas status` lists what is in the catalog.",
        )
