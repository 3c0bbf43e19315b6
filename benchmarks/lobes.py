"""How fast lobes are found, against scikit-learn's spectral clustering once for every k.

On one affinity of a simulated catalog, in one run:

- ours: one embedding for all k, then k-means on its first k columns.
- scikit-learn: `SpectralClustering(k, affinity="precomputed")`, embedding anew for each k; twice,
  with two seeds, to see where its own labels agree.
- 1,000 permutations of the adjusted mutual information, against a single clustering of ours.

Run: python benchmarks/lobes.py [--features N --blocks N --lobes N] [--affinity phi] [--quick]
     python benchmarks/lobes.py --large [--features 16384]: five affinities, k = 2 to 1024, alone.
     python benchmarks/lobes.py --matrix-free [--features 16384 --blocks 30000]: phi, k = 2 to 16,
     from bits and from the matrix of all pairs; with more than 24,576 features from bits alone,
     and without the count, which makes all pairs too.
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
import sqlalchemy as sa
import torch
from ingest import catalog
from sklearn.cluster import SpectralClustering
from sklearn.metrics import adjusted_mutual_info_score

from saeatlas.analyses.counting import bitmaps, cooccurrence, read_bits
from saeatlas.analyses.counting import params as counting
from saeatlas.analyses.counting.block_selection import select_blocks
from saeatlas.analyses.counting.threshold import Threshold
from saeatlas.analyses.lobes import clustering, embedding, lobes, quality
from saeatlas.analyses.lobes.affinities import MEASURES, Affinity, describe
from saeatlas.analyses.lobes.bilinear import Bilinear
from saeatlas.analyses.lobes.params import Params
from saeatlas.analyses.lobes.sources import Pairs
from saeatlas.analyses.run_driver import perform
from saeatlas.analyses.stats import agreement
from saeatlas.ingest.simulation.job import simulate
from saeatlas.ingest.simulation.terms import Terms
from saeatlas.progress import Progress
from saeatlas.schema import tables
from saeatlas.schema.database import connect
from saeatlas.schema.rows import clusterings, pair_counts

KS = [2, 4, 8, 16]

FITTING = 24_576
"""Features whose pairs are counted, and whose matrix is made, to compare with."""


def recorded(engine: sa.Engine, features: int, blocks: int, planted: int) -> int:
    """Simulate; return recording.id."""
    terms = Terms(features=features, d_model=64, lobes=planted, parallelograms=0, trapezoids=0)
    for _ in simulate(engine, terms, blocks=blocks):
        pass
    with engine.connect() as connection:
        return int(connection.execute(sa.select(tables.recording.c.id)).scalar_one())


def counted(engine: sa.Engine, recording: int) -> int:
    """Count all pairs; return run.id."""
    wanted = counting.Params(recording, Threshold(0.0))
    return perform(engine, cooccurrence.ANALYSIS, wanted).run


def measure(affinity: Affinity, ks: list[int]) -> dict[str, float]:
    """Cluster both ways and return the figures."""
    started = time.perf_counter()
    degrees, _, _ = describe(affinity)
    points = embedding.embed(affinity, degrees, max(ks))
    embedded = time.perf_counter() - started
    ours, seconds = [], []
    for k in ks:
        began = time.perf_counter()
        ours.append(clustering.cluster_points(points, k).labels)
        seconds.append(time.perf_counter() - began)
    total = time.perf_counter() - started
    weights = np.vstack([rows for _, rows in affinity.rows()]).astype(np.float64)
    theirs, others, times = [], [], []
    for k in ks:
        began = time.perf_counter()
        theirs.append(_theirs(weights, k, 0))
        times.append(time.perf_counter() - began)
        others.append(_theirs(weights, k, 1))
    cuts = quality.measure(affinity, degrees, ours + theirs)
    ratios = [a.ncut / b.ncut for a, b in zip(cuts[: len(ks)], cuts[len(ks) :], strict=True)]
    amis = list(map(adjusted_mutual_info_score, ours, theirs))
    own = list(map(adjusted_mutual_info_score, theirs, others))
    print(
        f"{'k':>5}{'ours, s':>10}{'theirs, s':>12}{'ncut ratio':>12}{'AMI':>8}{'their seeds':>13}"
    )
    for row in zip(ks, seconds, times, ratios, amis, own, strict=True):
        print("{:>5}{:>10.2f}{:>12.2f}{:>12.5f}{:>8.3f}{:>13.3f}".format(*row))
    print(f"embedding {embedded:.2f} s; ours {total:.1f} s, theirs {sum(times):.1f} s")
    agreeing = [ami for ami, seeds in zip(amis, own, strict=True) if seeds >= 0.98]
    return {
        "speedup": sum(times) / total,
        "ncut_ratio_max": max(ratios),
        "ami_min": min(agreeing, default=float("nan")),
        "permutations_over_clustering": _permutations(ours[2]) / _single(affinity, ks[2]),
    }


def _theirs(weights: np.ndarray, k: int, seed: int) -> np.ndarray:
    model = SpectralClustering(k, affinity="precomputed", random_state=seed)
    return clustering.numbered(model.fit(weights).labels_)


def _single(affinity: Affinity, k: int) -> float:
    started = time.perf_counter()
    degrees, _, _ = describe(affinity)
    clustering.cluster_points(embedding.embed(affinity, degrees, k), k)
    return time.perf_counter() - started


def _permutations(labels: np.ndarray) -> float:
    rng = np.random.default_rng(0)
    other = rng.integers(0, labels.max() + 1, len(labels))
    started = time.perf_counter()
    orders = agreement.shuffles(rng, len(labels), 1000)
    agreement.permuted([labels], other, orders)
    return time.perf_counter() - started


def large(url: str, run: int) -> tuple[float, float]:
    """Find all lobes in a process of its own; return seconds and the peak of memory in GB."""
    started = time.perf_counter()

    def report(step: Progress) -> None:
        if step.done == step.total:
            print(f"{step.stage}: {time.perf_counter() - started:,.0f} s", flush=True)

    perform(connect.open_catalog(url), lobes.ANALYSIS, Params(run), report)
    return time.perf_counter() - started, _peak()


def found(url: str, run: int, matrix_free: bool) -> tuple[dict[str, float], int]:
    """Find lobes of phi by either way, in a process of its own; return the run too."""
    started = time.perf_counter()
    wanted = Params(run, affinities=["phi"], ks=KS, matrix_free=matrix_free)
    found = perform(connect.open_catalog(url), lobes.ANALYSIS, wanted).run
    return _cost(started), found


def from_bits(url: str, recording: int) -> dict[str, float]:
    """Do what `found` does from bits where nothing was counted; return the residual too."""
    engine = connect.open_catalog(url)
    bitmap = bitmaps.grow(engine, recording, Threshold(0.0))
    started = time.perf_counter()
    chosen = select_blocks(engine, bitmap)
    with engine.connect() as connection:
        query = sa.text("select distinct feature from atlas.feature_bitmap order by feature")
        features = np.array(connection.execute(query).scalars().all())
        packed = read_bits.read_selected(connection, bitmap, chosen, features)
    affinity = Bilinear("phi", chosen.n_blocks, read_bits.count(packed), packed)
    degrees, _ = affinity.survey()

    def report(step: Progress) -> None:
        print(f"step {step.done}: {time.perf_counter() - started:,.0f} s", flush=True)

    done = clustering.spectral_clustering("phi", affinity, degrees, features, KS, report=report)
    return _cost(started) | {"residual": done.embedding.residual}


def _cost(started: float) -> dict[str, float]:
    """Seconds, those of the cores too, where others use them, and the peak of memory."""
    usage = resource.getrusage(resource.RUSAGE_SELF)
    cores = usage.ru_utime + usage.ru_stime
    seconds = time.perf_counter() - started
    return {"seconds": seconds, "core_seconds": cores, "peak_gb": _peak()}


def _peak() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # GB


def _alone(what: Callable[..., Any], *given: object) -> Any:
    with ProcessPoolExecutor(1, multiprocessing.get_context("spawn")) as pool:
        return pool.submit(what, *given).result()


def without_matrix(engine: sa.Engine, recording: int, features: int) -> dict[str, Any]:
    """Find lobes of phi from bits, and from the matrix where it fits."""
    url = engine.url.render_as_string(hide_password=False)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    if features > FITTING:
        return {"device": device} | _alone(from_bits, url, recording)
    run, figures, labels = counted(engine, recording), {"device": device}, []
    for name, free in (("free", True), ("matrix", False)):
        cost, made = _alone(found, url, run, free)
        figures |= {f"{name}_{key}": value for key, value in cost.items()}
        with engine.connect() as connection:
            labels.append([one.lobes for one in clusterings.read(connection, made)])
    amis = [adjusted_mutual_info_score(*pair) for pair in zip(*labels, strict=True)]
    return figures | {f"ami_{k}": ami for k, ami in zip(KS, amis, strict=True)}


def main() -> None:
    """Measure and print the figures as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--features", type=int)
    parser.add_argument("--blocks", type=int, default=30_000)
    parser.add_argument("--lobes", type=int, default=8, help="planted")
    parser.add_argument("--affinity", default="phi", choices=list(MEASURES))
    parser.add_argument("--quick", action="store_true", help="finish within 50 seconds")
    parser.add_argument("--large", action="store_true", help="five affinities, k to 1024, alone")
    parser.add_argument("--matrix-free", action="store_true", help="phi, from bits and otherwise")
    given = parser.parse_args()
    size = 16_384 if given.large or given.matrix_free else 1_024 if given.quick else 4_096
    features = given.features or size
    with catalog() as engine:
        recording = recorded(engine, features, given.blocks, given.lobes)
        if given.matrix_free:
            _print(without_matrix(engine, recording, features))
            return
        run = counted(engine, recording)
        if given.large:
            url = engine.url.render_as_string(hide_password=False)
            seconds, peak = _alone(large, url, run)
            print(json.dumps({"minutes": round(seconds / 60, 2), "peak_gb": round(peak, 2)}))
            return
        with engine.connect() as connection:
            counts = pair_counts.read(connection, run)
    _, affinity = Pairs(counts).choose(given.affinity, Params(run))
    figures = measure(affinity, [2, 4, 8, 16, 32] if given.quick else [2**i for i in range(1, 9)])
    _print(figures)


def _print(figures: dict[str, Any]) -> None:
    rounded = {k: round(v, 6) if isinstance(v, float) else v for k, v in figures.items()}
    print(json.dumps(rounded), flush=True)


if __name__ == "__main__":
    main()
