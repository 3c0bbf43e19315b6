"""Users' SQL reads, comes back in every form, and cannot write."""

import io
import json
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa

from saeatlas import errors
from saeatlas.catalog.sql import read_sql, render, write
from saeatlas.catalog.status import read_status
from saeatlas.schema import partitions, tables
from saeatlas.schema.copy import copy_rows

QUERY = "select 1 as n, null::int as nothing, 'ß,\"x\"' as word, array[1.5, 2]::real[] as numbers"


def test_forms(engine: sa.Engine, tmp_path: Path) -> None:
    frame = read_sql(engine, QUERY)
    assert json.loads(render(frame, "json")) == [
        {"n": 1, "nothing": None, "word": 'ß,"x"', "numbers": [1.5, 2.0]}
    ]
    again = pd.read_csv(io.StringIO(render(frame, "csv")))
    assert again.columns.tolist() == ["n", "nothing", "word", "numbers"]
    assert again.word[0] == 'ß,"x"'
    assert "nothing" in render(frame, "table") and "None" not in render(frame, "table")
    write(frame, "parquet", tmp_path / "out.parquet")
    stored = pd.read_parquet(tmp_path / "out.parquet")
    assert stored.n[0] == 1 and stored.numbers[0].tolist() == [1.5, 2.0]


def test_parameters_are_bound(engine: sa.Engine) -> None:
    assert read_sql(engine, "select %s as word", ["'; drop"]).word[0] == "'; drop"
    assert read_sql(engine, "select 5 % 3 as rest").rest[0] == 2


def test_vectors_come_back_as_numbers(engine: sa.Engine) -> None:
    rows = np.eye(3, dtype=np.float32)
    with engine.begin() as connection, partitions.filling(connection, tables.feature, 1) as part:
        columns = ["sae", "feature", "decoder", "decoder_norm"]
        copy_rows(connection, part, columns, [(1, i, row, 1.0) for i, row in enumerate(rows)])
    frame = read_sql(engine, "select decoder from feature where feature = 1")
    assert list(frame.decoder[0]) == [0.0, 1.0, 0.0]
    assert json.loads(render(frame, "json")) == [{"decoder": [0.0, 1.0, 0.0]}]


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("select nothing", r'column "nothing" does not exist\nselect nothing\n       \^'),
        ("select 1\nfrom nowhere", r'"nowhere" does not exist\nfrom nowhere\n     \^'),
        ("delete from sae", "cannot execute DELETE in a read-only transaction|permission denied"),
        ("create table x ()", "read-only|permission denied"),
        ("select pg_read_file('/etc/passwd')", "permission denied"),
        ("copy (select 1) to program 'true'", "permission denied|returns no rows"),
        ("commit; delete from sae", "."),
        ("set session characteristics as transaction read write", "returns no rows"),
        ("", "returns no rows"),
    ],
)
def test_what_cannot_be_run_says_so(engine: sa.Engine, query: str, message: str) -> None:
    with pytest.raises(errors.QueryFailed, match=message):
        read_sql(engine, query)


def test_a_transaction_cannot_be_left_to_write(engine: sa.Engine) -> None:
    insert = "insert into model (name) values ('smuggled')"
    for query in (
        f"commit; {insert}",
        f"rollback; reset role; {insert}",
        f"commit; begin; {insert}",
    ):
        with pytest.raises(errors.QueryFailed):
            read_sql(engine, query)
    assert len(read_sql(engine, "select * from model")) == 0


def test_status_of_an_empty_catalog(engine: sa.Engine) -> None:
    status = read_status(engine)
    assert status.server.startswith("PostgreSQL ") and "pgvector 0." in status.server
    assert status.size > 0
    assert [len(f) for f in (status.saes, status.corpora, status.recordings)] == [0, 0, 0]
