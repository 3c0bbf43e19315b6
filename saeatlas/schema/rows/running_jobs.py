"""One job of a kind and key at a time: it locks a row as long as it runs."""

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from saeatlas import errors
from saeatlas.schema import tables
from saeatlas.schema.database import connect
from saeatlas.schema.database.statements import statement


@contextmanager
def locked(engine: sa.Engine, kind: str, what: str, key: bytes) -> Iterator[None]:
    """Keep other processes from the same job meanwhile.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    kind : str
        Kind of job, as ``lobes``.
    what : str
        Its name in the message, as ``run of lobes``.
    key : bytes
        What makes two jobs of a kind the same one.

    Raises
    ------
    CatalogBusy
        Another process does the same now.

    Notes
    -----
    The lock is one on a row, in a transaction that stays open: it goes with its session, whatever
    ends that, and logins without rights on the table cannot take it.
    """
    with engine.connect() as connection:
        connection.detach()  # the lock ends with this connection, so it must not go to the pool
        lock(connection, kind, what, key)
        try:
            yield
        finally:
            release(connection, kind, key)


def lock(connection: sa.Connection, kind: str, what: str, key: bytes) -> None:
    """Lock a job for as long as the connection's transaction lasts.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        Not in a transaction, and not from the pool.
    kind, what : str
    key : bytes

    Raises
    ------
    CatalogBusy
        Another process does the same now.
    """
    table = tables.running_job
    row = {"kind": kind, "key": key}
    mine = sa.select(table.c.key).where(table.c.kind == kind, table.c.key == key)
    connect.raw(connection).execute(statement(__name__, "keep_open"))
    while True:
        connection.execute(insert(table).values(row).on_conflict_do_nothing())
        connection.commit()
        try:
            if connection.execute(mine.with_for_update(nowait=True)).first() is not None:
                return
        except errors.CatalogBusy as error:
            connection.rollback()
            raise errors.CatalogBusy(
                f"Another process is working on the same {what}.",
                hint="Wait for it; then run the same command again: it finds the result.",
            ) from error


def release(connection: sa.Connection, kind: str, key: bytes) -> None:
    """Take the row away and let go of it; if the connection is lost, it has let go already.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        That holds the lock.
    kind : str
    key : bytes
    """
    if connection.invalidated or connection.closed:
        return
    table = tables.running_job
    try:
        connection.execute(sa.delete(table).where(table.c.kind == kind, table.c.key == key))
        connection.commit()
    except (sa.exc.DBAPIError, errors.DatabaseError):
        connection.invalidate()
