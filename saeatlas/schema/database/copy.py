"""Bulk transfer: the one binary COPY each way, between tables and numpy arrays."""

import struct
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import psycopg
import sqlalchemy as sa
from pgvector.sqlalchemy import VECTOR
from psycopg import sql
from psycopg.adapt import Dumper
from psycopg.pq import Format
from psycopg.types import TypeInfo
from sqlalchemy.dialects.postgresql import ARRAY, BIT, BYTEA, DOUBLE_PRECISION, JSONB, REAL

from saeatlas.schema.database import connect, failures

# SQLAlchemy's class to PostgreSQL's name; the first that fits counts
_NAMES: tuple[tuple[type[sa.types.TypeEngine[Any]], str], ...] = (
    (sa.BigInteger, "int8"),
    (sa.Integer, "int4"),
    (REAL, "float4"),
    (DOUBLE_PRECISION, "float8"),
    (JSONB, "jsonb"),
    (BYTEA, "bytea"),
    (sa.Boolean, "bool"),
    (sa.Text, "text"),
)


_DTYPES: tuple[tuple[type[sa.types.TypeEngine[Any]], str], ...] = (
    (sa.BigInteger, ">i8"),
    (sa.Integer, ">i4"),
    (REAL, ">f4"),
    (DOUBLE_PRECISION, ">f8"),
)
"""What numbers come as, by SQLAlchemy's class; the first that fits counts."""

_HEAD, _TAIL = 19, 2
"""Bytes before the first row of a binary COPY, and after the last."""


class _ArrayDumper(Dumper):
    """A numpy array as PostgreSQL's binary array, four bytes an element."""

    format = Format.BINARY
    element_oid: int
    element_dtype: str

    def dump(self, obj: np.ndarray[Any, Any]) -> bytes:
        if obj.size == 0:
            return struct.pack(">3i", 0, 0, self.element_oid)
        # three words of header, two a dimension, then each element's length in bytes and itself
        head = 3 + 2 * obj.ndim
        words = np.empty(head + 2 * obj.size, ">i4")
        words[:3] = obj.ndim, 0, self.element_oid
        words[3:head:2], words[4:head:2] = obj.shape, 1
        words[head::2] = 4
        flat = np.ascontiguousarray(obj).reshape(-1)
        words[head + 1 :: 2] = flat.astype(self.element_dtype, copy=False).view(">i4")
        return words.tobytes()


class _IntegersDumper(_ArrayDumper):
    oid = psycopg.adapters.types["int4"].array_oid
    element_oid = psycopg.adapters.types["int4"].oid
    element_dtype = ">i4"


class _RealsDumper(_ArrayDumper):
    oid = psycopg.adapters.types["float4"].array_oid
    element_oid = psycopg.adapters.types["float4"].oid
    element_dtype = ">f4"


class _BitsDumper(Dumper):
    """A one-dimensional numpy array of bytes as a bit string, most significant bit first."""

    format = Format.BINARY
    oid = psycopg.adapters.types["varbit"].oid

    def dump(self, obj: np.ndarray[Any, Any]) -> bytes:
        return struct.pack(">i", 8 * len(obj)) + obj.tobytes()


class _VectorDumper(Dumper):
    """A one-dimensional numpy array as pgvector's binary ``vector``."""

    format = Format.BINARY

    def dump(self, obj: np.ndarray[Any, Any]) -> bytes:
        return struct.pack(">2h", len(obj), 0) + obj.astype(">f4").tobytes()


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
        Its metadata say each column's type.
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
    """
    driver = connect.raw(connection)
    target = sql.SQL("copy {}.{} ({}) from stdin (format binary)").format(
        sql.Identifier(table.schema or "public"),
        sql.Identifier(table.name),
        sql.SQL(", ").join(map(sql.Identifier, columns)),
    )
    n = 0
    with failures.translated(), driver.cursor() as cursor:
        types = [_oid(driver, cursor, table.c[column].type) for column in columns]
        with cursor.copy(target) as copy:
            copy.set_types(types)
            for row in rows:
                copy.write_row(row)
                n += 1
    return n


def read_numbers(
    connection: sa.Connection, query: sa.Select[Any]
) -> tuple[np.ndarray[Any, Any], ...]:
    """Read columns of numbers by binary COPY, straight into arrays.

    Parameters
    ----------
    connection : sqlalchemy.Connection
    query : sqlalchemy.Select
        Its columns are whole numbers, real or double precision, and never NULL.

    Returns
    -------
    tuple of ndarray of shape (n_rows,)
        One a column: int32, int64, float32 or float64, as stored.

    Raises
    ------
    ValueError
        There is a NULL.
    DatabaseError
        The server failed.
    """
    fields = [("n", ">i2")]
    for i, column in enumerate(query.selected_columns):
        dtype = next(dtype for known, dtype in _DTYPES if isinstance(column.type, known))
        fields += [(f"length_{i}", ">i4"), (f"value_{i}", dtype)]
    record = np.dtype(fields)
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


def _oid(
    driver: psycopg.Connection[Any], cursor: psycopg.Cursor[Any], kind: sa.types.TypeEngine[Any]
) -> int:
    """Say the type's number, and make the cursor write numpy arrays of it."""
    dumper: type[Dumper]
    if isinstance(kind, ARRAY):
        dumper = _RealsDumper if isinstance(kind.item_type, REAL) else _IntegersDumper
    elif isinstance(kind, BIT):
        dumper = _BitsDumper
    elif isinstance(kind, VECTOR):
        info = TypeInfo.fetch(driver, "vector")
        assert info is not None
        dumper = type("_VectorDumper", (_VectorDumper,), {"oid": info.oid})
    else:
        name = next(name for known, name in _NAMES if isinstance(kind, known))
        return psycopg.adapters.types[name].oid
    cursor.adapters.register_dumper(np.ndarray, dumper)
    assert dumper.oid is not None
    return dumper.oid
