"""An SAE as AnnData: features are observations, dimensions of the model are variables."""

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import sqlalchemy as sa

import saeatlas
from saeatlas import errors, ranges
from saeatlas.catalog import affinities, feature_table
from saeatlas.schema import measures, tables
from saeatlas.schema.rows import maps, sae_vectors, saes

if TYPE_CHECKING:
    from anndata import AnnData
    from scipy.sparse import csr_matrix

ABOVE = 0.1
"""Affinity that a pair must exceed to be kept, unless told otherwise."""

MAX_PAIRS = 2**26
"""Entries of an affinity that are kept at most: half a GiB."""

_SAE = ("release", "sae_id", "layer", "site", "hook_name", "architecture", "d_in", "d_sae", "l0")


@dataclass(frozen=True)
class Params:
    """What the AnnData holds of pairs of features.

    Parameters
    ----------
    cooccurrence : int, optional
        Run of ``cooccurrence``. Default: the one over most blocks, the newest of these.
    affinity : str, default='phi'
        Measure of pairs.
    above : float, default=0.1
        Pairs up to this are left out.

    Raises
    ------
    InputError
        `above` is no number from -1 to 1.
    """

    cooccurrence: int | None = None
    affinity: str = "phi"
    above: float = ABOVE

    def __post_init__(self) -> None:
        ranges.require_real("--above", self.above, -1, 1)


def gather(connection: sa.Connection, sae: int, params: Params) -> "AnnData":
    """Gather what the catalog knows of an SAE's features.

    Parameters
    ----------
    connection : sqlalchemy.Connection
    sae : int
        ``sae.id``.
    params : Params

    Returns
    -------
    anndata.AnnData
        ``X``: decoder vectors as stored, float32; no columns without weights. ``obs``: the
        `feature_table`, by names that a query takes, as 12:4821. ``obsm``: the newest map of each
        method, as ``X_tsne``, float32, NaN of features that are not on it; of encoder vectors
        ``X_tsne_encoder``. ``obsp``: the affinity, sparse, symmetric, without a feature's with
        itself; empty if nothing was counted.
        ``uns``: the SAE, the runs that were read with their parameters as JSON, and what the
        bound below which affinities were left out.

    Raises
    ------
    UnknownName
        There is no such SAE, count or measure.
    MissingExtra
        anndata is not installed.
    InputError
        More than `MAX_PAIRS` entries would be kept.
    """
    with errors.extras():
        import anndata
    measures.formula(params.affinity)  # or say that there is none
    table = feature_table.read_feature_table(connection, sae, params.cooccurrence)
    obs = table.frame
    named = _named(connection, sae)
    obs = obs.rename(columns=lambda name: name.replace("/", "_"))  # HDF5 makes folders of them
    obs.index = feature_table.index(f"{named}:{feature}" for feature in obs["feature"])
    if saes.read(connection, sae).weights_sha256 is None:
        vectors = np.empty((len(obs), 0), np.float32)
    else:
        vectors = sae_vectors.read(connection, sae)
    made = anndata.AnnData(X=vectors, obs=obs)
    made.var_names = feature_table.index(map(str, range(vectors.shape[1])))
    runs = {name.replace("/", "_"): run for name, run in table.runs.items()}
    for one in maps.newest(connection, sae):
        plain = one.source in ("decoder", one.method)  # a published map without a method
        name = f"X_{one.method}" if plain else f"X_{one.method}_{one.source}"
        made.obsm[name] = np.full((len(vectors), one.points.shape[1]), np.nan, np.float32)
        made.obsm[name][one.features] = one.points
        runs[name] = one.run
    if table.count:
        runs["cooccurrence"] = table.count.run
    made.uns = _described(connection, sae, runs)
    if table.count:
        run = table.count.run
        made.obsp[params.affinity] = _affinity(connection, run, params, len(obs))
        made.uns["affinity"] = {"measure": params.affinity, "above": params.above, "run": run}
    return made


def _named(connection: sa.Connection, sae: int) -> str:
    """Say how a query names this SAE before a feature: by its layer if no other has the same."""
    layer = saes.read(connection, sae).layer
    same = connection.execute(sa.select(tables.sae.c.id).where(tables.sae.c.layer == layer)).all()
    return str(layer) if len(same) == 1 and layer is not None else f"sae {sae}"


def _described(connection: sa.Connection, sae: int, used: dict[str, int]) -> dict[str, Any]:
    """Say of which SAE and which runs this is, in what HDF5 can hold: nothing is None there."""
    c = tables.sae.c
    query = sa.select(c.id.label("sae"), *(c[name] for name in _SAE)).where(c.id == sae)
    row = connection.execute(query).mappings().one()
    runs = {}
    for name, number in used.items():
        run = tables.run.c
        one = connection.execute(sa.select(tables.run).where(run.id == number)).one()
        runs[name] = {
            "run": number, "analysis": one.analysis, "params": json.dumps(one.params),
            "code_version": one.code_version, "finished_at": one.finished_at.isoformat(),
        }  # fmt: skip
    known = {name: value for name, value in row.items() if value is not None}
    return {**known, "runs": runs, "saeatlas": saeatlas.__version__}


def _affinity(connection: sa.Connection, run: int, params: Params, d_sae: int) -> "csr_matrix":
    """Make the affinity tile by tile, and keep what is above."""
    from scipy import sparse

    found, total = [], 0
    for these, those, values in affinities.affinity_parts(connection, run, params.affinity):
        i, j = np.nonzero((values > params.above) & (these[:, None] != those))
        kept = values[i, j].astype(np.float32)
        ends = these[i].astype(np.int32), those[j].astype(np.int32)
        found.append((kept, *ends))
        if these[0] != those[0]:
            found.append((kept, *ends[::-1]))
        total += len(kept) * (1 if these[0] == those[0] else 2)
        if total > MAX_PAIRS:
            raise errors.InputError(
                f"More than {MAX_PAIRS // 2:,} pairs have an affinity above {params.above:g}.",
                hint="Keep fewer of them: raise `above` (--above).",
            )
    empty = (np.empty(0, np.float32), np.empty(0, np.int32), np.empty(0, np.int32))
    data, row, column = map(np.concatenate, zip(*found, empty, strict=True))
    return sparse.csr_matrix((data, (row, column)), shape=(d_sae, d_sae))
