"""How fast spectra are made: their two expensive parts against what they could cost at best.

- Exact nearest neighbours (`exact_neighbours.nearest`) against scikit-learn's two exact ways, brute
  and ball tree, on the same points in a power law's principal components. From 30,000 points on the
  ball tree answers for 2,048 points drawn at random, times n / 2,048: all would take minutes.
  All distances are compared.
- The spectrum of a covariance with its axes (`pca.decompose`, which the job calls) against
  the two calls of BLAS and LAPACK that it needs, dsyrk on vectors in float64 that are there
  already and dsyevd, each way several times in turn.
- With --layers, instead: `saeatlas analyze spectra` of so many simulated SAEs, in a process alone.

Run: python benchmarks/spectra.py [--points N --dimensions D] [--quick | --smoke]
     python benchmarks/spectra.py --layers 26 [--features 16384 --d-model 2304]
"""

from dataclasses import dataclass

import numpy as np
import scipy.linalg
import sqlalchemy as sa
from harness import Figures, address, alone, catalog, finish, in_turn, options, rounded, size, timed
from scipy.linalg import blas
from sklearn.neighbors import NearestNeighbors

from saeatlas.analyses.run_driver import perform
from saeatlas.analyses.spectra import spectra
from saeatlas.analyses.spectra.exact_neighbours import nearest
from saeatlas.analyses.spectra.params import Params
from saeatlas.analyses.stats import pca
from saeatlas.ingest.simulation.job import simulate
from saeatlas.ingest.simulation.params import Params as World
from saeatlas.schema import tables
from saeatlas.schema.database import connect


@dataclass(frozen=True)
class Size:
    """Points whose neighbours are found, vectors whose covariance is, and SAEs."""

    points: int
    dimensions: int
    tree_points: int
    vectors: int
    features: int
    d_model: int
    rounds: int


SIZES = {
    "full": Size(points=65_536, dimensions=100, tree_points=2_048,
                 vectors=65_536, features=16_384, d_model=2_304, rounds=3),
    "quick": Size(points=32_768, dimensions=100, tree_points=256,
                  vectors=32_768, features=4_096, d_model=1_536, rounds=3),
    "smoke": Size(points=600, dimensions=20, tree_points=100,
                  vectors=300, features=128, d_model=16, rounds=1),
}  # fmt: skip


def drawn(n: int, d: int) -> np.ndarray:
    """Draw vectors whose variances fall as rank^-0.5; float32 of shape (n, d)."""
    vectors = np.random.default_rng(0).standard_normal((n, d), np.float32)
    return vectors * (np.arange(1, d + 1) ** -0.25).astype(np.float32)


def neighbours(chosen: Size, k: int) -> dict[str, float]:
    """Time three ways to the nearest k; return seconds and by how much distances differ."""
    n = chosen.points
    points = drawn(n, chosen.dimensions)
    nearest(points[:2000], k)  # what is loaded late is loaded
    brute = NearestNeighbors(n_neighbors=k, algorithm="brute").fit(points)
    seconds = in_turn(chosen.rounds, ours=lambda: nearest(points, k), brute=brute.kneighbors)
    found, theirs = nearest(points, k)[0], brute.kneighbors()[0]
    tree = NearestNeighbors(n_neighbors=k, algorithm="ball_tree").fit(points)
    some = np.random.default_rng(1).permutation(n)[: chosen.tree_points]
    # points that are searched for by their coordinates find themselves first
    tree_seconds, (exact, _) = timed(lambda: tree.kneighbors(points[some], k + 1))
    return seconds | {
        "ball_tree": tree_seconds * n / len(some),
        "off_brute": float(np.abs(found / theirs - 1).max()),
        "off_ball_tree": float(np.abs(found[some] / exact[:, 1:] - 1).max()),
    }


def spectrum(chosen: Size) -> dict[str, float]:
    """Time the spectrum of a covariance and the two calls it needs; medians."""
    n = chosen.vectors
    vectors = drawn(n, chosen.d_model)
    wide = vectors.astype(np.float64)

    def calls() -> np.ndarray:
        products = blas.dsyrk(1 / (n - 1), wide.T, lower=1)
        return scipy.linalg.eigh(products, driver="evd", overwrite_a=True, check_finite=False)[0]

    return in_turn(chosen.rounds, ours=lambda: pca.principal_axes(vectors), two_calls=calls)


def analyze(url: str) -> None:
    """Find the spectra of all SAEs of a catalog."""
    engine = connect.open_catalog(url)
    with engine.connect() as connection:
        query = sa.select(tables.sae.c.id).order_by(tables.sae.c.id)
        saes = connection.execute(query).scalars().all()
    for sae in saes:
        outcome = perform(engine, spectra.ANALYSIS, Params(sae=sae))
        print(f"SAE {sae}: {outcome.seconds:.1f} s", flush=True)


def layers(n_layers: int, chosen: Size) -> Figures:
    """Simulate SAEs of some layers and find their spectra in a process of its own."""
    with catalog() as engine:
        for layer in range(n_layers):
            world = World(features=chosen.features, d_model=chosen.d_model, seed=layer)
            simulate(engine, world, blocks=3, sae_id=f"layer_{layer}", layer=layer)
        cost = alone(analyze, address(engine))
    return {"layers_minutes": cost.seconds / 60, "layers_peak_gb": cost.peak_mb / 1024}


def ratios(chosen: Size) -> Figures:
    """Compare both parts with what they could cost."""
    speedups = []
    for k in (1, 8):
        found = neighbours(chosen, k)
        print(f"{chosen.points:,} points, k = {k}: {rounded(found)}", flush=True)
        speedups.append(min(found["brute"], found["ball_tree"]) / found["ours"])
    cost = spectrum(chosen)
    print(f"spectrum: {rounded(cost)}")
    return {
        "knn_speedup": min(speedups),
        "spectrum_over_blas": cost["ours"] / cost["two_calls"],
    }


def main() -> None:
    """Measure and print the figures."""
    parser = options(__doc__)
    parser.add_argument("--points", type=int)
    parser.add_argument("--dimensions", type=int)
    parser.add_argument("--layers", type=int)
    parser.add_argument("--features", type=int)
    parser.add_argument("--d-model", type=int)
    given = parser.parse_args()
    chosen = size(given, SIZES)
    figures: Figures = {}
    if not given.layers:
        figures |= ratios(chosen)
    if given.layers or given.scale == "smoke":
        figures |= layers(given.layers or 2, chosen)
    finish(given, figures)


if __name__ == "__main__":
    main()
