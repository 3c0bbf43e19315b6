"""The life of a run: found again, locked, written as a whole or not at all."""

import os
import signal
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import sqlalchemy as sa

from saeatlas import errors
from saeatlas.analyses import run_driver
from saeatlas.analyses.run_driver import Analysis, Source, perform, target
from saeatlas.progress import Progress, Report, silent
from saeatlas.schema import tables
from saeatlas.schema.rows import maps, running_jobs
from tests.support import tiny
from tests.support.rows import rows_of


@dataclass(frozen=True)
class Params(run_driver.Params):
    sae: int = target()
    scale: float = 1.0
    seed: int = 0


@dataclass(frozen=True)
class Inputs:
    n: int
    closed: list[bool] = field(default_factory=list)

    def close(self) -> None:
        self.closed.append(True)


@dataclass(frozen=True, kw_only=True)
class Result(run_driver.Result):
    points: np.ndarray[tuple[int, int], np.dtype[np.float32]]


def _identify(connection: sa.Connection, params: Params, _report: Report) -> Source:
    return Source({"sae": params.sae}, {"sae": params.sae})


def _compute(inputs: Inputs, params: Params, report: Report) -> Result:
    report(Progress("points", 1, 1))
    points = np.full((inputs.n, 2), params.scale, np.float32)
    return Result(quality={"n_features": inputs.n}, notes=("All points are one.",), points=points)


def _write(connection: sa.Connection, run: int, result: Result) -> None:
    maps.write(connection, run, np.arange(len(result.points)), result.points)


def _analysis(
    inputs: Inputs | None = None,
    compute: Callable[[Inputs, Params, Report], Result] = _compute,
    write: Callable[[sa.Connection, int, Result], None] = _write,
) -> Analysis[Params, Source, Inputs, Result]:
    return Analysis(
        name="maps",
        what="map",
        ask="select * from coordinates where run = {run}",
        identify=_identify,
        read=lambda *_: inputs or Inputs(3),
        compute=compute,
        write=write,
    )


@pytest.fixture
def sae(engine: sa.Engine) -> int:
    tiny.store_bare(engine, np.eye(4, dtype=np.float32))
    return 1


def test_a_run_keeps_what_it_was_asked_and_what_it_says(engine: sa.Engine, sae: int) -> None:
    steps: list[Progress] = []
    done = perform(engine, _analysis(), Params(sae=sae, scale=2.0, seed=5), steps.append)
    (row,) = rows_of(engine, tables.run)
    assert (row.id, row.sae, row.seed, row.params) == (done.run, sae, 5, {"scale": 2.0})
    assert row.quality["notes"] == ["All points are one."] and row.quality["n_features"] == 3
    assert row.started_at <= row.finished_at and row.preset is None
    assert steps == [Progress("points", 1, 1)]
    assert done.created and f"where run = {done.run}" in done.summary
    assert len(rows_of(engine, tables.coordinate)) == 3


def test_the_same_is_found_with_its_notes_and_not_read_again(engine: sa.Engine, sae: int) -> None:
    first = perform(engine, _analysis(), Params(sae=sae))

    def never(*_: object) -> Result:
        raise AssertionError("computed again")

    again = perform(engine, _analysis(compute=never), Params(sae=sae))
    assert (again.run, again.created, again.notes) == (first.run, False, first.notes)
    other = perform(engine, _analysis(), Params(sae=sae, seed=1))
    assert other.created and other.run != first.run


@pytest.mark.parametrize("where", ["compute", "report", "write"])
def test_a_failure_leaves_nothing_and_closes_the_inputs(
    engine: sa.Engine, sae: int, where: str
) -> None:
    def fail(*_: object) -> None:
        raise KeyboardInterrupt

    def compute(inputs: Inputs, params: Params, report: Report) -> Result:
        if where == "compute":
            fail()
        return _compute(inputs, params, report)

    def write(connection: sa.Connection, run: int, result: Result) -> None:
        _write(connection, run, result)
        if where == "write":
            fail()

    inputs = Inputs(3)
    report = fail if where == "report" else silent
    with pytest.raises(KeyboardInterrupt):
        perform(engine, _analysis(inputs, compute, write), Params(sae=sae), report)
    assert inputs.closed == [True]
    for table in (tables.run, tables.coordinate, tables.running_job):
        assert rows_of(engine, table) == []
    assert perform(engine, _analysis(), Params(sae=sae)).created


def test_the_same_job_twice_at_once_is_refused(engine: sa.Engine, sae: int) -> None:
    def compute(inputs: Inputs, params: Params, report: Report) -> Result:
        with pytest.raises(errors.CatalogBusy, match="working on the same map"):
            perform(engine, _analysis(), params)
        assert perform(engine, _analysis(), Params(sae=sae, scale=3.0)).created  # another one
        return _compute(inputs, params, report)

    perform(engine, _analysis(compute=compute), Params(sae=sae))
    assert rows_of(engine, tables.running_job) == []


def test_what_is_removed_meanwhile_is_said(engine: sa.Engine, sae: int) -> None:
    def read_run(connection: sa.Connection, params: Params, report: Report) -> Source:
        return Source({"sae": sae, "input_run": 77}, {})

    analysis = Analysis("maps", "map", "", read_run, lambda *_: Inputs(1), _compute, _write)
    with pytest.raises(errors.UnknownName, match="Run 77 was removed meanwhile"):
        perform(engine, analysis, Params(sae=sae))


_HOLD = """
import sys, time
from saeatlas.schema.database import connect
from saeatlas.schema.rows import running_jobs
with running_jobs.locked(connect.open_catalog(sys.argv[1]), "maps", "map", b"key"):
    print("locked", flush=True)
    time.sleep(600)
"""


def test_a_killed_process_lets_go(engine: sa.Engine, database_url: str) -> None:
    child = subprocess.Popen(
        [sys.executable, "-c", _HOLD, database_url],
        stdout=subprocess.PIPE,
        text=True,
        cwd=Path(__file__).parents[2],
    )
    assert child.stdout is not None and child.stdout.readline() == "locked\n"
    with (
        pytest.raises(errors.CatalogBusy, match="another process|Another process"),
        running_jobs.locked(engine, "maps", "map", b"key"),
    ):
        pass
    os.kill(child.pid, signal.SIGKILL)
    child.wait()
    child.stdout.close()
    _until_free(engine)
    assert rows_of(engine, tables.running_job) == []


def _until_free(engine: sa.Engine) -> None:
    for _ in range(100):
        try:
            with running_jobs.locked(engine, "maps", "map", b"key"):
                return
        except errors.CatalogBusy:  # the server has not noticed yet
            pass
    raise AssertionError("the lock of a killed process stayed")


def test_a_lost_connection_is_no_error_of_its_own(engine: sa.Engine) -> None:
    with running_jobs.locked(engine, "maps", "map", b"key"), engine.begin() as connection:
        connection.exec_driver_sql(
            "select pg_terminate_backend(pid) from pg_stat_activity "
            "where state = 'idle in transaction' and pid <> pg_backend_pid() "
            "and datname = current_database()"
        )
    with running_jobs.locked(engine, "maps", "map", b"key"):
        pass
