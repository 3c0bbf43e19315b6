"""How quick queries are, in one process, warm; and how long the language takes to begin.

A simulated catalog of 26 layers with one recording, of layer 0: its pairs counted, lobes found and
held against document types. Each kind of query runs 200 times with another feature, document type
or range each time:

- near: the ten nearest features by index, which vectors of more than 4,000 dimensions do not have;
  near_exact: by comparing all of the SAE.
- partners: the ten features that go most with one, by phi.
- lobes_by_subset: lobes held against document types.
- filter: the densest features in a range of densities, over all layers.

compile_ms: from text to SQL, names looked up; startup_s: `saeatlas query` in a process of its own,
with a server that runs. Also the recall of near at 10.

Run: python benchmarks/queries.py [--layers N --features N --d-model D] [--quick]
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import sqlalchemy as sa
from ingest import catalog

from saeatlas.analyses.counting import cooccurrence
from saeatlas.analyses.counting import params as counting
from saeatlas.analyses.counting.threshold import Threshold
from saeatlas.analyses.lobes import lobes
from saeatlas.analyses.lobes.params import Params
from saeatlas.analyses.run_driver import perform
from saeatlas.analyses.subsets import subsets
from saeatlas.analyses.subsets.inputs import Params as SubsetsParams
from saeatlas.catalog import query
from saeatlas.ingest.simulation.job import simulate
from saeatlas.ingest.simulation.terms import Terms as World
from saeatlas.schema.rows import vector_index

CALLS = 200
KINDS: dict[str, Callable[[int], str]] = {
    "near": lambda i: f"features near 0:{i}",
    "near_exact": lambda i: f"features near 0:{i} exactly",
    "partners": lambda i: f"features with 0:{i} by phi",
    "lobes_by_subset": lambda i: f"lobes by subset of phi k {(2, 3, 8)[i % 3]}",
    "filter": lambda i: (
        f"features where density between 0.00{1 + i % 9} and 0.0{2 + i % 8} "
        "order by density desc limit 20"
    ),
}


def fill(engine: sa.Engine, layers: int, features: int, d_model: int, blocks: int) -> float:
    """Simulate the catalog, count, find lobes, index layer 0; return seconds of the index."""
    for layer in range(layers):
        world = World(features=features, d_model=d_model, seed=layer)
        for _ in simulate(engine, world, blocks=blocks if layer == 0 else 3,
                          sae_id=f"layer_{layer}", layer=layer):  # fmt: skip
            pass
        print(f"layer {layer}", end=" ", flush=True)
    wanted = counting.Params(1, Threshold(0.0), half="first")
    counted = perform(engine, cooccurrence.ANALYSIS, wanted)
    found = perform(engine, lobes.ANALYSIS, Params(counted.run, affinities=["phi"], ks=(2, 3, 8)))
    perform(engine, subsets.ANALYSIS, SubsetsParams(found.run))
    began = time.perf_counter()
    if d_model <= vector_index.MOST:
        with engine.begin() as connection:
            vector_index.create(connection, 1)
    seconds = time.perf_counter() - began
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("vacuum analyze")
    return seconds


def timed(job: Callable[[], Any]) -> tuple[float, Any]:
    """Return milliseconds and the result."""
    began = time.perf_counter()
    result = job()
    return 1000 * (time.perf_counter() - began), result


def asked(engine: sa.Engine, features: list[int]) -> dict[str, dict[str, float]]:
    """Ask each kind of query so often; return p50, p95 and rows."""
    figures = {}
    for kind, text in KINDS.items():
        for i in features[:5]:
            query.answer(engine, text(i))
        answers = [timed(lambda i=i, text=text: query.answer(engine, text(i))) for i in features]
        times = [milliseconds for milliseconds, _ in answers]
        figures[kind] = {
            "p50": float(np.quantile(times, 0.5)),
            "p95": float(np.quantile(times, 0.95)),
            "rows": statistics.mean(len(answer) for _, answer in answers),
        }
        print(f"{kind}: {rounded(figures[kind])}", flush=True)
    return figures


def recall(engine: sa.Engine, features: list[int]) -> float:
    """Compare near by index with near exactly."""
    hits = []
    for i in features:
        found, exact = (query.answer(engine, KINDS[kind](i)) for kind in ("near", "near_exact"))
        place = exact.columns.index("feature")
        hits.append(len({row[place] for row in found.rows} & {row[place] for row in exact.rows}))
    return float(np.mean(hits)) / 10


def compiling(engine: sa.Engine) -> float:
    """Time a query from its text to SQL, median over kinds; a session of names each."""
    texts = [text(i) for text in KINDS.values() for i in range(40)]
    from saeatlas.catalog import sql
    from saeatlas.catalog.language.compile import compile_query
    from saeatlas.catalog.language.names import Names
    from saeatlas.catalog.language.parse import parse

    with sql.reading(engine) as connection:
        names = Names(connection)
        times = [timed(lambda t=t: compile_query(parse(t), names).bound)[0] for t in texts]
    return float(np.quantile(times, 0.5))


def starting(url: str) -> float:
    """Time `saeatlas query` in processes of its own; median of seven."""
    command = [sys.executable, "-c", "from saeatlas.cli import main; main()",
               "query", "saes limit 1"]  # fmt: skip
    environment = os.environ | {"SAEATLAS_DATABASE_URL": url}

    def once() -> None:
        subprocess.run(command, env=environment, check=True, capture_output=True)

    return statistics.median(timed(once)[0] for _ in range(7)) / 1000


def main() -> None:
    """Measure and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--layers", type=int, default=26)
    parser.add_argument("--features", type=int, default=16_384)
    parser.add_argument("--d-model", type=int, default=2304)
    parser.add_argument("--blocks", type=int, default=10_000)
    parser.add_argument("--quick", action="store_true", help="finish within a minute")
    given = parser.parse_args()
    size = (4, 4_096, 256, 1_000) if given.quick else (
        given.layers, given.features, given.d_model, given.blocks)  # fmt: skip
    with catalog() as engine:
        seconds = fill(engine, *size)
        print(f"\nindex of layer 0: {seconds:.1f} s", flush=True)
        drawn = np.random.default_rng(0).choice(size[1], 4 * CALLS, replace=False).tolist()
        with engine.connect() as connection:
            counted = set(connection.execute(
                sa.text("select feature from atlas.feature_counts where n_active > 0")
            ).scalars())  # fmt: skip
        features = [i for i in drawn if i in counted][:CALLS]
        figures = asked(engine, features)
        made = {
            "p95_ms": {kind: float(f"{one['p95']:.4g}") for kind, one in figures.items()},
            "recall": recall(engine, features),
            "compile_ms": compiling(engine),
            "startup_s": starting(engine.url.render_as_string(hide_password=False)),
        }
    print(json.dumps(made))


def rounded(figures: dict[str, float]) -> dict[str, float]:
    """Round to four digits."""
    return {name: float(f"{value:.4g}") for name, value in figures.items()}


if __name__ == "__main__":
    main()
