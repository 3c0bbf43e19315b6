"""Spectra: how the variance of a cloud of vectors is spread, and whether the cloud has clusters."""

import time
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

import numpy as np
import sqlalchemy as sa

from saeatlas import errors
from saeatlas.analyses.progress import Progress
from saeatlas.analyses.spectra import excess_negentropy, negentropy, population
from saeatlas.analyses.spectra import inputs as spectra_inputs
from saeatlas.analyses.spectra import shape as spectrum
from saeatlas.analyses.spectra.inputs import FEWEST, Inputs, Part, Terms
from saeatlas.analyses.stats import pca
from saeatlas.analyses.stats.pca import Cloud
from saeatlas.schema import tables
from saeatlas.schema.database import statistics
from saeatlas.schema.database.copy import copy_rows
from saeatlas.schema.rows import runs

Array = np.ndarray[Any, Any]
Row = dict[str, Any]

PUBLISHED_COMPONENTS = 100
"""Principal components in which all vectors are compared; those of the published figures."""

RESOLVED = 1e-10
"""Eigenvalue, in units of the largest, below which float32 coordinates are rounding."""

SWEEP = 4096
"""Vectors, at most, that are compared in other numbers of components."""


def find(engine: sa.Engine, sae: int, terms: Terms) -> Iterator[Progress]:
    """Measure the spectra of an SAE's vectors, or of what it hears.

    Writes a run 'spectra' with its rows of ``spectrum``, ``eigenvalue``, ``spectrum_test`` and
    ``cluster_entropy``, in one transaction. Of whole SAEs there is one spectrum, within a run of
    lobes one a lobe.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    sae : int
        ``sae.id``.
    terms : Terms

    Yields
    ------
    Progress

    Raises
    ------
    UnknownName, InputError
        No such SAE, run or vectors, or nothing to measure.
    QueryFailed
        The condition on features does not run.
    CatalogBusy
        Another process makes the same.

    Notes
    -----
    Decoder and encoder vectors are taken as unit vectors, without those that have no direction
    and without duplicates; both are counted. Nothing of the SAE but its vectors is in memory.
    Clustering entropy is that of all vectors in 100 components, in others of at most 4,096.

    References
    ----------
    Li et al., "The Geometry of Concepts", Entropy 27(4):344, 2025.
    """
    began = time.perf_counter()
    with engine.connect() as connection:
        inputs = spectra_inputs.read(connection, sae, terms)
    params = terms.params | {"recording": inputs.recording}
    key = runs.input_hash(preset=terms.preset, seed=terms.seed, **inputs.facts | params)
    with runs.claimed(engine, "spectra", "spectra", key) as found:
        number, created = found, found is None
        notes: tuple[str, ...] = ()
        if number is None:
            job = Job(inputs, terms)
            yield from job.run()
            number = job.publish(engine, key, params, time.perf_counter() - began)
            notes = tuple(job.notes)
    ask = f'saeatlas sql "select * from spectra where run = {number}"'
    yield Progress("done", 1, 1, time.perf_counter() - began, number, created, ask, notes)


