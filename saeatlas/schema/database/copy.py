"""Bulk transfer by binary COPY between tables and numpy arrays."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa
from psycopg import sql
from psycopg.abc import Query
from sqlalchemy.dialects.postgresql import DOUBLE_PRECISION, REAL

from saeatlas.schema.database import connect, failures, wire

_DTYPES: tuple[tuple[type[sa.types.TypeEngine[Any]], str], ...] = (
    (sa.BigInteger, ">i8"),
    (sa.Integer, ">i4"),
    (REAL, ">f4"),
    (DOUBLE_PRECISION, ">f8"),
)
"""Type of numbers in a binary COPY, by SQLAlchemy's class; the first that fits counts."""

_HEAD, _TAIL = 19, 2
"""Bytes before the first row of a binary COPY, and after the last."""


def copy_rows(
    connection: sa.Connection,
    table: sa.Table,
    columns: Sequence[str],
    rows: Iterable[Sequence[Any]],
) -> int:
    """Append rows to a table by binary COPY.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        In a transaction of the caller's.
    table : sqlalchemy.Table
        Its metadata give each column's type.
    columns : sequence of str
        Columns given, in the rows' order.
    rows : iterable of sequences
        Numbers, str, bytes, JSON-like values; numpy arrays for array and 1-d for vector columns,
        of uint8 for bit strings.

    Returns
    -------
    int
        Number of rows written.

    Raises
    ------
    DatabaseError
        The server failed; the transaction is lost as a whole.
    InputError
        A text that the server does not store.
    """
    driver = connect.raw(connection)
    target = sql.SQL("copy {}.{} ({}) from stdin (format binary)").format(
        sql.Identifier(table.schema or "public"),
        sql.Identifier(table.name),
        sql.SQL(", ").join(map(sql.Identifier, columns)),
    )
    n = 0
    with failures.storing(), driver.cursor() as cursor:
        types = [wire.oid(driver, cursor, table.c[column].type) for column in columns]
        with cursor.copy(target) as copy:
            copy.set_types(types)
            for row in rows:
                copy.write_row(row)
                n += 1
    return n


def read_rows(
    connection: sa.Connection, query: Query, values: Mapping[str, Any] | None = None
) -> Iterator[tuple[bytes, ...]]:
    """Read rows by binary COPY, their values as the bytes that the functions of `wire` decode.

    Parameters
    ----------
    connection : sqlalchemy.Connection
    query : str, bytes or psycopg.sql.Composable
        ``copy (...) to stdout (format binary)``. None of its columns holds a NULL.
    values : mapping of str to values, optional
        Of the query's parameters.

    Yields
    ------
    tuple of bytes
        A row.

    Raises
    ------
    DatabaseError
        The server failed.
    """
    cursor = connect.raw(connection).cursor()
    with failures.translated(), cursor, cursor.copy(query, values) as copy:
        yield from copy.rows()


def read_numbers(connection: sa.Connection, query: sa.Select[Any]) -> tuple[npt.NDArray[Any], ...]:
    """Read columns of numbers by binary COPY, straight into arrays.

    Parameters
    ----------
    connection : sqlalchemy.Connection
    query : sqlalchemy.Select
        Its columns are whole numbers, real or double precision, and never NULL.

    Returns
    -------
    tuple of ndarray of shape (n_rows,)
        One per column: int32, int64, float32 or float64, as stored.

    Raises
    ------
    ValueError
        There is a NULL.
    DatabaseError
        The server failed.
    """
    record = _record([column.type for column in query.selected_columns])
    text: Any = str(query.compile(connection, compile_kwargs={"literal_binds": True}))
    driver = connect.raw(connection)
    copy = sql.SQL("copy ({}) to stdout (format binary)").format(sql.SQL(text))
    with failures.translated(), driver.cursor() as cursor, cursor.copy(copy) as parts:
        data = b"".join(parts)
    n, rest = divmod(len(data) - _HEAD - _TAIL, record.itemsize)
    rows = np.frombuffer(data, record, n, _HEAD)
    names = [name for name in record.names or () if name.startswith("value_")]
    whole = all(
        (rows[name.replace("value", "length")] == record[name].itemsize).all() for name in names
    )
    if rest or not whole:
        raise ValueError("a column of numbers holds a NULL")
    return tuple(rows[name].astype(record[name].newbyteorder("=")) for name in names)


def copy_arrays(
    connection: sa.Connection,
    table: sa.Table,
    columns: Sequence[str],
    batches: Iterable[Sequence[npt.NDArray[Any]]],
) -> int:
    """Append rows of numbers by binary COPY, whole columns at a time.

    For many millions of short rows: `copy_rows` makes a call a row.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        In a transaction of the caller's.
    table : sqlalchemy.Table
        Its metadata say each column's type: whole numbers, real or double precision.
    columns : sequence of str
    batches : iterable of sequence of ndarray of shape (n,)
        The next rows, an array per column, without NULL.

    Returns
    -------
    int
        Number of rows written.

    Raises
    ------
    DatabaseError
        The server failed; the transaction is lost as a whole.
    """
    record = _record([table.c[column].type for column in columns])
    target = sql.SQL("copy {}.{} ({}) from stdin (format binary)").format(
        sql.Identifier(table.schema or "public"),
        sql.Identifier(table.name),
        sql.SQL(", ").join(map(sql.Identifier, columns)),
    )
    n = 0
    with (
        failures.translated(),
        connect.raw(connection).cursor() as cursor,
        cursor.copy(target) as copy,
    ):
        copy.write(b"PGCOPY\n\xff\r\n\0" + bytes(8))
        for arrays in batches:
            rows = np.empty(len(arrays[0]), record)
            rows["n"] = len(columns)
            for i, values in enumerate(arrays):
                rows[f"length_{i}"] = record[f"value_{i}"].itemsize
                rows[f"value_{i}"] = values
            copy.write(rows.tobytes())
            n += len(rows)
        copy.write(b"\xff\xff")
    return n


def _record(types: Sequence[sa.types.TypeEngine[Any]]) -> np.dtype[np.void]:
    """Lay out a row of numbers: how many fields, then each field's length in bytes and itself."""
    fields = [("n", ">i2")]
    for i, kind in enumerate(types):
        dtype = next(dtype for known, dtype in _DTYPES if isinstance(kind, known))
        fields += [(f"length_{i}", ">i4"), (f"value_{i}", dtype)]
    return np.dtype(fields)
