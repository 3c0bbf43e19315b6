"""Lobes: features that co-occur, found by spectral clustering of their affinities."""

from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from saeatlas import errors
from saeatlas.analyses import run_driver
from saeatlas.analyses.counting import cooccurrence
from saeatlas.analyses.counting import params as counting
from saeatlas.analyses.counting.threshold import Threshold
from saeatlas.analyses.lobes import sources
from saeatlas.analyses.lobes.affinities import Affinity
from saeatlas.analyses.lobes.bilinear import Bilinear
from saeatlas.analyses.lobes.clustering import SpectralClustering, spectral_clustering
from saeatlas.analyses.lobes.params import Params
from saeatlas.analyses.lobes.sources import Bits, Pairs
from saeatlas.analyses.run_driver import Analysis, perform
from saeatlas.progress import Progress, Report, silent
from saeatlas.schema.rows import clusterings, runs
from saeatlas.schema.rows.clusterings import Clustering

_NOTHING = 1e-9
"""An affinity below this is none: phi + 1 of opposites, rounded."""


@dataclass(frozen=True)
class CountRun(run_driver.Source):
    """The run of co-occurrence whose features are clustered.

    Parameters
    ----------
    row : sqlalchemy.Row
        Of ``run``.
    """

    row: sa.Row[Any]


@dataclass(frozen=True)
class Inputs:
    """Counts of features, or the bits that they were counted from.

    Parameters
    ----------
    run : int
        ``run.id`` of the count, for messages.
    counts : Pairs or Bits
        Bits where the work is matrix-free.
    halves : iterable of Pairs or Bits
        The same of each half of the documents, read when it is their turn; empty if halves are
        not compared.
    """

    run: int
    counts: Pairs | Bits
    halves: Iterable[Pairs | Bits] = ()


@dataclass(frozen=True, kw_only=True)
class Result(run_driver.Result):
    """Lobes.

    Parameters
    ----------
    clusterings : list of Clustering
        One for each affinity and k.
    """

    clusterings: list[Clustering]


def identify(connection: sa.Connection, params: Params, _report: Report = silent) -> CountRun:
    """Find the run of co-occurrence.

    Raises
    ------
    UnknownName, InputError
        No such run, or it came from a file where bits or halves of the documents are needed.
    """
    row = runs.read(connection, params.cooccurrence, "cooccurrence")
    if row.recording is None and (params.halves or params.matrix_free):
        lacking = "documents cannot be halved" if params.halves else "blocks are not in the catalog"
        raise errors.InputError(
            f"Run {row.id} came from a file: its {lacking}.",
            hint=f"Leave out {'--halves' if params.halves else '--matrix-free'}.",
        )
    columns = {"sae": row.sae, "recording": row.recording, "input_run": row.id}
    return CountRun(columns, {"counts": row.input_sha256.hex()}, row)


def read(
    connection: sa.Connection, source: CountRun, params: Params, report: Report = silent
) -> Inputs:
    """Read the counts; of halves, count them first: those runs stay in the catalog.

    Raises
    ------
    InputError, UnknownName
        The blocks of the count cannot be found any more.
    """
    engine, row = connection.engine, source.row
    halves = [_count_half(engine, row, half, report) for half in counting.HALVES if params.halves]
    return Inputs(
        row.id,
        sources.read_counts(connection, row, params, report),
        (_read_half(engine, half, params, report) for half in halves),
    )


def compute(inputs: Inputs, params: Params, report: Report = silent) -> Result:
    """Cluster features by each affinity and for each k.

    Parameters
    ----------
    inputs : Inputs
    params : Params
    report : callable, optional
        Called with each `Progress`.

    Returns
    -------
    Result
        ``quality`` has for each affinity n_features, n_parts and residual: the features clustered,
        the parts without affinity between them, and how far eigenvectors were from converged.

    Raises
    ------
    InputError
        There is nothing to cluster.

    Notes
    -----
    phi is clustered plus 1. Every k is answered, also where nothing is there to find: without
    structure ncut is near k - 1, modularity near 0 and neither stability near 1.

    References
    ----------
    .. [Li2025] The procedure.
    .. [VonLuxburg2007] Spectral clustering.
    """
    whole = _cluster(inputs.counts, params, inputs.run, report)
    if params.halves:
        found, n_blocks = [], 0
        for half, counts in zip(counting.HALVES, inputs.halves, strict=True):
            n_blocks += counts.n_blocks
            found.append(_cluster(counts, params, inputs.run, _prefixed(report, half)))
        if n_blocks != inputs.counts.n_blocks:
            whole.note(
                f"The recording has grown since run {inputs.run}: its halves have {n_blocks:,} "
                f"blocks, not {inputs.counts.n_blocks:,}."
            )
        _compare_halves(whole.clusterings, *(half.clusterings for half in found))
    return Result(
        quality=whole.quality, notes=tuple(whole.notes), clusterings=whole.clusterings
    )  # fmt: skip


