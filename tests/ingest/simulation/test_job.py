"""A simulated catalog: rows and truth agree, and however it was written it is the same."""

import hashlib
import json
import os
import signal
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from saeatlas import errors
from saeatlas.ingest import simulation
from saeatlas.ingest.simulation import Params, job
from saeatlas.ingest.simulation.job import SimulationOutcome
from saeatlas.schema import tables
from saeatlas.schema.rows import remove
from tests.support import processes, stops

# 512 documents a chunk: 1,024 blocks
PARAMS = Params(
    features=96, d_model=16, active=8.0, blocks_per_document=2, dead=0.1,
    parallelograms=3, trapezoids=2, function_vectors=2,
)  # fmt: skip


def _simulate(
    engine: sa.Engine, params: Params = PARAMS, blocks: int = 2_500, **names: Any
) -> SimulationOutcome:
    return job.simulate(engine, params, blocks=blocks, **names)


def _rows(engine: sa.Engine, table: sa.Table, *leave_out: str) -> list[tuple[Any, ...]]:
    columns = [column for column in table.columns if column.name not in leave_out]
    with engine.connect() as connection:
        query = sa.select(*columns).order_by(*table.primary_key.columns)
        return [tuple(row) for row in connection.execute(query)]


def _everything(engine: sa.Engine) -> dict[str, list[tuple[Any, ...]]]:
    """All rows of a catalog with one simulation; no numbers of rows, no times."""
    kept = {
        tables.sae: ("id", "created_at"),
        tables.feature: ("sae",),
        tables.planted_feature: ("sae",),
        tables.planted_crystal: ("sae",),
        tables.corpus: ("id", "created_at"),
        tables.document: ("corpus",),
        tables.block: ("corpus",),
        tables.recording: (
            "id", "sae", "corpus", "started_at", "finished_at", "documents_wanted"
        ),
        tables.activation: ("recording",),
    }  # fmt: skip
    return {table.name: _rows(engine, table, *names) for table, names in kept.items()}


def _start_afresh(engine: sa.Engine) -> None:
    with engine.begin() as connection:
        for corpus in connection.execute(sa.select(tables.corpus.c.id)).scalars().all():
            remove.remove_corpus(connection, corpus)
        for sae in connection.execute(sa.select(tables.sae.c.id)).scalars().all():
            remove.remove_sae(connection, sae)


def test_the_catalog_and_its_truth(engine: sa.Engine) -> None:
    last = _simulate(engine, layer=7)
    assert last.stored.created and last.blocks == 2_500 and last.documents == 1_250
    planted = simulation.plant_features(PARAMS)
    decoder = simulation.draw_decoder(PARAMS, planted)
    with engine.connect() as connection:
        sae = connection.execute(sa.select(tables.sae)).one()
        recording = connection.execute(sa.select(tables.recording)).one()
        corpus = connection.execute(sa.select(tables.corpus)).one()
    assert (sae.release, sae.sae_id, sae.source) == ("simulated", "96x16-seed0", "simulated")
    assert (sae.layer, sae.architecture, sae.hook_name) == (7, None, None)
    assert sae.config == PARAMS.config()
    assert (sae.d_sae, sae.d_in) == (96, 16)
    vectors = np.array([row[2] for row in _rows(engine, tables.feature)], np.float32)
    assert (vectors == decoder.vectors).all()
    hashed = json.dumps(PARAMS.config(), sort_keys=True).encode() + decoder.vectors.tobytes()
    assert sae.weights_sha256 == hashlib.sha256(hashed).digest()
    assert corpus.source.startswith("simulated:seed=0:")
    assert (corpus.n_documents, corpus.n_blocks) == (1_250, 2_500)
    assert (recording.state, recording.n_blocks, recording.keep_above) == ("complete", 2_500, 0)
    assert recording.n_activations == last.activations
    truth = _rows(engine, tables.planted_feature)
    assert [row[2] for row in truth] == [k if k >= 0 else None for k in planted.lobe.tolist()]
    assert [row[3] for row in truth] == pytest.approx(planted.density)
    crystals = _rows(engine, tables.planted_crystal, "sae", "crystal")
    assert crystals == [tuple(vars(crystal).values()) for crystal in decoder.crystals]


