"""Counts of pairs: exact, found again, added to, never half visible."""

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from saeatlas import errors
from saeatlas.analyses.counting import bitmaps, cooccurrence, sql_engine, torch_engine
from saeatlas.analyses.counting.threshold import Threshold
from saeatlas.analyses.run_driver import Outcome
from saeatlas.cli import cli
from saeatlas.progress import Progress
from saeatlas.schema import tables
from saeatlas.schema.database import connect, partitions, upgrade
from saeatlas.schema.rows import pair_counts, remove, runs
from saeatlas.schema.rows.pair_counts import Counts
from tests.support import performed, processes, sparse
from tests.support.performed import interrupt, once
from tests.support.sparse import Made

ROOT = Path(__file__).parents[3]


def _count(engine: sa.Engine, made: Made, above: float = 1.0, **options: Any) -> Outcome:
    return performed.count(engine, made.id, above, **options)


def _read(engine: sa.Engine, run: int | None) -> Counts:
    assert run is not None
    with engine.connect() as connection:
        return pair_counts.read(connection, run)


def _full(counts: Counts) -> sparse.Array:
    """The whole matrix; 0 where pairs were not counted."""
    both = np.zeros((len(counts.n), len(counts.n)), np.int64)
    both[np.ix_(counts.features, counts.features)] = counts.n_both
    return both


def _assert_equal(engine: sa.Engine, run: int | None, active: sparse.Array, least: int = 1) -> None:
    counts = _read(engine, run)
    n, both = sparse.counts(active, least)
    assert counts.n_blocks == len(active)
    assert (counts.n == n).all()
    assert counts.features.tolist() == np.flatnonzero(n >= least).tolist()
    assert (_full(counts) == both).all()


def _tables(engine: sa.Engine) -> set[str]:
    """Working tables and partitions of results."""
    query = (
        "select relname from pg_class where relnamespace = 'atlas'::regnamespace and relkind = 'r'"
        r" and relname ~ '^(counting|cooccurrence|feature_bitmap)_\d'"
    )
    with engine.connect() as connection:
        return set(connection.exec_driver_sql(query).scalars())


def _visible(engine: sa.Engine) -> list[set[int]]:
    """Runs that anybody can see, by each way there is to see them."""
    with engine.connect() as connection:
        return [
            set(connection.exec_driver_sql(f"select {column} from atlas.{name}").scalars())
            for name, column in (
                ("run", "id"),
                ("cooccurrence_runs", "run"),
                ("cooccurrence_feature", "run"),
                ("cooccurrence", "run"),
                ("pairs", "run"),
            )
        ]


@pytest.mark.slow
@settings(
    max_examples=20, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    seed=st.integers(0, 2**32),
    sizes=st.lists(st.integers(1, 100), min_size=1, max_size=3),
    d_sae=st.integers(1, 30) | st.integers(120, 300),
    chunk=st.sampled_from([7, 64, 10_000]),
    above=st.sampled_from([0.0, 1.0, 2.5]),
    subset=st.sampled_from(["", "A", "B"]),
    least=st.integers(1, 4),
    method=st.sampled_from(["sql", "torch"]),
    strip=st.sampled_from([1, 100, 10_000]),
)
def test_counts_equal_numpys(
    engine: sa.Engine, seed: int, sizes: list[int], d_sae: int, chunk: int,
    above: float, subset: str, least: int, method: Any, strip: int,
) -> None:  # fmt: skip
    rng = np.random.default_rng(seed)
    made = sparse.record(engine, np.empty((0, d_sae), np.float32))
    for size in sizes:
        sparse.add(engine, made, sparse.draw(rng, size, d_sae, rng.choice([0.1, 1.0])))
        chosen = np.char.startswith(made.subsets, subset)
        if not chosen.any():
            continue
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(bitmaps, "CHUNK_BLOCKS", chunk)
            patch.setattr(sql_engine, "STRIP_BYTES", strip)
            patch.setattr(torch_engine, "SIDE", 128)
            patch.setattr(torch_engine, "SLAB", 64)
            wanted = [subset] if subset else []
            done = _count(engine, made, above, subsets=wanted, min_blocks=least, method=method)
        _assert_equal(engine, done.run, made.peaks[chosen] > above, least)


