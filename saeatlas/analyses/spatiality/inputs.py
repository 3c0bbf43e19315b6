"""What a test of lobes reads: two runs' clusterings, vectors and frequencies."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any

import numpy as np
import sqlalchemy as sa

from saeatlas import errors
from saeatlas.analyses.spatiality.null_tests import Lobes, World
from saeatlas.schema import tables
from saeatlas.schema.rows import clusterings, pair_counts, sae_vectors
from saeatlas.schema.rows.clusterings import Labels

FEWEST = 10
"""Features below which nothing is tested."""


@dataclass(frozen=True)
class Inputs:
    """What a test reads.

    Parameters
    ----------
    run : sqlalchemy.Row
        The run of lobes.
    geometry_run : int
    lobes, geometry : sequence of Labels
        The same ks.
    missing : sequence of int
        ks of the lobes that the geometry has not.
    """

    run: sa.Row[Any]
    geometry_run: int
    lobes: Sequence[Labels]
    geometry: Sequence[Labels]
    missing: Sequence[int]

    @property
    def frequencies(self) -> int | None:
        """The run that knows how often features are active, if it is still there."""
        return None if self.run.input_run is None else int(self.run.input_run)


def read(
    connection: sa.Connection,
    lobes_run: int,
    geometry_run: int,
    affinities: Sequence[str],
    ks: Sequence[int],
) -> Inputs:
    """Read both runs' clusterings, as far as they have the same k.

    Parameters
    ----------
    connection : sqlalchemy.Connection
    lobes_run, geometry_run : int
        ``run.id``.
    affinities : sequence of str
    ks : sequence of int
        Only these; all if empty.

    Returns
    -------
    Inputs

    Raises
    ------
    UnknownName, InputError
        No such runs, or they do not fit each other.
    """
    ours = clusterings.read(connection, lobes_run, affinities=affinities, ks=ks)
    theirs = clusterings.read(connection, geometry_run)
    run = _run(connection, lobes_run, "lobes")
    sae = _run(connection, geometry_run, "geometry").sae
    if sae != run.sae:
        raise errors.InputError(
            f"Lobes {lobes_run} are of SAE {run.sae}, geometry {geometry_run} is of SAE {sae}.",
            hint=f"`saeatlas analyze geometry --sae {run.sae}` makes one that fits.",
        )
    common = {each.k for each in ours} & {each.k for each in theirs}
    if not common:
        raise errors.InputError(
            f"Lobes {lobes_run} and geometry {geometry_run} have no k in common.",
            available=f"Lobes have {listed(each.k for each in ours)}, "
            f"geometry has {listed(each.k for each in theirs)}.",
            hint="Make the geometry again with the ks of the lobes.",
        )
    return Inputs(
        run,
        geometry_run,
        [each for each in ours if each.k in common],
        [each for each in theirs if each.k in common],
        sorted({each.k for each in ours} - common),
    )


def _run(connection: sa.Connection, number: int, analysis: str) -> sa.Row[Any]:
    row = connection.execute(sa.select(tables.run).where(tables.run.c.id == number)).one()
    if row.analysis != analysis:
        raise errors.InputError(
            f"Run {number} is {row.analysis}, not {analysis}.",
            hint="Give the run of lobes first, then that of geometry.",
        )
    return row


def world(connection: sa.Connection, inputs: Inputs) -> World:
    """Read vectors and frequencies, and keep features that have a lobe and a cluster everywhere.

    Parameters
    ----------
    connection : sqlalchemy.Connection
    inputs : Inputs

    Returns
    -------
    World

    Raises
    ------
    InputError
        Fewer than ten features are left.
    """
    clustered = reduce(np.intersect1d, [each.features for each in inputs.geometry])
    common = reduce(np.intersect1d, [each.features for each in inputs.lobes], clustered)
    if len(common) < FEWEST:
        raise errors.InputError(
            f"Only {len(common)} features have both a lobe and a cluster of geometry; "
            f"a test needs {FEWEST}.",
            hint="Make the geometry again over the features that have a lobe.",
        )
    frequency = None
    if inputs.frequencies is not None:
        frequency = pair_counts.read_features(connection, inputs.frequencies)[0][common]

    def labels(of: Labels) -> np.ndarray[Any, Any]:
        found: np.ndarray[Any, Any] = of.lobes[np.searchsorted(of.features, common)]
        return found

    return World(
        [Lobes(each.clustering, each.k, labels(each)) for each in inputs.lobes],
        {each.k: labels(each) for each in inputs.geometry},
        sae_vectors.read(connection, inputs.run.sae, clustered),
        np.searchsorted(clustered, common),
        frequency,
    )


def listed(numbers: Iterable[int]) -> str:
    """Write numbers in order, each once."""
    return ", ".join(map(str, sorted(set(numbers))))
