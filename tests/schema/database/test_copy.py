"""The one COPY function writes what it is given."""

from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy.dialects.postgresql import DOUBLE_PRECISION, REAL

from saeatlas.schema import tables
from saeatlas.schema.database import connect, partitions
from saeatlas.schema.database.copy import copy_arrays, copy_rows, read_numbers

_floats = st.floats(width=32, allow_nan=False, allow_infinity=False)


def test_vectors_come_back_bit_for_bit(connection: sa.Connection) -> None:
    decoder = np.random.default_rng(0).normal(size=(5, 7)).astype(np.float32)
    with partitions.filling(connection, tables.feature, 3) as part:
        rows = [(3, i, row, float(np.linalg.norm(row)), None) for i, row in enumerate(decoder)]
        columns = ["sae", "feature", "decoder", "decoder_norm", "threshold"]
        assert copy_rows(connection, part, columns, rows) == 5
    read = connect.raw(connection).execute(
        "select decoder::real[] from atlas.feature where sae = 3 order by feature", binary=True
    )
    assert np.array_equal(np.array([row[0] for row in read], np.float32), decoder)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    blocks=st.lists(st.dictionaries(st.integers(0, 2**31 - 1), _floats, max_size=20), max_size=8)
)
def test_sparse_rows_come_back(connection: sa.Connection, blocks: list[dict[int, float]]) -> None:
    with connection.begin() as transaction:
        with partitions.filling(connection, tables.activation, 1) as part:
            rows = [
                (1, i, np.array(list(b), np.int32), np.array(list(b.values()), np.float32), len(b))
                for i, b in enumerate(blocks)
            ]
            columns = ["recording", "block", "features", "peaks", "n_active"]
            assert copy_rows(connection, part, columns, rows) == len(blocks)
        table = tables.activation
        read = connection.execute(sa.select(table).order_by(table.c.block)).all()
        transaction.rollback()
    back = [
        dict(zip(r.features, np.asarray(r.peaks, np.float32).tolist(), strict=True)) for r in read
    ]
    assert back == blocks
    assert [r.n_active for r in read] == [len(b) for b in blocks]


def test_text_json_and_nulls(connection: sa.Connection) -> None:
    corpus = connection.execute(
        sa.insert(tables.corpus).values(name="c", source="c").returning(tables.corpus.c.id)
    ).scalar_one()
    columns = ["corpus", "document", "subset", "metadata", "n_tokens", "n_blocks", "text_sha256"]
    rows = [
        (corpus, 0, "ArXiv", {"a": [1, None, "ß"]}, 5, 1, b"\0\1"),
        (corpus, 1, None, {}, 0, 0, None),
    ]
    copy_rows(connection, tables.document, columns, rows)
    read = connection.execute(sa.select(*(tables.document.c[c] for c in columns)))
    assert [tuple(row) for row in read] == rows


def test_a_failed_copy_leaves_nothing(connection: sa.Connection) -> None:
    columns = ["recording", "block", "features", "peaks", "n_active"]
    with (
        pytest.raises(ZeroDivisionError),
        connection.begin(),
        partitions.filling(connection, tables.activation, 1) as part,
    ):
        copy_rows(connection, part, columns, (1 / 0 for _ in range(1)))  # type: ignore[misc]
    assert sa.inspect(connection).has_table("activation_1", schema="atlas") is False


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    rows=st.lists(
        st.tuples(
            st.integers(-(2**31), 2**31 - 1), st.integers(-(2**63), 2**63 - 1),
            st.floats(width=32), st.floats(),
        ),
        max_size=9,
    )
)  # fmt: skip
def test_numbers_come_straight_as_arrays(
    connection: sa.Connection, rows: list[tuple[int, int, float, float]]
) -> None:
    types: tuple[Any, ...] = (sa.Integer(), sa.BigInteger(), REAL(), DOUBLE_PRECISION())
    made = sa.Table(
        "numbers", sa.MetaData(),
        *(sa.Column(n, k) for n, k in zip("iabcd", (sa.Integer(), *types), strict=True)),
        prefixes=["temporary"],
    )  # fmt: skip
    with connection.begin() as transaction:
        made.create(connection)
        if rows:
            given = [dict(zip("iabcd", (i, *row), strict=True)) for i, row in enumerate(rows)]
            connection.execute(sa.insert(made), given)
        c = made.c
        query = sa.select(c.a, c.b, c.c, c.d).where(c.i >= 0).order_by(c.i)
        found = read_numbers(connection, query)
        transaction.rollback()
    for i, (dtype, own) in enumerate(zip("iqfd", found, strict=True)):
        np.testing.assert_array_equal(own, np.array([row[i] for row in rows], dtype))
        assert own.dtype == np.dtype(dtype)


def test_numbers_are_known(connection: sa.Connection) -> None:
    nulls: tuple[Any, ...] = (sa.null(), sa.literal_column("case when true then null end"))
    for null in nulls:
        columns: tuple[Any, ...] = (sa.cast(null, sa.Integer), sa.literal_column("1", sa.Integer))
        with pytest.raises(ValueError, match="NULL"):
            read_numbers(connection, sa.select(*columns))


def test_whole_columns_come_back(connection: sa.Connection) -> None:
    """Batches of any size, and the extreme values of each type."""
    columns = (
        sa.Column("big", sa.BigInteger),
        sa.Column("whole", sa.Integer),
        sa.Column("real", REAL),
        sa.Column("double", DOUBLE_PRECISION),
    )
    table = sa.Table("numbers", sa.MetaData(), *columns, schema="pg_temp")
    connection.exec_driver_sql(
        "create temporary table numbers (big bigint, whole int, real real, double float8)"
    )
    tiny, huge = np.finfo(np.float32).tiny, np.finfo(np.float32).max
    given = (
        np.array([-(2**63), 0, 2**63 - 1, 5, 6]),
        np.array([-(2**31), 0, 2**31 - 1, 5, 6], np.int32),
        np.array([tiny, 0, huge, -huge, np.inf], np.float32),
        np.array([5e-324, -0.0, 1.7e308, np.pi, -np.inf]),
    )
    batches = [[each[part] for each in given] for part in (slice(0, 2), slice(2, 2), slice(2, 5))]
    names = [column.name for column in columns]
    assert copy_arrays(connection, table, names, batches) == 5
    back = read_numbers(connection, sa.select(table))
    for read, wanted in zip(back, given, strict=True):
        assert read.dtype == wanted.dtype
        assert read.tobytes() == wanted.tobytes(), "in the order written, bit for bit"
    assert copy_arrays(connection, table, names, []) == 0
