"""The rows of a recording: found or made, filled a chunk of documents at a time, finished."""

import hashlib
from collections.abc import Sequence
from concurrent.futures import Future
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

import saeatlas
from saeatlas import errors
from saeatlas.schema import tables
from saeatlas.schema.database import connect, partitions
from saeatlas.schema.database.copy import copy_rows
from saeatlas.schema.database.statements import statement
from saeatlas.schema.rows import covariances

Peaks = tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]


@dataclass(frozen=True)
class Cut:
    """One document, cut in blocks.

    Parameters
    ----------
    subset : str or None
    metadata : dict
    n_tokens : int
        Tokens read, BOS not counted.
    block_tokens : tuple of int
        Tokens in each of its blocks.
    text_sha256 : bytes or None
        Hash of the text; None if the document could not be read.
    problem : str or None
        Why it was left out.
    block_texts : tuple of str or None
        Decoded text of each block, where asked for.
    """

    subset: str | None
    metadata: dict[str, Any]
    n_tokens: int = 0
    block_tokens: tuple[int, ...] = ()
    text_sha256: bytes | None = None
    problem: str | None = None
    block_texts: tuple[str, ...] | None = None


@dataclass
class Recording:
    """One SAE listening to one corpus, as far as it has come.

    Parameters
    ----------
    id, sae, corpus : int
        Numbers of the rows.
    n_documents, n_blocks, n_activations : int
        What has been written.
    """

    id: int
    sae: int
    corpus: int
    n_documents: int = 0
    n_blocks: int = 0
    n_activations: int = 0


@dataclass(frozen=True)
class Chunk:
    """Consecutive documents, and what their blocks activate.

    Parameters
    ----------
    first : int
        Place of the first document in the corpus.
    documents : list of Cut
    peaks : dict of int to list of (features, peaks)
        By recording, one pair of arrays a block of these documents, in order; a recording that
        has these documents already is not in it.
    moments : dict of int to Moments
        By recording, if it collects a covariance and heard tokens here: the sums over all its
        documents up to the last of these.
    """

    first: int
    documents: list[Cut]
    peaks: dict[int, list[Peaks]] = field(default_factory=dict)
    moments: dict[int, covariances.Moments] = field(default_factory=dict)


def text_hash(text: str) -> bytes:
    """Hash a document's text, to notice when a corpus has changed.

    Parameters
    ----------
    text : str

    Returns
    -------
    bytes
        SHA-256 of its UTF-8 form.
    """
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def open_corpus_row(connection: sa.Connection, terms: dict[str, Any]) -> sa.Row[Any]:
    """Find or make the corpus cut on these terms.

    Parameters
    ----------
    connection : sqlalchemy.Connection
    terms : dict
        Columns of ``corpus`` down to ``subset_field``.

    Returns
    -------
    sqlalchemy.Row
        The row of ``corpus``.
    """
    found = find_corpus(connection, terms)
    if found is None:  # or another process makes it at this very moment
        connection.execute(insert(tables.corpus).values(terms).on_conflict_do_nothing())
        found = find_corpus(connection, terms)
    assert found is not None
    return found


def find_corpus(connection: sa.Connection, terms: dict[str, Any]) -> sa.Row[Any] | None:
    """Find the corpus cut on these terms; its name does not count.

    Parameters
    ----------
    connection : sqlalchemy.Connection
    terms : dict
        As for `open_corpus_row`.

    Returns
    -------
    sqlalchemy.Row or None
    """
    terms = {name: value for name, value in terms.items() if name not in ("name", "tokenizer")}
    query = sa.select(tables.corpus).where(*_same(tables.corpus, terms))
    return connection.execute(query).one_or_none()


def _same(table: sa.Table, terms: dict[str, Any]) -> list[sa.ColumnElement[bool]]:
    """Compare so that NULL equals NULL."""
    return [
        table.c[name].is_not_distinct_from(sa.cast(sa.literal(value), table.c[name].type))
        for name, value in terms.items()
    ]


