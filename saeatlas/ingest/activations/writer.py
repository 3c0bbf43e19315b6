"""Write chunks while the next ones are computed, two at a time, and commit them in order."""

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from types import TracebackType

import sqlalchemy as sa

from saeatlas.ingest.activations import recordings
from saeatlas.ingest.activations.recordings import DocumentRow, Peaks, Recording
from saeatlas.schema import tables
from saeatlas.schema.database.copy import copy_rows
from saeatlas.schema.rows import covariances

_AT_ONCE = 2
"""Chunks on their way: the server reads one's arrays while it finishes the one before."""


@dataclass(frozen=True)
class Chunk:
    """Consecutive documents, and the maximum activations of their blocks.

    Parameters
    ----------
    first : int
        Place of the first document in the corpus.
    documents : list of DocumentRow
    peaks : dict of int to list of (features, peaks)
        By recording, one pair of arrays per block of these documents, in order; a recording that
        has these documents already is not in it.
    moments : dict of int to Moments
        By recording, if it collects a covariance and these documents have tokens that count: the
        sums over all its documents up to the last of these.
    """

    first: int
    documents: list[DocumentRow]
    peaks: dict[int, list[Peaks]] = field(default_factory=dict)
    moments: dict[int, covariances.Moments] = field(default_factory=dict)


class Writer:
    """Writes the chunks of some recordings, each in a transaction, strictly in order.

    A chunk commits only after the one before it, so what is in the catalog is always a run of
    whole chunks from the first: where an interrupted recording goes on.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    all_recordings : sequence of Recording
        Moved on, in memory, as soon as a chunk is put.
    """

    def __init__(self, engine: sa.Engine, all_recordings: Sequence[Recording]) -> None:
        self._engine = engine
        self._recordings = all_recordings
        self._pool = ThreadPoolExecutor(_AT_ONCE, thread_name_prefix="writer")
        self._pending: deque[Future[None]] = deque()

    def put(self, chunk: Chunk) -> None:
        """Hand over a chunk; waits while two are on their way.

        Parameters
        ----------
        chunk : Chunk

        Raises
        ------
        AtlasError
            An earlier chunk could not be written; neither it nor any later one was.
        """
        while len(self._pending) >= _AT_ONCE:
            self._pending[0].result()
            self._pending.popleft()
        before = self._pending[-1] if self._pending else None
        snapshot = [replace(recording) for recording in self._recordings]
        self._pending.append(self._pool.submit(self._write, chunk, snapshot, before))
        for recording in self._recordings:
            if recording.id in chunk.peaks:
                move_on(recording, chunk)

    def _write(
        self, chunk: Chunk, snapshot: Sequence[Recording], before: Future[None] | None
    ) -> None:
        with self._engine.begin() as connection:
            write_chunk(connection, chunk, snapshot, before=before)

    def __enter__(self) -> "Writer":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            for future in self._pending if error is None else ():
                future.result()
        finally:
            self._pool.shutdown(wait=True)


def write_chunk(
    connection: sa.Connection,
    chunk: Chunk,
    all_recordings: Sequence[Recording],
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
    all_recordings : sequence of Recording
        All of one corpus. Those with rows in the chunk are moved on.
    before : Future, optional
        The chunk before this one, if it may still be on its way: the sparse rows are sent
        meanwhile, the rest waits for it.

    Raises
    ------
    CorpusChanged
        A document is not the one that stands at its place in the catalog.
    """
    moving = [recording for recording in all_recordings if recording.id in chunk.peaks]
    for recording in moving:
        _write_peaks(connection, recording, chunk.peaks[recording.id])
    if before is not None:
        before.result()
    _extend_corpus(connection, all_recordings[0].corpus, chunk)
    for recording in moving:
        move_on(recording, chunk)
        _save_progress(connection, recording)
        if recording.id in chunk.moments:
            covariances.save(connection, recording.id, chunk.moments[recording.id])


def move_on(recording: Recording, chunk: Chunk) -> None:
    """Count a chunk as recorded.

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
    # other processes may record the same corpus with other SAEs
    known = connection.execute(
        sa.select(corpus.c.n_documents, corpus.c.n_blocks)
        .where(corpus.c.id == number)
        .with_for_update()
    ).one()
    n_old = min(max(known.n_documents - chunk.first, 0), len(chunk.documents))
    recordings.require_same_documents(connection, number, chunk.first, chunk.documents[:n_old])
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


def _write_documents(
    connection: sa.Connection, corpus: int, first: int, rows: list[DocumentRow]
) -> None:
    columns = [
        "corpus", "document", "subset", "metadata", "n_tokens", "n_blocks", "problem",
        "text_sha256",
    ]  # fmt: skip
    values = (
        (
            corpus, first + i, row.subset, row.metadata, row.n_tokens, len(row.block_tokens),
            row.problem, row.text_sha256,
        )
        for i, row in enumerate(rows)
    )  # fmt: skip
    copy_rows(connection, tables.document, columns, values)


def _write_blocks(
    connection: sa.Connection, corpus: int, first: int, first_block: int, rows: list[DocumentRow]
) -> int:
    placed = [
        (first + i, position, n, row.block_texts[position] if row.block_texts else None)
        for i, row in enumerate(rows)
        for position, n in enumerate(row.block_tokens)
    ]
    columns = ["corpus", "block", "document", "position", "n_tokens", "text"]
    values = ((corpus, first_block + i, *place) for i, place in enumerate(placed))
    return copy_rows(connection, tables.block, columns, values)


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
