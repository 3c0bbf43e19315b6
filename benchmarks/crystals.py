"""Whether crystals that were planted are found, whether noise has none, and what it costs.

- Planted: a simulated catalog whose crystals lie under three distractors; `saeatlas analyze
  crystals` as it is and with --keep-distractors, in a process of its own. A finding is true if
  its corners are two planted sides of one function vector.
- Noise: sets of random unit vectors, and of Gaussian vectors with the mean and the covariance of
  each of the demo's SAEs, made unit vectors. noise_fdr: share of sets with any finding, which is
  the false discovery rate where all findings are false.
- Growth: seconds and memory from 2,048 features on, of isotropic unit vectors.
- Brute force: all pairs of pairs of a few features one by one, and the same pairs by the search.

Run: python benchmarks/crystals.py [--features N --d-model D] [--growth] [--quick | --smoke]
"""

import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.resources import as_file, files

import numpy as np
import sqlalchemy as sa
from harness import Figures, address, alone, catalog, finish, options, rounded, size, timed
from safetensors.numpy import load_file

from saeatlas.analyses.crystals import crystals, parallelograms
from saeatlas.analyses.crystals.comparison import Found
from saeatlas.analyses.crystals.params import MIN_COSINE, Params
from saeatlas.analyses.crystals.search import search
from saeatlas.analyses.run_driver import perform
from saeatlas.ingest.simulation.job import simulate
from saeatlas.ingest.simulation.params import Params as World
from saeatlas.schema import tables
from saeatlas.schema.database import connect
from saeatlas.schema.tables import crystal


@dataclass(frozen=True)
class Size:
    """What is planted, in what noise is searched, and which sizes grow."""

    features: int
    d_model: int
    planted: int
    function_vectors: int
    brute: int
    noise_sets: int
    noise_features: int
    noise_d_model: int
    growth: tuple[int, ...]


SIZES = {
    "full": Size(features=16_384, d_model=2_304, planted=200, function_vectors=20, brute=96,
                 noise_sets=50, noise_features=2_048, noise_d_model=512,
                 growth=(2_048, 4_096, 8_192, 16_384, 32_768)),
    "quick": Size(features=4_096, d_model=1_024, planted=50, function_vectors=20, brute=48,
                  noise_sets=5, noise_features=2_048, noise_d_model=128,
                  growth=(2_048, 4_096)),
    "smoke": Size(features=128, d_model=64, planted=6, function_vectors=2, brute=12,
                  noise_sets=1, noise_features=64, noise_d_model=16,
                  growth=(64,)),
}  # fmt: skip


def analyze(url: str, keep_distractors: bool) -> int:
    """Find the crystals of SAE 1; return the run."""
    params = Params(sae=1, keep_distractors=keep_distractors)
    outcome = perform(connect.open_catalog(url), crystals.ANALYSIS, params)
    for note in outcome.notes:
        print(f"  {note}")
    return outcome.run


def planted(chosen: Size) -> Figures:
    """Plant crystals and find them, with and without removing distractors."""
    world = World(features=chosen.features, d_model=chosen.d_model, parallelograms=chosen.planted,
                  trapezoids=chosen.planted, function_vectors=chosen.function_vectors,
                  distractors=3)  # fmt: skip
    figures: Figures = {}
    with catalog() as engine:
        simulate(engine, world, blocks=300)
        for keep, suffix in ((False, ""), (True, "_without_removal")):
            cost = alone(analyze, address(engine), keep)
            peak = cost.peak_mb / 1024
            recall, fdr, found = compare(engine, cost.result)
            print(f"  run {cost.result}: {found:,} crystals, {cost.seconds:.0f} s, {peak:.1f} GB",
                  flush=True)  # fmt: skip
            figures |= {f"recall{suffix}": recall, f"fdr{suffix}": fdr}
            if not keep:
                figures |= {"minutes": cost.seconds / 60, "peak_gb": peak}
    return figures


def compare(engine: sa.Engine, run: int) -> tuple[float, float, int]:
    """Compare a run with what was planted; return recall, share of false findings, and findings."""
    corner = (crystal.c.a, crystal.c.b, crystal.c.c, crystal.c.d)
    truth = tables.planted_crystal.c
    with engine.connect() as connection:
        found = connection.execute(sa.select(*corner).where(crystal.c.run == run)).all()
        known = connection.execute(
            sa.select(truth.function_vector, truth.a, truth.b, truth.c, truth.d)
        ).all()
    side = {}
    for number, a, b, c, d in known:
        side |= {a: (number, b), b: (number, a), c: (number, d), d: (number, c)}

    def true(corners: tuple[int, ...]) -> bool:
        sides = [side.get(one, (None, None)) for one in corners]
        return None not in {n for n, _ in sides} and len({n for n, _ in sides}) == 1 and all(
            other in corners for _, other in sides
        )  # fmt: skip

    got = {frozenset(one) for one in found}
    recall = np.mean([frozenset(one[1:]) in got for one in known])
    false = sum(not true(tuple(one)) for one in found)
    return float(recall), false / max(len(found), 1), len(found)


