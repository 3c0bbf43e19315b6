"""Mean and covariance of input activations: against numpy, on a real model; exact when resumed."""

import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
import torch
import transformers
from hypothesis import example, given, settings
from hypothesis import strategies as st
from sae_lens import SAE

from saeatlas import errors
from saeatlas.ingest.activations.block_maxima import block_maxima
from saeatlas.ingest.activations.covariance import Sums
from saeatlas.ingest.activations.options import Options
from saeatlas.ingest.activations.outcome import RecordOutcome
from saeatlas.ingest.activations.record import record
from saeatlas.ingest.corpora import open_corpus
from saeatlas.ingest.saes.load import load_sae
from saeatlas.ingest.saes.store import store_sae
from saeatlas.progress import Report, silent
from saeatlas.schema import tables
from saeatlas.schema.rows import covariances
from saeatlas.schema.rows.covariances import Covariance, Moments
from saeatlas.schema.rows.remove import remove_recording
from tests.support import stops, tiny
from tests.support.commands import run_command

LENGTHS = [40, 3, 75, 120, 0, 64, 33, 90, 18, 51, 70, 29, 100, 44]
PARAMS: dict[str, Any] = {
    "context": 65, "block": 16, "batch_tokens": 70, "force": True, "covariance": True
}  # fmt: skip


# sums


def _vectors(n: int, seed: int = 0) -> np.ndarray:
    """Correlated vectors with two massive dimensions, one steady and one that is rarely so."""
    random = np.random.default_rng(seed)
    x = random.normal(size=(n, 6)) @ random.normal(size=(6, 6))
    x[:, 1] += 3_000
    x[::17, 2] += 5_000
    return x.astype(np.float32)


def _total(parts: Sequence[np.ndarray], dtype: torch.dtype = torch.float32) -> Moments:
    """Each part a chunk, of documents of 10 vectors."""
    total = Moments(0, np.zeros(6), np.zeros((6, 6)))
    for part in parts:
        sums = Sums()
        for begin in range(0, len(part), 10):
            sums.add(torch.from_numpy(part[begin : begin + 10]).to(dtype))
        moments = sums.moments()
        if moments is not None:
            total += moments
    return total


def _same(total: Moments, x: np.ndarray) -> None:
    """Equal numpy's to twelve digits of each entry's own scale."""
    matrix = np.triu(total.products) / (total.n - 1)
    expected = np.cov(x, rowvar=False)
    scale = np.sqrt(np.outer(np.diag(expected), np.diag(expected)))
    assert total.n == len(x)
    np.testing.assert_allclose(total.mean, x.mean(0), rtol=1e-13, atol=1e-12)
    assert np.abs((matrix - np.triu(expected)) / scale).max() < 1e-12


@settings(max_examples=50, deadline=None)
@given(cuts=st.lists(st.integers(0, 400), max_size=6).map(sorted), seed=st.integers(0, 2**31))
@example(cuts=[0, 0, 1, 400], seed=0)
def test_sums_of_chunks_are_numpys_covariance(cuts: list[int], seed: int) -> None:
    x = _vectors(400, seed)
    _same(_total(np.split(x, cuts)), x.astype(np.float64))


def test_low_precision_is_summed_up_in_float64() -> None:
    x = _vectors(400)
    rounded = torch.from_numpy(x).to(torch.bfloat16).double().numpy()
    _same(_total([x[:150], x[150:]], torch.bfloat16), rounded)


def test_without_tokens_there_are_no_moments() -> None:
    sums = Sums()
    sums.add(torch.zeros(0, 6))
    assert sums.moments() is None


# stored and read


def _recording(connection: sa.Connection, **more: Any) -> int:
    """Bare rows: an SAE, a corpus and a recording."""
    made = {
        "release": "r", "sae_id": "s", "d_in": 6, "d_sae": 1, "config": {}, "source": "x",
        "weights_sha256": bytes(32),
    }  # fmt: skip
    connection.execute(sa.insert(tables.sae).values(made))
    connection.execute(sa.insert(tables.corpus).values(name="c", source="c"))
    row = {"sae": 1, "corpus": 1, "keep_above": 0, "code_version": "0"} | more
    table = tables.recording
    return connection.execute(sa.insert(table).values(row).returning(table.c.id)).scalar_one()


