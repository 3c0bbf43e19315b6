"""Counts made elsewhere: in and out unchanged, and refused where they cannot be counts."""

import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from saeatlas import errors
from saeatlas.catalog.export import export_cooccurrence
from saeatlas.ingest.cooccurrence_file import CooccurrenceOutcome, ingest_cooccurrence
from saeatlas.schema import tables
from saeatlas.schema.rows import pair_counts, remove
from tests.support import performed, sparse


def _counts(n_blocks: int = 90, d_sae: int = 150) -> sparse.Array:
    peaks = sparse.draw(np.random.default_rng(0), n_blocks, d_sae)
    peaks[:, 5] = 0
    return sparse.counts(peaks > 1)[1].astype(np.int32)


def _store_sae(engine: sa.Engine, d_sae: int) -> int:
    return sparse.record(engine, np.empty((0, d_sae), np.float32)).row.sae


def _save(path: Path, histogram: Any, n_chunks: Any = 90, **more: Any) -> Path:
    np.savez(path, histogram=histogram, n_chunks=n_chunks, **more)
    return path


def _empty(engine: sa.Engine) -> bool:
    with engine.connect() as connection:
        names = connection.exec_driver_sql(
            r"select count(*) from pg_class where relname ~ '^cooccurrence_\d+$'"
        ).scalar_one()
        rows = connection.execute(sa.select(tables.run)).all()
    return names == 0 and not rows


@pytest.mark.parametrize("dtype", [np.int32, np.int64, np.uint16, np.uint64])
def test_in_and_out_is_the_same(engine: sa.Engine, tmp_path: Path, dtype: Any) -> None:
    counts = _counts()
    sae = _store_sae(engine, 150)
    path = _save(tmp_path / "in.npz", counts.astype(dtype))
    done = ingest_cooccurrence(engine, path, sae="r/s0")
    run, created = done.run, done.created
    assert created
    export_cooccurrence(engine, run, tmp_path / "out.npz")
    with np.load(tmp_path / "out.npz") as out:
        assert out["histogram"].dtype == np.int32 and (out["histogram"] == counts).all()
        assert set(out) == {"histogram", "n_chunks"} and out["n_chunks"] == 90
    assert ingest_cooccurrence(engine, tmp_path / "out.npz", sae="r/s0") == CooccurrenceOutcome(
        run, False
    )
    with engine.connect() as connection:
        row = connection.execute(sa.select(tables.run)).one()
        live = int((counts.diagonal() > 0).sum())
        assert (row.sae, row.recording, row.analysis) == (sae, None, "cooccurrence")
        assert row.params == {"source": str(path)}
        assert row.quality == {"n_blocks": 90, "n_features": live, "n_dead": 150 - live}
        assert (pair_counts.read(connection, run).n == counts.diagonal()).all()
        n_pairs = connection.exec_driver_sql("select count(*) from pairs").scalar_one()
        assert n_pairs == live * (live - 1)
        first = int(np.flatnonzero(counts.diagonal())[0])
        query = f"select other, n_both from pairs where run = {run} and feature = {first}"
        for other, n_both in connection.exec_driver_sql(query):
            assert n_both == counts[first, other]


def test_a_file_without_any_activity(engine: sa.Engine, tmp_path: Path) -> None:
    _store_sae(engine, 20)
    path = _save(tmp_path / "in.npz", np.zeros((20, 20), np.int32), 0)
    run = ingest_cooccurrence(engine, path, sae="r/s0").run
    export_cooccurrence(engine, run, tmp_path / "out.npz")
    with np.load(tmp_path / "out.npz") as out:
        assert out["histogram"].shape == (20, 20) and not out["histogram"].any()
    with engine.connect() as connection:
        assert connection.exec_driver_sql("select * from pairs").all() == []


def test_counts_of_the_same_sae_are_removed_with_it(engine: sa.Engine, tmp_path: Path) -> None:
    sae = _store_sae(engine, 150)
    other = _store_sae(engine, 150)
    path = _save(tmp_path / "in.npz", _counts())
    assert ingest_cooccurrence(engine, path, sae="r/s0") == CooccurrenceOutcome(1, True)
    assert ingest_cooccurrence(engine, path, sae="r/s1") == CooccurrenceOutcome(2, True)
    with engine.begin() as connection:
        remove.remove_sae(connection, sae)
        known = connection.execute(sa.select(tables.run.c.id, tables.run.c.sae)).all()
        assert known == [(2, other)]
        query = r"select relname from pg_class where relname ~ '^cooccurrence_\d+$'"
        assert connection.exec_driver_sql(query).scalars().all() == ["cooccurrence_2"]
        remove.remove_run(connection, 2)
    assert _empty(engine)


def _asymmetric(counts: sparse.Array) -> sparse.Array:
    i, j = np.argwhere(np.triu(counts, 1))[0]
    counts[i, j] -= 1
    return counts


def _more_than_one(counts: sparse.Array) -> sparse.Array:
    counts[5, 7] = counts[7, 5] = 1  # the fifth is dead
    return counts


