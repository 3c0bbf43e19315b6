"""Maps of features that others published: a run of maps with coordinates."""

import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa

from saeatlas import errors
from saeatlas.ingest.published import features, job, values
from saeatlas.ingest.published.features import FeatureColumns
from saeatlas.progress import Report, silent
from saeatlas.schema.rows import maps
from saeatlas.schema.tables import AXES
from saeatlas.wording import counted

METHOD = "published"
_METHOD_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.+-]{0,49}")


def ingest_map(
    engine: sa.Engine,
    path: Path,
    *,
    sae: str,
    method: str = METHOD,
    columns: Mapping[str, str] | None = None,
    report: Report = silent,
) -> job.Published:
    """Ingest a map: coordinates of features.

    Writes a row of ``run`` (analysis ``maps``) and of ``coordinate`` for each feature on the map.
    The same again changes nothing.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    path : Path
        CSV or Parquet with columns x, y and, in space, z; JSON; .npy or .npz with an array of
        shape (d_sae, 2) or (d_sae, 3).
    sae : str
        Name or number of the SAE.
    method : str, default='published'
        How it was made, as ``umap``.
    columns : mapping of str to str, optional
        The file's columns for feature, x, y and z.
    report : callable, optional

    Returns
    -------
    Published

    Raises
    ------
    BadTable
        The file has impossible values.
    InputError
        `method` is not a name.
    UnknownName
        No such SAE.
    """
    if not _METHOD_NAME.fullmatch(method):
        raise errors.InputError(
            f"--method {method!r:.60} is not a name.",
            hint="Letters, digits and _ . + - make one, as umap.",
        )
    wanted = dict(columns or {})
    for name in wanted.keys() - {features.FEATURE, *AXES}:
        raise errors.BadTable(
            f"--column {name}={wanted[name]}: a map has no {name!r}.",
            available="It has feature, x, y and z.",
        )

    def read(row: sa.Row[Any]) -> job.Content:
        chosen = job.read_features(path, row, wanted, "points")
        axes = _axes(chosen)
        features.require_once(chosen)
        points = np.array([values.coordinates(chosen, name, axes[name]) for name in axes]).T
        order = np.argsort(chosen.features)
        own, points = np.array(chosen.features)[order], points[order].astype(np.float32)
        n, d = points.shape
        return job.Content(
            params={"method": method, "source": METHOD, "features_where": None, "dimensions": d},
            quality={"n_features": n},
            values=[method, own.tolist(), points.tolist()],
            write=lambda connection, run: maps.write(connection, run, own, points),
            summary=f"{counted(n, 'feature')} of {row.d_sae:,} in {d} dimensions.",
        )

    return job.ingest(engine, "maps", path, sae, read, report)


def _axes(chosen: FeatureColumns) -> dict[str, list[Any]]:
    """Find the columns of coordinates: x, y, z, or numbered ones, as umap_1 and umap_2."""
    found = chosen.values
    if not chosen.named:
        found = {_axis(name, found): values for name, values in found.items()}
    if not {"x", "y"} <= found.keys():
        raise errors.BadFile(
            f"{chosen.file} has no columns x and y.",
            available=f"It has {', '.join(map(repr, chosen.values))}.",
            hint="Say which they are: --column x=COLUMN --column y=COLUMN.",
        )
    axes = {name: found[name] for name in AXES if name in found}
    if "z" in axes and all(map(features.is_missing, axes["z"])):
        del axes["z"]
    return axes


def _axis(name: str, columns: Mapping[str, object]) -> str:
    """Say which axis a column is, if all are numbered one after another; else its own name."""
    split = [re.fullmatch(r"(.*?)(\d{1,2})", one) for one in columns]
    if any(match is None for match in split) or not 2 <= len(split) <= len(AXES):
        return name.strip().lower() if name.strip().lower() in AXES else name
    stems = {match[1] for match in split if match}
    numbers = sorted(int(match[2]) for match in split if match)
    own = re.fullmatch(r"(.*?)(\d{1,2})", name)
    if own is None or len(stems) > 1 or numbers != list(range(numbers[0], numbers[0] + len(split))):
        return name
    return AXES[int(own[2]) - numbers[0]]
