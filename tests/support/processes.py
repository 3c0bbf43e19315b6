"""Other processes that are stopped at a known place: where they wait for a table that is locked."""

import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
import sqlalchemy as sa


@contextmanager
def locked_table(engine: sa.Engine, table: str, mode: str) -> Iterator[sa.Connection]:
    """Nobody gets past this table meanwhile."""
    with engine.connect() as connection:
        connection.exec_driver_sql(f"lock table atlas.{table} in {mode} mode")
        yield connection


def waiting(engine: sa.Engine, words: str) -> int:
    """How many sessions wait for a lock in a statement that these words (a regex) match."""
    query = (
        "select count(*) from pg_stat_activity where wait_event_type = 'Lock' "
        "and datname = current_database() and query ~* %(words)s"
    )
    with engine.connect() as connection:
        return int(connection.exec_driver_sql(query, {"words": words}).scalar_one())


def wait_until_waiting(
    engine: sa.Engine, words: str, n: int, child: "subprocess.Popen[Any]"
) -> None:
    """Wait until n sessions wait for a lock in such a statement, and the child still runs."""
    for _ in range(600):
        if waiting(engine, words) == n:
            return
        assert child.poll() is None, child.communicate()
        time.sleep(0.03)
    pytest.fail(f"never {n} times {words}")


def wait_until_alone(engine: sa.Engine) -> None:
    """Wait until the server has noticed that its client is dead: it may commit a last chunk."""
    query = (
        "select count(*) from pg_stat_activity where datname = current_database()"
        " and backend_type = 'client backend' and pid <> pg_backend_pid() and state <> 'idle'"
    )
    with engine.connect() as connection:
        while connection.exec_driver_sql(query).scalar():
            connection.rollback()
            time.sleep(0.01)