def find_recording(connection: sa.Connection, terms: dict[str, Any]) -> Recording | None:
    """Find the recording made on these terms.

    Parameters
    ----------
    connection : sqlalchemy.Connection
    terms : dict
        sae, corpus, model_sha256, source, keep_above, special_tokens, dtype.

    Returns
    -------
    Recording or None
    """
    table = tables.recording
    columns = [table.c[name] for name in Recording.__dataclass_fields__]
    row = connection.execute(sa.select(*columns).where(*_same(table, terms))).one_or_none()
    return None if row is None else Recording(**row._mapping)


def create_recording(
    connection: sa.Connection, terms: dict[str, Any], facts: dict[str, Any]
) -> Recording:
    """Make a recording and the partition of its activations.

    Parameters
    ----------
    connection : sqlalchemy.Connection
    terms, facts : dict
        Columns of ``recording``: those that tell recordings apart, and the others.

    Returns
    -------
    Recording
    """
    table = tables.recording
    values = terms | facts | {"code_version": saeatlas.__version__}
    number = connection.execute(insert(table).values(values).returning(table.c.id)).scalar_one()
    with partitions.filling(connection, tables.activation, number):
        pass
    return Recording(number, terms["sae"], terms["corpus"])


def lock(connection: sa.Connection, recording: Recording) -> None:
    """Keep other processes from this recording as long as the connection lives.

    Parameters
    ----------
    connection : sqlalchemy.Connection
    recording : Recording

    Raises
    ------
    CatalogBusy
        Another process works on it.
    """
    free = connect.raw(connection).execute(
        statement(__name__, "lock_recording"), {"recording": recording.id}
    )
    if free.fetchone() != (True,):
        raise errors.CatalogBusy(
            f"Another process is working on recording {recording.id}.",
            hint="Wait for it, or stop it; then run the same command again: it continues.",
        )


def write_chunk(
    connection: sa.Connection,
    chunk: Chunk,
    recordings: Sequence[Recording],
    *,
    before: Future[None] | None = None,
) -> None:
    """Write a chunk of documents for all recordings that lack it; all or nothing.

    Writes ``document`` and ``block`` rows that the corpus lacks, ``activation`` rows of each
    recording, how far corpus and recordings have come, and ``activation_covariance`` of those that
    collect it. The caller commits.

    Parameters
    ----------
    connection : sqlalchemy.Connection
    chunk : Chunk
    recordings : sequence of Recording
        All of one corpus. Those with rows in the chunk are moved on.
    before : Future, optional
        The chunk before this one, if it may still be on its way: the sparse rows are sent
        meanwhile, the rest waits for it.

    Raises
    ------
    CorpusChanged
        A document is not the one that stands at its place in the catalog.
    """
    moving = [recording for recording in recordings if recording.id in chunk.peaks]
    for recording in moving:
        _write_peaks(connection, recording, chunk.peaks[recording.id])
    if before is not None:
        before.result()
    _extend_corpus(connection, recordings[0].corpus, chunk)
    for recording in moving:
        move_on(recording, chunk)
        _save_progress(connection, recording)
        if recording.id in chunk.moments:
            covariances.save(connection, recording.id, chunk.moments[recording.id])


def move_on(recording: Recording, chunk: Chunk) -> None:
    """Count a chunk as heard.

    Parameters
    ----------
    recording : Recording
        Changed in place, not in the catalog.
    chunk : Chunk
    """
    peaks = chunk.peaks[recording.id]
    recording.n_documents = chunk.first + len(chunk.documents)
    recording.n_blocks += len(peaks)
    recording.n_activations += sum(len(features) for features, _ in peaks)


