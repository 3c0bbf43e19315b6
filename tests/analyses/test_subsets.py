"""Lobes by document type, in the database: what is held out, what is written, what is refused."""

from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from saeatlas import errors
from saeatlas.analyses import bitmaps, cooccurrence, lobes, subsets
from saeatlas.analyses.threshold import Threshold
from saeatlas.analyses.winners import prefer, winners
from saeatlas.cli import cli
from saeatlas.schema import clusterings, remove, tiles
from tests import sparse
from tests.sparse import Made

Array = np.ndarray[Any, Any]
N_FEATURES, N_BLOCKS = 60, 400


def _peaks(seed: int) -> Array:
    """Features 0-29 prefer blocks of documents A, the others those of documents B."""
    rng = np.random.default_rng(seed)
    mine = (np.arange(N_FEATURES) >= 30) == (np.arange(N_BLOCKS) // 2 % 2 == 1)[:, None]
    active = rng.random((N_BLOCKS, N_FEATURES)) < np.where(mine, 0.5, 0.1)
    return np.where(active, np.float32(2), np.float32(0))


@pytest.fixture
def made(engine: sa.Engine) -> Made:
    """A recording of two blocks a document, documents of type A and B in turn."""
    return sparse.record(engine, _peaks(0), blocks_per_document=2)


def _last(steps: Any) -> Any:
    *_, last = steps
    return last


def _lobes(engine: sa.Engine, made: Made, half: str | None = "first") -> int:
    counts = _last(cooccurrence.count(engine, made.id, half=half)).run
    terms = lobes.Terms(affinities=["phi"], ks=[1, 2, 16])
    return int(_last(lobes.find(engine, counts, terms)).run)


def _rows(engine: sa.Engine, query: str) -> list[Any]:
    with engine.connect() as connection:
        return list(connection.exec_driver_sql(query.replace("%", "%%")).all())


def _halves(engine: sa.Engine) -> Array:
    """Documents of the first half."""
    query = f"select document from documents where {cooccurrence.HALVES['first']} order by 1"
    return np.array([row[0] for row in _rows(engine, query)])


def test_rows_equal_the_twin_on_documents_held_out(engine: sa.Engine, made: Made) -> None:
    found = _lobes(engine, made)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bitmaps, "CHUNK_BLOCKS", 150)
        run = _last(subsets.judge(engine, found)).run
    documents = np.arange(N_BLOCKS) // 2
    held_out = ~np.isin(documents, _halves(engine))
    assert 0.3 < held_out.mean() < 0.7
    with engine.connect() as connection:
        two = clusterings.read(connection, found, ks=[2])[0]
        counts = _rows(engine, f"select input_run from run where id = {found}")[0][0]
        n, _ = tiles.read_features(connection, counts)
    active = (made.peaks > 1)[held_out][:, two.features].astype(int) @ np.eye(2)[two.lobes]
    sizes, activity = np.bincount(two.lobes), np.bincount(two.lobes, n[two.features])
    won = winners(active, sizes, activity, "default")
    query = f"select block, shares, lobe from block_lobe where run = {run} and clustering = "
    rows = _rows(engine, f"{query}{two.clustering} order by block")
    assert [row.block for row in rows] == np.flatnonzero(held_out).tolist()
    assert np.allclose([row.shares for row in rows], active / sizes)
    assert [-1 if row.lobe is None else row.lobe for row in rows] == won.tolist()
    types = np.where(made.subsets[held_out] == "A", 0, 1)
    twin = prefer(won, active / sizes, types, documents[held_out], n_types=2, seed=0)
    query = f"select * from lobe_subsets where run = {run} and k = 2 order by lobe, subset"
    judged = _rows(engine, query)
    assert [row.n_won for row in judged] == twin.n_won.ravel().tolist()
    assert [row.n_blocks for row in judged] == 2 * twin.n_blocks.tolist()
    for row, place in zip(judged, np.ndindex(2, 2), strict=True):
        values = [row.mean_share, row.enrichment, row.enrichment_low, row.enrichment_high]
        ours = [twin.mean_share, twin.enrichment, twin.low, twin.high]
        assert values == pytest.approx([value[place] for value in ours], rel=1e-5)
    assert {row.k for row in _rows(engine, "select k from lobe_subsets")} == {1, 2}  # not 16


