"""Rows of a table: checked, and sent to temporary tables of the server.

A table's rows come in any order, and those of one block may stand at its two ends, so the server
collects and sorts them: what is too large for its memory goes to its disk.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, NoReturn, Protocol

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import BYTEA, JSONB, REAL

from saeatlas import errors
from saeatlas.progress import Progress, Report, silent
from saeatlas.schema.database import connect, statistics
from saeatlas.schema.database.copy import copy_arrays, copy_rows
from saeatlas.schema.database.statements import statement

Int = npt.NDArray[np.integer]
Float = npt.NDArray[np.floating]

_metadata = sa.MetaData(schema="pg_temp")
_TEMPORARY: Any = {"prefixes": ["TEMPORARY"], "postgresql_on_commit": "DROP"}

incoming = sa.Table(
    "incoming",
    _metadata,
    sa.Column("document", sa.Integer, nullable=False),
    sa.Column("block", sa.BigInteger, nullable=False),
    sa.Column("feature", sa.Integer, nullable=False),
    sa.Column("activation", REAL, nullable=False),
    **_TEMPORARY,
)
incoming_document = sa.Table(
    "incoming_document",
    _metadata,
    sa.Column("document", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("name", JSONB, nullable=False),
    sa.Column("subset", sa.Text),
    sa.Column("n_tokens", sa.Integer),
    sa.Column("text_sha256", BYTEA),
    **_TEMPORARY,
)
incoming_block = sa.Table(
    "incoming_block",
    _metadata,
    sa.Column("document", sa.Integer, nullable=False),
    sa.Column("block", sa.BigInteger, nullable=False),
    **_TEMPORARY,
)
place = sa.Table(
    "place",
    _metadata,
    sa.Column("number", sa.Integer, nullable=False),  # block.block
    sa.Column("catalog", sa.Integer, nullable=False),  # document.document
    sa.Column("position", sa.Integer, nullable=False),  # block.position
    sa.Column("document", sa.Integer, nullable=False),  # incoming's
    sa.Column("block", sa.BigInteger, nullable=False),  # incoming's
    **_TEMPORARY,
)


@dataclass(frozen=True)
class Rows:
    """Some rows of a table, a column each.

    Parameters
    ----------
    file : str
        Name of the file, for messages.
    first : int
        Number of the first of them in the file, from 1.
    document : ndarray of shape (n,), int
        Number of the document, in the order of first appearance, from 0.
    block : ndarray of shape (n,), int
        The table's own number: within the document, or of all blocks.
    feature : ndarray of shape (n,), int
    activation : ndarray of shape (n,), float
    """

    file: str
    first: int
    document: Int
    block: Int
    feature: Int
    activation: Float

    def refuse(
        self, i: int, wrong: str, available: str | None = None, hint: str | None = None
    ) -> NoReturn:
        """Raise what is wrong with the i-th of these rows."""
        raise errors.BadTable(
            f"{self.file}, row {self.first + i:,}: {wrong}", available=available, hint=hint
        )


@dataclass(frozen=True)
class Named:
    """A document of a table.

    Parameters
    ----------
    document : int
        As in `Rows`.
    name : str or int
        What the table calls it.
    subset : str or None
    n_tokens : int or None
        Tokens in the document, if it is one block; None if not known.
    text_sha256 : bytes or None
        Hash of its tokens; None if not known.
    """

    document: int
    name: str | int
    subset: str | None = None
    n_tokens: int | None = None
    text_sha256: bytes | None = None


class Source(Protocol):
    """Activations computed elsewhere, in whatever form.

    Attributes
    ----------
    source : str
        Absolute path.
    corpus : dict
        Columns of ``corpus`` as far as they are known; ``source`` decides who shares it.
    model : str or None
        Model that was run.
    whole_documents : bool
        Whether it names no blocks, so that each document is one; known once its rows were read.
    """

    source: str
    corpus: dict[str, Any]
    model: str | None
    whole_documents: bool

    def fingerprint(self) -> bytes:
        """Hash the content: 32 bytes."""

    def rows(self, d_sae: int) -> Iterator[Rows]:
        """Yield the rows, some at a time; a block without a row does not exist."""

    def documents(self) -> Iterator[Named]:
        """Yield the documents that the rows have named, after all of them."""


def stage_rows(
    connection: sa.Connection, source: Source, d_sae: int, report: Report = silent
) -> None:
    """Send a source's rows and documents to temporary tables.

    Writes the temporary tables ``incoming``, ``incoming_document`` and ``incoming_block``, and
    creates ``place``, empty; all are gone when the transaction ends.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        In a transaction.
    source : Source
    d_sae : int
        Features of the SAE.
    report : callable, optional
        Called with the rows read.

    Raises
    ------
    BadTable
        A row has impossible values, or there is no row at all.
    """
    driver = connect.raw(connection)
    _metadata.create_all(connection, checkfirst=False)
    driver.execute(statement(__name__, "settings"))
    if not _send(connection, source.rows(d_sae), d_sae, report):
        raise errors.BadTable(
            f"{source.source} holds no rows.",
            hint="Give it one row for each active feature of a block.",
        )
    driver.execute(statement(__name__, "pairs"))
    columns = [column.name for column in incoming_document.columns]
    rows = (tuple(getattr(named, name) for name in columns) for named in source.documents())
    copy_rows(connection, incoming_document, columns, rows)
    for table in (incoming, incoming_block, incoming_document):
        statistics.refresh(connection, table)


def _send(connection: sa.Connection, batches: Iterable[Rows], d_sae: int, report: Report) -> int:
    """Copy the rows; return how many there are."""

    def arrays() -> Iterator[tuple[Int, Int, Int, Float]]:
        n = 0
        for rows in batches:
            yield rows.document, rows.block, rows.feature, _checked(rows, d_sae)
            n += len(rows.feature)
            report(Progress("rows", n))

    columns = ["document", "block", "feature", "activation"]
    return copy_arrays(connection, incoming, columns, arrays())


def _checked(rows: Rows, d_sae: int) -> npt.NDArray[np.float32]:
    """Refuse what cannot be stored; return the activations in the catalog's precision."""
    for i in np.flatnonzero((rows.feature < 0) | (rows.feature >= d_sae))[:1]:
        rows.refuse(
            i,
            f"there is no feature {rows.feature[i]}.",
            f"The SAE has features 0 to {d_sae - 1:,}.",
            "Name the SAE that these activations are of: --sae; features count from 0.",
        )
    for i in np.flatnonzero(rows.block < 0)[:1]:
        rows.refuse(i, f"block {rows.block[i]} is negative.", hint="Count blocks from 0.")
    with np.errstate(over="ignore"):
        activation = rows.activation.astype(np.float32)
    for i in np.flatnonzero(~np.isfinite(activation))[:1]:
        _refuse_infinite(rows, i)
    return activation


def _refuse_infinite(rows: Rows, i: int) -> NoReturn:
    value = rows.activation[i]
    if np.isfinite(value):
        what = f"{value} is more than a 4-byte real can hold"
    else:
        what = "is not a number" if np.isnan(value) else "is infinite"
    half = rows.activation.dtype == np.float16
    rows.refuse(
        i,
        f"the activation {what}.",
        "In half precision everything above 65,504 becomes infinite." if half else None,
        "Leave such rows out, or compute them in a precision that holds them.",
    )
