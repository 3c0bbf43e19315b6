"""How fast co-occurrence is counted, against what else could count it.

On a simulated catalog, all ways on the same bitmaps in one run:

- sql: `saeatlas analyze cooccurrence`, two connections.
- torch: the same with `--engine torch`, all cores, or a GPU if there is one.
- sgemm: numpy's float32 matrix product over the same triangle of tiles, as many threads as cores.
- popcount: a compiled kernel (numba) over 64-bit words, tiled for the cache, as many threads.
- selfjoin: the SQL that everyone writes first, on some blocks; extrapolated by its pair rows.

Run: python benchmarks/cooccurrence.py [--features N --blocks N] [--quick]
     python benchmarks/cooccurrence.py --growth 4096x150000 16384x600000 ...
numba comes with `pip install -e ".[bench]"`.
"""

import argparse
import json
import multiprocessing
import resource
import threading
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from typing import Literal

import numpy as np
import popcount_kernel
import sqlalchemy as sa
from ingest import catalog
from numba import config

from saeatlas.analyses.counting import bitmaps, cooccurrence
from saeatlas.analyses.counting import params as counting
from saeatlas.analyses.counting import read_bits as bits
from saeatlas.analyses.counting.bitmaps import Bitmap
from saeatlas.analyses.counting.threshold import Threshold
from saeatlas.analyses.run_driver import perform
from saeatlas.ingest.simulation.job import simulate
from saeatlas.ingest.simulation.terms import Terms
from saeatlas.schema import tables
from saeatlas.schema.database import connect
from saeatlas.schema.rows import pair_counts, remove


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
    """Watch the server's temporary disk, in MB."""
    seen = {"temp_mb": 0.0}
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


def _temp_bytes(connection: sa.Connection) -> int:
    query = "select temp_bytes from pg_stat_database where datname = current_database()"
    return int(connection.exec_driver_sql(query).scalar_one())


def _working_bytes(connection: sa.Connection) -> int:
    query = (
        "select coalesce(sum(pg_total_relation_size(oid)), 0) from pg_class "
        "where relname ~ '^counting_' and relkind = 'r'"
    )
    return int(connection.exec_driver_sql(query).scalar_one())


def read_bits(engine: sa.Engine, bitmap: Bitmap) -> np.ndarray:
    """Read the bitmaps as packed bits of shape (d_sae, n_bytes)."""
    table = tables.bitmap_chunk
    with engine.connect() as connection:
        query = sa.select(table).where(table.c.bitmap == bitmap.id).order_by(table.c.chunk)
        chunks = connection.execute(query).all()
        parts = [bits.read_chunk(connection, bitmap, row.chunk, row.n_blocks) for row in chunks]
    return np.concatenate(parts, axis=1)


Method = Literal["sql", "torch"]


def count(url: str, recording: int, method: Method) -> tuple[Bitmap, int, dict[str, float]]:
    """Make the bitmaps and count; return them, seconds and the peak of memory."""
    engine = connect.open_catalog(url)
    started = time.perf_counter()
    bitmap = bitmaps.grow(engine, recording, Threshold(0.0))
    making = time.perf_counter() - started
    if method == "torch":
        import torch  # noqa: F401 (its seconds are not the count's)
    started = time.perf_counter()
    wanted = counting.Params(recording, Threshold(0.0), method=method)
    done = perform(engine, cooccurrence.ANALYSIS, wanted)
    seconds = time.perf_counter() - started
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return bitmap, done.run, {"making": making, "counting": seconds, "client_mb": peak}


def apart(
    engine: sa.Engine, recording: int, method: Method
) -> tuple[Bitmap, int, dict[str, float]]:
    """Count in another process, so that only the count's memory is measured."""
    context = multiprocessing.get_context("spawn")
    url = engine.url.render_as_string(hide_password=False)
    with ProcessPoolExecutor(1, context) as pool:
        return pool.submit(count, url, recording, method).result()


def simulated(engine: sa.Engine, features: int, blocks: int) -> tuple[int, float]:
    """Fill the catalog; return recording.id and active features a block."""
    terms = Terms(features=features, d_model=64, lobes=3, parallelograms=0, trapezoids=0)
    for _ in simulate(engine, terms, blocks=blocks):
        pass
    table = tables.recording.c
    with engine.connect() as connection:
        query = sa.select(table.id, table.n_blocks, table.n_activations)
        number, n_blocks, n_active = connection.execute(query).one()
    print(f"{features:,} features, {n_blocks:,} blocks, {n_active / n_blocks:,.0f} active a block")
    return number, n_active / n_blocks