def test_activations_are_those_drawn(engine: sa.Engine) -> None:
    _simulate(engine)
    planted = simulation.plant_features(PARAMS)
    source = simulation.Blocks(PARAMS, planted)
    chunks = [source.draw(i) for i in range(3)]
    drawn = [row for chunk in chunks for row in chunk.blocks][:2_500]
    stored = _rows(engine, tables.activation, "recording")
    assert [row[0] for row in stored] == list(range(2_500))
    assert [row[1] for row in stored] == [features.tolist() for features, _ in drawn]
    peaks = np.concatenate([row[2] for row in stored]).astype(np.float32)
    assert (peaks == np.concatenate([peaks for _, peaks in drawn])).all()
    assert [row[3] for row in stored] == [len(features) for features, _ in drawn]
    counts = np.bincount(np.concatenate([row[1] for row in stored]), minlength=96)
    assert not counts[planted.density == 0].any() and counts[planted.density > 0].all()
    documents = _rows(engine, tables.document)
    types = np.concatenate([chunk.types for chunk in chunks])
    lobes = np.concatenate([chunk.lobes for chunk in chunks])
    for row, kind, lobe in zip(documents, types, lobes, strict=False):
        assert row[2] == f"type {kind}"
        assert row[3] == {"lobe": lobe, "preferred_lobe": kind % 3}
    assert [row[1:4] for row in _rows(engine, tables.block)] == [
        (i, i // 2, i % 2) for i in range(2_500)
    ]


@pytest.mark.slow
def test_more_blocks_are_added_as_one_run_would_have_made_them(engine: sa.Engine) -> None:
    for blocks in (3, 999, 1_024, 1_025, 2_500):  # within a chunk, at its end, and beyond
        before = _rows(engine, tables.activation)
        last = _simulate(engine, blocks=blocks)
        assert last.documents == -(-blocks // 2)
        assert last.blocks == 2 * last.documents - len(before)
        assert _rows(engine, tables.activation)[: len(before)] == before
    extended = _everything(engine)
    assert "complete" in extended["recording"][0]
    _start_afresh(engine)
    _simulate(engine)
    assert _everything(engine) == extended


def test_again_or_with_fewer_blocks_nothing_changes(engine: sa.Engine) -> None:
    _simulate(engine)
    before = _everything(engine), _rows(engine, tables.recording), _rows(engine, tables.sae)
    for blocks in (2_500, 2_499, 10):
        last = _simulate(engine, blocks=blocks)
        assert (last.stored.created, last.blocks, last.documents) == (False, 0, 1_250)
        after = _everything(engine), _rows(engine, tables.recording), _rows(engine, tables.sae)
        assert after == before


def test_seeded(engine: sa.Engine) -> None:
    _simulate(engine, blocks=600)
    first = _everything(engine)
    _start_afresh(engine)
    _simulate(engine, blocks=600)
    assert _everything(engine) == first
    _start_afresh(engine)
    _simulate(engine, replace(PARAMS, seed=1), blocks=600)
    other = _everything(engine)
    for name in first.keys() - {"block", "recording"}:
        assert other[name] != first[name], name
    hashes = {row[-1] for row in first["document"]}
    assert len(hashes) == 300 and not hashes & {row[-1] for row in other["document"]}


def test_under_another_name_the_corpus_is_shared(engine: sa.Engine) -> None:
    _simulate(engine, blocks=600)
    _simulate(engine, blocks=2_000, sae_id="again")
    assert len(_rows(engine, tables.corpus)) == 1
    rows = _rows(engine, tables.activation)
    first = [row[1:] for row in rows if row[0] == rows[0][0]]
    second = [row[1:] for row in rows if row[0] != rows[0][0]]
    assert (len(first), len(second)) == (600, 2_000)
    assert second[:600] == first


@pytest.mark.slow
def test_killed_and_continued(engine: sa.Engine) -> None:
    blocks = 40_000
    code = (
        "import tests.ingest.simulation.test_job as t; "
        "from saeatlas.schema.database import connect; "
        f"t._simulate(connect.open_catalog(), blocks={blocks})"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code],
        cwd=Path(__file__).parents[3],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])},
    )
    written = sa.select(tables.recording.c.n_blocks)
    with engine.connect() as connection:
        while child.poll() is None and not connection.execute(written).scalar():
            connection.rollback()
            time.sleep(0.005)
    child.send_signal(signal.SIGKILL)
    child.wait()
    processes.wait_until_alone(engine)
    (recording,) = _rows(engine, tables.recording)
    stored = len(_rows(engine, tables.activation))
    assert "running" in recording and stored in recording
    assert 0 < stored < blocks
    assert stored % 1_024 == 0  # whole chunks only
    last = _simulate(engine, blocks=blocks)
    assert last.blocks == blocks - stored
    continued = _everything(engine)
    assert "complete" in continued["recording"][0]
    _start_afresh(engine)
    _simulate(engine, blocks=blocks)
    assert _everything(engine) == continued


