"""Users' SQL reads, comes back in every form, and cannot write."""

import io
import json
import math
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa

from saeatlas import errors
from saeatlas.catalog.answers import Answer, render, write
from saeatlas.catalog.sql import answer_sql, read_sql
from saeatlas.catalog.status import read_status
from saeatlas.schema import tables
from saeatlas.schema.database import partitions
from saeatlas.schema.database.copy import copy_rows

QUERY = "select 1 as n, null::int as nothing, 'ß,\"x\"' as word, array[1.5, 2]::real[] as numbers"


def test_forms(engine: sa.Engine, tmp_path: Path) -> None:
    answer = answer_sql(engine, QUERY)
    assert json.loads(render(answer, "json")) == [
        {"n": 1, "nothing": None, "word": 'ß,"x"', "numbers": [1.5, 2.0]}
    ]
    again = pd.read_csv(io.StringIO(render(answer, "csv")))
    assert again.columns.tolist() == ["n", "nothing", "word", "numbers"]
    assert again.word[0] == 'ß,"x"' and json.loads(again.numbers[0]) == [1.5, 2.0]
    assert render(answer, "table") == 'n nothing word  numbers\n1         ß,"x" [1.5, 2.0]'
    wide = Answer(("word", "n"), [("日本", 1), ("a", 22)])
    assert render(wide, "table") == "word  n\n日本  1\na    22"
    assert render(answer, "markdown").splitlines()[2] == '| 1 |  | ß,"x" | [1.5, 2.0] |'
    write(answer, "parquet", tmp_path / "out.parquet")
    stored = pd.read_parquet(tmp_path / "out.parquet")
    assert stored.n[0] == 1 and stored.numbers[0].tolist() == [1.5, 2.0]
    with pytest.raises(errors.InputError, match="cannot be written"):
        write(answer, "csv", tmp_path / "no" / "folder.csv")


def test_strange_values_have_a_form(engine: sa.Engine, tmp_path: Path) -> None:
    answer = answer_sql(
        engine,
        """select 'nan'::float8 as x, '-infinity'::real as y, 1.50::numeric as z,
        '\\x00ff'::bytea as b, date '2024-02-01' as d, true as yes,
        timestamptz '2024-02-01 12:00+02' as t, jsonb '{"a": [1, null]}' as j,
        '{}'::int[] as e, e'a|b\\n\\x1b[31m' || repeat('long', 30) as s""",
    )
    assert json.loads(render(answer, "json")) == [
        {
            "x": None, "y": None, "z": 1.5, "b": "00ff", "d": "2024-02-01",
            "t": "2024-02-01T10:00:00+00:00", "yes": True, "j": {"a": [1, None]},
            "s": "a|b\n\x1b[31m" + "long" * 30, "e": [],
        }
    ]  # fmt: skip
    table = render(answer, "table", 120)
    assert "\x1b" not in table and len(table.splitlines()) == 2 and "…" in table
    assert "a\\|b" in render(answer, "markdown")
    write(answer, "parquet", tmp_path / "out.parquet")
    assert pd.read_parquet(tmp_path / "out.parquet").j[0] == '{"a": [1, null]}'


def test_two_columns_of_one_name_have_no_json(engine: sa.Engine) -> None:
    answer = answer_sql(engine, "select 1 as a, 2 as a")
    assert render(answer, "csv") == "a,a\n1,2\n"
    with pytest.raises(errors.QueryFailed, match="Two columns have the same name: a"):
        render(answer, "json")


def test_no_rows_still_have_columns(engine: sa.Engine) -> None:
    for limit in (None, 5):
        answer = answer_sql(engine, "select release, layer from saes", limit=limit)
        assert answer.columns == ("release", "layer") and not answer.more
        assert render(answer, "table") == "release layer" and render(answer, "json") == "[]"
        assert answer.frame().columns.tolist() == ["release", "layer"]


def test_integers_with_nulls_stay_integers(engine: sa.Engine) -> None:
    frame = read_sql(engine, "select * from (values (1, 2), (null, 3)) as t (a, b)")
    assert frame.dtypes.astype(str).tolist() == ["Int64", "int64"]
    assert Answer(("a",), []).frame().empty


def test_parameters_are_bound(engine: sa.Engine) -> None:
    assert read_sql(engine, "select %s as word", ["'; drop"]).word[0] == "'; drop"
    assert read_sql(engine, "select 5 % 3 as rest").rest[0] == 2
    for strange, said in (("\udc80", "cannot be stored as text"), ("\0", "NUL")):
        with pytest.raises(errors.QueryFailed, match=said):
            read_sql(engine, "select %s as word", [strange])
        assert len(read_sql(engine, "select 1")) == 1


