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

Run: python benchmarks/queries.py [--layers N --features N --d-model D] [--quick | --smoke]
"""

import os
import statistics
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import sqlalchemy as sa
from harness import Figures, address, catalog, finish, options, rounded, size, timed

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
from saeatlas.ingest.simulation.params import Params as World
from saeatlas.schema.rows import vector_index


@dataclass(frozen=True)
class Size:
    """What is simulated, and how many times each kind of query runs."""

    layers: int
    features: int
    d_model: int
    blocks: int
    calls: int
    starts: int


SIZES = {
    "full": Size(layers=26, features=16_384, d_model=2_304, blocks=10_000, calls=200, starts=7),
    "quick": Size(layers=4, features=8_192, d_model=512, blocks=3_000, calls=100, starts=5),
    "smoke": Size(layers=2, features=128, d_model=16, blocks=300, calls=5, starts=1),
}

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


def fill(engine: sa.Engine, chosen: Size) -> float:
    """Simulate the catalog, count, find lobes, index layer 0; return seconds of the index."""
    for layer in range(chosen.layers):
        world = World(features=chosen.features, d_model=chosen.d_model, seed=layer)
        simulate(engine, world, blocks=chosen.blocks if layer == 0 else 3,
                          sae_id=f"layer_{layer}", layer=layer)  # fmt: skip
        print(f"layer {layer}", end=" ", flush=True)
    params = counting.Params(1, Threshold(0.0), half="first")
    counted = perform(engine, cooccurrence.ANALYSIS, params)
    found = perform(engine, lobes.ANALYSIS, Params(counted.run, affinities=["phi"], ks=(2, 3, 8)))
    perform(engine, subsets.ANALYSIS, SubsetsParams(found.run))
    seconds = (
        timed(lambda: index(engine))[0] if chosen.d_model <= vector_index.MAX_DIMENSIONS else 0.0
    )
    with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
        connection.exec_driver_sql("vacuum analyze")
    return seconds


def index(engine: sa.Engine) -> None:
    """Index the vectors of layer 0."""
    with engine.begin() as connection:
        vector_index.create(connection, 1)


def drawn(engine: sa.Engine, chosen: Size) -> list[int]:
    """Draw features of layer 0 that were active."""
    everyone = np.random.default_rng(0).permutation(chosen.features).tolist()
    with engine.connect() as connection:
        query = sa.text("select feature from atlas.feature_counts where n_active > 0")
        active = set(connection.execute(query).scalars())
    return [i for i in everyone if i in active][: chosen.calls]


def milliseconds(job: Callable[[], object]) -> float:
    """Time a job."""
    return 1000 * timed(job)[0]


def measure(engine: sa.Engine, features: list[int]) -> dict[str, dict[str, float]]:
    """Run each kind of query for each feature; return p50, p95 and rows."""
    figures = {}
    for kind, text in KINDS.items():
        for i in features[:5]:
            query.answer(engine, text(i))
        answers = [timed(lambda i=i, text=text: query.answer(engine, text(i))) for i in features]
        times = [1000 * seconds for seconds, _ in answers]
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
        times = [milliseconds(lambda t=t: compile_query(parse(t), names).bound) for t in texts]
    return float(np.quantile(times, 0.5))


def starting(url: str, starts: int) -> float:
    """Time `saeatlas query` in processes of its own; median."""
    command = [sys.executable, "-c", "from saeatlas.cli import main; main()",
               "query", "saes limit 1"]  # fmt: skip
    environment = os.environ | {"SAEATLAS_DATABASE_URL": url}

    def once() -> None:
        subprocess.run(command, env=environment, check=True, capture_output=True)

    return statistics.median(timed(once)[0] for _ in range(starts))


def main() -> None:
    """Measure and print the figures."""
    parser = options(__doc__)
    parser.add_argument("--layers", type=int)
    parser.add_argument("--features", type=int)
    parser.add_argument("--d-model", type=int)
    parser.add_argument("--blocks", type=int)
    given = parser.parse_args()
    chosen = size(given, SIZES)
    with catalog() as engine:
        seconds = fill(engine, chosen)
        print(f"\nindex of layer 0: {seconds:.1f} s", flush=True)
        features = drawn(engine, chosen)
        p95 = {kind: one["p95"] for kind, one in measure(engine, features).items()}
        figures: Figures = {
            "p95_ms": p95,
            "exact_over_near": p95["near_exact"] / p95["near"],
            "recall": recall(engine, features),
            "compile_ms": compiling(engine),
            "startup_s": starting(address(engine), chosen.starts),
        }
    finish(given, figures)


if __name__ == "__main__":
    main()
