"""Write chunks while the next ones are computed, two at a time, and commit them in order."""

from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from types import TracebackType

import sqlalchemy as sa

from saeatlas.ingest.activations.recordings import Chunk, Recording, move_on, write_chunk

_AT_ONCE = 2
"""Chunks on their way: the server reads one's arrays while it finishes the one before."""


class Writer:
    """Writes the chunks of some recordings, each in a transaction, strictly in order.

    A chunk commits only after the one before it, so what is in the catalog is always a run of
    whole chunks from the first: where an interrupted recording goes on.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    recordings : sequence of Recording
        Moved on, in memory, as soon as a chunk is put.
    """

    def __init__(self, engine: sa.Engine, recordings: Sequence[Recording]) -> None:
        self._engine = engine
        self._recordings = recordings
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
        self, chunk: Chunk, recordings: Sequence[Recording], before: Future[None] | None
    ) -> None:
        with self._engine.begin() as connection:
            write_chunk(connection, chunk, recordings, before=before)

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
