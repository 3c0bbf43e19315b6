"""Whether crystals that were planted are found, whether noise has none, and what it costs.

- Planted: a simulated catalog whose crystals lie under three distractors; `saeatlas analyze
  crystals` as it is and with --keep-distractors, in a process of its own. A finding is true if
  its corners are two planted sides of one function vector.
- Noise: clouds of random unit vectors, and of Gaussian vectors with the mean and the covariance of
  each of the demo's SAEs, made unit vectors. noise_fdr: share of clouds with any finding, which is
  the false discovery rate where all findings are false.
- Growth: seconds and memory from 2,048 features on, of isotropic unit vectors.
- Brute force: all pairs of pairs of a few features one by one, and the same pairs by the search.

Run: python benchmarks/crystals.py [--features N --d-model D] [--growth] [--quick]
"""

import argparse
import itertools
import json
import multiprocessing
import resource
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from importlib.resources import as_file, files
from typing import Any

import numpy as np
import sqlalchemy as sa
from ingest import catalog
from safetensors.numpy import load_file

from saeatlas.analyses.crystals import crystals, parallelograms
from saeatlas.analyses.crystals.comparison import Found
from saeatlas.analyses.crystals.params import MIN_COSINE, Params
from saeatlas.analyses.crystals.search import search
from saeatlas.analyses.run_driver import perform
from saeatlas.ingest.simulation.job import simulate
from saeatlas.ingest.simulation.terms import Terms as World
from saeatlas.schema import tables
from saeatlas.schema.database import connect
from saeatlas.schema.tables import crystal

CLOUDS = 50
SIZES = (2_048, 4_096, 8_192, 16_384, 32_768)


def alone(job: Any, *arguments: Any) -> Any:
    """Run a function in a process of its own; return its result, seconds and peak memory."""
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(_measured, job, arguments).result()


def _measured(job: Any, arguments: tuple[Any, ...]) -> tuple[Any, float, float]:
    began = time.perf_counter()
    result = job(*arguments)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20
    return result, time.perf_counter() - began, peak


def analyzed(url: str, keep_distractors: bool) -> int:
    """Find the crystals of SAE 1; return the run."""
    params = Params(sae=1, keep_distractors=keep_distractors)
    outcome = perform(connect.open_catalog(url), crystals.ANALYSIS, params)
    for note in outcome.notes:
        print(f"  {note}")
    return outcome.run


def planted(features: int, d_model: int, n: int) -> dict[str, float]:
    """Plant crystals and find them, with and without removing distractors."""
    world = World(features=features, d_model=d_model, parallelograms=n, trapezoids=n,
                  function_vectors=20, distractors=3)  # fmt: skip
    figures = {}
    with catalog() as engine:
        for _ in simulate(engine, world, blocks=300):
            pass
        url = engine.url.render_as_string(hide_password=False)
        for keep, suffix in ((False, ""), (True, "_without_removal")):
            run, seconds, peak = alone(analyzed, url, keep)
            recall, fdr, found = judged(engine, run)
            print(f"  run {run}: {found:,} crystals, {seconds:.0f} s, {peak:.1f} GB", flush=True)
            figures |= {f"recall{suffix}": recall, f"fdr{suffix}": fdr}
            if not keep:
                figures |= {"minutes": seconds / 60, "peak_gb": peak}
    return figures


def judged(engine: sa.Engine, run: int) -> tuple[float, float, int]:
    """Return recall, share of false findings, and findings."""
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


def noise(n_clouds: int, features: int, d_model: int) -> Iterator[tuple[str, np.ndarray]]:
    """Draw clouds without crystals."""
    rng = np.random.default_rng(0)
    for _ in range(n_clouds):
        yield "directions", rng.standard_normal((features, d_model), np.float32)
    real = decoders()
    for i in range(n_clouds):
        vectors = real[i % len(real)]
        unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
        factor = np.linalg.cholesky(np.cov(unit.T) + 1e-9 * np.eye(unit.shape[1]))
        drawn = rng.standard_normal(unit.shape) @ factor.T + unit.mean(axis=0)
        yield "covariance", drawn.astype(np.float32)


def searched(vectors: np.ndarray) -> Found:
    """Search unit vectors for crystals."""
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return search(unit, Params(sae=1)).found


def in_noise(n_clouds: int, features: int, d_model: int) -> dict[str, float]:
    """Search clouds without crystals."""
    found: dict[str, list[int]] = {}
    for kind, vectors in noise(n_clouds, features, d_model):
        found.setdefault(kind, []).append(len(searched(vectors).q))
    for kind, counts in found.items():
        print(f"  {kind}: {sum(counts)} crystals in {len(counts)} clouds")
    return {"noise_fdr": max(float(np.mean(np.array(one) > 0)) for one in found.values())}


def brute(n: int, d: int) -> dict[str, float]:
    """Compare all pairs of pairs of some points both ways; return candidates a second."""
    rng = np.random.default_rng(0)
    points = rng.standard_normal((n, d)).astype(np.float32)
    points[n // 2 :] = points[: n - n // 2] + points[0] + 0.3 * points[n // 2 :]
    ends = np.array(list(itertools.combinations(range(n), 2)))
    began = time.perf_counter()
    found = parallelograms.parallel_pairs(points, ends, MIN_COSINE)
    ours = time.perf_counter() - began
    began = time.perf_counter()
    expected = set()
    for i, (a, b) in enumerate(ends[:-1]):
        others = ends[i + 1 :]
        others = others[~np.isin(others, (a, b)).any(axis=1)]
        side = points[b] - points[a]
        back = (points[others[:, 1]] - points[others[:, 0]]) @ side < 0
        others[back] = others[back][:, ::-1]
        corners = np.column_stack([np.tile((a, b), (len(others), 1)), others])
        good = parallelograms.measure_quads(points, corners).quality >= MIN_COSINE
        expected |= {tuple(one) for one in corners[good].tolist()}
    theirs = time.perf_counter() - began
    same = {tuple(one) for one in found.corners.tolist()}
    n_pairs = len(ends) * (len(ends) - 1) / 2
    return {
        "candidates": n_pairs,
        "per_second": n_pairs / ours,
        "per_second_brute": n_pairs / theirs,
        "found": len(expected),
        "different": len(expected ^ same),
    }


def grown(features: int, d_model: int) -> int:
    """Search random unit vectors; return pairs compared."""
    vectors = np.random.default_rng(0).standard_normal((features, d_model), np.float32)
    return searched(vectors).n_compared


def main() -> None:
    """Measure and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--features", type=int, default=16_384)
    parser.add_argument("--d-model", type=int, default=2304)
    parser.add_argument("--growth", action="store_true", help="sizes instead of the rest")
    parser.add_argument("--quick", action="store_true", help="finish within a minute")
    given = parser.parse_args()
    if given.growth:
        for n in SIZES:
            pairs, seconds, peak = alone(grown, n, given.d_model)
            print(f"{n:,} features: {pairs:,} pairs of pairs, {seconds:.0f} s, {peak:.1f} GB",
                  flush=True)  # fmt: skip
        return
    compared = brute(48 if given.quick else 96, 100)
    print(f"brute force: {rounded(compared)}", flush=True)
    size = (2_048, 512, 20) if given.quick else (given.features, given.d_model, 200)
    figures = planted(*size)
    figures |= in_noise(5 if given.quick else CLOUDS, 2_048, 128 if given.quick else 512)
    print(json.dumps(rounded(figures)))


def rounded(figures: dict[str, float]) -> dict[str, float]:
    """Round to four digits."""
    return {name: float(f"{value:.4g}") for name, value in figures.items()}


if __name__ == "__main__":
    main()
