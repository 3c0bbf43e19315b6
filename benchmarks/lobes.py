"""How fast lobes are found, against scikit-learn's spectral clustering once for every k.

On one affinity of a simulated catalog, in one run:

- ours: one embedding for all k, then k-means on its first k columns.
- scikit-learn: `SpectralClustering(k, affinity="precomputed")`, embedding anew for each k; twice,
  with two seeds, to see where its own labels agree.
- 1,000 permutations of the adjusted mutual information, against a single clustering of ours.

Run: python benchmarks/lobes.py [--features N --blocks N --lobes N] [--affinity phi]
     [--quick | --smoke]
     python benchmarks/lobes.py --large [--features 16384]: five affinities, k = 2 to 1024, alone.
     python benchmarks/lobes.py --matrix-free [--features 16384 --blocks 30000]: phi, k = 2 to 16,
     from bits and from the matrix of all pairs; with more than 24,576 features from bits alone,
     and without the count, which makes all pairs too.
"""

import time
from dataclasses import dataclass
from functools import partial

import numpy as np
import sqlalchemy as sa
import torch
from harness import Cost, Figures, address, alone, catalog, finish, options, size, timed
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
from saeatlas.ingest.simulation.params import Params as World
from saeatlas.progress import Progress
from saeatlas.schema import tables
from saeatlas.schema.database import connect
from saeatlas.schema.rows import clusterings, pair_counts


@dataclass(frozen=True)
class Size:
    """What is simulated, and into how many lobes it is clustered."""

    features: int
    blocks: int
    lobes: int
    ks: tuple[int, ...]


SIZES = {
    "full": Size(features=4_096, blocks=30_000, lobes=8, ks=(2, 4, 8, 16, 32, 64, 128, 256)),
    "quick": Size(features=3_072, blocks=10_000, lobes=8, ks=(2, 4, 8, 16, 32, 64, 128)),
    "smoke": Size(features=128, blocks=600, lobes=3, ks=(2, 3, 4)),
}
LARGE = 16_384
"""Features of --large and --matrix-free, where not given."""

KS = [2, 4, 8, 16]

FITTING = 24_576
"""Features whose pairs are counted, and whose matrix is made, to compare with."""


def simulated(engine: sa.Engine, chosen: Size) -> int:
    """Simulate; return recording.id."""
    world = World(features=chosen.features, d_model=64, lobes=chosen.lobes, parallelograms=0,
                  trapezoids=0)  # fmt: skip
    simulate(engine, world, blocks=chosen.blocks)
    with engine.connect() as connection:
        return int(connection.execute(sa.select(tables.recording.c.id)).scalar_one())


def counted(engine: sa.Engine, recording: int) -> int:
    """Count all pairs; return run.id."""
    params = counting.Params(recording, Threshold(0.0))
    return perform(engine, cooccurrence.ANALYSIS, params).run


def measure(affinity: Affinity, ks: tuple[int, ...]) -> Figures:
    """Cluster both ways and return the figures."""
    degrees, _, _ = describe(affinity)
    embedding_seconds, points = timed(lambda: embedding.embed(affinity, degrees, max(ks)))
    ours = [timed(partial(_ours, points, k)) for k in ks]
    weights = np.vstack([rows for _, rows in affinity.rows()]).astype(np.float64)
    theirs = [timed(partial(_theirs, weights, k, 0)) for k in ks]
    others = [_theirs(weights, k, 1) for k in ks]
    our_labels, their_labels = ([labels for _, labels in way] for way in (ours, theirs))
    cuts = quality.measure(affinity, degrees, our_labels + their_labels)
    ratios = [a.ncut / b.ncut for a, b in zip(cuts[: len(ks)], cuts[len(ks) :], strict=True)]
    amis = list(map(adjusted_mutual_info_score, our_labels, their_labels))
    own = list(map(adjusted_mutual_info_score, their_labels, others))
    seconds = [[taken for taken, _ in way] for way in (ours, theirs)]
    _table(list(zip(ks, *seconds, ratios, amis, own, strict=True)))
    total = embedding_seconds + sum(seconds[0])
    print(
        f"embedding {embedding_seconds:.2f} s; ours {total:.1f} s, theirs {sum(seconds[1]):.1f} s"
    )
    agreeing = [ami for ami, seeds in zip(amis, own, strict=True) if seeds >= 0.98]
    return {
        "speedup": sum(seconds[1]) / total,
        "ncut_ratio_max": max(ratios),
        "ami_min": min(agreeing, default=float("nan")),
        "permutations_over_clustering": _permutations(our_labels[2]) / _single(affinity, ks[2]),
    }


def _table(rows: list[tuple[float, ...]]) -> None:
    print(
        f"{'k':>5}{'ours, s':>10}{'theirs, s':>12}{'ncut ratio':>12}{'AMI':>8}{'their seeds':>13}"
    )
    for row in rows:
        print("{:>5}{:>10.2f}{:>12.2f}{:>12.5f}{:>8.3f}{:>13.3f}".format(*row))


