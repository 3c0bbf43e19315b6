"""Without room for its files the server ends in one sentence, and nothing of the step remains.

A limit on the size of files stands in for a full disk: any user may start a server with one. A
write that it cuts short is what PostgreSQL reports as a full disk.
"""

import resource
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from saeatlas import errors
from saeatlas.schema import tables
from saeatlas.schema.database import connect, embedded, partitions
from saeatlas.schema.database.copy import copy_rows

pytestmark = pytest.mark.slow

LIMIT = 2**24 + 4096
"""Bytes: more than a file of the server's log (WAL), and not a whole number of pages."""


@pytest.fixture(scope="module")
def small_url(server_folder: Path) -> Iterator[str]:
    """A server of its own that can write no larger file."""
    folder = server_folder / "small"
    own = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (LIMIT, own[1]))
    try:
        url = embedded.url(folder)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, own)
    yield url
    embedded.shut_down(folder)


@pytest.fixture
def session(small_url: str) -> Iterator[sa.Connection]:
    engine = connect.open_catalog(small_url)
    with engine.connect() as connection:
        yield connection
    engine.dispose()


def test_a_full_disk_is_said(session: sa.Connection) -> None:
    many = "select generate_series(1, 450000) as n"
    session.exec_driver_sql(f"create table public.number as {many}")
    session.commit()
    with pytest.raises(errors.DiskFull, match=r"disk is full(.|\n)*saeatlas remove"):
        session.exec_driver_sql(
            "create index on public.number (n, (n + 1), (n + 2), (n + 3), (n + 4), (n + 5))"
        )
    session.rollback()
    assert sa.inspect(session).get_indexes("number", schema="public") == []


def test_nothing_remains_of_a_step_without_room(session: sa.Connection) -> None:
    rows = np.random.default_rng(0).normal(size=(8_000, 768)).astype(np.float32)
    columns = ["sae", "feature", "decoder", "decoder_norm"]
    with (
        pytest.raises(errors.DiskFull, match=r"no larger file(.|\n)*ulimit -f"),
        session.begin(),
        partitions.filling(session, tables.feature, 1) as part,
    ):
        copy_rows(session, part, columns, ((1, i, row, 1.0) for i, row in enumerate(rows)))
    assert not sa.inspect(session).has_table("feature_1", schema="atlas")
    assert session.scalar(sa.select(sa.func.count()).select_from(tables.feature)) == 0


def test_a_limit_of_temporary_files_is_said(session: sa.Connection) -> None:
    session.exec_driver_sql("set temp_file_limit = '1MB'")
    session.exec_driver_sql("set work_mem = '64kB'")
    with pytest.raises(errors.DiskFull, match=r"temporary files(.|\n)*temp_file_limit"):
        session.exec_driver_sql("select n from generate_series(1, 200000) as n order by -n").all()
