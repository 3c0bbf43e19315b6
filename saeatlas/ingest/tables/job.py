"""Activations computed elsewhere: read, sorted by the server, stored as a recording."""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa
from psycopg import sql
from sqlalchemy.dialects.postgresql import insert

import saeatlas
from saeatlas import errors, ranges
from saeatlas.ingest.corpora import places
from saeatlas.ingest.formats import files as formats
from saeatlas.ingest.saes import store
from saeatlas.ingest.tables import corpus as corpora
from saeatlas.ingest.tables import delphi, files, stage
from saeatlas.ingest.tables.stage import Source
from saeatlas.progress import Report, silent
from saeatlas.schema import tables
from saeatlas.schema.database import connect, failures, partitions, statistics
from saeatlas.schema.database.statements import statement
from saeatlas.schema.rows import running_jobs, saes
from saeatlas.wording import counted


@dataclass(frozen=True)
class TableOutcome:
    """The recording of a table.

    Parameters
    ----------
    recording, corpus : int
        Numbers of the rows.
    documents, blocks, activations : int
        Documents and blocks of the recording; pairs of block and feature stored.
    created : bool, default=True
        False if the recording was there already, and nothing was changed.
    whole_documents : bool, default=False
        Whether each document is one block, because the table names no blocks.
    """

    recording: int
    corpus: int
    documents: int
    blocks: int
    activations: int
    created: bool = True
    whole_documents: bool = False

    @property
    def summary(self) -> str:
        """What was done, in a few lines."""
        size = (
            f"{counted(self.documents, 'document')}, {counted(self.blocks, 'block')} with "
            f"{counted(self.activations, 'active feature')}"
        )
        if self.created:
            whole = " Each document is one block." if self.whole_documents else ""
            return f"Recording {self.recording} on corpus {self.corpus}: {size}.{whole}"
        return (
            f"Recording {self.recording} has this already: {size} on corpus {self.corpus}. "
            "Nothing was changed."
        )


def ingest_table(
    engine: sa.Engine,
    path: Path,
    *,
    sae: str,
    keep_above: float = 0.0,
    columns: Mapping[str, str] | None = None,
    corpus: int | None = None,
    report: Report = silent,
) -> TableOutcome:
    """Ingest activations that were computed elsewhere.

    Writes one row of ``recording`` and one of ``activation`` a block; unless the corpus is there
    already, ``corpus``, ``document`` and ``block``; ``model`` if the files name one. One
    transaction: all of it or nothing.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    path : Path
        Parquet or CSV with the columns document, feature, activation and, if wanted, block and
        subset; or the folder of one hookpoint in a latent cache of Delphi.
    sae : str
        Name or number of the SAE that the features belong to.
    keep_above : float, default=0.0
        Activation floor: only maxima above this are stored; not negative.
    columns : mapping of str to str, optional
        The file's own names for our columns.
    corpus : int, optional
        Corpus whose documents and blocks these are. Default: the one that was made from this
        file, or from this cache's other hookpoints; a new one if there is none.
    report : callable, optional
        Called with the rows read.

    Returns
    -------
    TableOutcome

    Raises
    ------
    BadTable
        The table has impossible values.
    UnknownName
        No such SAE or corpus.
    NameTaken
        This path was ingested before, with other content or `columns`.
    CorpusChanged
        The corpus made from this path has other documents.
    DatabaseError

    Notes
    -----
    Rows of one block and feature give their maximum. Without a column of blocks, or if it is the
    column of documents, each document is one block. A block without any row is not known to be
    there; a row with activation 0 makes it one in which nothing is active. In a corpus that is
    there already, a document without a row is refused; a block without one, in a document that
    has others, has no active feature.
    """
    ranges.require_real("--keep-above", keep_above, 0, float(np.finfo(np.float32).max))
    keep_above = float(np.float32(keep_above))  # the catalog keeps four bytes of it
    source = open_table(path, columns or {})
    with failures.storing(), engine.begin() as connection:
        row = saes.find_one(connection, sae)
        key = hashlib.sha256(source.source.encode("utf-8", "surrogateescape")).digest()
        running_jobs.wait_for(connection, "table", key)
        params = {"sae": row.id, "source": source.source, "source_sha256": source.fingerprint()}
        found = _earlier(connection, params, keep_above, corpus)
        if found is not None:
            return found
        stage.stage_rows(connection, source, row.d_sae, report)
        params["corpus"] = corpora.place_rows(connection, source, corpus)
        return _write(connection, source, params | {"keep_above": keep_above})


