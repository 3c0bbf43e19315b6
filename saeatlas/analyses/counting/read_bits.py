"""Read bitmaps back, a chunk of blocks at a time."""

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from saeatlas.analyses.counting.bitmaps import Bitmap
from saeatlas.analyses.counting.block_selection import Selection
from saeatlas.schema.database import wire
from saeatlas.schema.database.copy import read_rows
from saeatlas.schema.database.statements import statement

_ROWS = 1_024
"""Features whose bits are taken apart at once."""


def read_chunk(
    connection: sa.Connection, bitmap: Bitmap, chunk: int, n_blocks: int
) -> npt.NDArray[np.uint8]:
    """Read where each feature is active in a chunk.

    Parameters
    ----------
    connection : sqlalchemy.Connection
    bitmap : Bitmap
    chunk : int
        Its place in the bitmap.
    n_blocks : int
        Blocks in it.

    Returns
    -------
    ndarray of shape (d_sae, ceil(n_blocks / 64) * 8), uint8
        Bit b of row f, most significant first, is 1 where feature f is active in block b of the
        chunk. Of 32,768 blocks and 16,384 features 64 MiB.
    """
    bits = np.zeros((bitmap.d_sae, -(-n_blocks // 64) * 8), np.uint8)
    values = {"bitmap": bitmap.id, "chunk": chunk}
    query = statement(__name__, "read_bits")
    for feature, row in read_rows(connection, query, values):
        bits[wire.integer(feature)] = wire.bits(row)
    return bits


def read_selected(
    connection: sa.Connection, bitmap: Bitmap, selection: Selection, features: npt.NDArray[np.int64]
) -> npt.NDArray[np.uint8]:
    """Read where some features are active in the selected blocks, side by side.

    Parameters
    ----------
    connection : sqlalchemy.Connection
    bitmap : Bitmap
    selection : Selection
        Of its first chunks, or all.
    features : ndarray of shape (n,), int

    Returns
    -------
    ndarray of shape (n, n_bytes), uint8
        One bit per block, most significant first, in the order of the blocks and without gaps; the
        last byte is filled up with zeros. 65,536 features in 150,000 blocks take 1.2 GB, and a
        chunk of all features, 256 MB, is in memory beside them.
    """
    sizes = [int(np.bitwise_count(mask).sum()) for mask in selection.masks]
    starts = np.cumsum([0, *sizes])
    packed = np.zeros((len(features), -(-starts[-1] // 8)), np.uint8)
    for chunk, (mask, n_blocks) in enumerate(
        zip(selection.masks, selection.chunk_blocks, strict=True)
    ):
        if not sizes[chunk]:
            continue
        whole = read_chunk(connection, bitmap, chunk, n_blocks)
        place, offset = divmod(int(starts[chunk]), 8)
        chosen = np.flatnonzero(np.unpackbits(mask))
        for first in range(0, len(features), _ROWS):
            some = slice(first, first + _ROWS)
            rows = whole[features[some]]
            if len(chosen) < n_blocks or offset:
                ones = np.pad(np.unpackbits(rows, axis=1)[:, chosen], ((0, 0), (offset, 0)))
                rows = np.packbits(ones, axis=1)
            # the byte where two chunks meet has bits of both
            width = -(-(offset + len(chosen)) // 8)
            packed[some, place : place + width] |= rows[:, :width]
    return packed


def count(packed: npt.NDArray[np.uint8]) -> npt.NDArray[np.int64]:
    """Count the ones of each row.

    Parameters
    ----------
    packed : ndarray of shape (n, n_bytes), uint8

    Returns
    -------
    ndarray of shape (n,), int64
    """
    n = np.empty(len(packed), np.int64)
    for first in range(0, len(packed), _ROWS):
        some = slice(first, first + _ROWS)
        n[some] = np.bitwise_count(packed[some]).sum(axis=1, dtype=np.int64)
    return n
