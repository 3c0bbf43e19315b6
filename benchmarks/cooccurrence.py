"""How fast co-occurrence is counted, against what else could count it.

On a simulated catalog, all ways on the same bitmaps in one run:

- sql: `saeatlas analyze cooccurrence`, two connections.
- torch: the same with `--engine torch`, all cores, or a GPU if there is one.
- sgemm: numpy's float32 matrix product over the same triangle of tiles, as many threads as cores.
- popcount: a compiled kernel (numba) over 64-bit words, tiled for the cache, as many threads.
- selfjoin: the SQL that everyone writes first, on some blocks; extrapolated by its pair rows.

Run: python benchmarks/cooccurrence.py [--features N --blocks N] [--quick | --smoke]
     python benchmarks/cooccurrence.py --growth 4096x150000 16384x600000 ...
numba comes with `pip install -e ".[bench]"`; without it the compiled kernel is left out.
"""

import importlib.util
import time
from dataclasses import dataclass
from typing import Literal

import matrix_product
import numpy as np
import sqlalchemy as sa
from harness import (
    Cost,
    Figures,
    address,
    alone,
    catalog,
    finish,
    options,
    size,
    temporary_disk,
    timed,
)

from saeatlas.analyses.counting import bitmaps, cooccurrence
from saeatlas.analyses.counting import params as counting
from saeatlas.analyses.counting import read_bits as bits
from saeatlas.analyses.counting.bitmaps import Bitmap
from saeatlas.analyses.counting.threshold import Threshold
from saeatlas.analyses.run_driver import perform
from saeatlas.ingest.simulation.job import simulate
from saeatlas.ingest.simulation.params import Params as World
from saeatlas.schema import tables
from saeatlas.schema.database import connect
from saeatlas.schema.rows import pair_counts, remove

Method = Literal["sql", "torch"]


@dataclass(frozen=True)
class Size:
    """What is simulated, and how much of it the slow ways see."""

    features: int
    blocks: int
    join_blocks: int
    partner_calls: int


SIZES = {
    "full": Size(features=16_384, blocks=150_000, join_blocks=200, partner_calls=500),
    "quick": Size(features=12_288, blocks=40_000, join_blocks=100, partner_calls=100),
    "smoke": Size(features=256, blocks=600, join_blocks=20, partner_calls=4),
}


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


def read_bits(engine: sa.Engine, bitmap: Bitmap) -> np.ndarray:
    """Read the bitmaps as packed bits of shape (d_sae, n_bytes)."""
    table = tables.bitmap_chunk
    with engine.connect() as connection:
        query = sa.select(table).where(table.c.bitmap == bitmap.id).order_by(table.c.chunk)
        chunks = connection.execute(query).all()
        parts = [bits.read_chunk(connection, bitmap, row.chunk, row.n_blocks) for row in chunks]
    return np.concatenate(parts, axis=1)


@dataclass(frozen=True)
class Counted:
    """A run of counting, and the seconds of its two parts."""

    bitmap: Bitmap
    run: int
    making: float
    counting: float


def count(url: str, recording: int, method: Method) -> Counted:
    """Make the bitmaps and count."""
    engine = connect.open_catalog(url)
    making, bitmap = timed(lambda: bitmaps.grow(engine, recording, Threshold(0.0)))
    if method == "torch":
        import torch  # noqa: F401 (its seconds are not the count's)
    params = counting.Params(recording, Threshold(0.0), method=method)
    seconds, outcome = timed(lambda: perform(engine, cooccurrence.ANALYSIS, params))
    return Counted(bitmap, outcome.run, making, seconds)


def simulated(engine: sa.Engine, features: int, blocks: int) -> tuple[int, float]:
    """Fill the catalog; return recording.id and active features a block."""
    world = World(features=features, d_model=64, lobes=3, parallelograms=0, trapezoids=0)
    simulate(engine, world, blocks=blocks)
    table = tables.recording.c
    with engine.connect() as connection:
        query = sa.select(table.id, table.n_blocks, table.n_activations)
        number, n_blocks, n_active = connection.execute(query).one()
    print(f"{features:,} features, {n_blocks:,} blocks, {n_active / n_blocks:,.0f} active a block")
    return number, n_active / n_blocks


def measure(engine: sa.Engine, chosen: Size) -> Figures:
    """Count in every way, check that all agree, and return the figures."""
    recording, _ = simulated(engine, chosen.features, chosen.blocks)
    with temporary_disk(engine) as seen:
        sql = alone(count, address(engine), recording, "sql")
    run = sql.result.run
    stored, partners = _size(engine, run), _partners(engine, run, chosen)
    with engine.connect() as connection:
        counted = pair_counts.read(connection, run)
    torch = _by_torch(engine, recording, run, counted)
    packed = read_bits(engine, sql.result.bitmap)[counted.features]
    seconds = _in_memory(packed, counted)
    joining = _joining(engine, recording, chosen.join_blocks, counted)
    seconds |= {"sql": sql.result.counting, "torch": torch.result.counting, "selfjoin": joining,
                "bitmaps": sql.result.making}  # fmt: skip
    _table(seconds)
    print(f"counts stored: {stored / 1e6:,.0f} MB; torch: {torch.peak_mb:,.0f} MB in the client\n")
    return _ratios(seconds) | {
        "client_mb": sql.peak_mb,
        "partners_p95_ms": partners * 1e3,
        "counts_mb": stored / 1e6,
        **seen,
    }