def test_planted_preferences_are_found_and_name_the_lobes(engine: sa.Engine, made: Made) -> None:
    found = _lobes(engine, made)
    subsets_run = _last(subsets.judge(engine, found, ks=[2])).run
    rows = _rows(engine, "select * from lobe_subsets where enrichment_low > 1")
    assert {row.subset for row in rows} == {"A", "B"} and len(rows) == 2
    assert all(row.won_share > 0.9 for row in rows)
    named = _rows(engine, "select lobe, name from lobes where k = 2")
    assert {row.lobe: row.name for row in named} == {row.lobe: row.subset for row in rows}
    blocks = _rows(engine, "select lobe, subset from block_lobes where lobe is not null")
    assert len(blocks) > 100 and {(row.lobe, row.subset) for row in rows} <= {*blocks}
    number = _rows(engine, "select clustering from clusterings where k = 2")[0][0]
    call = f"lobe_overlap({subsets_run}, {number}, {subsets_run}, {number})"
    overlaps = _rows(engine, f"select * from {call}")
    won = np.array([row.lobe for row in blocks])
    assert {(row.lobe, row.other): row.n_both for row in overlaps} == {
        (0, 0): (won == 0).sum(), (0, 1): 0, (1, 0): 0, (1, 1): (won == 1).sum(),
    }  # fmt: skip
    assert all(row.jaccard == (row.lobe == row.other) for row in overlaps)


def test_the_same_is_found_again_and_goes_with_its_run(engine: sa.Engine, made: Made) -> None:
    found = _lobes(engine, made)
    first, again = (_last(subsets.judge(engine, found)) for _ in range(2))
    assert (first.created, again.created, again.run) == (True, False, first.run)
    other = _last(subsets.judge(engine, found, seed=1))
    assert other.created
    with engine.begin() as connection:
        remove.remove_run(connection, first.run)
    left = {row.run for row in _rows(engine, "select run from block_lobe")}
    assert left == {other.run} == {row.run for row in _rows(engine, "select run from subset_lobe")}
    assert not _rows(engine, f"select from pg_class where relname = 'block_lobe_{first.run}'")


def test_lobes_of_all_documents_leave_none_to_judge(engine: sa.Engine, made: Made) -> None:
    found = _lobes(engine, made, half=None)
    with pytest.raises(errors.InputError, match=r"none is left(.|\n)*--half first"):
        list(subsets.judge(engine, found))
    whole = _last(subsets.judge(engine, found, documents="all", ks=[2]))
    paper = _last(subsets.judge(engine, found, preset="paper", ks=[2]))
    n = _rows(engine, "select run, count(*) from block_lobe group by run order by run")
    assert [tuple(row) for row in n] == [(whole.run, N_BLOCKS), (paper.run, N_BLOCKS)]


def test_blocks_that_came_later_are_held_out(engine: sa.Engine, made: Made) -> None:
    found = _lobes(engine, made, half=None)
    sparse.add(engine, made, _peaks(1)[:40], blocks_per_document=2)
    run = _last(subsets.judge(engine, found)).run
    rows = _rows(engine, f"select distinct block from block_lobe where run = {run} order by 1")
    assert [row.block for row in rows] == list(range(N_BLOCKS, N_BLOCKS + 40))


def test_what_failed_halfway_leaves_nothing(
    engine: sa.Engine, made: Made, monkeypatch: pytest.MonkeyPatch
) -> None:
    found = _lobes(engine, made)
    real = subsets.copy_rows

    def fail(*arguments: Any) -> None:
        real(*arguments)
        raise RuntimeError("stopped")

    monkeypatch.setattr(subsets, "copy_rows", fail)
    with pytest.raises(RuntimeError, match="stopped"):
        list(subsets.judge(engine, found))
    assert not _rows(engine, "select from run where analysis = 'subsets'")
    assert not _rows(engine, r"select from pg_class where relname ~ '^block_lobe_\d'")


def test_lobes_whose_counts_are_gone_cannot_be_judged(engine: sa.Engine, made: Made) -> None:
    found = _lobes(engine, made)
    counts = _rows(engine, f"select input_run from run where id = {found}")[0][0]
    with engine.begin() as connection:
        remove.remove_run(connection, counts)
    with pytest.raises(errors.InputError, match="no counts of co-occurrence behind it"):
        list(subsets.judge(engine, found))
    with pytest.raises(errors.UnknownName, match="none of lobes or geometry"):
        list(subsets.judge(engine, 99))


def test_the_command_line(engine: sa.Engine, made: Made) -> None:
    list(cooccurrence.count(engine, made.id, threshold=Threshold(1.0), half="second"))
    for line, said in (
        ("analyze lobes --cooccurrence 1 --affinity phi --k 2,3", "Run 2: made in"),
        ("analyze subsets --lobes 2 --affinity phi --k 2", "lobe_subsets where run = 3"),
        ("analyze subsets --lobes 2 --k 2", "Run 3: made before, unchanged"),
    ):
        done = CliRunner().invoke(cli, line.split(), catch_exceptions=False)
        assert done.exit_code == 0 and said in done.output, done.output
    wrong = CliRunner().invoke(cli, "analyze lobes --cooccurrence 1 --k 2;3".split())
    assert wrong.exit_code == 2 and "with commas between" in wrong.output
