"""Lobes: features that go together, found by spectral clustering of their affinities."""

import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
import sqlalchemy as sa

from saeatlas import errors
from saeatlas.analyses.counting import cooccurrence
from saeatlas.analyses.counting import params as counting
from saeatlas.analyses.counting.threshold import Threshold
from saeatlas.analyses.lobes.clustering import Cutting
from saeatlas.analyses.lobes.params import DEFAULT_SEEDS, Terms
from saeatlas.analyses.lobes.sources import Packed, Pairs, open_source
from saeatlas.analyses.progress import Progress
from saeatlas.analyses.run_driver import perform
from saeatlas.schema.rows import clusterings, runs

Array = np.ndarray[Any, Any]
__all__ = ["DEFAULT_SEEDS", "Job", "Terms", "find"]

_NOTHING = 1e-9
"""An affinity below this is none: phi + 1 of opposites, rounded."""


def find(
    engine: sa.Engine, counts: int, terms: Terms | None = None, *, halves: bool = False
) -> Iterator[Progress]:
    """Find the lobes of the features that a run of co-occurrence has counted.

    Writes a run 'lobes' with its rows of ``clustering``, ``lobe`` and ``lobe_member``, in one
    transaction.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    counts : int
        ``run.id`` of the co-occurrence.
    terms : Terms, optional
    halves : bool
        Find lobes from either half of the documents too, and keep how far they agree. Counts
        twice more; those counts stay in the catalog.

    Yields
    ------
    Progress

    Raises
    ------
    UnknownName, InputError
        No such run, or nothing in it to cluster.
    CatalogBusy
        Another process makes the same.

    Notes
    -----
    phi is clustered plus 1. Every k is answered, also where nothing is there to find: without
    structure ncut is near k - 1, modularity near 0 and neither stability near 1.

    References
    ----------
    Li et al., "The Geometry of Concepts", Entropy 27(4):344, 2025.
    von Luxburg, "A tutorial on spectral clustering", Statistics and Computing 17, 2007.
    """
    began, terms = time.perf_counter(), terms or Terms()
    with engine.connect() as connection:
        row = runs.read(connection, counts, "cooccurrence")
        _require_recording(row, terms, halves=halves)
        key = runs.input_hash(
            counts=row.input_sha256.hex(),
            preset=terms.preset,
            seed=terms.seed,
            halves=halves,
            **terms.params,
        )
    with runs.claimed(engine, "lobes", "lobes", key) as found:
        number, created = found, found is None
        notes: tuple[str, ...] = ()
        if number is None:
            job = Job(engine, row, terms)
            yield from job.run()
            if halves:
                yield from job.compare_halves()
            number = job.publish(key, time.perf_counter() - began, halves=halves)
            notes = job.notes
    ask = f'saeatlas sql "select * from lobes where run = {number}"'
    yield Progress("done", 1, 1, time.perf_counter() - began, number, created, ask, notes)


