"""What a test of lobes reads: two runs' clusterings, vectors and frequencies."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from saeatlas import errors
from saeatlas.analyses import run_driver
from saeatlas.analyses.spatiality.params import Params
from saeatlas.progress import Report, silent
from saeatlas.schema import tables
from saeatlas.schema.rows import clusterings, pair_counts, published, sae_vectors
from saeatlas.schema.rows.clusterings import Labels

MIN_FEATURES = 10
"""Features below which nothing is tested."""


@dataclass(frozen=True)
class Pair(run_driver.Source):
    """A run of lobes and one of geometry of the same SAE.

    Parameters
    ----------
    sae : int
    count : int or None
        The run of co-occurrence that knows how often features are active; None if it was removed,
        or a published clustering's SAE has none.
    tested : dict
        Affinities, ks and nulls, once defaults are looked up.
    missing : sequence of int
        ks of the lobes that the geometry has not.
    """

    sae: int
    count: int | None
    tested: dict[str, Any]
    missing: Sequence[int]

    @property
    def stored(self) -> dict[str, Any]:
        """Affinities, ks and nulls, once defaults are looked up."""
        return self.tested


@dataclass(frozen=True)
class Lobes:
    """A labelling that is tested.

    Parameters
    ----------
    clustering : int
        ``clustering.id``.
    k : int
    labels : ndarray of shape (n,), int64
    """

    clustering: int
    k: int
    labels: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Inputs:
    """Features with their lobes, clusters and vectors.

    Parameters
    ----------
    lobes : sequence of Lobes
        Each of the same n features.
    clusters : dict of int to ndarray of shape (n,), int64
        For each k of the lobes, the clusters of the vectors.
    vectors : ndarray of shape (n_clustered, d), float32
        All vectors that were clustered.
    rows : ndarray of shape (n,), int64
        Which of them the n features have.
    frequency : ndarray of shape (n,), int64, or None
        Blocks in which each feature is active; None if it is not known.
    n_left_out : int
        Features of the largest clustering that are not tested.
    missing : sequence of int
        ks of the lobes that the geometry has not, for a note.
    """

    lobes: Sequence[Lobes]
    clusters: dict[int, npt.NDArray[np.int64]]
    vectors: npt.NDArray[np.float32]
    rows: npt.NDArray[np.int64]
    frequency: npt.NDArray[np.int64] | None
    n_left_out: int = 0
    missing: Sequence[int] = ()


def identify(connection: sa.Connection, params: Params, _report: Report = silent) -> Pair:
    """Find both runs' clusterings, as far as they have the same k.

    Raises
    ------
    UnknownName, InputError
        No such runs, or they do not fit each other.
    """
    ours = clusterings.find(connection, params.lobes, affinities=params.affinities, ks=params.ks)
    theirs = clusterings.find(connection, params.geometry)
    run = _run(connection, params.lobes, "lobes")
    sae = _run(connection, params.geometry, "geometry").sae
    counted = published.count_for(connection, run, params.cooccurrence)
    count = run.input_run if counted is None else counted.id
    if sae != run.sae:
        raise errors.InputError(
            f"Lobes {params.lobes} are of SAE {run.sae}, geometry {params.geometry} is of SAE "
            f"{sae}.",
            hint=f"`saeatlas analyze geometry --sae {run.sae}` makes one that fits.",
        )
    common = {each.k for each in ours} & {each.k for each in theirs}
    if not common:
        raise errors.InputError(
            f"Lobes {params.lobes} and geometry {params.geometry} have no k in common.",
            available=f"Lobes have {listed(each.k for each in ours)}, "
            f"geometry has {listed(each.k for each in theirs)}.",
            hint="Run `saeatlas analyze geometry` with the --k of the lobes.",
        )
    tested = [each for each in ours if each.k in common]
    stored = {
        "affinities": sorted({each.affinity for each in tested}),
        "ks": sorted(common),
        "nulls": params.draws(frequency=count is not None),
    }
    facts = stored | {"clusterings": [each.id for each in tested]}
    if counted is not None:
        facts["cooccurrence"] = stored["cooccurrence"] = counted.id
    columns = {"sae": run.sae, "recording": run.recording, "input_run": run.id}
    missing = sorted({each.k for each in ours} - common)
    return Pair(columns, facts, run.sae, count, stored, missing)


def read(
    connection: sa.Connection, source: Pair, params: Params, _report: Report = silent
) -> Inputs:
    """Read labels, vectors and frequencies of features that have a lobe and a cluster everywhere.

    Raises
    ------
    InputError
        Fewer than ten features are left.
    """
    which = {name: source.tested[name] for name in ("affinities", "ks")}
    lobes = clusterings.read(connection, params.lobes, **which)
    geometry = clusterings.read(connection, params.geometry, ks=which["ks"])
    clustered = reduce(np.intersect1d, [each.features for each in geometry])
    common = reduce(np.intersect1d, [each.features for each in lobes], clustered)
    if len(common) < MIN_FEATURES:
        raise errors.InputError(
            f"Only {len(common)} features have both a lobe and a cluster of decoder vectors; "
            f"a test needs {MIN_FEATURES}.",
            hint="Run `saeatlas analyze geometry` over the features that have a lobe.",
        )
    frequency = None
    if source.count is not None:
        frequency = pair_counts.read_features(connection, source.count)[0][common]

    def labels(of: Labels) -> npt.NDArray[np.int64]:
        found: npt.NDArray[np.int64] = of.lobes[np.searchsorted(of.features, common)]
        return found

    return Inputs(
        [Lobes(each.clustering, each.k, labels(each)) for each in lobes],
        {each.k: labels(each) for each in geometry},
        sae_vectors.read(connection, source.sae, clustered),
        np.searchsorted(clustered, common),
        frequency,
        max(len(each.features) for each in lobes) - len(common),
        source.missing,
    )


def _run(connection: sa.Connection, number: int, analysis: str) -> sa.Row[Any]:
    row = connection.execute(sa.select(tables.run).where(tables.run.c.id == number)).one()
    if row.analysis != analysis:
        raise errors.InputError(
            f"Run {number} is {row.analysis}, not {analysis}.",
            hint="Give the run of lobes as --lobes, and that of geometry as --geometry.",
        )
    return row


def listed(numbers: Iterable[int]) -> str:
    """Write numbers in order, each once."""
    return ", ".join(map(str, sorted(set(numbers))))
