"""Transpose a recording: from the features of each block to the blocks of each feature, as bits."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from saeatlas import errors
from saeatlas.analyses.counting.threshold import Threshold
from saeatlas.progress import Progress, Report, silent
from saeatlas.schema import tables
from saeatlas.schema.database import partitions, wire
from saeatlas.schema.database.copy import copy_rows, read_rows
from saeatlas.schema.database.statements import statement

CHUNK_BLOCKS = 32_768
"""Most blocks of a chunk: a bitmap of 4 KiB a feature."""

STRIPE = 64
"""Bytes of each row that are transposed at once: a line of the cache."""


@dataclass(frozen=True)
class Bitmap:
    """The transposed activations of a recording: where each feature is active.

    Parameters
    ----------
    id : int
        ``bitmap.id``.
    recording, sae, corpus, d_sae : int
        Numbers of its recording, SAE and corpus, and the features of the SAE.
    n_blocks : int
        Blocks transposed so far.
    """

    id: int
    recording: int
    sae: int
    corpus: int
    d_sae: int
    n_blocks: int


def grow(
    engine: sa.Engine, recording: int, threshold: Threshold, report: Report = silent
) -> Bitmap:
    """Make the bitmaps of a recording, or add the blocks that came since.

    Writes ``bitmap``, ``bitmap_chunk`` and ``feature_bitmap``, a chunk in one transaction.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    recording : int
        ``recording.id``.
    threshold : Threshold
        A feature is active in a block whose maximum is above it.
    report : callable, optional
        Called with each `Progress`, in blocks.

    Returns
    -------
    Bitmap
        With all blocks of the recording.

    Raises
    ------
    UnknownName
        No such recording, or it is removed meanwhile.
    InputError
        The recording did not store what lies above this threshold.
    """
    with engine.begin() as connection:
        row = _recording(connection, recording)
        floors = _floors(connection, row, threshold)
        number = _bitmap_row(connection, recording, threshold)
    while True:
        with engine.begin() as connection:
            done = _lock(connection, recording, number)
            bitmap = Bitmap(number, recording, row.sae, row.corpus, row.d_sae, done)
            if done < row.n_blocks:
                stop = min(done + CHUNK_BLOCKS, row.n_blocks)
                _add_chunk(connection, bitmap, stop, floors)
        report(Progress("transpose activations", done, row.n_blocks))
        if done >= row.n_blocks:
            return bitmap


def transpose(
    rows: Iterable[tuple[int, npt.NDArray[np.integer]]], n_blocks: int, d_sae: int
) -> npt.NDArray[np.uint8]:
    """Transpose sparse rows of blocks into bitmaps of features.

    Parameters
    ----------
    rows : iterable of (int, ndarray of int)
        A block's number from 0 and features active in it, each once; in any order.
    n_blocks, d_sae : int

    Returns
    -------
    ndarray of shape (d_sae, ceil(n_blocks / 64) * 8), uint8
        Bit b of row f, most significant first, is 1 where feature f is active in block b.
    """
    n_bytes = -(-n_blocks // 64) * 8
    by_block = np.zeros((n_bytes, d_sae), np.uint8)  # a row at a time stays in the cache
    for block, features in rows:
        by_block[block >> 3, features] |= np.uint8(0x80 >> (block & 7))
    bits = np.empty((d_sae, n_bytes), np.uint8)
    for first in range(0, n_bytes, STRIPE):
        bits[:, first : first + STRIPE] = by_block[first : first + STRIPE].T
    return bits


def _recording(connection: sa.Connection, number: int) -> sa.Row[Any]:
    recording, sae = tables.recording, tables.sae
    row = connection.execute(
        sa.select(recording, sae.c.d_sae)
        .join(sae, sae.c.id == recording.c.sae)
        .where(recording.c.id == number)
    ).one_or_none()
    if row is None:
        known = connection.execute(sa.select(recording.c.id).order_by(recording.c.id)).scalars()
        raise errors.UnknownName(
            f"There is no recording {number}.",
            available=f"Available: {', '.join(map(str, known)) or 'none'}.",
            hint="`saeatlas status` lists them; `saeatlas ingest activations` makes one.",
        )
    if row.n_blocks == 0:
        raise errors.InputError(
            f"Recording {number} has no blocks yet.",
            hint="Run its `saeatlas ingest activations` command again: it continues.",
        )
    return row


def _floors(
    connection: sa.Connection, recording: sa.Row[Any], threshold: Threshold
) -> npt.NDArray[np.float32] | None:
    """Return what each feature must pass, float32 of shape (d_sae,); None if all stored does."""
    floors = np.full(recording.d_sae, threshold.above, np.float32)
    if threshold.relative:
        floors = np.maximum(floors + _thetas(connection, recording), 0)
    lowest = floors.min()
    if lowest < recording.keep_above:
        raise errors.InputError(
            f"Recording {recording.id} stores only activations above {recording.keep_above:g}; "
            f"{threshold} needs those above {lowest:g}.",
            hint="Count with a higher --threshold, or record again with a lower --keep-above.",
        )
    return None if floors.max() <= recording.keep_above else floors


def _thetas(connection: sa.Connection, recording: sa.Row[Any]) -> npt.NDArray[np.float32]:
    table = tables.feature
    query = sa.select(table.c.threshold).where(table.c.sae == recording.sae)
    thetas = connection.execute(query.order_by(table.c.feature)).scalars().all()
    if None in thetas or len(thetas) != recording.d_sae:
        raise errors.InputError(
            f"SAE {recording.sae} has no thresholds of its own: it is not a JumpReLU SAE.",
            hint="Give an absolute one, as --threshold 1.0.",
        )
    return np.array(thetas, np.float32)


def _bitmap_row(connection: sa.Connection, recording: int, threshold: Threshold) -> int:
    table = tables.bitmap
    key = {
        "recording": recording,
        "threshold": threshold.above,
        "relative": threshold.relative,
    }
    made = connection.execute(
        insert(table).values(key).on_conflict_do_nothing().returning(table.c.id)
    ).scalar_one_or_none()
    if made is not None:
        with partitions.filling(connection, tables.feature_bitmap, made):
            return int(made)
    same = [
        table.c[name] == sa.cast(sa.literal(value), table.c[name].type)
        for name, value in key.items()
    ]
    return int(connection.execute(sa.select(table.c.id).where(*same)).scalar_one())


def _lock(connection: sa.Connection, recording: int, number: int) -> int:
    """Wait for whoever adds a chunk now; return the blocks that are there then."""
    table = tables.bitmap
    query = sa.select(table.c.n_blocks).where(table.c.id == number).with_for_update()
    done = connection.execute(query).scalar_one_or_none()
    if done is None:
        raise errors.UnknownName(f"Recording {recording} was removed meanwhile.")
    return int(done)


def _add_chunk(
    connection: sa.Connection,
    bitmap: Bitmap,
    stop: int,
    floors: npt.NDArray[np.float32] | None,
) -> None:
    first = bitmap.n_blocks
    rows = _active(connection, bitmap.recording, first, stop, floors)
    bits = transpose(rows, stop - first, bitmap.d_sae)
    n = np.bitwise_count(bits).sum(axis=1, dtype=np.int64)
    chunks = tables.bitmap_chunk
    where = chunks.c.bitmap == bitmap.id
    chunk = connection.execute(sa.select(sa.func.count()).where(where)).scalar_one()
    values = {"bitmap": bitmap.id, "chunk": chunk, "first_block": first, "n_blocks": stop - first}
    connection.execute(sa.insert(chunks).values(values))
    part = partitions.table(tables.feature_bitmap, bitmap.id)
    columns = ["bitmap", "chunk", "feature", "n", "bits"]
    live = np.flatnonzero(n)
    copy_rows(
        connection, part, columns, ((bitmap.id, chunk, int(f), int(n[f]), bits[f]) for f in live)
    )
    connection.execute(
        sa.update(tables.bitmap).where(tables.bitmap.c.id == bitmap.id).values(n_blocks=stop)
    )


def _active(
    connection: sa.Connection,
    recording: int,
    first: int,
    stop: int,
    floors: npt.NDArray[np.float32] | None,
) -> Iterator[tuple[int, npt.NDArray[np.int32]]]:
    """Read blocks, numbered from 0, and their features above the floor, straight from the wire."""
    name = "read_features" if floors is None else "read_peaks"
    values = {"recording": recording, "first": first, "stop": stop}
    query = statement(__name__, name)
    for block, features, *peaks in read_rows(connection, query, values):
        active = wire.vector(features).astype(np.int32)
        if floors is not None:
            active = active[wire.vector(peaks[0]) > floors[active]]
        yield wire.integer(block) - first, active