@pytest.mark.slow
@pytest.mark.parametrize(
    ("histogram", "n_chunks", "message"),
    [
        (_counts()[:20, :20], 90, r"shape \(20, 20\)(.|\n)*\(150, 150\)"),
        (_counts()[0], 90, r"shape \(150,\)"),
        (_counts().astype(float), 90, "type float64"),
        (_counts() > 0, 90, "type bool"),
        (_counts().astype("timedelta64[s]"), 90, "type timedelta64"),
        (_counts(), 90.0, "n_chunks in in.npz has shape .* and type float64"),
        (_counts(), np.float16(90), "type float16"),
        (_counts(), True, "type bool"),
        (_counts(), "90", "type <U2"),
        (_counts(), b"90", "type .S2"),
        (_counts(), np.timedelta64(90, "s"), "type timedelta64"),
        (_counts(), np.datetime64(90, "s"), "type datetime64"),
        (_counts(), 90 + 0j, "type complex128"),
        (_counts(), -1, "of -1 blocks"),
        (-_counts(), 90, r"counts from -\d+ to 0"),
        (_counts(), 3, r"to \d\d of 3 blocks"),
        (_counts(), 2**31, "of 2147483648 blocks"),
        (_counts(), np.nan, r"n_chunks .* shape \(\) and type float64"),
        (_counts(), [1, 2], r"n_chunks .* shape \(2,\)"),
        (_counts(), np.timedelta64(90), r"n_chunks .* type timedelta64"),
        (_counts(), "many", "n_chunks .* type <U4"),
        (np.array([{}]), 90, "histogram in in.npz holds pickled Python objects"),
        (_asymmetric(_counts()), 90, "not symmetric"),
        (_more_than_one(_counts()), 90, "more blocks with two features"),
    ],
)
def test_what_cannot_be_counts_is_refused(
    engine: sa.Engine, tmp_path: Path, histogram: Any, n_chunks: Any, message: str
) -> None:
    _store_sae(engine, 150)
    path = _save(tmp_path / "in.npz", histogram, n_chunks)
    with pytest.raises(errors.BadTable, match=message):
        ingest_cooccurrence(engine, path, sae="r/s0")
    assert _empty(engine)


def test_files_that_hold_something_else(engine: sa.Engine, tmp_path: Path) -> None:
    _store_sae(engine, 150)
    np.savez(tmp_path / "lacks.npz", histogram=_counts(), blocks=3)
    np.save(tmp_path / "one.npy", _counts())
    (tmp_path / "text.npz").write_text("no zip")
    (tmp_path / "empty.npz").write_bytes(b"")
    _save(tmp_path / "whole.npz", _counts())
    whole = (tmp_path / "whole.npz").read_bytes()
    (tmp_path / "half.npz").write_bytes(whole[: len(whole) // 2])
    with zipfile.ZipFile(tmp_path / "none.npz", "w"):
        pass
    for name, message in {
        "lacks.npz": r"lacks n_chunks\.\nIt holds blocks, histogram\.\nnumpy\.savez",
        "none.npz": r"lacks histogram, n_chunks\.\nIt holds nothing",
        **dict.fromkeys(["one.npy", "text.npz", "empty.npz", "half.npz"], "cannot be read"),
    }.items():
        with pytest.raises(errors.BadTable, match=message):
            ingest_cooccurrence(engine, tmp_path / name, sae="r/s0")
    with pytest.raises(errors.BadTable, match="no file .*away.npz"):
        ingest_cooccurrence(engine, tmp_path / "away.npz", sae="r/s0")
    assert _empty(engine)


def test_a_damaged_stream_is_refused(engine: sa.Engine, tmp_path: Path) -> None:
    _store_sae(engine, 150)
    path = tmp_path / "in.npz"
    np.savez_compressed(path, histogram=_counts(), n_chunks=90)
    content = bytearray(path.read_bytes())
    for place in range(100, 1100, 200):
        damaged = content.copy()
        damaged[place] ^= 0xFF
        path.write_bytes(damaged)
        with pytest.raises(errors.BadTable, match="cannot be read"):
            ingest_cooccurrence(engine, path, sae="r/s0")


def test_the_sae_is_one(engine: sa.Engine, tmp_path: Path) -> None:
    path = _save(tmp_path / "in.npz", _counts())
    _store_sae(engine, 150)
    _store_sae(engine, 150)
    with pytest.raises(errors.UnknownName, match=r"'r' names 2 SAEs(.|\n)*r/s0.*r/s1"):
        ingest_cooccurrence(engine, path, sae="r")
    with pytest.raises(errors.UnknownName):
        ingest_cooccurrence(engine, path, sae="none")
    assert _empty(engine)


def test_what_was_not_counted_is_zero_off_the_diagonal(engine: sa.Engine, tmp_path: Path) -> None:
    peaks = sparse.draw(np.random.default_rng(0), 60, 40, density=0.5)
    made = sparse.record(engine, peaks)
    done = performed.count(engine, made.id, min_blocks=5)
    export_cooccurrence(engine, done.run, tmp_path / "out.npz")
    n, both = sparse.counts(peaks > 1, 5)
    np.fill_diagonal(both, n)
    assert (n[n > 0] < 5).any()
    with np.load(tmp_path / "out.npz") as out:
        assert (out["histogram"] == both).all() and out["n_chunks"] == 60
    ingest_cooccurrence(engine, tmp_path / "out.npz", sae="r/s0")


def test_a_run_that_is_no_count_is_not_exported(engine: sa.Engine, tmp_path: Path) -> None:
    with pytest.raises(errors.UnknownName, match=r"Run 4 is no count(.|\n)*Available: none"):
        export_cooccurrence(engine, 4, tmp_path / "out.npz")
    assert not (tmp_path / "out.npz").exists()
