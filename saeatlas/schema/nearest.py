"""Indices of decoder vectors: for approximate search, an SAE each, on request."""

from typing import Literal

import sqlalchemy as sa
from psycopg import sql

from saeatlas import errors
from saeatlas.schema import connect, failures, partitions, tables
from saeatlas.schema.statements import run_ddl, statement

Form = Literal["halfvec", "bit"]

HALF_PRECISION_UP_TO = 4_000
"""Dimensions that pgvector indexes in half precision; of more, the signs are indexed."""


def form(d: int) -> Form:
    """Say in which form decoder vectors are indexed.

    Parameters
    ----------
    d : int
        Their dimensions.

    Returns
    -------
    {'halfvec', 'bit'}
    """
    return "halfvec" if d <= HALF_PRECISION_UP_TO else "bit"


def create(connection: sa.Connection, sae: int) -> bool:
    """Make the index of an SAE's decoder vectors (HNSW), unless it is there.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        In a transaction that the caller commits; the SAE can be read meanwhile.
    sae : int
        ``sae.id``.

    Returns
    -------
    bool
        Whether it was made.

    Raises
    ------
    UnknownName
        There is no such SAE.

    Notes
    -----
    16,384 vectors of 2,304 dimensions take half a minute and 100 MB. It goes with the SAE.
    """
    d = connection.execute(
        sa.select(tables.sae.c.d_in).where(tables.sae.c.id == sae)
    ).scalar_one_or_none()
    if d is None:
        raise errors.UnknownName(
            f"There is no SAE {sae}.", mend="`saeatlas status` lists what is in the catalog."
        )
    if sae in indexed(connection):
        return False
    driver = connect.raw(connection)
    with failures.translated():
        driver.execute(statement("indexing_memory"))
        run_ddl(
            driver,
            f"create_{form(d)}_index",
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
        run_ddl(connect.raw(connection), "drop_index",
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
    rows = connect.raw(connection).execute(statement("indexed_saes")).fetchall()
    return {int(name.split("_")[1]) for (name,) in rows}


def _name(sae: int) -> str:
    return f"{partitions.name(tables.feature, sae)}_near"