@pytest.mark.slow
@pytest.mark.parametrize("method", ["sql", "torch"])
def test_several_tiles_with_features_always_and_never_active(
    engine: sa.Engine, method: Any
) -> None:
    peaks = sparse.draw(np.random.default_rng(0), 333, 2100)  # torch: more than one product
    peaks[:, 5], peaks[:, 700] = 0, 3
    made = sparse.record(engine, peaks)
    steps: list[Progress] = []
    done = _count(engine, made, method=method, report=steps.append)
    _assert_equal(engine, done.run, peaks > 1)
    live = int((peaks > 1).any(axis=0).sum())
    assert live < 2100 and steps[-1].done == steps[-1].total == live * (live + 1) // 2
    with engine.connect() as connection:
        sides = connection.exec_driver_sql("select max(tile_row) from cooccurrence").scalar_one()
    assert sides == (live - 1) // 128 >= 4


def test_the_view_shows_every_pair_from_both_sides(engine: sa.Engine) -> None:
    peaks = sparse.draw(np.random.default_rng(3), 90, 150, density=1.0)
    peaks[:, 7] = 0
    made = sparse.record(engine, peaks)
    run = _count(engine, made).run
    n, both = sparse.counts(peaks > 1)
    with engine.connect() as connection:
        query = sa.text("select * from pairs where run = :run")
        rows = connection.execute(query, {"run": run}).all()
        found = {(r.feature, r.other): (r.n_both, r.n_feature, r.n_other) for r in rows}
        known = connection.exec_driver_sql("select * from cooccurrence_runs").one()
        one = connection.exec_driver_sql("select release, layer, n_blocks from pairs limit 1").one()
    live = np.flatnonzero(n)
    assert found == {(i, j): (both[i, j], n[i], n[j]) for i in live for j in live if i != j}
    assert len(rows) == len(found)  # none twice
    assert one == ("r", None, 90)
    assert (known.run, known.recording, known.n_blocks) == (run, made.id, 90)
    assert known.n_features == len(live) < 150


def test_a_run_says_what_was_asked(engine: sa.Engine) -> None:
    peaks = sparse.draw(np.random.default_rng(0), 60, 9, density=1.0)
    peaks[:, 4] = 0
    made = sparse.record(engine, peaks)
    _count(engine, made, 0.5, subsets=["B", "A"], documents_where="document < 40", min_blocks=3)
    with engine.connect() as connection:
        run = connection.execute(sa.select(tables.run)).one()
    params = dict(run.params)
    assert len(params.pop("blocks_sha256")) == 64
    assert params == {
        "threshold": "0.5", "subsets": ["A", "B"], "documents_where": "document < 40",
        "min_blocks": 3, "method": "sql", "n_chunks": 1,
    }  # fmt: skip
    n, _ = sparse.counts(peaks[:40] > 0.5)
    assert run.quality["n_blocks"] == 40
    assert run.quality["n_features"] == (n >= 3).sum()
    assert run.quality["n_dead"] == (n == 0).sum() >= 1
    assert (run.analysis, run.sae, run.recording) == ("cooccurrence", made.row.sae, made.id)
    took = (run.finished_at - run.started_at).total_seconds()
    assert took == pytest.approx(run.quality["seconds"], abs=0.2) and took > 0


def test_counts_by_subset_add_up(engine: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bitmaps, "CHUNK_BLOCKS", 50)
    made = sparse.record(engine, sparse.draw(np.random.default_rng(0), 203, 140))
    a, b, both = (
        _read(engine, _count(engine, made, subsets=subsets).run)
        for subsets in (["A"], ["B"], ["A", "B"])
    )
    assert (a.n_blocks, b.n_blocks, both.n_blocks) == (102, 101, 203)
    assert (a.n + b.n == both.n).all() and both.n.any()
    assert (_full(a) + _full(b) == _full(both)).all()


