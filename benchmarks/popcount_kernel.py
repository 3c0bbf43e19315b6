"""Count co-occurrence from packed bits with a compiled kernel, for comparison only: numba."""

import os

import numpy as np
from llvmlite import binding

if "avx512vpopcntdq" in binding.get_host_cpu_features():
    # counts ones in 512 bits at once; left alone the compiler takes half of that
    wide = binding.get_host_cpu_features().flatten() + ",-prefer-256-bit"
    os.environ.setdefault("NUMBA_CPU_NAME", "icelake-server")
    os.environ.setdefault("NUMBA_CPU_FEATURES", wide)

from numba import njit, prange, types
from numba.extending import intrinsic


@intrinsic
def ctpop(_context, word):
    """Count a word's ones with the processor's instruction."""

    def generate(_context, builder, _signature, arguments):
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), generate


@njit(parallel=True, fastmath=True, cache=False)
def popcount(words: np.ndarray, counts: np.ndarray, side: int) -> None:
    """Fill the lower triangle of counts, of even sides, from words of shape (n_features, n_words).

    Each word that is read serves two pairs, and 4 KiB of each of the features stay in the cache.
    """
    n, n_words = words.shape
    n_tiles = (n + side - 1) // side
    for job in prange(n_tiles * (n_tiles + 1) // 2):
        row = int((np.sqrt(8.0 * job + 1) - 1) / 2)
        while row * (row + 1) // 2 > job:
            row -= 1
        while (row + 1) * (row + 2) // 2 <= job:
            row += 1
        column = job - row * (row + 1) // 2
        for begin in range(0, n_words, 512):
            end = min(begin + 512, n_words)
            for i in range(row * side, min((row + 1) * side, n), 2):
                for j in range(column * side, min((column + 1) * side, n), 2):
                    a = b = c = d = np.uint64(0)
                    for w in range(begin, end):
                        a += ctpop(words[i, w] & words[j, w])
                        b += ctpop(words[i, w] & words[j + 1, w])
                        c += ctpop(words[i + 1, w] & words[j, w])
                        d += ctpop(words[i + 1, w] & words[j + 1, w])
                    counts[i, j] += np.int32(a)
                    counts[i, j + 1] += np.int32(b)
                    counts[i + 1, j] += np.int32(c)
                    counts[i + 1, j + 1] += np.int32(d)