def _ratios(seconds: dict[str, float]) -> Figures:
    """Return one way's seconds over another's; None for the compiled kernel where it cannot run."""
    kernel = seconds.get("popcount")
    return {
        "sql_over_sgemm": seconds["sql"] / seconds["sgemm"],
        "sql_over_popcount": kernel and seconds["sql"] / kernel,
        "selfjoin_over_sql": seconds["selfjoin"] / seconds["sql"],
        "torch_over_popcount": kernel and seconds["torch"] / kernel,
        "bitmap_share": seconds["bitmaps"] / seconds["sql"],
        "compiled_kernel": "compared" if kernel else "left out: numba is not installed",
    }


def _by_torch(
    engine: sa.Engine, recording: int, run: int, counted: pair_counts.Counts
) -> Cost[Counted]:
    """Count once more with torch in place of the same count in SQL, and compare."""
    with engine.begin() as connection:
        remove.remove_run(connection, run)
    torch = alone(count, address(engine), recording, "torch")
    with engine.connect() as connection:
        other = pair_counts.read(connection, torch.result.run).n_both
    _require_same(counted, other, "torch")
    return torch


def _in_memory(packed: np.ndarray, counted: pair_counts.Counts) -> dict[str, float]:
    """Count packed bits by products of matrices, and by the compiled kernel where numba is."""
    product = np.zeros((len(packed), len(packed)), np.int32)
    seconds = {"sgemm": matrix_product.sgemm(packed, product)}
    _require_same(counted, product, "sgemm")
    if importlib.util.find_spec("numba"):
        seconds["popcount"] = _popcount(packed, counted)
    return seconds


def _popcount(packed: np.ndarray, counted: pair_counts.Counts) -> float:
    import popcount_kernel

    words = np.pad(packed, ((0, len(packed) % 2), (0, 0))).view(np.uint64)
    popcount_kernel.popcount(words[:2], np.zeros((2, 2), np.int32), 2)  # compile
    counts = np.zeros((len(words), len(words)), np.int32)
    seconds, _ = timed(lambda: popcount_kernel.popcount(words, counts, 64))
    _require_same(counted, counts[: len(packed), : len(packed)], "popcount")
    return seconds


def _joining(engine: sa.Engine, recording: int, blocks: int, counted: pair_counts.Counts) -> float:
    """Return the seconds that a self-join over all blocks would take, by its pair rows."""
    with engine.begin() as connection:
        seconds, rows = selfjoin(connection, recording, blocks)
    return seconds * int(np.tril(counted.n_both).sum()) / rows


def growth(sizes: list[str]) -> Figures:
    """Count at several sizes and print a row for each."""
    rows = []
    for each in sizes:
        features, blocks = map(int, each.split("x"))
        with catalog() as engine:
            recording, active = simulated(engine, features, blocks)
            with temporary_disk(engine) as seen:
                own = alone(count, address(engine), recording, "sql")
            result = own.result
            rows.append(
                f"| {features:,} | {blocks:,} | {active:,.0f} | {result.making:,.1f} | "
                f"{result.counting:,.1f} | {own.peak_mb:,.0f} | {seen['temp_mb']:,.0f} | "
                f"{_size(engine, result.run) / 1e6:,.0f} |"
            )
            print(rows[-1], flush=True)
    print("\n| features | blocks | active a block | bitmaps, s | counting, s | client, MB "
          "| temporary, MB | counts, MB |\n" + "|---" * 8 + "|")  # fmt: skip
    print("\n".join(rows))
    return {"growth_seconds": result.counting}


def _partners(engine: sa.Engine, run: int, chosen: Size) -> float:
    """Return the 95th percentile of the seconds that `partners` takes."""
    seconds = []
    query = sa.text("select * from partners(:run, :feature, :measure, 10)")
    drawn = np.random.default_rng(0).integers(0, chosen.features, chosen.partner_calls)
    with engine.connect() as connection:
        for i, feature in enumerate(drawn):
            measure = ("phi", "jaccard", "lift", "pmi")[i % 4]
            values = {"run": run, "feature": int(feature), "measure": measure}
            seconds.append(timed(lambda v=values: connection.execute(query, v).all())[0])
    return float(np.percentile(seconds, 95))


def _size(engine: sa.Engine, run: int) -> int:
    with engine.connect() as connection:
        query = f"select pg_total_relation_size('atlas.cooccurrence_{run}')"
        return int(connection.exec_driver_sql(query).scalar_one())


def _require_same(counted: pair_counts.Counts, other: np.ndarray, way: str) -> None:
    for first in range(0, len(other), 1024):  # a part at a time: no copies of the whole
        part = np.s_[first : first + 1024, : first + 1024]
        assert not np.tril(other[part] - counted.n_both[part], first).any(), f"{way} disagrees"


NAMES = {
    "bitmaps": "bitmaps from activation rows",
    "sql": "sql, two connections",
    "torch": "torch",
    "popcount": "compiled popcount kernel",
    "sgemm": "numpy sgemm, products alone",
    "selfjoin": "self-join, extrapolated",
}


def _table(seconds: dict[str, float]) -> None:
    print(f"\n{'way':<50}{'seconds':>10}")
    for way, name in NAMES.items():
        print(
            f"{name:<50}" + (f"{seconds[way]:>10,.1f}" if way in seconds else f"{'left out':>10}")
        )


def main() -> None:
    """Measure and print the figures."""
    parser = options(__doc__)
    parser.add_argument("--features", type=int)
    parser.add_argument("--blocks", type=int)
    parser.add_argument("--growth", nargs="+", metavar="NxM", help="features x blocks, each alone")
    given = parser.parse_args()
    figures: Figures = {}
    if not given.growth:
        with catalog() as engine:
            figures = measure(engine, size(given, SIZES))
    if given.growth or given.scale == "smoke":
        figures |= growth(given.growth or ["128x300"])
    finish(given, figures)


if __name__ == "__main__":
    main()