@pytest.mark.slow
def test_parts_by_a_condition(engine: sa.Engine) -> None:
    peaks = sparse.draw(np.random.default_rng(0), 100, 20, density=1.0)
    made = sparse.record(engine, peaks, blocks_per_document=3)
    document = np.arange(100) // 3
    for where, chosen in {
        "document % 3 = 0": document % 3 == 0,
        "subset like 'A%' -- a remark": made.subsets == "A",
        "subset like '%s' or subset = '{B}' or document = 1": document == 1,
        "(metadata ->> 'place')::int between 5 and 9": (document >= 5) & (document < 10),
        "n_blocks = 1": document == 33,
    }.items():
        done = _count(engine, made, documents_where=where)
        _assert_equal(engine, done.run, peaks[chosen] > 1)
    both = _count(engine, made, subsets=["B"], documents_where="document < 10")
    _assert_equal(engine, both.run, peaks[(made.subsets == "B") & (document < 10)] > 1)


def test_the_same_blocks_are_countedonce(engine: sa.Engine) -> None:
    made = sparse.record(engine, sparse.draw(np.random.default_rng(0), 40, 20))
    first = _count(engine, made)
    assert first.created and "done in" in first.summary
    for options in (
        {},
        {"method": "torch"},
        {"subsets": ["A", "B"]},
        {"documents_where": "true"},
    ):
        again = _count(engine, made, **options)
        assert (again.run, again.created) == (first.run, False)
        assert "done before" in again.summary
    others = [_count(engine, made, above) for above in (2.0, 2.0000002, 2.0000005)]
    others.append(_count(engine, made, min_blocks=2))
    assert len({first.run} | {other.run for other in others}) == 5


@pytest.mark.parametrize("subsets", [[], ["A"]])
def test_new_blocks_are_added_to_the_counts_that_are_there(
    engine: sa.Engine, subsets: list[str]
) -> None:
    rng = np.random.default_rng(0)
    # features that come later need places after the earlier ones', and more tiles
    peaks = sparse.draw(rng, 60, 300, density=1.0) * (np.arange(300) < 100)
    made = sparse.record(engine, peaks)
    first = _count(engine, made, subsets=subsets)
    before = _read(engine, first.run)
    with engine.begin() as connection:  # a mark that only the earlier counts can have left
        connection.exec_driver_sql(
            "update cooccurrence set counts[1][2] = counts[1][2] + 1000, "
            "counts[2][1] = counts[2][1] + 1000 where run = 1"
        )
        marked = set(
            connection.exec_driver_sql(
                "select feature from cooccurrence_feature where run = 1 and place < 2"
            ).scalars()
        )
    sparse.add(engine, made, sparse.draw(rng, 70, 300, density=1.0))
    second = _count(engine, made, subsets=subsets)
    assert second.created and second.run != first.run
    chosen = np.isin(made.subsets, subsets or ["A", "B"])
    n, both = sparse.counts(made.peaks[chosen] > 1)
    i, j = marked
    both[i, j] += 1000
    both[j, i] += 1000
    counts = _read(engine, second.run)
    assert (counts.n == n).all() and (_full(counts) == both).all()
    assert len(counts.features) > 256 > 128 > len(before.features)


def test_rare_features_are_not_added_to(engine: sa.Engine) -> None:
    rng = np.random.default_rng(0)
    made = sparse.record(engine, sparse.draw(rng, 60, 30))
    _count(engine, made)
    for _ in range(2):  # a feature may become frequent whose earlier pairs were left out
        _assert_equal(engine, _count(engine, made, min_blocks=4).run, made.peaks > 1, 4)
        sparse.add(engine, made, sparse.draw(rng, 60, 30))
    _assert_equal(engine, _count(engine, made).run, made.peaks > 1)


def test_no_new_block_of_a_subset_is_no_new_count(engine: sa.Engine) -> None:
    made = sparse.record(engine, sparse.draw(np.random.default_rng(0), 41, 20))
    first = _count(engine, made, documents_where="document < 41")
    sparse.add(engine, made, sparse.draw(np.random.default_rng(1), 9, 20))
    second = _count(engine, made, documents_where="document < 41")
    assert (_full(_read(engine, first.run)) == _full(_read(engine, second.run))).all()
    _assert_equal(engine, second.run, made.peaks[:41] > 1)


