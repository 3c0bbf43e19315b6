"""Count co-occurrence from packed bits with products of matrices of numpy, for comparison only."""

from functools import partial

import numpy as np
from harness import timed

SLAB = 2**14  # blocks of a matrix product: what fits in memory, and is exact in float32
SIDE = 1024  # features of a side of a matrix product


def sgemm(packed: np.ndarray, counts: np.ndarray) -> float:
    """Fill the lower triangle of counts from packed bits; return the seconds of the products."""
    seconds = 0.0
    n = len(packed)
    for first in range(0, n, SIDE):
        for begin in range(0, packed.shape[1], SLAB // 8):
            dense = np.unpackbits(
                packed[: first + SIDE, begin : begin + SLAB // 8], axis=1
            ).astype(np.float32)  # fmt: skip
            rows = dense[first:]
            for other in range(0, first + 1, SIDE):
                columns = dense[other : other + SIDE]
                taken, part = timed(partial(np.matmul, rows, columns.T))
                seconds += taken
                counts[first : first + SIDE, other : other + SIDE] += part.astype(np.int32)
    return seconds