def test_what_was_saved_is_read(connection: sa.Connection) -> None:
    number = _recording(connection)
    empty = covariances.begin(connection, number, 6)
    assert (empty.n, empty.mean.shape, empty.products.shape) == (0, (6,), (6, 6))
    with pytest.raises(errors.UnknownName, match="has 0 tokens"):
        covariances.read(connection, number)
    x = _vectors(50)
    total = _total([x])
    covariances.save(connection, number, total)
    found = covariances.find_moments(connection, number)
    assert found is not None and found.n == 50
    np.testing.assert_array_equal(found.mean, total.mean)
    np.testing.assert_array_equal(np.triu(found.products), np.triu(total.products))
    covariance = covariances.read(connection, number)
    np.testing.assert_array_equal(covariance.matrix, covariance.matrix.T)
    np.testing.assert_array_equal(np.triu(covariance.matrix), np.triu(total.products) / 49)
    assert (covariance.n, covariance.matrix.dtype, covariance.mean.dtype) == (
        50,
        np.float64,
        np.float64,
    )


def test_recordings_without_a_covariance_say_what_to_do(connection: sa.Connection) -> None:
    with pytest.raises(errors.UnknownName, match="no recording 1"):
        covariances.read(connection, 1)
    number = _recording(connection, source="table.csv")
    with pytest.raises(errors.UnknownName, match=r"ingested from a file(.|\n)*SAE 1"):
        covariances.read(connection, number)
    connection.execute(sa.update(tables.recording).values(model_sha256=bytes(32), source=None))
    with pytest.raises(errors.UnknownName, match=r"--covariance(.|\n)*remove recording 1"):
        covariances.read(connection, number)


# while a model runs


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.make_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def corpus_file(tmp_path: Path) -> Path:
    return tiny.write_corpus(tmp_path / "texts.jsonl", LENGTHS)


def _ingest(engine: sa.Engine, *folders: Path) -> None:
    for folder in folders:
        with engine.begin() as connection:
            store_sae(connection, load_sae(path=folder))


def _record(
    engine: sa.Engine, model: Path, corpus: Path, saes: Sequence[str], report: Report = silent,
    **changes: Any,
) -> RecordOutcome:  # fmt: skip
    options = Options.of(**(PARAMS | changes))
    source = open_corpus(str(corpus), subset_field="meta.pile_set_name")
    return record(
        engine, model=str(model), corpus=source, saes=saes, options=options, report=report
    )


def _read(engine: sa.Engine, recording: int = 1) -> Covariance:
    with engine.connect() as connection:
        return covariances.read(connection, recording)