class Job:
    """The lobes of one count.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    row : sqlalchemy.Row
        The run of co-occurrence.
    terms : Terms

    Attributes
    ----------
    notes : tuple of str
        What was left out, and why.
    """

    def __init__(self, engine: sa.Engine, row: sa.Row[Any], terms: Terms) -> None:
        self.engine, self.row, self.terms = engine, row, terms
        self.made: list[clusterings.Made] = []
        self.quality: dict[str, Any] = {}
        self.notes: tuple[str, ...] = ()

    def run(self) -> Iterator[Progress]:
        """Cluster each affinity."""
        source = open_source(self.engine, self.row, self.terms)
        for name in self.terms.params["affinities"]:
            began = time.perf_counter()
            cutting = self._cutting(source, name)
            if cutting is None:
                continue
            for done in cutting.steps():
                yield Progress(name, done, cutting.n_steps, time.perf_counter() - began)
            self.made += cutting.made
            self._describe(cutting)
            del cutting  # its matrix too, before the next one is made
        if not self.made:
            raise errors.InputError(
                f"Run {self.row.id} has nothing to cluster.",
                available=" ".join(self.notes),
                hint="Count more documents, or with a lower --threshold; choose smaller --k.",
            )

    def compare_halves(self) -> Iterator[Progress]:
        """Find lobes from each half of the documents, and compare them."""
        from sklearn.metrics import adjusted_mutual_info_score

        labels, n_blocks = [], 0
        for half in counting.HALVES:
            row = self._counted_half(half)
            n_blocks += row.quality["n_blocks"]
            job = Job(self.engine, row, self.terms)
            yield from (replace(step, stage=f"{half} half, {step.stage}") for step in job.run())
            labels.append({(one.affinity, one.k): one for one in job.made})
        if n_blocks != self.row.quality["n_blocks"]:
            self._note(
                f"The recording has grown since run {self.row.id}: its halves have {n_blocks:,} "
                f"blocks, not {self.row.quality['n_blocks']:,}."
            )
        for one in self.made:
            pair = [half.get((one.affinity, one.k)) for half in labels]
            if pair[0] is None or pair[1] is None:
                continue
            _, first, second = np.intersect1d(
                pair[0].features, pair[1].features, return_indices=True
            )
            agreement = adjusted_mutual_info_score(pair[0].lobes[first], pair[1].lobes[second])
            one.columns["half_stability"] = float(agreement)

    def publish(self, key: bytes, seconds: float, *, halves: bool) -> int:
        """Write the run and its rows.

        Parameters
        ----------
        key : bytes
        seconds : float
        halves : bool

        Returns
        -------
        int
            ``run.id``.
        """
        with self.engine.begin() as connection:
            number = runs.create(
                connection,
                "lobes",
                key,
                sae=self.row.sae,
                recording=self.row.recording,
                input_run=self.row.id,
                preset=self.terms.preset,
                seed=self.terms.seed,
                params=self.terms.params | {"halves": halves},
                quality=self.quality | {"seconds": round(seconds, 3)},
            )
            clusterings.write(connection, number, self.made)
        return number

    def _cutting(self, source: Pairs | Packed, name: str) -> Cutting | None:
        """Choose the features of one affinity; None if there is nothing to cluster."""
        features, affinity = source.choose(name, self.terms)
        if len(features) < 2:
            self._note(f"{name}: fewer than two features are left to cluster.")
            return None
        degrees, varied = affinity.survey()
        if not varied:
            self._note(f"{name} is the same for all pairs: it has no lobes.")
            return None
        meeting = degrees > _NOTHING
        if self.terms.preset == "paper":
            degrees[~meeting] = 0
        elif not meeting.all():  # they would lie wherever the numbers fall
            features, degrees = features[meeting], degrees[meeting]
            affinity = affinity.take(meeting)
            self._note(f"{name}: {(~meeting).sum():,} features meet no other and have no lobe.")
        ks = [k for k in self.terms.params["ks"] if k <= len(features)]
        if ks != self.terms.params["ks"]:
            self._note(f"No lobes for k above the number of features, {len(features):,}.")
        if not ks:
            return None
        return Cutting(
            name, affinity, degrees, features, ks, seed=self.terms.seed, assign=self.terms.assign
        )

    def _describe(self, cutting: Cutting) -> None:
        parts = int((cutting.embedding.eigenvalues > 1 - 1e-5).sum())
        if parts > 1:
            self._note(
                f"{cutting.name} falls in {parts} parts, or more, without any affinity between."
            )
        self.quality[cutting.name] = {
            "n_features": len(cutting.features),
            "n_parts": parts,
            "residual": cutting.embedding.residual,
        }

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes = (*self.notes, text)
        self.quality["notes"] = list(self.notes)

    def _counted_half(self, half: counting.Half) -> sa.Row[Any]:
        params = self.row.params
        wanted = counting.Params(
            self.row.recording,
            threshold=Threshold.parse(params["threshold"]),
            subsets=params["subsets"],
            documents_where=params["documents_where"],
            half=half,
            min_blocks=params["min_blocks"],
            method=params["method"],
        )
        number = perform(self.engine, cooccurrence.ANALYSIS, wanted).run
        with self.engine.connect() as connection:
            return runs.read(connection, number, "cooccurrence")


def _require_recording(row: sa.Row[Any], terms: Terms, *, halves: bool) -> None:
    if row.recording is None and (halves or terms.matrix_free):
        lacking = "documents cannot be halved" if halves else "blocks are not in the catalog"
        raise errors.InputError(
            f"Run {row.id} came from a file: its {lacking}.",
            hint=f"Leave out {'--halves' if halves else '--matrix-free'}.",
        )
