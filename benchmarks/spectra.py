"""How fast spectra are made: their two expensive parts against what they could cost at best.

- Exact nearest neighbours (`neighbours.nearest`) against scikit-learn's two exact ways, brute and
  ball tree, on the same points in a power law's principal components. From 30,000 points on the
  ball tree answers for 2,048 points drawn at random, times n / 2,048: all would take minutes.
  All distances are compared.
- The spectrum of a covariance with its axes (`pca.decompose`, which the job calls) against
  the two calls of BLAS and LAPACK that it needs, dsyrk on vectors in float64 that are there
  already and dsyevd, each way several times in turn.
- With --layers, instead: `saeatlas analyze spectra` of so many simulated SAEs, in a process alone.

Run: python benchmarks/spectra.py [--points N --dimensions D] [--quick]
     python benchmarks/spectra.py --layers 26 [--features 16384 --d-model 2304]
"""

import argparse
import json
import multiprocessing
import resource
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from typing import Any

import numpy as np
import scipy.linalg
import sqlalchemy as sa
from ingest import catalog
from scipy.linalg import blas
from sklearn.neighbors import NearestNeighbors

from saeatlas.analyses.run_driver import perform
from saeatlas.analyses.spectra import spectra
from saeatlas.analyses.spectra.exact_neighbours import nearest
from saeatlas.analyses.spectra.params import Params
from saeatlas.analyses.stats import pca
from saeatlas.ingest.simulation.job import simulate
from saeatlas.ingest.simulation.terms import Terms as World
from saeatlas.schema import tables
from saeatlas.schema.database import connect

SAMPLE = 2048


def drawn(n: int, d: int) -> np.ndarray:
    """Draw vectors whose variances fall as rank^-0.5; float32 of shape (n, d)."""
    vectors = np.random.default_rng(0).standard_normal((n, d), np.float32)
    return vectors * (np.arange(1, d + 1) ** -0.25).astype(np.float32)


def neighbours(n: int, d: int, k: int) -> dict[str, float]:
    """Time three ways to the nearest k; return seconds and by how much distances differ."""
    points = drawn(n, d)
    nearest(points[:2000], k)  # what is loaded late is loaded
    ours, (found, _) = timed(lambda: nearest(points, k))
    brute = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(points)
    tree = NearestNeighbors(n_neighbors=k, algorithm="ball_tree").fit(points)
    brute_seconds, (theirs, _) = timed(brute.kneighbors)
    asked = np.random.default_rng(1).permutation(n)[: SAMPLE if n > 30_000 else n]
    # points asked for by their coordinates find themselves first
    tree_seconds, (exact, _) = timed(lambda: tree.kneighbors(points[asked], k + 1))
    return {
        "seconds": ours,
        "brute": brute_seconds,
        "ball_tree": tree_seconds * n / len(asked),
        "off_brute": float(np.abs(found / theirs - 1).max()),
        "off_ball_tree": float(np.abs(found[asked] / exact[:, 1:] - 1).max()),
    }


def spectrum(n: int, d: int, rounds: int) -> dict[str, float]:
    """Time the spectrum of a covariance and the two calls it needs; medians."""
    vectors = drawn(n, d)
    wide = vectors.astype(np.float64)

    def calls() -> np.ndarray:
        products = blas.dsyrk(1 / (n - 1), wide.T, lower=1)
        return scipy.linalg.eigh(products, driver="evd", overwrite_a=True, check_finite=False)[0]

    seconds = [(timed(lambda: pca.decompose(vectors))[0], timed(calls)[0]) for _ in range(rounds)]
    ours, theirs = np.median(seconds, axis=0)
    return {"seconds": float(ours), "two_calls": float(theirs)}


def timed(job: Callable[[], Any]) -> tuple[float, Any]:
    """Return the seconds that a job takes, and what it returns."""
    started = time.perf_counter()
    result = job()
    return time.perf_counter() - started, result


def analyzed(url: str) -> dict[str, float]:
    """Find the spectra of all SAEs of a catalog."""
    engine = connect.open_catalog(url)
    with engine.connect() as connection:
        saes = (
            connection.execute(sa.select(tables.sae.c.id).order_by(tables.sae.c.id)).scalars().all()
        )
    started = time.perf_counter()
    for sae in saes:
        outcome = perform(engine, spectra.ANALYSIS, Params(sae=sae))
        print(f"SAE {sae}: {outcome.seconds:.1f} s", flush=True)
    minutes = (time.perf_counter() - started) / 60
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return {"layers_minutes": minutes, "layers_peak_gb": peak}


def layers(n_layers: int, features: int, d_model: int) -> dict[str, float]:
    """Simulate SAEs of some layers and find their spectra in a process of its own."""
    with catalog() as engine:
        for layer in range(n_layers):
            world = World(features=features, d_model=d_model, seed=layer)
            for _ in simulate(engine, world, blocks=3, sae_id=f"layer_{layer}", layer=layer):
                pass
        url = engine.url.render_as_string(hide_password=False)
        with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
            return pool.submit(analyzed, url).result()


def main() -> None:
    """Measure and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--points", type=int)
    parser.add_argument("--dimensions", type=int, default=100)
    parser.add_argument("--layers", type=int)
    parser.add_argument("--features", type=int, default=16_384)
    parser.add_argument("--d-model", type=int, default=2304)
    parser.add_argument("--quick", action="store_true", help="finish within 50 seconds")
    given = parser.parse_args()
    if given.layers:
        print(json.dumps(rounded(layers(given.layers, given.features, given.d_model))))
        return
    n = given.points or (8_192 if given.quick else 65_536)
    figures = {}
    for k in (1, 8):
        found = neighbours(n, given.dimensions, k)
        print(f"{n:,} points, {given.dimensions} dimensions, k = {k}: {rounded(found)}", flush=True)
        figures[f"k{k}"] = min(found["brute"], found["ball_tree"]) / found["seconds"]
    cost = spectrum(n, 512 if given.quick else given.d_model, 3)
    print(f"spectrum: {rounded(cost)}")
    print(
        json.dumps(
            rounded(
                {
                    "knn_speedup": min(figures.values()),
                    "spectrum_over_blas": cost["seconds"] / cost["two_calls"],
                }
            )
        )
    )


def rounded(figures: dict[str, float]) -> dict[str, float]:
    """Round to four digits."""
    return {name: float(f"{value:.4g}") for name, value in figures.items()}


if __name__ == "__main__":
    main()