def decoders() -> list[np.ndarray]:
    """Load the decoder vectors of the demo's SAEs."""
    found = []
    for folder in sorted(files("saeatlas.demo").joinpath("saes").iterdir(), key=lambda f: f.name):
        with as_file(folder / "sae_weights.safetensors") as path:
            found.append(load_file(path)["W_dec"].astype(np.float64))
    return found


def noise(chosen: Size) -> Iterator[tuple[str, np.ndarray]]:
    """Draw sets of vectors without crystals."""
    rng = np.random.default_rng(0)
    shape = (chosen.noise_features, chosen.noise_d_model)
    for _ in range(chosen.noise_sets):
        yield "directions", rng.standard_normal(shape, np.float32)
    real = decoders()
    for i in range(chosen.noise_sets):
        vectors = real[i % len(real)]
        unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        factor = np.linalg.cholesky(np.cov(unit.T) + 1e-9 * np.eye(unit.shape[1]))
        drawn = rng.standard_normal(unit.shape) @ factor.T + unit.mean(axis=0)
        yield "covariance", drawn.astype(np.float32)


def searched(vectors: np.ndarray) -> Found:
    """Search unit vectors for crystals."""
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return search(unit, Params(sae=1)).found


def in_noise(chosen: Size) -> Figures:
    """Search sets of vectors without crystals."""
    found: dict[str, list[int]] = {}
    for kind, vectors in noise(chosen):
        found.setdefault(kind, []).append(len(searched(vectors).q))
    for kind, counts in found.items():
        print(f"  {kind}: {sum(counts)} crystals in {len(counts)} sets of vectors")
    return {"noise_fdr": max(float(np.mean(np.array(one) > 0)) for one in found.values())}


def brute(n: int, d: int) -> dict[str, float]:
    """Compare all pairs of pairs of some points both ways; return candidates a second."""
    rng = np.random.default_rng(0)
    points = rng.standard_normal((n, d)).astype(np.float32)
    points[n // 2 :] = points[: n - n // 2] + points[0] + 0.3 * points[n // 2 :]
    ends = np.array(list(itertools.combinations(range(n), 2)))
    ours, found = timed(lambda: parallelograms.parallel_pairs(points, ends, MIN_COSINE))
    theirs, expected = timed(lambda: one_by_one(points, ends))
    same = {tuple(one) for one in found.corners.tolist()}
    n_pairs = len(ends) * (len(ends) - 1) / 2
    return {
        "candidates": n_pairs,
        "per_second": n_pairs / ours,
        "per_second_brute": n_pairs / theirs,
        "found": len(expected),
        "different": len(expected ^ same),
    }


def one_by_one(points: np.ndarray, ends: np.ndarray) -> set[tuple[int, ...]]:
    """Compare each pair with all that come after it; return the corners of crystals."""
    expected: set[tuple[int, ...]] = set()
    for i, (a, b) in enumerate(ends[:-1]):
        others = ends[i + 1 :]
        others = others[~np.isin(others, (a, b)).any(axis=1)]
        side = points[b] - points[a]
        back = (points[others[:, 1]] - points[others[:, 0]]) @ side < 0
        others[back] = others[back][:, ::-1]
        corners = np.column_stack([np.tile((a, b), (len(others), 1)), others])
        good = parallelograms.measure_quads(points, corners).quality >= MIN_COSINE
        expected |= {tuple(one) for one in corners[good].tolist()}
    return expected


def grown(features: int, d_model: int) -> int:
    """Search random unit vectors; return pairs compared."""
    vectors = np.random.default_rng(0).standard_normal((features, d_model), np.float32)
    return searched(vectors).n_compared


def growth(chosen: Size) -> Figures:
    """Search at each size in a process of its own; return the seconds of the largest."""
    for n in chosen.growth:
        cost = alone(grown, n, chosen.d_model)
        print(f"{n:,} features: {cost.result:,} pairs of pairs, {cost.seconds:.0f} s, "
              f"{cost.peak_mb / 1024:.1f} GB", flush=True)  # fmt: skip
    return {"growth_seconds": cost.seconds}


def main() -> None:
    """Measure and print the figures."""
    parser = options(__doc__)
    parser.add_argument("--features", type=int)
    parser.add_argument("--d-model", type=int)
    parser.add_argument("--growth", action="store_true", dest="grow", help="sizes instead")
    given = parser.parse_args()
    chosen = size(given, SIZES)
    figures: Figures = {}
    if not given.grow:
        compared = brute(chosen.brute, 100)
        print(f"brute force: {rounded(compared)}", flush=True)
        figures |= {"search_over_brute": compared["per_second"] / compared["per_second_brute"]}
        figures |= planted(chosen) | in_noise(chosen)
    if given.grow or given.scale == "smoke":
        figures |= growth(chosen)
    finish(given, figures)


if __name__ == "__main__":
    main()
