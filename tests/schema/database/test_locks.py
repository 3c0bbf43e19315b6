"""A login that may only read can neither take nor block the locks of SAE Atlas."""

from collections.abc import Iterator

import psycopg
import pytest
import sqlalchemy as sa

from saeatlas.schema.database import connect, upgrade
from saeatlas.schema.rows import label_words, running_jobs


@pytest.fixture
def reader(engine: sa.Engine) -> Iterator[sa.Connection]:
    """A session of atlas_reader, in a transaction."""
    other = connect.reader(engine)
    with other.connect() as connection:
        assert connection.exec_driver_sql("select session_user").scalar_one() == "atlas_reader"
        yield connection
    connect.close(engine)


_FORBIDDEN = [
    "select * from atlas.running_job for update",
    "select * from atlas.running_job for share",
    "select * from atlas.running_job for key share",
    *(
        f"lock table atlas.{table} in {mode} mode"
        for table in ("running_job", "label_word", "alembic_version")
        for mode in (
            "row share",
            "row exclusive",
            "share update exclusive",
            "share",
            "share row exclusive",
            "exclusive",
            "access exclusive",
        )
    ),
]


@pytest.mark.slow
@pytest.mark.parametrize("statement", _FORBIDDEN)
def test_a_reader_cannot_take_a_lock(reader: sa.Connection, statement: str) -> None:
    with pytest.raises(sa.exc.ProgrammingError) as caught:
        reader.exec_driver_sql(statement)
    assert isinstance(caught.value.orig, psycopg.errors.InsufficientPrivilege)


def test_a_reader_blocks_nobody(engine: sa.Engine, reader: sa.Connection) -> None:
    for table in (
        "running_job",
        "label_word",
        "alembic_version",
    ):  # the strongest locks it may take
        reader.exec_driver_sql(f"lock table atlas.{table} in access share mode")
        reader.exec_driver_sql(f"select * from atlas.{table}")
    for kind in (
        "saeatlas upgrade",
        "saeatlas labels",
        "saeatlas run",
    ):  # and those of old versions
        reader.exec_driver_sql(f"select pg_advisory_lock(hashtext('{kind}'))")
    with engine.connect() as connection:
        connection.exec_driver_sql("set lock_timeout = '5s'")
        connection.commit()
        label_words.lock(connection)
        connection.rollback()
        upgrade.migrate(connection)
        connection.rollback()
    with running_jobs.locked(engine, "lobes", "run of lobes", b"key"):
        assert reader.exec_driver_sql("select count(*) from atlas.running_job").scalar_one() == 1


def test_upgrades_wait_for_one_another(engine: sa.Engine) -> None:
    with engine.connect() as first, engine.connect() as second:
        upgrade.migrate(first)
        second.exec_driver_sql("set lock_timeout = '100ms'")
        with pytest.raises(psycopg.errors.LockNotAvailable):
            upgrade.migrate(second)
