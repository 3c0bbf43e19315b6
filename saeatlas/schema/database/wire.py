"""PostgreSQL's binary wire format: numpy arrays to bytes and back. Nothing else reads such bytes.

Arrays are views of the bytes that came, read-only and big-endian: copy what is to stay.
"""

import struct
from typing import Any

import numpy as np
import numpy.typing as npt
import psycopg
import sqlalchemy as sa
from pgvector.sqlalchemy import VECTOR
from psycopg.adapt import Dumper
from psycopg.pq import Format
from psycopg.types import TypeInfo
from sqlalchemy.dialects.postgresql import ARRAY, BIT, BYTEA, DOUBLE_PRECISION, JSONB, REAL

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


def integer(value: bytes) -> int:
    """Decode an ``integer`` or ``bigint``.

    Parameters
    ----------
    value : bytes

    Returns
    -------
    int
    """
    return int.from_bytes(value, signed=True)


def integers(value: bytes) -> npt.NDArray[np.int32]:
    """Decode an ``integer[]``.

    Parameters
    ----------
    value : bytes

    Returns
    -------
    ndarray of any shape, int32
        Of shape (0,) for an empty array.

    Raises
    ------
    ValueError
        There is a NULL among its elements.
    """
    return _elements(value)


def reals(value: bytes) -> npt.NDArray[np.float32]:
    """Decode a ``real[]``.

    Parameters
    ----------
    value : bytes

    Returns
    -------
    ndarray of any shape, float32
        Of shape (0,) for an empty array.

    Raises
    ------
    ValueError
        There is a NULL among its elements.
    """
    return _elements(value).view(">f4")


def vector(value: bytes) -> npt.NDArray[np.float32]:
    """Decode pgvector's ``vector``.

    Parameters
    ----------
    value : bytes

    Returns
    -------
    ndarray of shape (d,), float32
    """
    return np.frombuffer(value, ">f4", offset=4)  # after the number of dimensions


def bits(value: bytes) -> npt.NDArray[np.uint8]:
    """Decode a ``bit varying``.

    Parameters
    ----------
    value : bytes

    Returns
    -------
    ndarray of shape (n_bytes,), uint8
        Most significant bit first; the last byte is filled up with zeros.
    """
    return np.frombuffer(value, np.uint8, offset=4)  # after the number of bits


def _elements(value: bytes) -> npt.NDArray[np.int32]:
    """Take the elements, of four bytes each, out of an array."""
    words = np.frombuffer(value, ">i4")
    n_dimensions, has_null = words[:2]
    if has_null:
        raise ValueError("an array holds a NULL")
    # three words of header, two a dimension, then each element's length in bytes and itself
    head = 3 + 2 * n_dimensions
    return words[head + 1 :: 2].reshape(words[3:head:2] if n_dimensions else (0,))


class _ArrayDumper(Dumper):
    """A numpy array as PostgreSQL's binary array, four bytes an element."""

    format = Format.BINARY
    element_oid: int
    element_dtype: str

    def dump(self, obj: npt.NDArray[Any]) -> bytes:
        if obj.size == 0:
            return struct.pack(">3i", 0, 0, self.element_oid)
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

    def dump(self, obj: npt.NDArray[Any]) -> bytes:
        return struct.pack(">i", 8 * len(obj)) + obj.tobytes()


class _VectorDumper(Dumper):
    """A one-dimensional numpy array as pgvector's binary ``vector``."""

    format = Format.BINARY

    def dump(self, obj: npt.NDArray[Any]) -> bytes:
        return struct.pack(">2h", len(obj), 0) + obj.astype(">f4").tobytes()


def oid(
    driver: psycopg.Connection[Any], cursor: psycopg.Cursor[Any], kind: sa.types.TypeEngine[Any]
) -> int:
    """Return a type's number, and make a cursor encode numpy arrays as this type.

    Parameters
    ----------
    driver : psycopg.Connection
    cursor : psycopg.Cursor
        Of a binary COPY.
    kind : sqlalchemy.types.TypeEngine
        Type of a column.

    Returns
    -------
    int
        ``pg_type.oid``.
    """
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