class Job:
    """The spectra of one run.

    Parameters
    ----------
    inputs : Inputs
    terms : Terms

    Attributes
    ----------
    notes : list of str
        What was left out, and why.
    """

    def __init__(self, inputs: Inputs, terms: Terms) -> None:
        self.inputs, self.terms = inputs, terms
        self.notes: list[str] = []
        self._made: list[tuple[spectrum.Shape, list[Row]]] = []

    def run(self) -> Iterator[Progress]:
        """Measure the clouds one after another."""
        began, small = time.perf_counter(), 0
        total = 2 * self.inputs.n_parts
        yield Progress("spectra", 0, total, 0.0)
        for i, part in enumerate(self.inputs.parts()):
            resolved = self._resolve(part)
            if resolved is None:
                small += 1
            else:
                self._made.append((self._shape(part, *resolved), []))
                yield Progress("spectra", 2 * i + 1, total, time.perf_counter() - began)
                self._made[-1][1].extend(self._entropies(resolved[0]))
            yield Progress("spectra", 2 * i + 2, total, time.perf_counter() - began)
        if not self._made:
            raise errors.InputError(
                f"SAE {self.inputs.sae} has no cloud of {FEWEST} different vectors to measure.",
                hint="Choose more features, or smaller --k.",
            )
        if small:
            self._note(f"{small:,} lobes of fewer than {FEWEST} vectors have no spectrum.")

    def publish(self, engine: sa.Engine, key: bytes, params: dict[str, Any], seconds: float) -> int:
        """Write the run and its rows.

        Parameters
        ----------
        engine : sqlalchemy.Engine
        key : bytes
        params : dict
            As the run keeps them.
        seconds : float

        Returns
        -------
        int
            ``run.id``.
        """
        with engine.begin() as connection:
            number = runs.create(
                connection,
                "spectra",
                key,
                sae=self.inputs.sae,
                recording=self.inputs.recording,
                input_run=self.terms.within,
                preset=self.terms.preset,
                seed=self.terms.seed,
                params=params,
                quality={
                    "n_spectra": len(self._made),
                    "seconds": round(seconds, 3),
                    "notes": self.notes,
                },
            )
            for shape, entropies in self._made:
                _write(connection, number, shape, entropies)
            for table in (tables.spectrum, tables.eigenvalue):
                statistics.refresh(connection, table)
        return number

    def _resolve(self, part: Part) -> tuple[Cloud, int, int] | None:
        """Find the eigenvalues; None of too few vectors to have any."""
        if part.covariance is not None:
            known = part.covariance
            return pca.from_covariance(known.n, known.mean, known.matrix), 0, 0
        assert part.vectors is not None
        units, kept, n_zero = pca.directions(part.vectors)
        if len(units) < FEWEST:
            return None
        return pca.resolve(units), n_zero, len(part.vectors) - n_zero - len(kept)

    def _shape(self, part: Part, found: Cloud, n_zero: int, n_duplicates: int) -> spectrum.Shape:
        shape = spectrum.describe(
            found,
            unit=part.vectors is not None,
            n_draws=self.terms.trials,
            seed=self.terms.seed,
            published=self.terms.preset == "paper",
        )
        if shape.columns.get("slope") is None:
            self._note("Clouds with fewer than 60 eigenvalues have no slope.")
        elif "slope_population" not in shape.columns and self.terms.preset == "default":
            self._note(
                f"Of clouds with fewer than {population.FEWEST} vectors a dimension the sample's "
                "slope is known, the population's is not."
            )
        shape.columns.update(
            source=self.terms.source,
            clustering=part.clustering,
            lobe=part.lobe,
            n_zero=n_zero,
            n_duplicates=n_duplicates,
        )
        return shape

    def _entropies(self, found: Cloud) -> Iterator[Row]:
        """Yield rows of ``cluster_entropy``."""
        if not found.coordinates.shape[1]:
            return
        if self.terms.preset == "paper":
            apart = int((found.values > RESOLVED * found.values[0]).sum())
            points = found.coordinates[:, : min(apart, PUBLISHED_COMPONENTS)]
            rng = np.random.default_rng(self.terms.seed)
            value = negentropy.published(points, rng)
            yield {"components": points.shape[1], "neighbour": 1, "n": found.n, "negentropy": value}
            return
        whole = [d for d in self.terms.components if d == PUBLISHED_COMPONENTS]
        others = [d for d in self.terms.components if d != PUBLISHED_COMPONENTS]
        for some, components in ((found, whole), (_part(found, self.terms.seed), others)):
            for row in excess_negentropy.measure(
                some, components, self.terms.neighbours, unit=True, seed=self.terms.seed
            ):
                if row.reason is not None:
                    self._note(f"Not seen in {row.components} components: {row.reason}.")
                    continue
                columns = asdict(row) | {"n": len(some.coordinates)}
                del columns["reason"]
                yield columns

    def _note(self, text: str) -> None:
        if text not in self.notes:
            self.notes.append(text)


def _part(found: Cloud, seed: int) -> Cloud:
    """Take some of many vectors, drawn at random: enough to see how the entropy changes."""
    if found.n <= SWEEP:
        return found
    some = np.random.default_rng([seed, found.n]).choice(found.n, SWEEP, replace=False)
    return replace(found, n=SWEEP, coordinates=found.coordinates[np.sort(some)])


def _write(
    connection: sa.Connection, run: int, shape: spectrum.Shape, entropies: list[Row]
) -> None:
    table = tables.spectrum
    insert = sa.insert(table).values(shape.columns | {"run": run}).returning(table.c.id)
    number = int(connection.execute(insert).scalar_one())
    low, high = ([None] * len(shape.values),) * 2 if shape.band is None else shape.band.tolist()
    ranks = range(1, len(shape.values) + 1)
    rows = zip(ranks, shape.values.tolist(), low, high, strict=True)
    copy_rows(
        connection,
        tables.eigenvalue,
        ["spectrum", "rank", "value", "null_low", "null_high"],
        ((number, *row) for row in rows),
    )
    for other, own in ((tables.spectrum_test, shape.tests), (tables.cluster_entropy, entropies)):
        if own:
            connection.execute(sa.insert(other), [row | {"spectrum": number} for row in own])
