"""Spectra: how the variance of vectors is spread over directions, and whether they cluster."""

from collections.abc import Iterator
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import sqlalchemy as sa

from saeatlas import errors
from saeatlas.analyses import run_driver
from saeatlas.analyses.run_driver import Analysis
from saeatlas.analyses.spectra import excess_negentropy, negentropy, population, shape
from saeatlas.analyses.spectra.excess_negentropy import Excess
from saeatlas.analyses.spectra.inputs import Inputs, VectorSet, identify, read
from saeatlas.analyses.spectra.params import PUBLISHED_COMPONENTS, Params
from saeatlas.analyses.spectra.shape import Shape
from saeatlas.analyses.stats import pca
from saeatlas.analyses.stats.pca import PrincipalAxes
from saeatlas.progress import Progress, Report, silent
from saeatlas.schema import tables
from saeatlas.schema.database import statistics
from saeatlas.schema.database.copy import copy_rows
from saeatlas.schema.rows.covariances import Covariance
from saeatlas.wording import counted

MIN_VECTORS = 3
"""Vectors below which a lobe has no spectrum."""

RESOLVED = 1e-10
"""Eigenvalue, relative to the largest, below which float32 coordinates are rounding errors."""

SWEEP = 4096
"""Vectors, at most, of which the clustering entropy in other numbers of components is taken."""


@dataclass(frozen=True)
class Spectrum:
    """A row of ``spectrum`` with the rows that belong to it.

    Parameters
    ----------
    shape : Shape
    columns : dict
        Further columns of ``spectrum``: which vectors were measured.
    entropies : list of dict
        Rows of ``cluster_entropy``.
    notes : tuple of str
        What could not be measured, and why.
    """

    shape: Shape
    columns: dict[str, Any]
    entropies: list[dict[str, Any]]
    notes: tuple[str, ...]


@dataclass(frozen=True, kw_only=True)
class Result(run_driver.Result):
    """The spectra of a run.

    Parameters
    ----------
    spectra : list of Spectrum
    """

    spectra: list[Spectrum]


def compute(inputs: Inputs, params: Params, report: Report = silent) -> Result:
    """Measure the spectrum of each set of vectors.

    Parameters
    ----------
    inputs : Inputs
    params : Params
    report : callable, optional

    Returns
    -------
    Result
        ``quality`` has n_spectra.

    Raises
    ------
    InputError
        No set has three different vectors.

    Notes
    -----
    Decoder and encoder vectors are normalised; zero vectors and duplicates are left out and
    counted. The clustering entropy in 100 components is that of all vectors, in other numbers of
    components that of at most 4,096 of them, drawn at random.

    References
    ----------
    .. [Li2025] Slopes, volumes and clustering entropy of SAE decoders, and the published figures.
    """
    found: list[Spectrum] = []
    total = 2 * inputs.n_sets
    report(Progress("spectra", 0, total))
    for i, one in enumerate(inputs.sets()):
        resolved = _resolve(one)
        if resolved is not None:
            axes, counts = resolved
            made, notes = _shape(axes, one, params)
            report(Progress("spectra", 2 * i + 1, total))
            entropies, reasons = _entropies(axes, params)
            columns = {"source": params.source, "clustering": one.clustering, "lobe": one.lobe}
            found.append(Spectrum(made, columns | counts, entropies, notes + reasons))
        report(Progress("spectra", 2 * i + 2, total))
    if not found:
        raise errors.InputError(
            f"SAE {params.sae} has no set of {MIN_VECTORS} different vectors to measure.",
            hint="Choose more features, or smaller --k.",
        )
    every = [note for one in found for note in one.notes]
    if len(found) < inputs.n_sets:
        small = inputs.n_sets - len(found)
        every.append(
            f"Without a spectrum: {counted(small, 'lobe')} of fewer than {MIN_VECTORS} vectors."
        )
    return Result(
        quality={"n_spectra": len(found)}, notes=tuple(dict.fromkeys(every)), spectra=found
    )


def _resolve(one: VectorSet) -> tuple[PrincipalAxes, dict[str, int]] | None:
    """Find the eigenvalues and count what is left out; None if there are too few vectors."""
    if isinstance(one.vectors, Covariance):
        known = one.vectors
        axes = pca.principal_axes_of_covariance(known.n, known.mean, known.matrix)
        return axes, {"n_zero": 0, "n_duplicates": 0}
    units, kept, n_zero = pca.unit_vectors(one.vectors)
    if len(units) < MIN_VECTORS:
        return None
    counts = {"n_zero": n_zero, "n_duplicates": len(one.vectors) - n_zero - len(kept)}
    return pca.principal_axes(units), counts


