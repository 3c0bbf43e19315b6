"""Partitions: of features one an SAE, of ``activation`` one a recording, of counts one a run."""

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from psycopg import sql

from saeatlas.schema import tables
from saeatlas.schema.database import connect, statistics
from saeatlas.schema.database.statements import run_ddl, statement


def name(parent: sa.Table, key: int) -> str:
    """Return the name of a partition's table.

    Parameters
    ----------
    parent : sqlalchemy.Table
        ``feature``, ``encoder``, ``activation``, ``feature_bitmap``, ``cooccurrence`` ...
    key : int
        Number of the SAE, recording, bitmap or run.

    Returns
    -------
    str
    """
    return f"{parent.name}_{key}"


def table(parent: sa.Table, key: int) -> sa.Table:
    """Return a partition as a table of its own: to fill it, attached or not.

    Parameters
    ----------
    parent : sqlalchemy.Table
    key : int

    Returns
    -------
    sqlalchemy.Table
    """
    return parent.to_metadata(sa.MetaData(), name=name(parent, key))


@contextmanager
def filling(connection: sa.Connection, parent: sa.Table, key: int) -> Iterator[sa.Table]:
    """Make a partition, let the caller fill it, then attach it.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        In a transaction; rolled back, nothing remains.
    parent : sqlalchemy.Table
    key : int

    Yields
    ------
    sqlalchemy.Table
        The table to fill.
    """
    create(connection, parent, key)
    yield table(parent, key)
    attach(connection, parent, key)


def create(connection: sa.Connection, parent: sa.Table, key: int) -> None:
    """Make the table of a partition without attaching it: nobody sees its rows yet.

    Parameters
    ----------
    connection : sqlalchemy.Connection
    parent : sqlalchemy.Table
    key : int
    """
    column = next(iter(parent.primary_key.columns)).name
    run_ddl(
        connect.raw(connection),
        statement(__name__, "create_partition"),
        partition=_identifier(name(parent, key)),
        parent=_identifier(parent.name),
        column=sql.Identifier(column),
        key=sql.Literal(key),
    )


def attach(connection: sa.Connection, parent: sa.Table, key: int) -> None:
    """Attach a filled table: its rows become those of the parent when the transaction commits.

    Parameters
    ----------
    connection : sqlalchemy.Connection
    parent : sqlalchemy.Table
    key : int
    """
    driver = connect.raw(connection)
    partition = _identifier(name(parent, key))
    ids = {"partition": partition, "parent": _identifier(parent.name)}
    run_ddl(driver, statement(__name__, "attach_partition"), **ids, key=sql.Literal(key))
    run_ddl(driver, statement(__name__, "drop_partition_check"), partition=partition)
    analyze(connection, parent, key)


def drop(connection: sa.Connection, parent: sa.Table, key: int) -> None:
    """Remove a partition and its rows.

    Parameters
    ----------
    connection : sqlalchemy.Connection
    parent : sqlalchemy.Table
    key : int
    """
    run_ddl(
        connect.raw(connection),
        statement(__name__, "drop_partition"),
        partition=_identifier(name(parent, key)),
    )


def analyze(connection: sa.Connection, parent: sa.Table, key: int) -> None:
    """Refresh the planner's statistics of a partition.

    Parameters
    ----------
    connection : sqlalchemy.Connection
    parent : sqlalchemy.Table
    key : int
    """
    statistics.refresh(connection, table(parent, key))


def _identifier(relation: str) -> sql.Identifier:
    return sql.Identifier(tables.SCHEMA, relation)
