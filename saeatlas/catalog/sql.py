"""Run a user's SQL, reading only, and hand it back as a DataFrame."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

import pandas as pd
import psycopg
import sqlalchemy as sa
from pgvector import Vector
from pgvector.psycopg import register_vector

from saeatlas import errors
from saeatlas.schema import connect, failures
from saeatlas.schema.statements import statement

Format = Literal["table", "csv", "json", "parquet"]
_INTEGERS = {psycopg.adapters.types[name].oid for name in ("int2", "int4", "int8")}


def read_sql(engine: sa.Engine, text: str, params: Sequence[Any] | None = None) -> pd.DataFrame:
    """Run one SELECT in a read-only transaction, as role ``atlas_reader`` where there is one.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    text : str
        SQL; ``%s`` stands for a parameter where `params` are given.
    params : sequence, optional
        Values of the parameters, bound by the server.

    Returns
    -------
    pandas.DataFrame
        Integers with NULLs come as ``Int64``, arrays and vectors as lists.

    Raises
    ------
    QueryFailed
        What the server says of it, with the place in the text.
    """
    with engine.connect() as connection:
        driver = connect.raw(connection)
        driver.execute(statement("read_only"))
        register_vector(driver)
        try:
            with failures.translated():
                # prepared: the server takes one statement, so none can end the transaction first
                cursor = driver.execute(text.encode(), params, prepare=True)
                if cursor.description is None:
                    raise errors.QueryFailed("The statement returns no rows.", mend="Use SELECT.")
                return _frame(cursor.description, cursor.fetchall())
        except psycopg.Error as error:
            raise _failed(error, text) from error
        finally:
            driver.rollback()


def _frame(columns: Sequence[psycopg.Column], rows: Sequence[tuple[Any, ...]]) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=[column.name for column in columns])
    for i, column in enumerate(columns):
        values = frame.iloc[:, i]
        if column.type_code in _INTEGERS and values.hasnans:
            frame[column.name] = values.astype("Int64")
        elif values.map(lambda value: isinstance(value, Vector)).any():
            frame[column.name] = [value and value.to_list() for value in values]
    return frame


def render(frame: pd.DataFrame, form: Format) -> str:
    """Write a result as text.

    Parameters
    ----------
    frame : pandas.DataFrame
    form : {'table', 'csv', 'json'}
        json is one array of objects.

    Returns
    -------
    str
    """
    if form == "csv":
        return frame.to_csv(index=False)
    if form == "json":
        return frame.to_json(orient="records", date_format="iso", force_ascii=False)
    return frame.to_string(index=False, na_rep="", max_colwidth=80)


def write(frame: pd.DataFrame, form: Format, path: Path) -> None:
    """Write a result to a file.

    Parameters
    ----------
    frame : pandas.DataFrame
    form : {'table', 'csv', 'json', 'parquet'}
    path : Path
    """
    if form == "parquet":
        frame.to_parquet(path, index=False)
    else:
        path.write_text(render(frame, form), encoding="utf-8")


def _failed(error: psycopg.Error, text: str) -> errors.QueryFailed:
    place = error.diag.statement_position
    where = None
    if place is not None:
        before = text[: int(place) - 1]
        line = text.splitlines()[before.count("\n")]
        column = len(before) - (before.rfind("\n") + 1)
        where = f"{line}\n{' ' * column}^"
    hints = [error.diag.message_hint, "Tables, views and columns: docs/schema.md"]
    return errors.QueryFailed(
        error.diag.message_primary or str(error),
        exists=where,
        mend="\n".join(hint for hint in hints if hint),
    )
