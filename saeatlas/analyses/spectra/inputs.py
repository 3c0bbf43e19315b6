"""What spectra are measured of: vectors of an SAE, all or lobe by lobe, or input activations."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import sqlalchemy as sa

from saeatlas import errors
from saeatlas.analyses import chosen_features
from saeatlas.analyses.arrays import Float32, Int64
from saeatlas.analyses.run_driver import Source
from saeatlas.analyses.spectra.params import Params
from saeatlas.progress import Report, silent
from saeatlas.schema import tables
from saeatlas.schema.rows import clusterings, covariances, saes
from saeatlas.schema.rows.covariances import Covariance


@dataclass(frozen=True)
class Subject(Source):
    """What a run measures.

    Parameters
    ----------
    choice : Choice or None
        Features whose vectors are measured; None of activations.
    recording : int or None
        Whose activations are measured.
    """

    choice: chosen_features.Choice | None
    recording: int | None


@dataclass(frozen=True)
class VectorSet:
    """The vectors of one row of ``spectrum``.

    Parameters
    ----------
    vectors : ndarray of shape (n, d), float32, or Covariance
        A covariance where the vectors themselves are not stored.
    clustering, lobe : int or None
        Lobe whose features these are.
    """

    vectors: Float32 | Covariance
    clustering: int | None = None
    lobe: int | None = None


@dataclass(frozen=True)
class Inputs:
    """What a run reads.

    Parameters
    ----------
    vectors : ndarray of shape (n, d), float32, or Covariance
        Of the chosen features.
    features : ndarray of shape (n,), int64
        Feature of each vector, ascending. Empty with a covariance.
    lobes : sequence of Labels or None
        A spectrum for each lobe of these; None for one spectrum.
    """

    vectors: Float32 | Covariance
    features: Int64
    lobes: Sequence[clusterings.Labels] | None = None

    def sets(self) -> Iterator[VectorSet]:
        """Yield the sets of vectors one after another."""
        if self.lobes is None or isinstance(self.vectors, Covariance):
            yield VectorSet(self.vectors)
            return
        for labels in self.lobes:
            for lobe in range(int(labels.lobes.max()) + 1):
                own = np.isin(self.features, labels.features[labels.lobes == lobe])
                yield VectorSet(self.vectors[own], labels.clustering, lobe)

    @property
    def n_sets(self) -> int:
        """Number of sets of vectors."""
        return 1 if self.lobes is None else sum(int(one.lobes.max()) + 1 for one in self.lobes)


def identify(connection: sa.Connection, params: Params, _report: Report = silent) -> Subject:
    """Find the SAE, the features that meet the condition, and the recording or run of lobes.

    Raises
    ------
    UnknownName, InputError
        No such SAE, run or recording, they are of different SAEs, or no feature meets the
        condition.
    QueryFailed
        The condition does not run.
    """
    if params.source == "activations":
        return _activations(connection, params)
    choice = chosen_features.choose(connection, params.sae, params.features_where)
    if params.within is not None:
        _require_lobes(connection, params.within, params.sae)
    columns = {**choice.columns, "input_run": params.within}
    return Subject(columns, {**choice.facts, "recording": None}, choice, None)


def read(
    connection: sa.Connection, source: Subject, params: Params, _report: Report = silent
) -> Inputs:
    """Read the vectors, or the covariance of activations, and the lobes.

    Raises
    ------
    UnknownName, InputError
        There are no such vectors, or no such clustering.
    """
    if source.choice is None:
        assert source.recording is not None
        covariance = covariances.read(connection, source.recording)
        return Inputs(covariance, np.empty(0, np.int64))
    lobes = None
    if params.within is not None:
        lobes = clusterings.read(
            connection, params.within, affinities=params.affinities, ks=params.ks
        )
    assert params.source != "activations"
    vectors, features = chosen_features.vectors(connection, source.choice, params.source)
    return Inputs(vectors, features, lobes)


def _activations(connection: sa.Connection, params: Params) -> Subject:
    weights = saes.weights(saes.read(connection, params.sae))
    recording = params.recording or _newest(connection, params.sae)
    n = covariances.read(connection, recording).n
    table = tables.recording
    of = connection.execute(sa.select(table.c.sae).where(table.c.id == recording)).scalar_one()
    if of != params.sae:
        raise errors.InputError(
            f"Recording {recording} is of SAE {of}, not of SAE {params.sae}.",
            hint="`saeatlas status` lists recordings with their SAEs.",
        )
    facts = {"sae": params.sae, "weights": weights, "recording": recording, "n": n}
    columns = {"sae": params.sae, "recording": recording, "input_run": None}
    return Subject(columns, facts, None, recording)


def _require_lobes(connection: sa.Connection, run: int, sae: int) -> None:
    table = tables.run
    ours = (table.c.id == run, table.c.analysis.in_(["lobes", "geometry"]))
    of = connection.execute(sa.select(table.c.sae).where(*ours)).scalar_one_or_none()
    if of is not None and of != sae:
        raise errors.InputError(
            f"Run {run} has lobes of SAE {of}, not of SAE {sae}.",
            hint=f"Give --sae {of}; `saeatlas status` lists runs with their SAEs.",
        )


def _newest(connection: sa.Connection, sae: int) -> int:
    table, moments = tables.recording, tables.activation_covariance
    query = (
        sa.select(table.c.id)
        .join(moments, moments.c.recording == table.c.id)
        .where(table.c.sae == sae, moments.c.n_tokens > 0)
        .order_by(table.c.id.desc())
        .limit(1)
    )
    found: int | None = connection.execute(query).scalar_one_or_none()
    if found is None:
        raise errors.UnknownName(
            f"No recording of SAE {sae} has the covariance of its activations.",
            hint="`saeatlas ingest activations ... --covariance` collects it.",
        )
    return found
