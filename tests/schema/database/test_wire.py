"""What numpy arrays are written as, PostgreSQL reads; what it sends, they are read from."""

import numpy as np
import numpy.typing as npt
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from sqlalchemy.dialects.postgresql import ARRAY, BIT, REAL

from saeatlas.schema import tables
from saeatlas.schema.database import connect, wire
from saeatlas.schema.database.copy import copy_rows, read_rows

_metadata = sa.MetaData(schema="pg_temp")
_values = sa.Table(
    "value",
    _metadata,
    sa.Column("integers", ARRAY(sa.Integer)),
    sa.Column("reals", ARRAY(REAL)),
    sa.Column("bits", BIT(varying=True)),
    sa.Column("vector", tables.feature.c.decoder.type),
)
_SHAPES = arrays.array_shapes(min_dims=1, max_dims=3, min_side=1, max_side=5)
_REALS = st.floats(width=32, allow_nan=False, allow_infinity=False)


@pytest.fixture
def table(connection: sa.Connection) -> sa.Table:
    connection.exec_driver_sql(
        "create temporary table value (integers int4[], reals float4[], bits varbit, vector vector)"
    )
    return _values


def _read(connection: sa.Connection, column: str) -> bytes:
    query = f"copy (select {column} from pg_temp.value) to stdout (format binary)"
    ((value,),) = read_rows(connection, query.encode())
    connection.exec_driver_sql("truncate pg_temp.value")
    return value


def _written(connection: sa.Connection, column: str, array: npt.NDArray[np.generic]) -> None:
    copy_rows(connection, _values, [column], [(array,)])


_once = settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=50)


@_once
@given(array=arrays.arrays(np.int32, _SHAPES) | st.just(np.empty(0, np.int32)))
def test_integers(connection: sa.Connection, table: sa.Table, array: npt.NDArray[np.int32]) -> None:
    _written(connection, "integers", array)
    stored = connection.execute(sa.select(table.c.integers)).scalar_one()
    assert stored == array.tolist()
    assert np.array_equal(wire.integers(_read(connection, "integers")), array)


@_once
@given(array=arrays.arrays(np.float32, _SHAPES, elements=_REALS) | st.just(np.empty(0, "f4")))
def test_reals(connection: sa.Connection, table: sa.Table, array: npt.NDArray[np.float32]) -> None:
    _written(connection, "reals", array)
    stored = connection.execute(sa.select(table.c.reals)).scalar_one()
    assert np.array_equal(np.array(stored, np.float32).reshape(array.shape), array)
    assert np.array_equal(wire.reals(_read(connection, "reals")), array)


@_once
@given(array=arrays.arrays(np.float32, st.integers(1, 40), elements=_REALS))
def test_vectors(
    connection: sa.Connection, table: sa.Table, array: npt.NDArray[np.float32]
) -> None:
    _written(connection, "vector", array)
    query = "select vector::real[] from pg_temp.value"
    stored = connect.raw(connection).execute(query, binary=True).fetchall()[0][0]
    assert np.array_equal(np.array(stored, np.float32), array)
    assert np.array_equal(wire.vector(_read(connection, "vector")), array)


@_once
@given(array=arrays.arrays(np.uint8, st.integers(0, 40)))
def test_bits(connection: sa.Connection, table: sa.Table, array: npt.NDArray[np.uint8]) -> None:
    _written(connection, "bits", array)
    query = "select bits::text from pg_temp.value"
    stored = connection.exec_driver_sql(query).scalar_one()
    assert stored == "".join(map(str, np.unpackbits(array)))
    assert np.array_equal(wire.bits(_read(connection, "bits")), array)


@pytest.mark.parametrize("number", [0, 1, -1, 2**31 - 1, -(2**31)])
def test_whole_numbers(connection: sa.Connection, number: int) -> None:
    query = f"copy (select ({number})::int4, ({number})::int8) to stdout (format binary)"
    ((small, large),) = read_rows(connection, query.encode())
    assert (len(small), len(large)) == (4, 8)
    assert wire.integer(small) == wire.integer(large) == number


def test_the_shape_of_a_matrix_comes_back(connection: sa.Connection, table: sa.Table) -> None:
    matrix = np.arange(6, dtype=np.int32).reshape(2, 3)
    _written(connection, "integers", matrix)
    assert connection.exec_driver_sql("select integers[2][1] from pg_temp.value").scalar_one() == 3
    assert wire.integers(_read(connection, "integers")).tolist() == [[0, 1, 2], [3, 4, 5]]


def test_a_null_in_an_array_is_refused(connection: sa.Connection) -> None:
    query = b"copy (select array[1, null, 3]) to stdout (format binary)"
    ((value,),) = read_rows(connection, query)
    with pytest.raises(ValueError, match="holds a NULL"):
        wire.integers(value)
    with pytest.raises(ValueError, match="holds a NULL"):
        wire.reals(value)