def write(connection: sa.Connection, run: int, result: Result) -> None:
    """Write rows of ``clustering``, ``lobe`` and ``lobe_member``."""
    clusterings.write(connection, run, result.clusterings)


ANALYSIS = Analysis(
    name="lobes",
    what="run of lobes",
    ask="select * from lobes where run = {run}",
    identify=identify,
    read=read,
    compute=compute,
    write=write,
)


@dataclass
class _Found:
    """The clusterings of all affinities, what they say of themselves, and what was left out."""

    clusterings: list[Clustering] = field(default_factory=list)
    quality: dict[str, Any] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    def note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)


def _cluster(counts: Pairs | Bits, params: Params, run: int, report: Report) -> _Found:
    """Cluster by each affinity, one at a time: its matrix is freed before the next one."""
    found = _Found()
    for name in params.stored["affinities"]:
        done = _cluster_affinity(counts, name, params, found, report)
        if done is None:
            continue
        found.clusterings += done.clusterings
        n_parts = int((done.embedding.eigenvalues > 1 - 1e-5).sum())
        if n_parts > 1:
            found.note(f"{name} falls into {n_parts} or more parts without any affinity between.")
        found.quality[name] = {
            "n_features": len(done.clusterings[0].features),
            "n_parts": n_parts,
            "residual": done.embedding.residual,
        }
    if not found.clusterings:
        raise errors.InputError(
            f"Run {run} has nothing to cluster.",
            available=" ".join(found.notes),
            hint="Count more documents, or with a lower --threshold; choose smaller --k.",
        )
    return found


def _cluster_affinity(
    counts: Pairs | Bits, name: str, params: Params, found: _Found, report: Report
) -> SpectralClustering | None:
    """Choose the features of one affinity and cluster them; None if there is nothing to cluster."""
    affinity: Affinity | Bilinear
    features, affinity = counts.choose(name, params)
    if len(features) < 2:
        found.note(f"{name}: fewer than two features are left to cluster.")
        return None
    degrees, varied = affinity.survey()
    if not varied:
        found.note(f"{name} is the same for all pairs: it has no lobes.")
        return None
    related = degrees > _NOTHING
    if params.preset == "paper":
        degrees[~related] = 0
    elif not related.all():  # their place would be arbitrary
        features, degrees = features[related], degrees[related]
        affinity = affinity.take(related)
        n = f"{(~related).sum():,} of {len(related):,}"
        found.note(f"{name}: {n} features have no affinity with any other, and so no lobe.")
    ks = [k for k in params.stored["ks"] if k <= len(features)]
    if ks != params.stored["ks"]:
        found.note(f"No lobes for k above the number of features, {len(features):,}.")
    if not ks:
        return None
    return spectral_clustering(
        name, affinity, degrees, features, ks, seed=params.seed, assign=params.assign,
        report=report,
    )  # fmt: skip


def _compare_halves(
    whole: list[Clustering], first: list[Clustering], second: list[Clustering]
) -> None:
    """Measure how far the lobes of both halves agree: column half_stability."""
    halves = [{(one.affinity, one.k): one for one in half} for half in (first, second)]
    for one in whole:
        a, b = (half.get((one.affinity, one.k)) for half in halves)
        if a is not None and b is not None:
            one.columns["half_stability"] = _agreement(a, b)


def _agreement(a: Clustering, b: Clustering) -> float:
    from sklearn.metrics import adjusted_mutual_info_score

    _, in_a, in_b = np.intersect1d(a.features, b.features, return_indices=True)
    labels: tuple[npt.NDArray[np.int64], ...] = a.lobes[in_a], b.lobes[in_b]
    return float(adjusted_mutual_info_score(*labels))


def _count_half(engine: sa.Engine, row: sa.Row[Any], half: counting.Half, report: Report) -> int:
    """Count one half of the documents as the whole was counted."""
    params = counting.Params(
        row.recording,
        threshold=Threshold.parse(row.params["threshold"]),
        subsets=row.params["subsets"],
        documents_where=row.params["documents_where"],
        half=half,
        min_blocks=row.params["min_blocks"],
        method=row.params["method"],
    )
    return perform(engine, cooccurrence.ANALYSIS, params, _prefixed(report, half)).run


def _read_half(engine: sa.Engine, run: int, params: Params, report: Report) -> Pairs | Bits:
    with engine.connect() as connection:
        row = runs.read(connection, run, "cooccurrence")
        return sources.read_counts(connection, row, params, report)


def _prefixed(report: Report, half: counting.Half) -> Report:
    """Report the stages of a half as its own."""

    def prefixed(step: Progress) -> None:
        report(replace(step, stage=f"{half} half: {step.stage}"))

    return prefixed
