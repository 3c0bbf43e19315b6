"""How far clusterings of the same features agree."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import combinations, product
from typing import Any

import numpy as np
import sqlalchemy as sa

from saeatlas import errors
from saeatlas.analyses import run_driver
from saeatlas.analyses.run_driver import Analysis, target
from saeatlas.analyses.stats.agreement import adjusted_mutual_information
from saeatlas.progress import Progress, Report, silent
from saeatlas.schema import tables
from saeatlas.schema.rows import clusterings
from saeatlas.schema.rows.clusterings import Labels


@dataclass(frozen=True)
class Params(run_driver.Params):
    """Which clusterings are compared.

    Parameters
    ----------
    run, other : int
        ``run.id`` of lobes or geometry, of the same SAE: each clustering of one is compared with
        each of the other. The same run twice: each two of its clusterings.
    """

    run: int = target()
    other: int = target()


@dataclass(frozen=True)
class Pairs(run_driver.Source):
    """The clusterings that are compared.

    Parameters
    ----------
    pairs : sequence of (int, int)
        ``clustering.id`` of both.
    other : int
        The other run.
    """

    pairs: Sequence[tuple[int, int]]
    other: int

    @property
    def stored(self) -> dict[str, Any]:
        """The other run."""
        return {"other": self.other}


@dataclass(frozen=True)
class Inputs:
    """Clusterings that are compared.

    Parameters
    ----------
    pairs : sequence of (int, int)
    labels : mapping of int to Labels
        By ``clustering.id``.
    """

    pairs: Sequence[tuple[int, int]]
    labels: Mapping[int, Labels]


@dataclass(frozen=True, kw_only=True)
class Result(run_driver.Result):
    """How far they agree.

    Parameters
    ----------
    rows : sequence of dict
        Columns of ``agreement`` but the run.
    """

    rows: Sequence[dict[str, Any]]


def identify(connection: sa.Connection, params: Params, _report: Report = silent) -> Pairs:
    """Find the clusterings of both runs.

    Raises
    ------
    UnknownName, InputError
        No such runs, they are of different SAEs, or there is nothing to compare.
    """
    ours = clusterings.find(connection, params.run)
    theirs = clusterings.find(connection, params.other)
    c = tables.run.c
    saes = {
        row.id: row.sae
        for row in connection.execute(
            sa.select(c.id, c.sae).where(c.id.in_([params.run, params.other]))
        )
    }
    if saes[params.run] != saes[params.other]:
        raise errors.InputError(
            f"Run {params.run} has clusterings of SAE {saes[params.run]}, run {params.other} of "
            f"SAE {saes[params.other]}.",
            hint="Features of two SAEs are not the same: compare runs of one SAE.",
        )
    if params.run == params.other:
        pairs = [(a.id, b.id) for a, b in combinations(ours, 2)]
    else:
        pairs = [(a.id, b.id) for a, b in product(ours, theirs)]
    if not pairs:
        raise errors.InputError(
            f"Run {params.run} has one clustering, and nothing else to compare it with.",
            hint="Name another run.",
        )
    columns = {"sae": saes[params.run], "input_run": params.run}
    return Pairs(columns, {"pairs": pairs}, pairs, params.other)


def read(
    connection: sa.Connection, source: Pairs, params: Params, _report: Report = silent
) -> Inputs:
    """Read the clusterings."""
    labels = {
        one.clustering: one
        for run in dict.fromkeys([params.run, params.other])
        for one in clusterings.read(connection, run)
    }
    return Inputs(source.pairs, labels)


def compute(inputs: Inputs, _params: Params, report: Report = silent) -> Result:
    """Compare clusterings by the adjusted mutual information of the features that both have.

    Returns
    -------
    Result
        ``quality`` has n_pairs, and n_features of the pair with fewest in common.

    References
    ----------
    .. [VinhEppsBailey2010] The measure.
    """
    rows: list[dict[str, Any]] = []
    for done, (a, b) in enumerate(inputs.pairs):
        report(Progress("compare clusterings", done, len(inputs.pairs)))
        ours, theirs = inputs.labels[a], inputs.labels[b]
        _, i, j = np.intersect1d(
            ours.features, theirs.features, assume_unique=True, return_indices=True
        )
        ami = adjusted_mutual_information(ours.lobes[i], theirs.lobes[j]) if len(i) else None
        rows.append({"clustering": a, "other": b, "n": len(i), "ami": ami})
    report(Progress("compare clusterings", len(rows), len(rows)))
    quality = {"n_pairs": len(rows), "n_features": min(row["n"] for row in rows)}
    notes = []
    if not quality["n_features"]:
        notes.append("Some clusterings have no feature in common: their agreement is not known.")
    return Result(quality=quality, notes=tuple(notes), rows=rows)


def write(connection: sa.Connection, run: int, result: Result) -> None:
    """Write rows of ``agreement``."""
    rows = [{"run": run, **row} for row in result.rows]
    connection.execute(sa.insert(tables.agreement), rows)


ANALYSIS = Analysis(
    name="agreement",
    what="comparison of clusterings",
    ask="select * from agreements where run = {run} order by ami desc nulls last",
    identify=identify,
    read=read,
    compute=compute,
    write=write,
)