def test_nothing_above_the_threshold_is_a_count_without_pairs(engine: sa.Engine) -> None:
    made = sparse.record(engine, sparse.draw(np.random.default_rng(0), 40, 20))
    for method in ("sql", "torch"):
        for above in (1000.0, 2000.0):
            _assert_equal(engine, _count(engine, made, above, method=method).run, made.peaks > 1000)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("select * from pairs").all() == []
        assert connection.exec_driver_sql("select * from partners(1, 3)").all() == []
    sparse.add(engine, made, np.full((2, 20), 3000, np.float32))
    _assert_equal(engine, _count(engine, made, 1000.0).run, made.peaks > 1000)


def test_one_block_and_one_feature(engine: sa.Engine) -> None:
    made = sparse.record(engine, np.full((1, 1), 2, np.float32))
    _assert_equal(engine, _count(engine, made).run, made.peaks > 1)
    with engine.connect() as connection:
        assert connection.exec_driver_sql("select * from pairs").all() == []


@pytest.mark.slow
def test_more_blocks_than_a_square_of_integers_holds(engine: sa.Engine) -> None:
    n_blocks = 120_000  # its square is beyond 32 bits
    rng = np.random.default_rng(0)
    density = np.array([0.999, 0.9, 0.5, 0.5, 0.01, 1])
    active = rng.random((n_blocks, 6)) < density
    active[:, 3] ^= active[:, 2] & (rng.random(n_blocks) < 0.3)
    made = sparse.record(engine, active * np.float32(2), blocks_per_document=1000)
    done = _count(engine, made)
    _assert_equal(engine, done.run, active)
    with engine.connect() as connection:
        rows = connection.exec_driver_sql(
            "select feature, other, phi(n_blocks, n_feature, n_other, n_both) from pairs"
        ).all()
    expected: Any = np.corrcoef(active[:, :5].T.astype(np.float64))
    assert len(rows) == 30
    for feature, other, phi in rows:
        if 5 in (feature, other):
            assert phi is None  # always active
        else:
            assert phi == pytest.approx(expected[feature, other], rel=1e-9, abs=1e-12)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"subsets": ["A", "Aa"]}, errors.UnknownName, r"type 'Aa'(.|\n)*Nearest: A"),
        (
            {"documents_where": "document <"},
            errors.QueryFailed,
            "syntax error(.|\n)*view documents",
        ),
        ({"documents_where": "nothing = 1"}, errors.QueryFailed, '"nothing" does not exist'),
        ({"documents_where": "1"}, errors.QueryFailed, "must be type boolean"),
        ({"documents_where": "1 / (document - 3) > 0"}, errors.QueryFailed, "division by zero"),
        ({"documents_where": "document < 0"}, errors.EmptyCorpus, "No block(.|\n)*documents"),
        ({"documents_where": "true); drop table sae; --"}, errors.QueryFailed, "syntax error"),
        (
            {"documents_where": "true)); drop table sae; select ((1"},
            errors.QueryFailed,
            "multiple commands",
        ),
        ({"documents_where": "true)); commit; select ((1"}, errors.QueryFailed, "multiple"),
        (
            {"documents_where": "nextval('run_id_seq') > 0"},
            errors.QueryFailed,
            "permission denied|read-only",
        ),
        (
            {"documents_where": "set_config('transaction_read_only', 'off', true) = 'off'"},
            errors.QueryFailed,
            "read-write mode must be set before",
        ),
        ({"documents_where": "pg_read_file('/etc/passwd') > ''"}, errors.QueryFailed, "denied"),
    ],
)
def test_what_cannot_be_counted_says_so_and_leaves_nothing(
    engine: sa.Engine, options: dict[str, Any], error: type[Exception], message: str
) -> None:
    made = sparse.record(engine, sparse.draw(np.random.default_rng(0), 40, 20))
    with pytest.raises(error, match=message):
        _count(engine, made, **options)
    assert _visible(engine) == [set()] * 5
    assert _tables(engine) == {"feature_bitmap_1"}
    _assert_equal(engine, _count(engine, made).run, made.peaks > 1)


