"""How fast co-occurrence is counted, against what else could count it.

On a simulated catalog, all ways on the same bitmaps in one run:

- sql: `saeatlas analyze cooccurrence`, two connections.
- sgemm: numpy's float32 matrix product over the same triangle of tiles, as many threads as cores.
- popcount: a compiled kernel (numba) over 64-bit words, tiled for the cache, as many threads.
- selfjoin: the SQL that everyone writes first, on some blocks; extrapolated by its pair rows.

Run: python benchmarks/cooccurrence.py [--features N --blocks N] [--quick]
numba comes with `pip install -e ".[bench]"`.
"""

import argparse
import json
import resource
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import numpy as np
import sqlalchemy as sa
from ingest import catalog
from numba import config, njit, prange, types
from numba.extending import intrinsic

from saeatlas.analyses import bitmaps, cooccurrence
from saeatlas.analyses.threshold import Threshold
from saeatlas.ingest.simulated import simulate
from saeatlas.ingest.simulation.terms import Terms
from saeatlas.schema import connect, results, tables, tiles

SLAB = 2**14  # blocks of a matrix product: what fits in memory, and is exact in float32
SIDE = 1024  # features of a side of a matrix product


@intrinsic
def ctpop(_context, word):
    """Count a word's ones with the processor's instruction."""

    def generate(_context, builder, _signature, arguments):
        return builder.ctpop(arguments[0])

    return types.uint64(types.uint64), generate