def _inputs(model: Path, corpus: Path, *, layer: int = 1, tail: int = 16) -> np.ndarray:
    """Vectors at the tokens of blocks, documents one by one through the whole model."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(model)
    network = transformers.AutoModel.from_pretrained(model, dtype=torch.float32)
    vectors = []
    for line in corpus.read_text().splitlines():
        ids = tokenizer(json.loads(line)["text"], add_special_tokens=False)["input_ids"]
        ids = [tokenizer.bos_token_id, *ids][: PARAMS["context"]]
        with torch.inference_mode():
            hidden = network(torch.tensor([ids]), output_hidden_states=True).hidden_states
        for begin in range(1, len(ids), PARAMS["block"]):
            block = slice(begin, begin + PARAMS["block"])
            inside = [i not in tokenizer.all_special_ids for i in ids[block]]
            if len(inside) >= tail:
                vectors.append(hidden[layer + 1][0][block][inside].double().numpy())
    return np.concatenate(vectors)


def _close(covariance: Covariance, x: np.ndarray) -> None:
    """A padded batch differs from a document alone in float32's last digits."""
    expected = np.cov(x, rowvar=False)
    scale = np.sqrt(np.outer(np.diag(expected), np.diag(expected)))
    assert covariance.n == len(x)
    assert np.abs((covariance.matrix - expected) / scale).max() < 1e-5
    np.testing.assert_allclose(covariance.mean, x.mean(0), atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("tail", [16, 5])
def test_it_is_the_covariance_of_the_tokens_that_count(
    engine: sa.Engine, model: Path, corpus_file: Path, tmp_path: Path, tail: int
) -> None:
    with corpus_file.open("a") as file:
        text = "the of <eos> and to <pad> in " * 9
        file.write(json.dumps({"text": text, "meta": {"pile_set_name": "A"}}) + "\n")
    _ingest(engine, tiny.make_sae(tmp_path / "r" / "one"))
    _record(engine, model, corpus_file, ["one"], tail=str(tail), batch_tokens=200)
    x = _inputs(model, corpus_file, tail=tail)
    _close(_read(engine), x)
    with engine.connect() as connection:
        query = sa.select(sa.func.sum(tables.block.c.n_tokens))
        assert connection.execute(query).scalar_one() > len(x)  # <eos> and <pad> are in blocks
        view = connection.exec_driver_sql("select covariance_tokens from recordings")
        assert view.scalar_one() == len(x)


@pytest.mark.slow
def test_interrupted_and_continued_equals_undisturbed(
    engine: sa.Engine, model: Path, corpus_file: Path, tmp_path: Path
) -> None:
    one, two = tiny.make_sae(tmp_path / "r" / "one"), tiny.make_sae(tmp_path / "r" / "two", layer=0)
    _ingest(engine, one, two)
    for n_steps in (2, 1, 3):  # stopped three times, at different places
        with pytest.raises(stops.Stopped):
            _record(engine, model, corpus_file, ["r"], report=stops.at(n_steps))
        assert _covered(engine) == [True, True]  # in the transaction of the documents
    _record(engine, model, corpus_file, ["r"], covariance=False)  # it goes on as it was begun
    interrupted = [_read(engine, number) for number in (1, 2)]
    other = tiny.write_corpus(tmp_path / "same.jsonl", LENGTHS)
    _record(engine, model, other, ["r"])
    for number, before in zip((3, 4), interrupted, strict=True):
        undisturbed = _read(engine, number)
        assert undisturbed.n == before.n
        np.testing.assert_allclose(undisturbed.mean, before.mean, rtol=1e-12, atol=1e-12)
        np.testing.assert_allclose(undisturbed.matrix, before.matrix, rtol=1e-12, atol=1e-12)
    for number, layer in ((3, 0), (4, 1)):
        _close(_read(engine, number), _inputs(model, other, layer=layer))


def _covered(engine: sa.Engine) -> list[bool]:
    """Whether each recording's sums cover the tokens of its blocks, and no others."""
    block, recording, sums = tables.block, tables.recording, tables.activation_covariance
    tokens = (
        sa.select(sa.func.sum(block.c.n_tokens))
        .where(block.c.corpus == recording.c.corpus, block.c.block < recording.c.n_blocks)
        .scalar_subquery()
    )
    joined = sa.select(sums.c.n_tokens == tokens).join(
        recording, recording.c.id == sums.c.recording
    )
    with engine.connect() as connection:
        return list(connection.execute(joined).scalars())


@pytest.mark.slow
def test_stopped_by_documents_and_joined_by_a_later_sae(
    engine: sa.Engine, model: Path, corpus_file: Path, tmp_path: Path
) -> None:
    one, two = tiny.make_sae(tmp_path / "r" / "one"), tiny.make_sae(tmp_path / "r" / "two", seed=1)
    _ingest(engine, one, two)
    _record(engine, model, corpus_file, ["one"], documents=5)
    _record(engine, model, corpus_file, ["one", "two"], documents=9)
    _record(engine, model, corpus_file, ["two", "one"])
    before = _read(engine)
    _record(engine, model, corpus_file, ["one"])  # complete: nothing to add
    x = _inputs(model, corpus_file)
    _close(before, x)
    _close(_read(engine, 2), x)
    assert _read(engine).n == before.n


@pytest.mark.slow
def test_a_document_run_again_near_a_threshold_counts_once(
    engine: sa.Engine, model: Path, corpus_file: Path, tmp_path: Path
) -> None:
    folder = tiny.make_sae(tmp_path / "r" / "one", "standard")
    sae = SAE.load_from_disk(folder)
    sae.W_enc.data[:, 7], sae.b_enc.data[7] = 0, 0  # always at its threshold
    sae.save_model(folder)
    assert block_maxima(sae, torch.randn(20, tiny.D_MODEL), [(0, 20)], np.ones(20, bool)).near
    _ingest(engine, folder)
    _record(engine, model, corpus_file, ["one"], batch_tokens=400)
    _close(_read(engine), _inputs(model, corpus_file))


@pytest.mark.slow
def test_lower_precision(engine: sa.Engine, model: Path, corpus_file: Path, tmp_path: Path) -> None:
    _ingest(engine, tiny.make_sae(tmp_path / "r" / "one"))
    _record(engine, model, corpus_file, ["one"], dtype="bfloat16")
    covariance, expected = _read(engine), np.cov(_inputs(model, corpus_file), rowvar=False)
    scale = np.sqrt(np.outer(np.diag(expected), np.diag(expected)))
    assert np.abs((covariance.matrix - expected) / scale).max() < 0.05


@pytest.mark.slow
def test_an_sae_of_a_centred_model(engine: sa.Engine, corpus_file: Path, tmp_path: Path) -> None:
    """One hook, two input sites: each SAE's covariance is of its own input activations."""
    model = tiny.make_family(tmp_path / "model", "gpt2")
    said = {"model_from_pretrained_kwargs": {"center_writing_weights": True}}
    centred = tiny.make_sae(tmp_path / "r" / "centred", metadata=said)
    _ingest(engine, centred, tiny.make_sae(tmp_path / "r" / "plain"))
    _record(engine, model, corpus_file, ["centred", "plain"])
    x = _inputs(model, corpus_file)
    _close(_read(engine, 2), x)
    one = np.ones(tiny.D_MODEL)
    assert one @ _read(engine, 1).matrix @ one < 1e-9 < one @ _read(engine, 2).matrix @ one
    np.testing.assert_allclose(
        _read(engine, 1).matrix, np.cov(x - x.mean(1, keepdims=True), rowvar=False), atol=1e-4
    )


@pytest.mark.slow
def test_it_cannot_be_added_to_a_recording_begun_without(
    engine: sa.Engine, model: Path, corpus_file: Path, tmp_path: Path
) -> None:
    one, two = tiny.make_sae(tmp_path / "r" / "one"), tiny.make_sae(tmp_path / "r" / "two", seed=1)
    _ingest(engine, one, two)
    _record(engine, model, corpus_file, ["one"], covariance=False, documents=5)
    for saes in (["one"], ["two", "one"]):
        with pytest.raises(errors.InputError, match=r"Recording 1(.|\n)*remove recording 1"):
            _record(engine, model, corpus_file, saes)
    _record(engine, model, corpus_file, ["two"])
    _record(engine, model, corpus_file, ["one", "two"], covariance=False)
    with pytest.raises(errors.UnknownName, match="begun without"):
        _read(engine, 1)
    _close(_read(engine, 2), _inputs(model, corpus_file))
    with engine.begin() as connection:
        for number in (1, 2):
            remove_recording(connection, number)
        assert connection.execute(sa.select(tables.activation_covariance)).all() == []
    _record(engine, model, corpus_file, ["one"])
    _close(_read(engine, 3), _inputs(model, corpus_file))


@pytest.mark.slow
def test_the_command_line(
    engine: sa.Engine, model: Path, corpus_file: Path, tmp_path: Path
) -> None:
    _ingest(engine, tiny.make_sae(tmp_path / "r" / "one"))
    words = ["ingest", "activations", "--model", str(model), "--sae", "one", "--covariance",
             "--corpus", str(corpus_file), "--context", "65", "--block", "16",
             "--force"]  # fmt: skip
    run_command(words)
    _close(_read(engine), _inputs(model, corpus_file))