def _extend_corpus(connection: sa.Connection, number: int, chunk: Chunk) -> None:
    """Write the documents that the corpus lacks, check those that it has."""
    corpus = tables.corpus
    # other processes may listen to the same corpus with other SAEs
    known = connection.execute(
        sa.select(corpus.c.n_documents, corpus.c.n_blocks)
        .where(corpus.c.id == number)
        .with_for_update()
    ).one()
    n_old = min(max(known.n_documents - chunk.first, 0), len(chunk.documents))
    require_same_documents(connection, number, chunk.first, chunk.documents[:n_old])
    new = chunk.documents[n_old:]
    if not new:
        return
    _write_documents(connection, number, chunk.first + n_old, new)
    n_blocks = _write_blocks(connection, number, chunk.first + n_old, known.n_blocks, new)
    connection.execute(
        sa.update(corpus)
        .where(corpus.c.id == number)
        .values(n_documents=known.n_documents + len(new), n_blocks=known.n_blocks + n_blocks)
    )


def require_same_documents(
    connection: sa.Connection, corpus: int, first: int, documents: Sequence[Cut]
) -> None:
    """Check that documents read again are those that were read before.

    Parameters
    ----------
    connection : sqlalchemy.Connection
    corpus, first : int
    documents : sequence of Cut

    Raises
    ------
    CorpusChanged
    """
    table = tables.document
    if not documents:
        return
    rows = connection.execute(
        sa.select(table.c.document, table.c.text_sha256)
        .where(table.c.corpus == corpus, table.c.document >= first)
        .where(table.c.document < first + len(documents))
        .order_by(table.c.document)
    )
    for row, cut in zip(rows, documents, strict=True):
        if row.text_sha256 != cut.text_sha256:
            raise errors.CorpusChanged(
                f"Document {row.document} is not the one that was read before.",
                available=f"Corpus {corpus} of the catalog was cut from another state of this "
                "source.",
                hint=f"Restore the source, or `saeatlas remove corpus {corpus}` and start afresh.",
            )


def finish(connection: sa.Connection, recording: Recording, wanted: int | None) -> None:
    """Mark a recording complete.

    Parameters
    ----------
    connection : sqlalchemy.Connection
    recording : Recording
    wanted : int or None
        Documents that were asked for.
    """
    table = tables.recording
    partitions.analyze(connection, tables.activation, recording.id)
    connection.execute(
        sa.update(table)
        .where(table.c.id == recording.id, table.c.state == "running")
        .values(state="complete", finished_at=sa.func.now(), documents_wanted=wanted)
    )


def _write_documents(connection: sa.Connection, corpus: int, first: int, cuts: list[Cut]) -> None:
    columns = [
        "corpus", "document", "subset", "metadata", "n_tokens", "n_blocks", "problem",
        "text_sha256",
    ]  # fmt: skip
    rows = (
        (
            corpus, first + i, cut.subset, cut.metadata, cut.n_tokens, len(cut.block_tokens),
            cut.problem, cut.text_sha256,
        )
        for i, cut in enumerate(cuts)
    )  # fmt: skip
    copy_rows(connection, tables.document, columns, rows)


def _write_blocks(
    connection: sa.Connection, corpus: int, first: int, first_block: int, cuts: list[Cut]
) -> int:
    placed = [
        (first + i, position, n, cut.block_texts[position] if cut.block_texts else None)
        for i, cut in enumerate(cuts)
        for position, n in enumerate(cut.block_tokens)
    ]
    columns = ["corpus", "block", "document", "position", "n_tokens", "text"]
    rows = ((corpus, first_block + i, *place) for i, place in enumerate(placed))
    return copy_rows(connection, tables.block, columns, rows)


def _write_peaks(connection: sa.Connection, recording: Recording, peaks: list[Peaks]) -> None:
    first = recording.n_blocks
    rows = (
        (recording.id, first + i, features, maxima, len(features))
        for i, (features, maxima) in enumerate(peaks)
    )
    columns = ["recording", "block", "features", "peaks", "n_active"]
    copy_rows(connection, tables.activation, columns, rows)


def _save_progress(connection: sa.Connection, recording: Recording) -> None:
    table = tables.recording
    connection.execute(
        sa.update(table)
        .where(table.c.id == recording.id)
        .values(
            n_documents=recording.n_documents,
            n_blocks=recording.n_blocks,
            n_activations=recording.n_activations,
            state="running",
        )
    )
