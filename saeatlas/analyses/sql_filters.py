"""A condition of the user's own SQL, run so that it can only read."""

from typing import Any, LiteralString

import numpy as np
import numpy.typing as npt
import psycopg
import sqlalchemy as sa
from psycopg import sql

from saeatlas import errors
from saeatlas.schema.database import connect, failures
from saeatlas.schema.database.statements import statement


def select(
    connection: sa.Connection,
    query: LiteralString,
    values: dict[str, Any],
    condition: str | None,
    view: str,
) -> list[int]:
    """Run a statement with a condition in it, as the role that may only read.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        Without a transaction that is still wanted: it is rolled back.
    query : str
        The statement; it has ``{condition}``.
    values : dict
        Its parameters.
    condition : str or None
        The user's SQL; None for all rows.
    view : str
        Whose columns it is about, for the message.

    Returns
    -------
    list of int
        Its first column.

    Raises
    ------
    QueryFailed
    """
    driver = connect.raw(connection)
    connect.read_only(driver)
    text = (condition or "true").replace("%", "%%")
    # the user's own SQL, no literal of ours: the role that runs it may only read
    whole = sql.SQL(query).format(condition=sql.SQL(text))
    try:
        with failures.translated():
            # prepared: the server takes one statement, so the condition cannot begin another
            return [row[0] for row in driver.execute(whole, values, prepare=True)]
    except (psycopg.Error, UnicodeEncodeError) as error:
        said = error.diag.message_primary if isinstance(error, psycopg.Error) else "it is no text"
        raise errors.QueryFailed(
            f"The condition {condition!r} does not run: {said or error}",
            hint=f"It is SQL on the columns of view {view}: {errors.DOCS}/schema.md.",
        ) from error
    finally:
        driver.rollback()


def features(connection: sa.Connection, sae: int, condition: str) -> npt.NDArray[np.int64]:
    """Find the features of an SAE that meet a condition.

    Parameters
    ----------
    connection : sqlalchemy.Connection
    sae : int
        ``sae.id``.
    condition : str
        SQL on the columns of view ``features``.

    Returns
    -------
    ndarray of shape (n,), int64
        Ascending.

    Raises
    ------
    QueryFailed
    InputError
        None does.
    """
    found = select(
        connection, statement(__name__, "select_features"), {"sae": sae}, condition, "features"
    )
    if not found:
        raise errors.InputError(
            f"No feature of SAE {sae} meets the condition {condition!r}.",
            hint='`saeatlas sql "select * from features"` shows them.',
        )
    return np.unique(found)
