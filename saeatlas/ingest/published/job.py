"""How published results of any kind come in: read, compared with what is there, written."""

import hashlib
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from saeatlas import errors
from saeatlas.ingest.corpora import places
from saeatlas.ingest.formats import files
from saeatlas.ingest.published import columns as reading
from saeatlas.ingest.published import features
from saeatlas.ingest.published.json_forms import Meaning
from saeatlas.progress import Progress, Report, silent
from saeatlas.schema.database import failures
from saeatlas.schema.rows import running_jobs, runs, saes


@dataclass(frozen=True)
class Published:
    """A run with published results.

    Parameters
    ----------
    run : int
        ``run.id``.
    created : bool
        False if the same values were there already.
    content : str
        What it holds, a sentence.
    """

    run: int
    created: bool
    content: str

    @property
    def summary(self) -> str:
        """What was done, in a line."""
        done = "ingested" if self.created else "already there, unchanged"
        return f"Run {self.run}: {done}. {self.content}"


@dataclass(frozen=True)
class Content:
    """What a file holds, checked.

    Parameters
    ----------
    params, quality : dict
        Columns of ``run``.
    values : object
        All that is written, as JSON: the same values are the same run.
    write : callable
        ``write(connection, run)`` writes the rows.
    summary : str
    """

    params: dict[str, Any]
    quality: dict[str, Any]
    values: Any
    write: Callable[[sa.Connection, int], None]
    summary: str


def ingest(
    engine: sa.Engine,
    analysis: str,
    path: Path,
    sae: str,
    read: Callable[[sa.Row[Any]], Content],
    report: Report = silent,
) -> Published:
    """Read a file and write it as a run, unless the same is there.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    analysis : str
        ``run.analysis``.
    path : Path
    sae : str
    read : callable
        ``read(row)`` reads the file, with the row of the SAE.
    report : callable, optional

    Returns
    -------
    Published

    Raises
    ------
    BadTable, UnknownName, DatabaseError
    """
    with errors.raised_as(errors.BadTable):
        files.require_plain(path.expanduser())
    if not path.expanduser().exists():
        raise errors.BadTable(
            f"There is no file {path}.",
            available=places.near(str(path)),
            hint=f"Read are {reading.KNOWN}.",
        )
    with failures.translated(), engine.begin() as connection:
        row = saes.find_one(connection, sae)
        report(Progress("read the file"))
        with errors.raised_as(errors.BadTable):
            content = read(row)
            digest = files.file_sha256(path.expanduser()).hex()
        text = json.dumps(content.values, sort_keys=True).encode()
        key = runs.input_hash(sae=row.id, values=hashlib.sha256(text).hexdigest())
        running_jobs.wait_for(connection, analysis, key)
        found = runs.find(connection, analysis, key)
        if found is not None:
            return Published(found.id, created=False, content=content.summary)
        source = {"file": path.name, "file_sha256": digest}
        number = runs.create(
            connection, analysis, key, sae=row.id, params=content.params | source,
            quality=content.quality,
        )  # fmt: skip
        content.write(connection, number)
    return Published(number, created=True, content=content.summary)


def read_features(
    path: Path, row: sa.Row[Any], columns: Mapping[str, str], meaning: Meaning
) -> features.FeatureColumns:
    """Read a file's columns and the feature of each row.

    Parameters
    ----------
    path : Path
    row : sqlalchemy.Row
        Of ``sae``.
    columns : mapping of str to str
        As for `features.choose`.
    meaning : str
        As for `columns.read_columns`.

    Returns
    -------
    FeatureColumns

    Raises
    ------
    BadFile
    """
    wanted = set(columns.values()) if columns.keys() - {features.FEATURE} else set()
    found = reading.read_columns(path.expanduser(), row.d_sae, meaning, wanted)
    return features.choose(found, row, columns)