def _shape(axes: PrincipalAxes, one: VectorSet, params: Params) -> tuple[Shape, tuple[str, ...]]:
    """Describe a spectrum; say what it lacks."""
    published = params.preset == "paper"
    found = shape.describe(
        axes,
        unit=not isinstance(one.vectors, Covariance),
        n_draws=params.trials,
        seed=params.seed,
        published=published,
    )
    if found.columns.get("slope") is None:
        return found, ("Spectra of fewer than 60 eigenvalues have no slope.",)
    if "slope_population" not in found.columns and not published:
        note = (
            f"With fewer than {population.MIN_PER_DIMENSION} vectors for each dimension the slope "
            "of the sample is known, that of the population is not."
        )
        return found, (note,)
    return found, ()


def _entropies(axes: PrincipalAxes, params: Params) -> tuple[list[dict[str, Any]], tuple[str, ...]]:
    """Return rows of ``cluster_entropy``, and why others are missing."""
    if not axes.coordinates.shape[1]:
        return [], ()
    if params.preset == "paper":
        return [_published(axes, params.seed)], ()
    rows, reasons = [], []
    for row, n in _excesses(axes, params):
        columns = asdict(row) | {"n": n}
        reason = columns.pop("reason")
        if reason is None:
            rows.append(columns)
        else:
            reasons.append(f"No clustering entropy in {row.components} components: {reason}.")
    return rows, tuple(reasons)


def _published(axes: PrincipalAxes, seed: int) -> dict[str, Any]:
    """Return the row of the published procedure."""
    apart = int((axes.values > RESOLVED * axes.values[0]).sum())
    points = axes.coordinates[:, : min(apart, PUBLISHED_COMPONENTS)]
    value = negentropy.published(points, np.random.default_rng(seed))
    return {"components": points.shape[1], "neighbour": 1, "n": axes.n, "negentropy": value}


def _excesses(axes: PrincipalAxes, params: Params) -> Iterator[tuple[Excess, int]]:
    """Yield the excess negentropy in each number of components, and the number of vectors."""
    components, neighbours = params.stored["components"], params.stored["neighbours"]
    whole = [d for d in components if d == PUBLISHED_COMPONENTS]
    others = [d for d in components if d != PUBLISHED_COMPONENTS]
    for some, ds in ((axes, whole), (_sample(axes, params.seed), others)):
        for row in excess_negentropy.excess_negentropies(
            some, ds, neighbours, unit=True, seed=params.seed
        ):
            yield row, len(some.coordinates)


def _sample(axes: PrincipalAxes, seed: int) -> PrincipalAxes:
    """Take at most `SWEEP` of the vectors, drawn at random."""
    if axes.n <= SWEEP:
        return axes
    some = np.random.default_rng([seed, axes.n]).choice(axes.n, SWEEP, replace=False)
    return replace(axes, n=SWEEP, coordinates=axes.coordinates[np.sort(some)])


def write(connection: sa.Connection, run: int, result: Result) -> None:
    """Write ``spectrum``, ``eigenvalue``, ``spectrum_test`` and ``cluster_entropy``."""
    for one in result.spectra:
        _write_one(connection, run, one)
    for table in (tables.spectrum, tables.eigenvalue):
        statistics.refresh(connection, table)


def _write_one(connection: sa.Connection, run: int, one: Spectrum) -> None:
    table, made = tables.spectrum, one.shape
    columns = made.columns | one.columns | {"run": run}
    insert = sa.insert(table).values(columns).returning(table.c.id)
    number = int(connection.execute(insert).scalar_one())
    low, high = ([None] * len(made.values),) * 2 if made.band is None else made.band.tolist()
    ranks = range(1, len(made.values) + 1)
    rows = zip(ranks, made.values.tolist(), low, high, strict=True)
    copy_rows(
        connection,
        tables.eigenvalue,
        ["spectrum", "rank", "value", "null_low", "null_high"],
        ((number, *row) for row in rows),
    )
    for other, own in ((tables.spectrum_test, made.tests), (tables.cluster_entropy, one.entropies)):
        if own:
            connection.execute(sa.insert(other), [row | {"spectrum": number} for row in own])


ANALYSIS = Analysis(
    name="spectra",
    what="run of spectra",
    ask="select * from spectra where run = {run}",
    identify=identify,
    read=read,
    compute=compute,
    write=write,
)
