"""Run a user's SQL, reading only, within limits of time and rows."""

import math
import re
from collections.abc import Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Any, cast

import psycopg
import sqlalchemy as sa
from pgvector import HalfVector, SparseVector, Vector
from pgvector.psycopg import register_vector
from psycopg.pq import TransactionStatus

from saeatlas import errors, ranges
from saeatlas.catalog.answers import Answer
from saeatlas.catalog.carets import caret
from saeatlas.schema.database import connect, failures
from saeatlas.schema.database.statements import statement

if TYPE_CHECKING:
    import pandas as pd

TIMEOUT = 60.0
"""Seconds that a statement may take unless told otherwise."""

Params = Sequence[Any] | Mapping[str, Any] | None
_NO_ROWS = "the operation in stream|unexpected result status|COPY cannot"
"""How psycopg says that a statement is none that returns rows."""

_INTEGERS = {psycopg.adapters.types[name].oid for name in ("int2", "int4", "int8")}


def read_sql(engine: sa.Engine, text: str, params: Params = None) -> "pd.DataFrame":
    """Run one SELECT and return all its rows; see `answer_sql`.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    text : str
    params : sequence or mapping, optional

    Returns
    -------
    pandas.DataFrame
        Integers with NULLs come as ``Int64``, arrays and vectors as lists.

    Raises
    ------
    QueryFailed
    """
    return answer_sql(engine, text, params).frame()


def answer_sql(
    engine: sa.Engine,
    text: str,
    params: Params = None,
    *,
    timeout: float = TIMEOUT,
    limit: int | None = None,
) -> Answer:
    """Run one SELECT in a read-only transaction, as role ``atlas_reader`` where there is one.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    text : str
        SQL; ``%s`` or ``%(name)s`` stands for a parameter where `params` are given.
    params : sequence or mapping, optional
        Values of the parameters, bound by the server.
    timeout : float, default=60
        Time limit in seconds; 0 for none.
    limit : int, optional
        Most rows to fetch. Default: all.

    Returns
    -------
    Answer

    Raises
    ------
    QueryFailed
        What the server says of it, with the place in the text.
    """
    with reading(engine, timeout) as connection:
        return run(connection, text, params, limit)


@contextmanager
def reading(engine: sa.Engine, timeout: float = TIMEOUT) -> Iterator[sa.Connection]:
    """Open a transaction that reads only and cannot take for ever.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    timeout : float, default=60
        Time limit of a statement in seconds; 0 for none.

    Yields
    ------
    sqlalchemy.Connection
        Rolled back at the end.
    """
    milliseconds = math.ceil(min(2**31 - 1, timeout * 1000))  # this order: not a number is neither
    with connect.reader(engine).connect() as connection:
        driver = connect.raw(connection)
        try:
            with failures.translated():
                connect.read_only(driver)
                connect.limit_time(driver, milliseconds)
                if driver.adapters.types.get("vector") is None:
                    register_vector(driver)
            yield connection
        except sa.exc.DBAPIError as error:
            assert isinstance(error.orig, psycopg.Error)
            raise _failed(error.orig, "") from error
        finally:
            if driver.closed or driver.info.transaction_status is TransactionStatus.ACTIVE:
                connection.invalidate()  # as a COPY leaves it: the server still waits for us
            else:
                with failures.translated():
                    driver.rollback()
                    driver.execute(statement(__name__, "release_locks"))
                    driver.rollback()


def run(
    connection: sa.Connection, text: str, params: Params = None, limit: int | None = None
) -> Answer:
    """Run one SELECT in a transaction of `reading`.

    Parameters
    ----------
    connection : sqlalchemy.Connection
    text : str
    params : sequence or mapping, optional
    limit : int, optional
        Most rows to fetch. Default: all.

    Returns
    -------
    Answer

    Raises
    ------
    QueryFailed
    """
    ranges.require_whole("--limit", limit)
    driver = connect.raw(connection)
    try:
        query = text.encode()
        with failures.translated(), driver.cursor() as cursor:
            rows = [] if limit is None else _first(cursor, query, params, limit + 1)
            if not rows:  # streamed, no rows have no columns either
                # prepared: the server takes one statement, so none can end the transaction first
                cursor.execute(query, params, prepare=True)
                if cursor.description is None:
                    raise _no_rows()
                rows = cursor.fetchall()
            assert cursor.description is not None
            columns = tuple(column.name for column in cursor.description)
            places = enumerate(cursor.description)
            integers = frozenset(i for i, column in places if column.type_code in _INTEGERS)
            kept = [tuple(map(_value, row)) for row in rows[:limit]]
            return Answer(columns, kept, integers, len(rows) > len(kept))
    except UnicodeEncodeError as error:
        raise errors.QueryFailed(
            "The statement or a parameter contains a character that cannot be stored as text."
        ) from error
    except psycopg.Error as error:
        raise _failed(error, text) from error


def _first(
    cursor: psycopg.Cursor[tuple[Any, ...]], query: bytes, params: Params, n: int
) -> list[tuple[Any, ...]]:
    """Fetch the first rows; the server stops there. It takes one statement, as prepared."""
    stream = cast("Generator[tuple[Any, ...]]", cursor.stream(query, params, size=100))
    with closing(stream):
        return list(islice(stream, n))


def _value(value: Any) -> Any:
    if isinstance(value, Vector | HalfVector | SparseVector):
        return value.to_list()
    return value


def _no_rows() -> errors.QueryFailed:
    return errors.QueryFailed("The statement returns no rows.", hint="Use SELECT.")


def _failed(error: psycopg.Error, text: str) -> errors.QueryFailed:
    if isinstance(error, psycopg.errors.QueryCanceled):
        return errors.QueryFailed(
            f"The statement was stopped: {error.diag.message_primary}.",
            hint="Ask for less, or allow it more seconds with --timeout.",
        )
    if error.sqlstate is None and re.match(_NO_ROWS, str(error)):
        return _no_rows()
    place = error.diag.statement_position
    hints = [error.diag.message_hint, f"Tables, views and columns: {errors.DOCS}/schema.md"]
    return errors.QueryFailed(
        error.diag.message_primary or str(error).strip() or "The statement cannot be run.",
        available=None if place is None else caret(text, int(place) - 1),
        hint="\n".join(hint for hint in hints if hint),
    )


def known_names() -> str:
    """Return the statement that lists what SQL can name: views, their columns, functions."""
    return statement(__name__, "sql_names")
