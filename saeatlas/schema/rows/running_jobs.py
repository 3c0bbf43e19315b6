"""One job of a kind and key at a time: a job locks a row while it runs."""

from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from saeatlas import errors
from saeatlas.schema import tables
from saeatlas.schema.database import connect
from saeatlas.schema.database.statements import statement


@contextmanager
def locked(engine: sa.Engine, kind: str, what: str, key: bytes) -> Iterator[None]:
    """Let no other process run the same job meanwhile.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    kind : str
        Kind of job, as ``lobes``.
    what : str
        Its name in the message, as ``run of lobes``.
    key : bytes
        Hash of what identifies the job among its kind.

    Raises
    ------
    CatalogBusy
        Another process runs the same job now.

    Notes
    -----
    The lock is on a row, in a transaction that stays open. It ends with its session, however that
    ends, and logins without rights on the table cannot take it.
    """
    with all_locked(engine, kind, {key: what}):
        yield


@contextmanager
def all_locked(engine: sa.Engine, kind: str, jobs: Mapping[bytes, str]) -> Iterator[None]:
    """Keep other processes from several jobs meanwhile.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    kind : str
    jobs : mapping of bytes to str
        By key, the name in the message: as for `locked`.

    Raises
    ------
    CatalogBusy
        Another process does one of them now; none is locked then.
    """
    with engine.connect() as connection:
        connection.detach()  # the locks end with this connection, so it must not go to the pool
        _lock(connection, kind, jobs)
        try:
            yield
        finally:
            _release(connection, kind, jobs)


def _lock(connection: sa.Connection, kind: str, jobs: Mapping[bytes, str]) -> None:
    """Lock jobs for as long as the connection's transaction lasts.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        Not in a transaction, and not from the pool.
    kind : str
    jobs : mapping of bytes to str

    Raises
    ------
    CatalogBusy
        Another process does one of them now.
    """
    connect.raw(connection).execute(statement(__name__, "keep_open"))
    keys = sorted(jobs)
    while keys:
        rows = [{"kind": kind, "key": key} for key in keys]
        connection.execute(insert(tables.running_job).values(rows).on_conflict_do_nothing())
        connection.commit()
        if all(_lock_row(connection, kind, key, jobs[key]) for key in keys):
            return
        connection.rollback()  # the process that just ended took a row away


def _lock_row(connection: sa.Connection, kind: str, key: bytes, what: str) -> bool:
    """Lock the row of a job; return False if it is gone."""
    table = tables.running_job
    row = sa.select(table.c.key).where(table.c.kind == kind, table.c.key == key)
    try:
        return connection.execute(row.with_for_update(nowait=True)).first() is not None
    except errors.CatalogBusy as error:
        connection.rollback()
        raise errors.CatalogBusy(
            f"Another process is working on the same {what}.",
            hint="Wait for it; then run the same command again: it finds the result.",
        ) from error


def _release(connection: sa.Connection, kind: str, jobs: Iterable[bytes]) -> None:
    """Delete the rows and end the transaction; if the connection is lost, it has ended already.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        That holds the locks.
    kind : str
    jobs : iterable of bytes
    """
    if connection.invalidated or connection.closed:
        return
    table = tables.running_job
    ours = table.c.kind == kind, table.c.key.in_(list(jobs))
    try:
        connection.execute(sa.delete(table).where(*ours))
        connection.commit()
    except (sa.exc.DBAPIError, errors.DatabaseError):
        connection.invalidate()


def wait_for(connection: sa.Connection, kind: str, key: bytes) -> None:
    """Wait until no other transaction does the same job, and keep others waiting until ours ends.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        In the transaction of the job.
    kind : str
    key : bytes
    """
    table = tables.running_job
    ours = insert(table).values(kind=kind, key=key)
    connection.execute(
        ours.on_conflict_do_update(
            index_elements=[table.c.kind, table.c.key], set_={"key": ours.excluded.key}
        )
    )
    # others wait for our row all the same: whether it stays is not known before we commit
    connection.execute(sa.delete(table).where(table.c.kind == kind, table.c.key == key))