def test_a_recording_that_is_not_there_or_empty(engine: sa.Engine) -> None:
    with pytest.raises(errors.UnknownName, match="no recording 5"):
        performed.count(engine, 5)
    made = sparse.record(engine, np.empty((0, 3), np.float32))
    with pytest.raises(errors.InputError, match="no blocks yet"):
        _count(engine, made)


COUNTING, BITMAPS = "count pairs", "transpose activations"


@pytest.mark.slow
def test_two_at_once_do_not_count_the_same(engine: sa.Engine) -> None:
    made = sparse.record(engine, sparse.draw(np.random.default_rng(0), 40, 150))

    def meanwhile() -> None:
        with pytest.raises(errors.CatalogBusy, match=r"same count of co-occurrence(.|\n)*Wait"):
            _count(engine, made)
        other = _count(engine, made, 2.0)  # something else may be counted, and drops nothing alive
        _assert_equal(engine, other.run, made.peaks > 2)

    done = _count(engine, made, report=once(COUNTING, meanwhile))
    _assert_equal(engine, done.run, made.peaks > 1)
    assert _count(engine, made).run == done.run
    assert _tables(engine) == {
        "feature_bitmap_1", "feature_bitmap_3", "cooccurrence_1", "cooccurrence_2",
    }  # fmt: skip


@pytest.mark.parametrize("stage", [BITMAPS, COUNTING])
def test_stopped_halfway_it_leaves_nothing(engine: sa.Engine, stage: str) -> None:
    made = sparse.record(engine, sparse.draw(np.random.default_rng(0), 40, 300))
    with pytest.raises(KeyboardInterrupt):
        _count(engine, made, report=once(stage, interrupt))
    assert _visible(engine) == [set()] * 5
    assert _tables(engine) == {"feature_bitmap_1"}
    _assert_equal(engine, _count(engine, made).run, made.peaks > 1)


@pytest.fixture
def counted(engine: sa.Engine) -> Made:
    """A recording with one count, run 1, and the bitmaps of another threshold."""
    made = sparse.record(engine, sparse.draw(np.random.default_rng(0), 60, 400))
    bitmaps.grow(engine, made.id, Threshold(1.0))
    assert _count(engine, made, 2.0).run == 1
    return made


@pytest.fixture
def child(counted: Made) -> Iterator[subprocess.Popen[str]]:
    """Another process that counts: run 2."""
    words = ["analyze", "cooccurrence", "--recording", str(counted.id)]
    process = subprocess.Popen(
        [sys.executable, "-c", "from saeatlas.cli import main; main()", *words],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
    )
    yield process
    process.kill()
    process.communicate()


MASKS, PAIRS, COPY = "How many of the selected", "Count the pairs", 'copy .*"cooccurrence_feature"'


@contextmanager
def _stuck(engine: sa.Engine, child: subprocess.Popen[str], place: str) -> Iterator[None]:
    """A process that counts cannot get any further than here."""
    if place == "publication":
        with processes.locked_table(engine, "cooccurrence_feature", "share"):
            processes.wait_until_waiting(engine, COPY, 1, child)
            yield
        return
    with processes.locked_table(engine, "feature_bitmap_1", "access exclusive") as first:
        processes.wait_until_waiting(engine, MASKS, 1, child)
        if place == "masks":
            yield
            return
        with processes.locked_table(engine, "cooccurrence_2", "access exclusive"):
            first.rollback()
            processes.wait_until_waiting(engine, PAIRS, cooccurrence.CONNECTIONS, child)
            yield


PLACES = pytest.mark.parametrize("place", ["masks", "tiles", "publication"])


@pytest.mark.slow
@PLACES
def test_killed_halfway_it_shows_nothing_and_is_swept_away(
    engine: sa.Engine, counted: Made, child: subprocess.Popen[str], place: str
) -> None:
    with _stuck(engine, child, place):
        child.send_signal(signal.SIGKILL)
        child.wait()
        assert _visible(engine) == [{1}] * 5
    assert _tables(engine) >= {"counting_2", "counting_2_mask", "cooccurrence_2"}
    assert _visible(engine) == [{1}] * 5
    with engine.begin() as connection:  # leftovers do not disturb an upgrade
        upgrade.apply(connection)
    done = _count(engine, counted)
    assert (done.created, done.run) == (True, 3)
    _assert_equal(engine, done.run, counted.peaks > 1)
    assert _visible(engine) == [{1, 3}] * 5
    assert _tables(engine) == {
        "feature_bitmap_1", "feature_bitmap_2", "cooccurrence_1", "cooccurrence_3",
    }  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("after", [0.0, 0.05, 0.2])