def measure(engine: sa.Engine, features: int, blocks: int, slice_blocks: int) -> dict[str, float]:
    """Count in every way, check that all agree, and return the figures."""
    recording, _ = simulated(engine, features, blocks)
    with watched(engine) as seen:
        bitmap, run, sql = apart(engine, recording, "sql")
    size = _size(engine, run)
    partners = _partners(engine, run, features)
    with engine.connect() as connection:
        counted = pair_counts.read(connection, run)
    with engine.begin() as connection:
        remove.remove_run(connection, run)
    _, run, torch = apart(engine, recording, "torch")
    with engine.connect() as connection:
        _require_same(counted, pair_counts.read(connection, run).n_both, "torch")
    packed = read_bits(engine, bitmap)[counted.features]
    popping = _popcount(packed, counted)
    product = np.zeros((len(packed), len(packed)), np.int32)
    multiplying = popcount_kernel.sgemm(packed, product)
    _require_same(counted, product, "sgemm")
    with engine.begin() as connection:
        joining, rows = selfjoin(connection, recording, slice_blocks)
    joining *= int(np.tril(product).sum()) / rows
    counting = sql["counting"]
    _table(
        {
            "bitmaps from activation rows": sql["making"],
            "sql, two connections": counting,
            f"torch, {torch['client_mb']:,.0f} MB in the client": torch["counting"],
            f"compiled popcount kernel, {config.NUMBA_NUM_THREADS} threads": popping,
            "numpy sgemm, products alone": multiplying,
            f"self-join, extrapolated from {slice_blocks} blocks": joining,
        }
    )
    print(f"\ncounts stored: {size / 1e6:,.0f} MB; partners: p95 of {partners * 1e3:.1f} ms\n")
    return {
        "sql_over_sgemm": counting / multiplying,
        "sql_over_popcount": counting / popping,
        "selfjoin_over_sql": joining / counting,
        "torch_over_popcount": torch["counting"] / popping,
        "bitmap_share": sql["making"] / counting,
        "client_mb": sql["client_mb"],
        "partners_p95_ms": partners * 1e3,
        **seen,
    }


def growth(sizes: list[str]) -> None:
    """Count at several sizes and print a row for each."""
    rows = []
    for size in sizes:
        features, blocks = map(int, size.split("x"))
        with catalog() as engine:
            recording, active = simulated(engine, features, blocks)
            with watched(engine) as seen:
                _, run, own = apart(engine, recording, "sql")
            rows.append(
                f"| {features:,} | {blocks:,} | {active:,.0f} | {own['making']:,.1f} | "
                f"{own['counting']:,.1f} | {own['client_mb']:,.0f} | {seen['temp_mb']:,.0f} | "
                f"{_size(engine, run) / 1e6:,.0f} |"
            )
            print(rows[-1], flush=True)
    print("\n| features | blocks | active a block | bitmaps, s | counting, s | client, MB "
          "| temporary, MB | counts, MB |\n" + "|---" * 8 + "|")  # fmt: skip
    print("\n".join(rows))


def _popcount(packed: np.ndarray, counted: pair_counts.Counts) -> float:
    words = np.pad(packed, ((0, len(packed) % 2), (0, 0))).view(np.uint64)
    popcount_kernel.popcount(words[:2], np.zeros((2, 2), np.int32), 2)  # compile
    counts = np.zeros((len(words), len(words)), np.int32)
    started = time.perf_counter()
    popcount_kernel.popcount(words, counts, 64)
    seconds = time.perf_counter() - started
    _require_same(counted, counts[: len(packed), : len(packed)], "popcount")
    return seconds


def _partners(engine: sa.Engine, run: int, features: int) -> float:
    """Return the 95th percentile of the seconds that `partners` takes."""
    seconds = []
    query = sa.text("select * from partners(:run, :feature, :measure, 10)")
    drawn = np.random.default_rng(0).integers(0, features, 500)
    with engine.connect() as connection:
        for i, feature in enumerate(drawn):
            measure = ("phi", "jaccard", "lift", "pmi")[i % 4]
            started = time.perf_counter()
            values = {"run": run, "feature": int(feature), "measure": measure}
            connection.execute(query, values).all()
            seconds.append(time.perf_counter() - started)
    return float(np.percentile(seconds, 95))


def _size(engine: sa.Engine, run: int | None) -> int:
    with engine.connect() as connection:
        query = f"select pg_total_relation_size('atlas.cooccurrence_{run}')"
        return int(connection.exec_driver_sql(query).scalar_one())


def _require_same(counted: pair_counts.Counts, other: np.ndarray, way: str) -> None:
    for first in range(0, len(other), 1024):  # a part at a time: no copies of the whole
        part = np.s_[first : first + 1024, : first + 1024]
        assert not np.tril(other[part] - counted.n_both[part], first).any(), f"{way} disagrees"


def _table(seconds: dict[str, float]) -> None:
    print(f"\n{'way':<50}{'seconds':>10}")
    for name, value in seconds.items():
        print(f"{name:<50}{value:>10,.1f}")


def main() -> None:
    """Measure and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--features", type=int, default=16_384)
    parser.add_argument("--blocks", type=int, default=150_000)
    parser.add_argument("--quick", action="store_true", help="finish within 50 seconds")
    parser.add_argument("--growth", nargs="+", metavar="NxM", help="features x blocks, each alone")
    given = parser.parse_args()
    if given.growth:
        growth(given.growth)
        return
    if given.quick:
        given.features, given.blocks = 2_048, 30_000
    with catalog() as engine:
        figures = measure(engine, given.features, given.blocks, 100 if given.quick else 200)
    print(json.dumps({key: round(value, 3) for key, value in figures.items()}))


if __name__ == "__main__":
    main()