@njit(parallel=True, fastmath=True, cache=False)
def popcount(words: np.ndarray, counts: np.ndarray, side: int) -> None:
    """Fill the lower triangle of counts from words of shape (n_features, n_words)."""
    n, n_words = words.shape
    n_tiles = (n + side - 1) // side
    for job in prange(n_tiles * (n_tiles + 1) // 2):
        row = int((np.sqrt(8.0 * job + 1) - 1) / 2)
        while row * (row + 1) // 2 > job:
            row -= 1
        while (row + 1) * (row + 2) // 2 <= job:
            row += 1
        column = job - row * (row + 1) // 2
        for begin in range(0, n_words, 256):  # 2 KiB of each feature: both sides stay in cache
            end = min(begin + 256, n_words)
            for i in range(row * side, min((row + 1) * side, n)):
                for j in range(column * side, min((column + 1) * side, n)):
                    both = np.uint64(0)
                    for w in range(begin, end):
                        both += ctpop(words[i, w] & words[j, w])
                    counts[i, j] += np.int32(both)


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
                started = time.perf_counter()
                part = rows @ dense[other : other + SIDE].T
                seconds += time.perf_counter() - started
                counts[first : first + SIDE, other : other + SIDE] += part.astype(np.int32)
    return seconds


def selfjoin(connection: sa.Connection, recording: int, blocks: int) -> tuple[float, int]:
    """Seconds and pair rows of the plain self-join over the first blocks."""
    connection.exec_driver_sql("set local work_mem = '1GB'")
    started = time.perf_counter()
    connection.exec_driver_sql(
        "create temp table pair on commit drop as "
        "with active as materialized ("
        "  select block, unnest(features) as feature, unnest(peaks) as peak from activation"
        f"  where recording = {recording} and block < {blocks}) "
        "select a.feature, b.feature as other, count(*) as n_both "
        "from active as a join active as b using (block) "
        "where a.peak > 0 and b.peak > 0 and a.feature <= b.feature group by 1, 2"
    )
    seconds = time.perf_counter() - started
    rows = connection.exec_driver_sql("select sum(n_both) from pair").scalar_one()
    return seconds, int(rows)


@contextmanager
def watched(engine: sa.Engine) -> Iterator[dict[str, float]]:
    """Watch the client's memory and the server's temporary disk, in MB."""
    seen = {"client_mb": 0.0, "temp_mb": 0.0}
    ended = threading.Event()

    def watch() -> None:
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            before = _temp_bytes(connection)
            while not ended.wait(1.0):
                with suppress(sa.exc.DBAPIError):  # a table that is just being dropped
                    now = _temp_bytes(connection) - before + _working_bytes(connection)
                    seen["temp_mb"] = max(seen["temp_mb"], now / 1e6)

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield seen
    finally:
        ended.set()
        thread.join()
        seen["client_mb"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _temp_bytes(connection: sa.Connection) -> int:
    query = "select temp_bytes from pg_stat_database where datname = current_database()"
    return int(connection.exec_driver_sql(query).scalar_one())


def _working_bytes(connection: sa.Connection) -> int:
    query = (
        "select coalesce(sum(pg_total_relation_size(oid)), 0) from pg_class "
        "where relname ~ '^counting_' and relkind = 'r'"
    )
    return int(connection.exec_driver_sql(query).scalar_one())


def read_bits(engine: sa.Engine, bitmap: int, d_sae: int) -> np.ndarray:
    """Read the bitmaps as packed bits of shape (d_sae, n_bytes)."""
    parts = []
    table, chunks = results.feature_bitmap, results.bitmap_chunk
    with engine.connect() as connection:
        sizes = connection.execute(
            sa.select(chunks.c.chunk, chunks.c.n_blocks).where(chunks.c.bitmap == bitmap)
            .order_by(chunks.c.chunk)
        ).all()  # fmt: skip
        for chunk, n_blocks in sizes:
            part = np.zeros((d_sae, -(-n_blocks // 64) * 8), np.uint8)
            name = f"atlas.{table.name}_{bitmap}"
            query = f"select feature, bits from {name} where chunk = {chunk}"
            query = f"copy ({query}) to stdout (format binary)"
            with connect.raw(connection).cursor().copy(query) as copy:
                for feature, bits in copy.rows():
                    part[int.from_bytes(feature)] = np.frombuffer(bits, np.uint8, offset=4)
            parts.append(part)
    return np.concatenate(parts, axis=1)


def measure(engine: sa.Engine, features: int, blocks: int, slice_blocks: int) -> dict[str, float]:
    """Count in every way, check that all agree, and return the figures."""
    terms = Terms(features=features, d_model=64, lobes=3, parallelograms=0, trapezoids=0)
    for _ in simulate(engine, terms, blocks=blocks):
        pass
    with engine.connect() as connection:
        (recording, n_blocks, n_active) = connection.execute(
            sa.select(
                tables.recording.c.id, tables.recording.c.n_blocks,
                tables.recording.c.n_activations,
            )
        ).one()  # fmt: skip
    active = n_active / n_blocks
    print(f"{features:,} features, {n_blocks:,} blocks, {active:,.0f} active a block\n")
    with watched(engine) as seen:
        started = time.perf_counter()
        *_, (bitmap, _) = bitmaps.grow(engine, recording, Threshold(0.0))
        making = time.perf_counter() - started
        started = time.perf_counter()
        *_, last = cooccurrence.count(engine, recording, threshold=Threshold(0.0))
        counting = time.perf_counter() - started
    size = _size(engine, last.run)
    packed = read_bits(engine, bitmap.id, features)
    words = packed.view(np.uint64)
    popcount(words[:2], np.zeros((2, 2), np.int32), 2)  # compile
    kernel = np.zeros((features, features), np.int32)
    started = time.perf_counter()
    popcount(words, kernel, 64)
    popping = time.perf_counter() - started
    product = np.zeros((features, features), np.int32)
    multiplying = sgemm(packed, product)
    _require_same(engine, last.run, kernel, product)
    with engine.begin() as connection:
        joining, rows = selfjoin(connection, recording, slice_blocks)
    all_rows = int(np.tril(kernel).sum())
    joining *= all_rows / rows
    _table(making, counting, popping, multiplying, joining, slice_blocks)
    print(f"\ncounts stored: {size / 1e6:,.0f} MB")
    return {
        "sql_over_sgemm": counting / multiplying,
        "sql_over_popcount": counting / popping,
        "selfjoin_over_sql": joining / counting,
        "bitmap_share": making / counting,
        **seen,
    }


def _size(engine: sa.Engine, run: int | None) -> int:
    with engine.connect() as connection:
        query = f"select pg_total_relation_size('atlas.cooccurrence_{run}')"
        return int(connection.exec_driver_sql(query).scalar_one())


def _require_same(engine: sa.Engine, run: int | None, *others: np.ndarray) -> None:
    assert run is not None
    with engine.connect() as connection:
        counts = tiles.read(connection, run)
    lower = np.tril(np.ones(counts.n_both.shape, bool))
    for other in others:
        part = other[np.ix_(counts.features, counts.features)]
        assert (part[lower] == counts.n_both[lower]).all(), "the ways disagree"


def _table(
    making: float, counting: float, popping: float, multiplying: float, joining: float, n: int
) -> None:
    print(f"{'way':<44}{'seconds':>10}")
    for name, seconds in (
        ("bitmaps from activation rows", making),
        ("sql, two connections", counting),
        (f"compiled popcount kernel, {config.NUMBA_NUM_THREADS} threads", popping),
        ("numpy sgemm, products alone", multiplying),
        (f"self-join, extrapolated from {n} blocks", joining),
    ):
        print(f"{name:<44}{seconds:>10,.1f}")


def main() -> None:
    """Measure and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--features", type=int, default=16_384)
    parser.add_argument("--blocks", type=int, default=150_000)
    parser.add_argument("--quick", action="store_true", help="finish within 50 seconds")
    given = parser.parse_args()
    if given.quick:
        given.features, given.blocks = 2_048, 30_000
    with catalog() as engine:
        figures = measure(engine, given.features, given.blocks, 100 if given.quick else 200)
    print(json.dumps({key: round(value, 3) for key, value in figures.items()}))


if __name__ == "__main__":
    main()