def test_killed_at_any_moment_it_is_all_or_nothing(
    engine: sa.Engine, counted: Made, child: subprocess.Popen[str], after: float
) -> None:
    while child.poll() is None and "counting_2" not in _tables(engine):
        time.sleep(0.005)
    time.sleep(after)
    child.send_signal(signal.SIGKILL)
    child.wait()
    left, visible = _tables(engine), _visible(engine)
    assert visible in ([{1}] * 5, [{1, 2}] * 5)
    if not after:  # a working table was committed, and the counts were not published
        assert "counting_2" in left and visible == [{1}] * 5
    done = _count(engine, counted)
    _assert_equal(engine, done.run, counted.peaks > 1)
    assert not any("counting" in name for name in _tables(engine))


def test_the_working_tables_go_when_the_counts_appear(
    engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sql_engine.Workspace, "drop", lambda self: None)  # killed just before it
    made = sparse.record(engine, sparse.draw(np.random.default_rng(0), 40, 20))
    _count(engine, made)
    assert _tables(engine) == {"feature_bitmap_1", "cooccurrence_1"}


@pytest.mark.slow
@PLACES
def test_ctrl_c_stops_the_statements_and_leaves_nothing(
    engine: sa.Engine, counted: Made, child: subprocess.Popen[str], place: str
) -> None:
    with _stuck(engine, child, place):
        child.send_signal(signal.SIGINT)
        if place == "tiles":  # its tables are held, so that it can end only later
            processes.wait_until_waiting(engine, PAIRS, 0, child)
        else:
            child.wait(timeout=20)
    _, said = child.communicate(timeout=20)
    assert child.returncode == 130 and "Stopped." in said and "Traceback" not in said
    assert _visible(engine) == [{1}] * 5
    assert _tables(engine) == {"feature_bitmap_1", "feature_bitmap_2", "cooccurrence_1"}
    assert processes.waiting(engine, f"{MASKS}|{PAIRS}|{COPY}") == 0


