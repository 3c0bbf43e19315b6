"""What the benchmarks share: their options, a catalog of their own, timing, the last line.

Each benchmark runs at three sizes: full, as docs/benchmarks.md reports it; --quick, in two minutes,
whose ratios come near those of the full size; --smoke, in seconds, whose figures mean nothing but
that every part of the benchmark works.
"""

import argparse
import json
import math
import multiprocessing
import resource
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager, suppress
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any, Generic, Literal, TypeVar

import sqlalchemy as sa

from saeatlas.schema.database import connect, embedded

T = TypeVar("T")
Figures = dict[str, Any]
Scale = Literal["full", "quick", "smoke"]


def options(doc: str | None) -> argparse.ArgumentParser:
    """Make a parser of the options of every benchmark, described by the first line of its text."""
    parser = argparse.ArgumentParser(description=(doc or "").splitlines()[0])
    scale = parser.add_mutually_exclusive_group()
    scale.add_argument("--quick", action="store_const", dest="scale", const="quick",
                       help="ratios near the full size's, in two minutes")  # fmt: skip
    scale.add_argument("--smoke", action="store_const", dest="scale", const="smoke",
                       help="run every part once, in 10 s; the figures mean nothing")  # fmt: skip
    parser.add_argument("--json", type=Path, metavar="FILE", help="write the figures there too")
    parser.set_defaults(scale="full")
    return parser


def size(given: argparse.Namespace, sizes: Mapping[Scale, T]) -> T:
    """Return the size of the scale asked for, with the fields that have options of their own."""
    chosen: Any = sizes[given.scale]
    names = [field.name for field in fields(chosen)]
    own = {n: v for n in names if (v := getattr(given, n, None)) is not None}
    changed: T = replace(chosen, **own)
    return changed


def finish(given: argparse.Namespace, figures: Figures) -> None:
    """Print the figures as one line of JSON, with four digits."""
    line = json.dumps({"scale": given.scale} | rounded(figures), allow_nan=False)
    if given.json:
        given.json.write_text(line + "\n")
    print(line, flush=True)


def rounded(figures: Figures) -> Figures:
    """Round to four digits; what is not a number becomes None."""
    return {name: _rounded(value) for name, value in figures.items()}


def _rounded(value: Any) -> Any:
    if isinstance(value, dict):
        return rounded(value)
    if not isinstance(value, float):
        return value
    return float(f"{value:.4g}") if math.isfinite(value) else None


@contextmanager
def catalog() -> Iterator[sa.Engine]:
    """Run an embedded server of the benchmark's own, gone afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "postgres"
        engine = connect.open_catalog(embedded.url(path))
        try:
            yield engine
        finally:
            engine.dispose()
            embedded.shut_down(path)


def address(engine: sa.Engine) -> str:
    """Return the URL by which another process finds the catalog."""
    return engine.url.render_as_string(hide_password=False)


def timed(job: Callable[[], T]) -> tuple[float, T]:
    """Return the seconds that a job takes, and what it returns."""
    began = time.perf_counter()
    result = job()
    return time.perf_counter() - began, result


def in_turn(rounds: int, **ways: Callable[[], object]) -> dict[str, float]:
    """Time several ways in turn, so many rounds; return the median seconds of each."""
    seconds: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(rounds):
        for name, way in ways.items():
            seconds[name].append(timed(way)[0])
    return {name: statistics.median(each) for name, each in seconds.items()}


@dataclass(frozen=True)
class Cost(Generic[T]):
    """What a job in a process of its own returned, and what it took.

    Parameters
    ----------
    result : object
    seconds : float
        From its begin to its end, without the start of the process.
    core_seconds : float
        Seconds of the cores: what it took of them, whoever else used them.
    peak_mb : float
        Most memory that the process had.
    """

    result: T
    seconds: float
    core_seconds: float
    peak_mb: float


def alone(job: Callable[..., T], *arguments: object) -> Cost[T]:
    """Run a job in a process of its own, so that only its own memory is measured."""
    context = multiprocessing.get_context("forkserver")
    # a process begins with what was imported here, so that its seconds are those of the job
    heavy = sys.modules.keys() & {"torch", "sklearn.cluster", "numba"}
    own = [name for name in sys.modules if name.startswith("saeatlas.")]
    context.set_forkserver_preload([*own, *heavy])
    with ProcessPoolExecutor(1, context) as pool:
        return pool.submit(_cost, job, arguments).result()


def _cost(job: Callable[..., T], arguments: tuple[object, ...]) -> Cost[T]:
    seconds, result = timed(lambda: job(*arguments))
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return Cost(result, seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024)


@contextmanager
def temporary_disk(engine: sa.Engine) -> Iterator[dict[str, float]]:
    """Watch what the server puts in temporary files and working tables, in MB, once a second."""
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
