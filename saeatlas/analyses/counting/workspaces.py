"""Working tables of counts: a number reserved, locked, and dropped if their process was killed."""

from contextlib import AbstractContextManager, suppress

import sqlalchemy as sa

from saeatlas import errors
from saeatlas.analyses.counting.sql_engine import Workspace
from saeatlas.schema.database import connect
from saeatlas.schema.database.statements import statement
from saeatlas.schema.rows import running_jobs


def open_workspace(engine: sa.Engine) -> Workspace:
    """Make the tables of a count, empty, and take away those that killed processes left behind.

    Parameters
    ----------
    engine : sqlalchemy.Engine

    Returns
    -------
    Workspace
        Its number is reserved. It is locked until it is closed.
    """
    _drop_left_over(engine)
    with engine.connect() as connection:
        query = statement(__name__, "next_run")
        number = connect.raw(connection).execute(query).fetchone() or (0,)
    work = Workspace(engine, *number)
    work.lock.enter_context(_locked(engine, work.number))
    try:
        work.create()
    except BaseException:
        work.close()
        raise
    return work


def _drop_left_over(engine: sa.Engine) -> None:
    """Drop the working tables that no process has locked."""
    with engine.connect() as connection:
        rows = connect.raw(connection).execute(statement(__name__, "workspaces")).fetchall()
    for (number,) in rows:
        with suppress(errors.CatalogBusy), _locked(engine, number):
            Workspace(engine, number).drop()


def _locked(engine: sa.Engine, number: int) -> AbstractContextManager[None]:
    """Lock the working tables of a run to come."""
    return running_jobs.locked(engine, "counting", "count", str(number).encode())
