"""Indices of decoder vectors for approximate search, one for each SAE, built on request."""

import sqlalchemy as sa
from psycopg import sql

from saeatlas import errors
from saeatlas.schema import tables
from saeatlas.schema.database import connect, failures, partitions, server
from saeatlas.schema.database.statements import run_ddl, statement
from saeatlas.schema.rows import saes

MAX_DIMENSIONS = 4_000
"""Dimensions that pgvector indexes, in half precision."""


def create(connection: sa.Connection, sae: int) -> bool:
    """Build the index of an SAE's decoder vectors (HNSW), unless there is one.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        In a transaction that the caller commits; the SAE can be read meanwhile.
    sae : int
        ``sae.id``.

    Returns
    -------
    bool
        Whether it was built now.

    Raises
    ------
    UnknownName
        There is no such SAE.
    InputError
        Its vectors are too long for an index, or it has none.
    ServerTooOld
        pgvector is older than 0.8.2, whose builds are not safe.

    Notes
    -----
    With more than 4,000 dimensions only the signs or a part of the dimensions could be indexed. The
    first misses most of the nearest where vectors point in nearly all directions; the second costs
    more than comparing all. 16,384 vectors of 2,304 dimensions take a minute and 100 MB. The index
    is removed with the SAE.
    """
    row = saes.read(connection, sae)
    saes.weights(row)
    d = row.d_in
    if d > MAX_DIMENSIONS:
        raise errors.InputError(
            f"Decoder vectors of SAE {sae} have {d:,} dimensions.",
            available=f"pgvector indexes up to {MAX_DIMENSIONS:,}.",
            hint="Queries find nearest features without an index: they compare all.",
        )
    if sae in indexed(connection):
        return False
    server.require_safe_index(server.inspect(connection))
    driver = connect.raw(connection)
    with failures.translated():
        driver.execute(statement(__name__, "indexing_memory"))
        run_ddl(
            driver,
            statement(__name__, "create_index"),
            index=sql.Identifier(_name(sae)),
            table=sql.Identifier(tables.SCHEMA, partitions.name(tables.feature, sae)),
            d=sql.Literal(d),
        )
    return True


def drop(connection: sa.Connection, sae: int) -> bool:
    """Drop an index.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        In a transaction that the caller commits.
    sae : int

    Returns
    -------
    bool
        Whether there was one.
    """
    found = sae in indexed(connection)
    if found:
        run_ddl(connect.raw(connection), statement(__name__, "drop_index"),
                index=sql.Identifier(tables.SCHEMA, _name(sae)))  # fmt: skip
    return found


def indexed(connection: sa.Connection) -> set[int]:
    """List the SAEs whose decoder vectors have an index.

    Parameters
    ----------
    connection : sqlalchemy.Connection

    Returns
    -------
    set of int
        ``sae.id``.
    """
    rows = connect.raw(connection).execute(statement(__name__, "indexed_saes")).fetchall()
    return {int(name.split("_")[1]) for (name,) in rows}


def _name(sae: int) -> str:
    return f"{partitions.name(tables.feature, sae)}_near"
