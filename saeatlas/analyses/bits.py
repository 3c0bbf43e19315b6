"""Read bitmaps back, a chunk of blocks at a time."""

from typing import Any

import numpy as np
import sqlalchemy as sa

from saeatlas.analyses.bitmaps import Bitmap
from saeatlas.schema import connect, failures
from saeatlas.schema.statements import statement


def read_chunk(
    connection: sa.Connection, bitmap: Bitmap, chunk: int, n_blocks: int
) -> np.ndarray[Any, Any]:
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
    query = statement("read_bits", "saeatlas.analyses")
    cursor = connect.raw(connection).cursor()
    with failures.translated(), cursor, cursor.copy(query, values) as copy:
        for feature, row in copy.rows():
            bits[int.from_bytes(feature)] = np.frombuffer(row, np.uint8, offset=4)  # a length
    return bits