def test_other_parameters_need_another_name(engine: sa.Engine) -> None:
    _simulate(engine, blocks=100)
    before = _everything(engine)
    changes: tuple[dict[str, Any], ...] = ({"preference": 0.4}, {"geometry": 0.1}, {"dead": 0.0})
    for change in changes:
        with pytest.raises(errors.NameTaken, match="saeatlas remove sae"):
            _simulate(engine, replace(PARAMS, **change), blocks=100)
    assert _everything(engine) == before
    _simulate(engine, replace(PARAMS, preference=0.4), blocks=100, sae_id="weaker")
    assert len(_rows(engine, tables.recording)) == len(_rows(engine, tables.corpus)) == 2


@pytest.mark.parametrize("documents", [50, 512])  # in a chunk, and at its end
def test_rows_drawn_otherwise_are_not_mixed(engine: sa.Engine, documents: int) -> None:
    _simulate(engine, blocks=2 * documents)
    with engine.begin() as connection:
        document = tables.document
        connection.execute(
            sa.update(document)
            .where(document.c.document == documents - 1)
            .values(text_sha256=bytes(32))
        )
    with pytest.raises(errors.CorpusChanged, match=f"Document {documents - 1}"):
        _simulate(engine, blocks=2 * documents + 1)
    assert len(_rows(engine, tables.activation)) == 2 * documents


def test_two_at_a_time_are_refused(engine: sa.Engine) -> None:
    def another() -> None:
        with pytest.raises(errors.CatalogBusy, match="same command again"):
            _simulate(engine, blocks=100)

    assert _simulate(engine, blocks=100, report=stops.doing(1, another)).blocks == 100


def test_nothing_is_not_simulated(engine: sa.Engine) -> None:
    with pytest.raises(errors.InputError, match="--blocks 0 is out of range"):
        _simulate(engine, blocks=0)
    assert not _rows(engine, tables.sae)


def _run(*words: str) -> subprocess.CompletedProcess[str]:
    code = (
        "import sys; from saeatlas import cli\n"
        "try: cli.main()\n"
        "finally: assert not {'torch', 'sae_lens', 'transformers'} & set(sys.modules)"
    )
    return subprocess.run(
        [sys.executable, "-c", code, "ingest", "simulated", *words],
        capture_output=True,
        text=True,
        env=os.environ | {"COLUMNS": "200"},
        check=False,
    )


@pytest.mark.slow
def test_from_the_command_line(engine: sa.Engine) -> None:
    words = [
        "--features", "96", "--d-model", "16", "--active", "8", "--blocks-per-document", "2",
        "--dead", "0.1", "--parallelograms", "3", "--trapezoids", "2", "--function-vectors", "2",
        "--blocks", "601", "--lobes", "3", "--seed", "0", "--release", "mine", "--sae-id", "one",
    ]  # fmt: skip
    done = _run(*words)
    assert done.returncode == 0, done.stderr
    assert "mine/one  96 features of 16 dimensions: simulated" in done.stdout
    assert "301 documents. Stored now: 602 blocks" in done.stdout
    with engine.connect() as connection:
        sae = connection.execute(sa.select(tables.sae)).one()
    assert sae.config == PARAMS.config() and (sae.release, sae.sae_id) == ("mine", "one")
    again = _run(*words)
    assert again.returncode == 0, again.stderr
    assert "already there" in again.stdout and "Stored now: 0 blocks" in again.stdout
    refused = _run(*words, "--lobes", "90")
    assert refused.returncode == 1
    assert refused.stderr.splitlines() == [
        "Error: 90 lobes cannot be planted in 86 live features.",
        "10 of 96 features are dead.",
        "Choose fewer --lobes, more --features or a smaller --dead.",
    ]