def test_a_statement_that_begins_after_ctrl_c_is_stopped_too(
    engine: sa.Engine, counted: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    began: list[int] = []
    real = sql_engine.Workspace.execute

    def late(self: Any, connection: Any, name: str, *args: Any, **parts: Any) -> Any:
        if name == "count_tiles":
            began.append(1)
            if len(began) > 1:  # the first goes through; the second waits till after the stop
                time.sleep(0.4)
                connect.raw(connection).execute("select pg_sleep(30)")
        return real(self, connection, name, *args, **parts)

    monkeypatch.setattr(sql_engine.Workspace, "execute", late)
    stopped: list[float] = []

    def stop() -> None:
        stopped.append(time.monotonic())
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        _count(engine, counted, report=once(COUNTING, stop))
    assert len(began) > 1 and time.monotonic() - stopped[0] < 10
    assert _tables(engine) == {"feature_bitmap_1", "feature_bitmap_2", "cooccurrence_1"}


def test_removal_while_counting_is_noticed(engine: sa.Engine, counted: Made) -> None:
    removed = once(COUNTING, lambda: _remove_recording(engine, counted.id))
    with pytest.raises(errors.UnknownName, match="removed meanwhile"):
        _count(engine, counted, report=removed)
    assert _visible(engine) == [set()] * 5
    assert _tables(engine) == set()


def test_removal_of_the_counts_that_are_added_to_is_noticed(
    engine: sa.Engine, counted: Made
) -> None:
    sparse.add(engine, counted, sparse.draw(np.random.default_rng(1), 20, 400))

    def remove_run() -> None:
        with engine.begin() as connection:
            remove.remove_run(connection, 1)

    with pytest.raises(errors.CatalogBusy, match=r"Run 1(.|\n)*same command again"):
        _count(engine, counted, 2.0, report=once(COUNTING, remove_run))
    assert _visible(engine) == [set()] * 5
    _assert_equal(engine, _count(engine, counted, 2.0).run, counted.peaks > 2)


@pytest.mark.slow
@pytest.mark.parametrize("what", ["run", "recording", "sae", "corpus"])
def test_removal_leaves_no_row_and_no_partition(
    engine: sa.Engine, counted: Made, what: str
) -> None:
    kept = sparse.record(engine, sparse.draw(np.random.default_rng(1), 30, 20))
    assert _count(engine, kept).run == 2
    number = {"run": 1, "recording": counted.id, "sae": counted.row.sae}
    with engine.begin() as connection:
        getattr(remove, f"remove_{what}")(connection, number.get(what, counted.row.corpus))
    assert _visible(engine) == [{2}] * 5
    own = {"feature_bitmap_1", "feature_bitmap_2"} if what == "run" else set()
    assert _tables(engine) == own | {"cooccurrence_2", "feature_bitmap_3"}
    with engine.connect() as connection:
        for table in (tables.bitmap_chunk, tables.feature_bitmap):
            found = connection.execute(sa.select(table.c.bitmap)).scalars()
            assert set(found) == ({1, 2, 3} if own else {3})
    with pytest.raises(errors.UnknownName, match="no run 9"), engine.begin() as connection:
        remove.remove_run(connection, 9)


def test_removal_waits_for_a_run_that_is_being_written(engine: sa.Engine, counted: Made) -> None:
    with ThreadPoolExecutor(1) as pool:
        with engine.begin() as connection:
            number = runs.create(
                connection, "cooccurrence", b"", sae=counted.row.sae, recording=counted.id,
                params={}, quality={},
            )  # fmt: skip
            with partitions.filling(connection, tables.cooccurrence, number):
                pass
            removal = pool.submit(_remove_recording, engine, counted.id)
            time.sleep(0.3)
            assert not removal.done()
        removal.result(timeout=20)
    assert _visible(engine) == [set()] * 5
    assert _tables(engine) == set()


def _remove_recording(engine: sa.Engine, number: int) -> None:
    with engine.begin() as connection:
        remove.remove_recording(connection, number)


def test_the_command_line(engine: sa.Engine, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    thetas = rng.random(20).astype(np.float32)
    made = sparse.record(engine, sparse.draw(rng, 50, 20, density=1.0), thetas=thetas.tolist())

    def say(line: str) -> str:
        done = CliRunner().invoke(cli, line.split())
        if done.exception is not None:
            raise done.exception
        return done.output

    line = "analyze cooccurrence --recording 1 --threshold theta+0.5 --subset A --engine"
    said = say(f"{line} torch")
    assert "Run 1: done in" in said and "select * from partners(1, (" in said
    assert "Run 1: done before, unchanged" in say(f"{line} sql")
    chosen = made.peaks[made.subsets == "A"] > thetas + np.float32(0.5)
    _assert_equal(engine, 1, chosen)
    file = tmp_path / "counts"
    assert say(f"export cooccurrence 1 {file}") == f"Wrote {file}\n"
    assert (np.load(file)["histogram"] == sparse.counts(chosen)[1]).all()
    say(f"export cooccurrence 1 {file}.npz --compress")
    assert Path(f"{file}.npz").stat().st_size < file.stat().st_size
    assert (np.load(f"{file}.npz")["histogram"] == np.load(file)["histogram"]).all()
    assert "Run 2: ingested" in say(f"ingest cooccurrence {file} --sae r/s0")
    _assert_equal(engine, 2, chosen)
    assert "Removed run 1" in say("remove run 1")
    assert _visible(engine) == [{2}] * 5
    with pytest.raises(errors.InputError, match="Write 1.0, theta or"):
        say("analyze cooccurrence --recording 1 --threshold theta*2")
    with pytest.raises(errors.UnknownName, match=r"Run 1 is no count(.|\n)*Available: 2\."):
        say(f"export cooccurrence 1 {file}")
    with pytest.raises(errors.InputError, match="cannot be written: No such file"):
        say(f"export cooccurrence 2 {tmp_path}/none/counts.npz")