def open_table(path: Path, columns: Mapping[str, str]) -> Source:
    """Find out what kind of table a path is, from its name.

    Parameters
    ----------
    path : Path
    columns : mapping of str to str
        As for `ingest_table`.

    Returns
    -------
    Source

    Raises
    ------
    BadTable
        There is none, or of no kind that is known.
    """
    with errors.raised_as(errors.BadTable):
        formats.require_plain(path.expanduser())
    whole = path.expanduser().resolve()
    if not whole.exists():
        raise errors.BadTable(
            f"There is no file or folder {path}.",
            available=places.near(str(path)),
            hint="Name a Parquet or CSV file, or a hookpoint's folder of Delphi's cache.",
        )
    if whole.is_dir():
        if columns:
            raise errors.BadTable(
                "--column is for Parquet and CSV; a cache of Delphi has no columns.",
                hint="Leave --column out.",
            )
        return delphi.Cache(delphi.find_cache(whole))
    is_parquet = whole.suffix.lower() in files.PARQUET
    if is_parquet or files.plain_suffix(whole) in files.CSV:
        return files.TableFile(whole, columns)
    raise errors.BadTable(
        f"{path} is not of a kind that tables are read from.",
        available="Known: .parquet, .csv and .tsv (also as .gz, .zst, .bz2), and folders of "
        "Delphi's latent caches.",
        hint="Name the folder that holds it."
        if whole.suffix == ".safetensors"
        else "Write it as Parquet: pandas.DataFrame.to_parquet.",
    )


def _earlier(
    connection: sa.Connection, params: dict[str, Any], keep_above: float, corpus: int | None
) -> TableOutcome | None:
    """Find the recording that this very table gave; refuse other content of the same path."""
    table = tables.recording
    rows = connection.execute(
        sa.select(table)
        .where(table.c.sae == params["sae"], table.c.source == params["source"])
        .order_by(table.c.id)
    ).all()
    for row in rows:
        if row.source_sha256 != params["source_sha256"]:
            raise errors.NameTaken(
                f"{params['source']} was ingested before, with other content or columns.",
                available=f"Recording {row.id} of the catalog came from it, on corpus "
                f"{row.corpus}.",
                hint=f"`saeatlas remove recording {row.id}` first (`saeatlas remove corpus "
                f"{row.corpus}` if its documents are others too), or give this file another name.",
            )
    for row in rows:
        if np.float32(row.keep_above) == keep_above and corpus in (None, row.corpus):
            return TableOutcome(
                row.id, row.corpus, row.n_documents, row.n_blocks, row.n_activations, created=False
            )
    return None


def _write(connection: sa.Connection, source: Source, params: dict[str, Any]) -> TableOutcome:
    """Create the recording, and let the server sort the staged rows into its partition."""
    driver = connect.raw(connection)
    table = tables.recording
    facts = {
        "model": store.model_row(connection, source.model) if source.model else None,
        "state": "complete",
        "finished_at": sa.func.clock_timestamp(),
        "code_version": saeatlas.__version__,
    }
    number = connection.execute(
        insert(table).values(params | facts).returning(table.c.id)
    ).scalar_one()
    parameters = {"recording": number, "keep_above": params["keep_above"]}
    statistics.refresh_corpora(connection)
    with partitions.filling(connection, tables.activation, number) as part:
        target = {"partition": sql.Identifier(str(part.schema), part.name)}
        fill = sql.SQL(statement(__name__, "activations"))
        driver.execute(fill.format(**target), parameters)
        count = sql.SQL(statement(__name__, "counts"))
        counts = driver.execute(count.format(**target), parameters).fetchone()
    assert counts is not None
    documents, blocks, activations = counts
    return TableOutcome(
        number, params["corpus"], documents, blocks, activations,
        whole_documents=source.whole_documents,
    )  # fmt: skip