def test_vectors_come_back_as_numbers(engine: sa.Engine) -> None:
    rows = np.eye(3, dtype=np.float32)
    with engine.begin() as connection, partitions.filling(connection, tables.feature, 1) as part:
        columns = ["sae", "feature", "decoder", "decoder_norm"]
        copy_rows(connection, part, columns, [(1, i, row, 1.0) for i, row in enumerate(rows)])
    query = "select decoder from feature where feature = 1"
    assert list(read_sql(engine, query).decoder[0]) == [0.0, 1.0, 0.0]
    answer = answer_sql(engine, query, limit=3)
    assert json.loads(render(answer, "json")) == [{"decoder": [0.0, 1.0, 0.0]}]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("select nothing", r'column "nothing" does not exist\nselect nothing\n       \^'),
        ("select 1\nfrom nowhere", r'"nowhere" does not exist\nfrom nowhere\n     \^'),
        ("delete from sae", "cannot execute DELETE in a read-only transaction|permission denied"),
        ("create table x ()", "read-only|permission denied"),
        ("select pg_read_file('/etc/passwd')", "permission denied"),
        ("select pg_ls_dir('.')", "permission denied"),
        ("select lo_import('/etc/passwd')", "permission denied|read-only"),
        ("copy (select 1) to program 'true'", "permission denied|returns no rows"),
        ("copy model from program 'true'", "permission denied|read-only|returns no rows"),
        ("copy (select 1) to '/etc/x'", "permission denied"),
        ("copy (select 1) to stdout", "returns no rows"),
        ("select set_config('role', 'postgres', true)", "permission denied to set role"),
        ("select nextval('model_id_seq')", "read-only|permission denied"),
        ("truncate model", "read-only|permission denied"),
        ("lock table model", "permission denied|read-only|returns no rows"),
        ("commit; delete from sae", "."),
        ("set session characteristics as transaction read write", "returns no rows"),
        ("select '\udc80'", "a character that cannot be stored as text"),
        ("", "returns no rows"),
    ],
)
@pytest.mark.parametrize("limit", [None, 10])
def test_what_cannot_be_run_says_so(
    engine: sa.Engine, query: str, message: str, limit: int | None
) -> None:
    with pytest.raises(errors.QueryFailed, match=message):
        answer_sql(engine, query, limit=limit)
    assert answer_sql(engine, "select 1", limit=limit).rows == [(1,)]  # the session goes on


@pytest.mark.parametrize(
    "text",
    [
        "select set_config('role', 'none', true), {}",
        "select set_config('session_authorization', 'postgres', true), {}",
    ],
)
def test_the_role_cannot_be_left(engine: sa.Engine, text: str) -> None:
    # what a function runs from a text is checked only when it runs, after the role was changed
    for smuggled in (
        "query_to_xml('select pg_read_file(''/etc/passwd'')', true, true, '')",
        "(select count(*) from ts_stat('select to_tsvector(pg_read_file(''/etc/passwd''))'))",
    ):
        with pytest.raises(errors.QueryFailed, match="permission denied"):
            read_sql(engine, text.format(smuggled))
    block = "do $$ begin reset role; perform pg_read_file('/etc/passwd'); end $$"
    with pytest.raises(errors.QueryFailed, match="permission denied"):
        read_sql(engine, block)


@pytest.mark.parametrize("timeout", [math.inf, math.nan])
def test_no_time_is_too_long(engine: sa.Engine, timeout: float) -> None:
    assert answer_sql(engine, "select 1 as n", timeout=timeout).rows == [(1,)]


def test_a_session_that_ends_itself_is_a_sentence(
    engine: sa.Engine, caplog: pytest.LogCaptureFixture
) -> None:
    with pytest.raises(errors.ServerUnreachable, match="went away"):
        answer_sql(engine, "select pg_terminate_backend(pg_backend_pid())")
    assert not caplog.records, "SQLAlchemy logs a traceback"
    assert answer_sql(engine, "select 1").rows == [(1,)]


def test_locks_are_let_go(engine: sa.Engine) -> None:
    answer_sql(engine, "select pg_advisory_lock(1)")
    held = "select count(*) from pg_locks where locktype = 'advisory' and pid = pg_backend_pid()"
    assert answer_sql(engine, held).rows == [(0,)]


def test_nothing_takes_for_ever(engine: sa.Engine) -> None:
    for query in (
        "select pg_sleep(100)",
        "select count(*) from generate_series(1, 1000000000000)",
        "select set_config('statement_timeout', '0', false), pg_sleep(100)",
    ):
        with pytest.raises(errors.QueryFailed, match="statement timeout(.|\n)*--timeout"):
            answer_sql(engine, query, timeout=0.2)
    assert len(read_sql(engine, "select 1"))


def test_the_first_rows_come_at_once(engine: sa.Engine) -> None:
    endless = "select generate_series(1, 1000000000000)"
    answer = answer_sql(engine, endless, timeout=20, limit=250)
    assert answer.rows == [(i,) for i in range(1, 251)] and answer.more
    assert not answer_sql(engine, "select 1", limit=1).more


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