def _ours(points: np.ndarray, k: int) -> np.ndarray:
    return clustering.cluster_points(points, k).labels


def _theirs(weights: np.ndarray, k: int, seed: int) -> np.ndarray:
    model = SpectralClustering(k, affinity="precomputed", random_state=seed)
    return clustering.numbered(model.fit(weights).labels_)


def _single(affinity: Affinity, k: int) -> float:
    def cluster() -> None:
        degrees, _, _ = describe(affinity)
        clustering.cluster_points(embedding.embed(affinity, degrees, k), k)

    return timed(cluster)[0]


def _permutations(labels: np.ndarray) -> float:
    rng = np.random.default_rng(0)
    other = rng.integers(0, labels.max() + 1, len(labels))
    return timed(
        lambda: agreement.permuted([labels], other, agreement.shuffles(rng, len(labels), 1000))
    )[0]


def large(url: str, run: int, ks: tuple[int, ...] | None) -> None:
    """Find the lobes of all affinities; k to 1,024 where not given."""
    started = time.perf_counter()

    def report(step: Progress) -> None:
        if step.done == step.total:
            print(f"{step.stage}: {time.perf_counter() - started:,.0f} s", flush=True)

    params = Params(run) if ks is None else Params(run, ks=ks)
    perform(connect.open_catalog(url), lobes.ANALYSIS, params, report)


def found(url: str, run: int, matrix_free: bool) -> int:
    """Find lobes of phi by either way; return the run."""
    params = Params(run, affinities=["phi"], ks=KS, matrix_free=matrix_free)
    return perform(connect.open_catalog(url), lobes.ANALYSIS, params).run


def from_bits(url: str, recording: int) -> float:
    """Do what `found` does from bits where nothing was counted; return the residual."""
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
    return float(done.embedding.residual)


def _cost(name: str, cost: Cost[object]) -> Figures:
    """Name what a way took: the seconds of the cores too, as others use them."""
    return {
        f"{name}_seconds": cost.seconds,
        f"{name}_core_seconds": cost.core_seconds,
        f"{name}_peak_gb": cost.peak_mb / 1024,
    }


def without_matrix(engine: sa.Engine, recording: int, features: int) -> Figures:
    """Find lobes of phi from bits, and from the matrix where it fits."""
    figures: Figures = {"device": "cuda" if torch.cuda.is_available() else "cpu"}
    if features > FITTING:
        return figures | only_bits(engine, recording)
    run, labels = counted(engine, recording), []
    for name, free in (("free", True), ("matrix", False)):
        cost = alone(found, address(engine), run, free)
        figures |= _cost(name, cost)
        with engine.connect() as connection:
            labels.append([one.lobes for one in clusterings.read(connection, cost.result)])
    amis = [adjusted_mutual_info_score(*pair) for pair in zip(*labels, strict=True)]
    return figures | {f"ami_{k}": float(ami) for k, ami in zip(KS, amis, strict=True)}


def only_bits(engine: sa.Engine, recording: int) -> Figures:
    """Find lobes of phi from bits, with nothing counted."""
    cost = alone(from_bits, address(engine), recording)
    return _cost("bits", cost) | {"bits_residual": cost.result}


def all_affinities(engine: sa.Engine, run: int, ks: tuple[int, ...] | None = None) -> Figures:
    """Find lobes of all affinities in a process of its own."""
    cost = alone(large, address(engine), run, ks)
    return {"minutes": cost.seconds / 60, "peak_gb": cost.peak_mb / 1024}


def compared(engine: sa.Engine, run: int, affinity: str, ks: tuple[int, ...]) -> Figures:
    """Compare with scikit-learn on the counts of a run."""
    with engine.connect() as connection:
        counts = pair_counts.read(connection, run)
    _, chosen = Pairs(counts).choose(affinity, Params(run))
    return measure(chosen, ks)


def main() -> None:
    """Measure and print the figures."""
    parser = options(__doc__)
    parser.add_argument("--features", type=int)
    parser.add_argument("--blocks", type=int)
    parser.add_argument("--lobes", type=int, help="planted")
    parser.add_argument("--affinity", default="phi", choices=list(MEASURES))
    parser.add_argument("--large", action="store_true", help="five affinities, k to 1024, alone")
    parser.add_argument("--matrix-free", action="store_true", help="phi, from bits and otherwise")
    given = parser.parse_args()
    if given.large or given.matrix_free:
        given.features = given.features or LARGE
    chosen, smoke = size(given, SIZES), given.scale == "smoke"
    with catalog() as engine:
        recording, figures = simulated(engine, chosen), {}
        if smoke:
            figures |= only_bits(engine, recording)
        if smoke or given.matrix_free:
            figures |= without_matrix(engine, recording, chosen.features)
        if smoke or given.large:
            figures |= all_affinities(engine, counted(engine, recording), (2, 3) if smoke else None)
        if smoke or not (given.matrix_free or given.large):
            run = counted(engine, recording)
            figures |= compared(engine, run, given.affinity, chosen.ks)
    finish(given, figures)


if __name__ == "__main__":
    main()
