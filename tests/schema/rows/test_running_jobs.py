"""A job of a kind and key runs once at a time; several are locked together or not at all."""

import threading

import pytest
import sqlalchemy as sa

from saeatlas import errors
from saeatlas.schema.rows import running_jobs


def _rows(engine: sa.Engine) -> int:
    with engine.connect() as connection:
        query = "select count(*) from atlas.running_job"
        return int(connection.exec_driver_sql(query).scalar_one())


def test_a_job_is_locked_until_it_ends(engine: sa.Engine) -> None:
    with running_jobs.locked(engine, "lobes", "run of lobes", b"a"):
        with (
            pytest.raises(errors.CatalogBusy, match="the same run of lobes"),
            running_jobs.locked(engine, "lobes", "run of lobes", b"a"),
        ):
            pass
        with running_jobs.locked(engine, "lobes", "run of lobes", b"b"):
            pass
        with running_jobs.locked(engine, "maps", "map", b"a"):
            pass
    assert _rows(engine) == 0
    with running_jobs.locked(engine, "lobes", "run of lobes", b"a"):
        pass


def test_several_jobs_are_locked_together_or_not_at_all(engine: sa.Engine) -> None:
    jobs = {b"a": "first", b"b": "second", b"c": "third"}
    with running_jobs.locked(engine, "recording", "second", b"b"):
        with (
            pytest.raises(errors.CatalogBusy, match="the same second"),
            running_jobs.all_locked(engine, "recording", jobs),
        ):
            pass
        for free in (b"a", b"c"):
            with running_jobs.locked(engine, "recording", jobs[free], free):
                pass
    with running_jobs.all_locked(engine, "recording", jobs):
        for key, what in jobs.items():
            with (
                pytest.raises(errors.CatalogBusy, match=what),
                running_jobs.locked(engine, "recording", what, key),
            ):
                pass
    assert _rows(engine) == 0


def test_a_failure_ends_the_lock(engine: sa.Engine) -> None:
    with (
        pytest.raises(ZeroDivisionError),
        running_jobs.locked(engine, "lobes", "run of lobes", b"a"),
    ):
        raise ZeroDivisionError
    assert _rows(engine) == 0


def test_a_row_left_by_a_killed_job_is_no_lock(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "insert into atlas.running_job (kind, key) values ('lobes', 'a')"
        )
    with running_jobs.locked(engine, "lobes", "run of lobes", b"a"):
        pass
    assert _rows(engine) == 0


@pytest.mark.parametrize("ends", ["commit", "rollback"])
def test_wait_for_waits_until_the_other_transaction_ends(engine: sa.Engine, ends: str) -> None:
    entered = threading.Event()

    def follow() -> None:
        with engine.begin() as connection:
            running_jobs.wait_for(connection, "table", b"a")
            entered.set()

    second = threading.Thread(target=follow)
    with engine.connect() as first:
        running_jobs.wait_for(first, "table", b"a")
        second.start()
        waiting = sa.text(
            "select count(*) from pg_stat_activity "
            "where wait_event_type = 'Lock' and datname = current_database()"
        )
        with engine.connect() as watch:
            while watch.execute(waiting).scalar_one() == 0:
                watch.rollback()
                assert second.is_alive(), "it did not wait"
        assert not entered.is_set()
        getattr(first, ends)()
    second.join(30)
    assert entered.is_set() and _rows(engine) == 0


def test_wait_for_leaves_other_jobs_alone(engine: sa.Engine) -> None:
    with engine.begin() as first, engine.begin() as second:
        running_jobs.wait_for(first, "table", b"a")
        second.exec_driver_sql("set local lock_timeout = '2s'")
        running_jobs.wait_for(second, "table", b"b")
        running_jobs.wait_for(second, "recording", b"a")
