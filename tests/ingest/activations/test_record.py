"""Recording with a real model, real SAEs and a real server: exact, resumable, shared."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
import torch
import transformers
from sae_lens import SAE

from saeatlas import errors
from saeatlas.ingest.activations.options import Options
from saeatlas.ingest.activations.outcome import RecordOutcome
from saeatlas.ingest.activations.record import record
from saeatlas.ingest.corpora import open_corpus
from saeatlas.ingest.saes.load import load_sae
from saeatlas.ingest.saes.store import store_sae
from saeatlas.progress import Report, silent
from saeatlas.schema import tables
from tests.support import processes, stops, tiny

LENGTHS = [40, 3, 75, 120, 0, 64, 33, 90, 18, 51, 70, 29, 100, 44]
PARAMS: dict[str, Any] = {"context": 65, "block": 16, "batch_tokens": 70, "force": True}


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.make_model(tmp_path_factory.mktemp("model"))


@pytest.fixture
def corpus_file(tmp_path: Path) -> Path:
    return tiny.write_corpus(tmp_path / "texts.jsonl", LENGTHS)


def _ingest(engine: sa.Engine, folder: Path) -> None:
    with engine.begin() as connection:
        store_sae(connection, load_sae(path=folder))


def _record(
    engine: sa.Engine,
    model: Path,
    corpus: Path,
    saes: Sequence[str],
    report: Report = silent,
    **changes: Any,
) -> RecordOutcome:
    options = Options.of(**(PARAMS | changes))
    source = open_corpus(str(corpus), subset_field="meta.pile_set_name")
    return record(
        engine, model=str(model), corpus=source, saes=saes, options=options, report=report
    )


def _stored(engine: sa.Engine, recording: int = 1) -> dict[int, dict[int, float]]:
    table = tables.activation
    with engine.connect() as connection:
        query = sa.select(table).where(table.c.recording == recording).order_by(table.c.block)
        rows = connection.execute(query).all()
    return {row.block: dict(zip(row.features, row.peaks, strict=True)) for row in rows}


def _everything(engine: sa.Engine) -> dict[str, list[Any]]:
    skip = {"started_at", "finished_at", "created_at"}
    with engine.connect() as connection:
        return {
            name: sorted(
                str({k: v for k, v in row._mapping.items() if k not in skip})
                for row in connection.execute(sa.select(table))
            )
            for name, table in tables.metadata.tables.items()
            if "feature" not in name
        }


def _reference(
    model: Path, sae_folder: Path, corpus: Path, *, keep_above: float = 0.0
) -> list[dict[int, float]]:
    """Documents one by one through the whole model and sae.encode; plain loops."""
    tokenizer = transformers.AutoTokenizer.from_pretrained(model)
    network = transformers.AutoModel.from_pretrained(model, dtype=torch.float32)
    sae = SAE.load_from_disk(sae_folder)
    layer = int(sae.cfg.metadata.hook_name.split(".")[1])
    blocks = []
    for line in corpus.read_text().splitlines():
        ids = tokenizer(json.loads(line)["text"], add_special_tokens=False)["input_ids"]
        bos = [] if tokenizer.bos_token_id is None else [tokenizer.bos_token_id]
        ids = [*bos, *ids][: PARAMS["context"]]
        if not ids:
            continue
        with torch.inference_mode():
            hidden = network(torch.tensor([ids]), output_hidden_states=True).hidden_states
            acts = sae.encode(hidden[layer + 1][0]).numpy()
        for begin in range(len(bos), len(ids) - PARAMS["block"] + 1, PARAMS["block"]):
            peaks = acts[begin : begin + PARAMS["block"]].max(0)
            blocks.append({int(f): float(peaks[f]) for f in np.flatnonzero(peaks > keep_above)})
    return blocks


@pytest.mark.parametrize("kind", ["jumprelu", "standard", "topk", "gated"])
def test_blocks_equal_unbatched_encode(
    engine: sa.Engine, model: Path, corpus_file: Path, tmp_path: Path, kind: str
) -> None:
    folder = tiny.make_sae(tmp_path / "r" / kind, kind)
    _ingest(engine, folder)
    _record(engine, model, corpus_file, [kind])
    stored, expected = _stored(engine), _reference(model, folder, corpus_file)
    assert len(stored) == len(expected) > 20
    assert sum(map(len, expected)) > 100
    for block, peaks in enumerate(expected):
        assert stored[block].keys() == peaks.keys()
        assert stored[block] == pytest.approx(peaks, abs=1e-4)


def test_documents_and_blocks(
    engine: sa.Engine, model: Path, corpus_file: Path, tmp_path: Path
) -> None:
    _ingest(engine, tiny.make_sae(tmp_path / "r" / "one"))
    done = _record(engine, model, corpus_file, ["one"], store_text=True, tail="8")
    with engine.connect() as connection:
        documents = connection.execute(
            sa.select(tables.document).order_by(tables.document.c.document)
        ).all()
        blocks = connection.execute(sa.select(tables.block).order_by(tables.block.c.block)).all()
        recording = connection.execute(sa.select(tables.recording)).one()
        corpus = connection.execute(sa.select(tables.corpus)).one()
    assert [d.document for d in documents] == list(range(len(LENGTHS)))
    assert [d.subset for d in documents[:2]] == ["A", "B"]
    assert documents[3].metadata == {"meta": {"n": 3}}
    assert documents[4].n_tokens == 0
    assert max(d.n_tokens for d in documents) == 64  # BOS takes one of 65
    assert [b.block for b in blocks] == list(range(len(blocks)))
    assert {b.n_tokens for b in blocks} > {16} and min(b.n_tokens for b in blocks) >= 8
    assert all("<bos>" not in b.text for b in blocks)
    assert (recording.state, recording.n_documents) == ("complete", len(LENGTHS))
    assert recording.n_blocks == corpus.n_blocks == len(blocks) == done.blocks
    assert recording.n_activations == done.activations
    assert recording.explained_variance < 1 and recording.l0 > 0 and recording.forced


@pytest.mark.slow
def test_paper_preset_keeps_what_the_paper_counts(
    engine: sa.Engine, model: Path, corpus_file: Path, tmp_path: Path
) -> None:
    folder = tiny.make_sae(tmp_path / "r" / "one")
    _ingest(engine, folder)
    _record(engine, model, corpus_file, ["one"], preset="paper")
    expected = _reference(model, folder, corpus_file, keep_above=1.0)
    assert list(map(dict.keys, _stored(engine).values())) == list(map(dict.keys, expected))


@pytest.mark.slow
def test_interrupted_and_continued_equals_undisturbed(
    engine: sa.Engine, model: Path, corpus_file: Path, tmp_path: Path
) -> None:
    for name in ("one", "two"):
        _ingest(engine, tiny.make_sae(tmp_path / "r" / name, seed=len(name) + ord(name[0])))
    for n_steps in (2, 1, 3):  # stopped three times, at different places
        with pytest.raises(stops.Stopped):
            _record(engine, model, corpus_file, ["r"], report=stops.at(n_steps))
    with engine.connect() as connection:
        states = connection.execute(sa.select(tables.recording.c.state)).scalars().all()
    assert states == ["running", "running"]
    _record(engine, model, corpus_file, ["r"])
    interrupted = _everything(engine)
    with engine.begin() as connection:
        from saeatlas.schema.rows.remove import remove_corpus

        remove_corpus(connection, 1)
        connection.exec_driver_sql("alter table atlas.recording alter id restart")
        connection.exec_driver_sql("alter table atlas.corpus alter id restart")
    _record(engine, model, corpus_file, ["r"])
    assert _everything(engine) == interrupted


@pytest.mark.slow
def test_killed_and_continued(engine: sa.Engine, model: Path, tmp_path: Path) -> None:
    corpus = tiny.write_corpus(tmp_path / "long.jsonl", LENGTHS * 12)
    _ingest(engine, tiny.make_sae(tmp_path / "r" / "one"))
    code = (
        "import sys; from pathlib import Path; import tests.ingest.activations.test_record as t;"
        "from saeatlas.schema.database.connect import open_catalog;"
        "print('ready', flush=True);"
        "t._record(open_catalog(), Path(sys.argv[1]), Path(sys.argv[2]), ['one'])"
    )
    child = subprocess.Popen(
        [sys.executable, "-c", code, str(model), str(corpus)],
        stdout=subprocess.PIPE,
        cwd=Path(__file__).parents[3],
        env=os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])},
    )
    assert child.stdout is not None and child.stdout.readline() == b"ready\n"
    while child.poll() is None and not _started(engine):
        time.sleep(0.01)
    with processes.locked_table(engine, "block", "share"):  # it cannot write its next chunk
        processes.wait_until_waiting(engine, "block", 1, child)
        child.send_signal(signal.SIGKILL)
        child.wait()
    processes.wait_until_alone(engine)
    with engine.connect() as connection:
        recording = connection.execute(sa.select(tables.recording)).one()
        n_blocks = connection.execute(sa.select(sa.func.count()).select_from(tables.block)).scalar()
    assert recording.n_blocks == n_blocks == len(_stored(engine)) > 0  # whole chunks only
    assert recording.state == "running"
    _record(engine, model, corpus, ["one"])
    continued = _stored(engine)
    assert len(continued) > n_blocks
    other = tiny.write_corpus(tmp_path / "same.jsonl", LENGTHS * 12)
    _record(engine, model, other, ["one"])
    assert _stored(engine, 2) == continued


def _started(engine: sa.Engine) -> bool:
    with engine.connect() as connection:
        found = connection.execute(sa.select(tables.recording.c.n_blocks)).scalar()
    return bool(found)


@pytest.mark.slow
def test_an_sae_that_comes_later_shares_documents_and_blocks(
    engine: sa.Engine, model: Path, corpus_file: Path, tmp_path: Path
) -> None:
    _ingest(engine, tiny.make_sae(tmp_path / "r" / "one"))
    _ingest(engine, tiny.make_sae(tmp_path / "r" / "two", "standard", layer=0))
    _record(engine, model, corpus_file, ["one"], documents=5)
    _record(engine, model, corpus_file, ["one", "two"], documents=9)
    _record(engine, model, corpus_file, ["two", "one"])
    with engine.connect() as connection:
        n_corpora = connection.execute(sa.select(sa.func.count()).select_from(tables.corpus))
        assert n_corpora.scalar() == 1
        rows = connection.execute(sa.select(tables.recording)).all()
    assert {row.n_documents for row in rows} == {len(LENGTHS)}
    assert _stored(engine, 1).keys() == _stored(engine, 2).keys()
    expected = _reference(model, tmp_path / "r" / "two", corpus_file)
    assert [p.keys() for p in _stored(engine, 2).values()] == [p.keys() for p in expected]


def test_complete_again_changes_nothing(
    engine: sa.Engine, model: Path, corpus_file: Path, tmp_path: Path
) -> None:
    _ingest(engine, tiny.make_sae(tmp_path / "r" / "one"))
    _record(engine, model, corpus_file, ["one"])
    before = _everything(engine)
    assert _record(engine, model, corpus_file, ["one"]).blocks == 0
    assert _record(engine, model, corpus_file, ["one"], documents=3).blocks == 0
    assert _everything(engine) == before


def test_batching_does_not_matter(
    engine: sa.Engine, model: Path, corpus_file: Path, tmp_path: Path
) -> None:
    _ingest(engine, tiny.make_sae(tmp_path / "r" / "one"))
    _record(engine, model, corpus_file, ["one"], batch_tokens=10_000)
    other = corpus_file.rename(corpus_file.with_name("other.jsonl"))
    _record(engine, model, other, ["one"], batch_tokens=1)
    one, two = _stored(engine, 1), _stored(engine, 2)
    assert [block.keys() for block in one.values()] == [block.keys() for block in two.values()]


def _nothing_but_saes(engine: sa.Engine) -> bool:
    found = _everything(engine)
    return not any(found[f"atlas.{t}"] for t in ("corpus", "document", "block", "recording"))


def test_a_poor_fit_is_refused_and_leaves_nothing(
    engine: sa.Engine, model: Path, corpus_file: Path, tmp_path: Path
) -> None:
    _ingest(engine, tiny.make_sae(tmp_path / "r" / "one"))
    with pytest.raises(errors.PoorFit, match=r"r/one explains -?\d.*(.|\n)*--force"):
        _record(engine, model, corpus_file, ["one"], force=False)
    assert _nothing_but_saes(engine)


def test_width_that_does_not_fit_is_refused_before_any_weight_loads(
    engine: sa.Engine, model: Path, corpus_file: Path, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    _ingest(engine, tiny.make_sae(tmp_path / "r" / "wide", d_in=40))
    _ingest(engine, tiny.make_sae(tmp_path / "r" / "deep", layer=9))
    monkeypatch.setattr(transformers.AutoModel, "from_pretrained", None)
    with pytest.raises(errors.ModelMismatch, match="40 dimensions.*has 24"):
        _record(engine, model, corpus_file, ["wide"])
    with pytest.raises(errors.ModelMismatch, match="layers 0 to 2"):
        _record(engine, model, corpus_file, ["deep"])
    assert _nothing_but_saes(engine)


@pytest.mark.slow
def test_a_changed_corpus_is_noticed(
    engine: sa.Engine, model: Path, corpus_file: Path, tmp_path: Path
) -> None:
    _ingest(engine, tiny.make_sae(tmp_path / "r" / "one"))
    _ingest(engine, tiny.make_sae(tmp_path / "r" / "two", "standard"))
    _record(engine, model, corpus_file, ["one"], documents=6)
    tiny.write_corpus(corpus_file, [n + 1 for n in LENGTHS])
    with pytest.raises(errors.CorpusChanged, match=r"Document 5 (.|\n)*remove corpus 1"):
        _record(engine, model, corpus_file, ["one"])
    with pytest.raises(errors.CorpusChanged, match="Document 0"):
        _record(engine, model, corpus_file, ["two"])
    tiny.write_corpus(corpus_file, LENGTHS[:3])
    with pytest.raises(errors.CorpusChanged, match="ends before document 5"):
        _record(engine, model, corpus_file, ["one"])


def test_documents_too_short_for_any_block(engine: sa.Engine, model: Path, tmp_path: Path) -> None:
    _ingest(engine, tiny.make_sae(tmp_path / "r" / "one"))
    corpus = tiny.write_corpus(tmp_path / "short.jsonl", [3, 0, 5])
    with pytest.raises(errors.EmptyCorpus, match=r"3 documents(.|\n)*--tail keep"):
        _record(engine, model, corpus, ["one"])
    assert _nothing_is_stored(engine)
    assert _record(engine, model, corpus, ["one"], tail="keep").blocks == 2


def test_nul_and_surrogates_are_read(engine: sa.Engine, model: Path, tmp_path: Path) -> None:
    _ingest(engine, tiny.make_sae(tmp_path / "r" / "one"))
    path = tmp_path / "odd.jsonl"
    text = "the of\0and to " * 12 + "\ud800"
    path.write_text(json.dumps({"text": text, "meta": {"pile_set_name": "a\0b", "x\0": "\0"}}))
    _record(engine, model, path, ["one"], store_text=True)
    with engine.connect() as connection:
        document = connection.execute(sa.select(tables.document)).one()
        texts = connection.execute(sa.select(tables.block.c.text)).scalars().all()
    assert document.subset == "a\ufffdb"
    assert texts and all("\0" not in text and "of\ufffdand" in text for text in texts)


def test_bad_documents_are_counted_where_asked(
    engine: sa.Engine, model: Path, corpus_file: Path, tmp_path: Path
) -> None:
    _ingest(engine, tiny.make_sae(tmp_path / "r" / "one"))
    with corpus_file.open("a") as file:
        file.write('{"text": 7}\n')
    with pytest.raises(errors.BadDocument, match=r"texts.jsonl:15"):
        _record(engine, model, corpus_file, ["one"])
    source = open_corpus(
        str(corpus_file), subset_field="meta.pile_set_name", on_bad_document="skip"
    )
    options = Options.of(**PARAMS)
    done = record(engine, model=str(model), corpus=source, saes=["one"], options=options)
    assert done.unreadable == 1 and "Left out: 1 document" in done.summary
    with engine.connect() as connection:
        problem = connection.execute(
            sa.select(tables.document.c.problem).where(tables.document.c.document == 14)
        ).scalar_one()
    assert "text" in problem


def _nothing_is_stored(engine: sa.Engine) -> bool:
    with engine.connect() as connection:
        found = [connection.execute(sa.select(t)).all() for t in (tables.recording, tables.corpus)]
    return not any(found)


UNREADABLE: dict[str, tuple[list[bytes], str, str]] = {
    "no text": ([b'{"txt": "the of"}'] * 3, "no field 'text'", "--text-field"),
    "numbers": ([b'{"text": 7}'] * 3, "'text' is a number", "--text-field"),
    "not json": ([b"the of", b'{"text": 7}'], "not JSON", "one object per line"),
    "not utf-8": ([b'{"text": "\xe9"}'], "not UTF-8", "iconv"),
    "lists": ([b"[1]"] * 2, "is a list", "one object per line"),
}


@pytest.mark.parametrize("case", UNREADABLE)
def test_when_no_document_can_be_read_the_first_says_why(
    engine: sa.Engine, model: Path, tmp_path: Path, case: str
) -> None:
    _ingest(engine, tiny.make_sae(tmp_path / "r" / "one"))
    lines, reason, remedy = UNREADABLE[case]
    path = tmp_path / "x.jsonl"
    path.write_bytes(b"\n".join(lines))
    with pytest.raises(errors.EmptyCorpus) as error:
        _record_plain(engine, model, path)
    said = str(error.value)
    assert f"None of the {len(lines)} documents can be read" in said
    assert "The first: x.jsonl:1: " in said and reason in said and remedy in said
    assert "--block" not in said and "skip" not in said
    assert _nothing_is_stored(engine)


def test_documents_too_short_beside_unreadable_ones(
    engine: sa.Engine, model: Path, tmp_path: Path
) -> None:
    _ingest(engine, tiny.make_sae(tmp_path / "r" / "one"))
    path = tmp_path / "x.jsonl"
    path.write_text('{"text": "the"}\n{"text": 7}\n')
    with pytest.raises(errors.EmptyCorpus, match=r"1 of them (.|\n)*x.jsonl:2(.|\n)*--tail keep"):
        _record_plain(engine, model, path)


def test_documents_without_any_text(engine: sa.Engine, model: Path, tmp_path: Path) -> None:
    _ingest(engine, tiny.make_sae(tmp_path / "r" / "one"))
    path = tmp_path / "x.jsonl"
    path.write_text('{"text": ""}\n' * 3)
    for tail in ("drop", "keep"):
        with pytest.raises(errors.EmptyCorpus, match=r"None of the 3 .* text(.|\n)*--text-field"):
            _record_plain(engine, model, path, tail=tail)
    assert _nothing_is_stored(engine)


def _record_plain(engine: sa.Engine, model: Path, corpus: Path, **changes: Any) -> RecordOutcome:
    """Record documents that have no subsets, without those that cannot be read."""
    source = open_corpus(str(corpus), on_bad_document="skip")
    options = Options.of(**(PARAMS | changes))
    return record(engine, model=str(model), corpus=source, saes=["one"], options=options)


def _without_bos(folder: Path) -> None:
    """Take BOS out of a model's tokenizer, as Qwen's has none."""
    path = folder / "tokenizer_config.json"
    terms = json.loads(path.read_text())
    del terms["bos_token"]
    path.write_text(json.dumps(terms))


@pytest.fixture(scope="module")
def qwen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tiny.make_model(tmp_path_factory.mktemp("qwen"))
    _without_bos(folder)
    return folder


def _bos_of(engine: sa.Engine) -> list[tuple[int, bool]]:
    with engine.connect() as connection:
        found = connection.exec_driver_sql(
            "select recording, prepend_bos from recordings order by recording"
        )
        return [tuple(row) for row in found]


def test_a_model_without_bos_and_an_sae_that_says_nothing(
    engine: sa.Engine, qwen: Path, corpus_file: Path, tmp_path: Path
) -> None:
    folder = tiny.make_sae(tmp_path / "r" / "one", metadata={"prepend_bos": None})
    _ingest(engine, folder)
    _record(engine, qwen, corpus_file, ["one"])
    assert _bos_of(engine) == [(1, False)]
    expected = _reference(qwen, folder, corpus_file)
    assert [set(found) for found in _stored(engine).values()] == [set(one) for one in expected]


def test_a_model_without_bos_and_an_sae_that_says_bos(
    engine: sa.Engine, qwen: Path, corpus_file: Path, tmp_path: Path
) -> None:
    _ingest(engine, tiny.make_sae(tmp_path / "r" / "one"))
    for bos in (None, True):
        with pytest.raises(errors.ModelMismatch, match=r"no BOS token(.|\n)*--no-bos"):
            _record(engine, qwen, corpus_file, ["one"], bos=bos)
    _record(engine, qwen, corpus_file, ["one"], bos=False)
    assert _bos_of(engine) == [(1, False)]


@pytest.mark.slow
def test_with_and_without_bos_are_two_recordings(
    engine: sa.Engine, model: Path, corpus_file: Path, tmp_path: Path
) -> None:
    _ingest(engine, tiny.make_sae(tmp_path / "r" / "yes"))
    _ingest(engine, tiny.make_sae(tmp_path / "r" / "no", metadata={"prepend_bos": False}))
    with pytest.raises(errors.ModelMismatch, match=r"With BOS: r/yes(.|\n)*--bos or --no-bos"):
        _record(engine, model, corpus_file, ["r"])
    for bos in (True, False, True, None):  # as the SAE says is the same as said
        _record(engine, model, corpus_file, ["yes"], bos=bos)
    assert _bos_of(engine) == [(1, True), (2, False)]
    _record(engine, model, corpus_file, ["r"], bos=False)
    assert _bos_of(engine) == [(1, True), (2, False), (3, False)]
    assert _stored(engine, 1) != _stored(engine, 2) == _stored(engine, 3)


def test_an_older_configuration_that_says_nothing_of_bos(
    engine: sa.Engine, qwen: Path, corpus_file: Path, tmp_path: Path
) -> None:
    folder = tiny.make_sae(tmp_path / "r" / "one")
    (folder / "cfg.json").write_text(
        json.dumps(
            {
                "d_in": tiny.D_MODEL, "d_sae": tiny.D_SAE, "dtype": "float32",
                "hook_point": "blocks.1.hook_resid_post", "architecture": "jumprelu",
            }
        )
    )  # fmt: skip
    _ingest(engine, folder)
    _record(engine, qwen, corpus_file, ["one"])
    assert _bos_of(engine) == [(1, False)]


def test_two_processes_cannot_make_one_recording(
    engine: sa.Engine, model: Path, corpus_file: Path, tmp_path: Path
) -> None:
    _ingest(engine, tiny.make_sae(tmp_path / "r" / "one"))

    def another() -> None:
        with pytest.raises(errors.CatalogBusy, match="recording of SAE r/one"):
            _record(engine, model, corpus_file, ["one"])
        raise stops.Stopped

    for n_steps in (1, 2):  # before the first document is recorded, and after some
        with pytest.raises(stops.Stopped):
            _record(engine, model, corpus_file, ["one"], report=stops.doing(n_steps, another))
    assert _record(engine, model, corpus_file, ["one"]).documents == len(LENGTHS)


def test_a_bare_decoder_has_no_activations(
    engine: sa.Engine, model: Path, corpus_file: Path, tmp_path: Path
) -> None:
    path = tmp_path / "bare.npy"
    np.save(path, np.eye(tiny.D_MODEL, dtype=np.float32))
    with engine.begin() as connection:
        store_sae(connection, load_sae(path=path, hook_name="blocks.1.hook_resid_post"))
    with pytest.raises(errors.UnsupportedSae, match="bare decoder"):
        _record(engine, model, corpus_file, ["bare"])
    with engine.begin() as connection:
        store_sae(connection, load_sae("r", "siteless", path))
    with pytest.raises(errors.UnsupportedSae, match=r"bare decoder(.|\n)*whole folder"):
        _record(engine, model, corpus_file, ["siteless"])


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"block": 1024}, "does not fit a context"),
        ({"tail": "most"}, "neither drop, keep nor"),
        ({"tail": "300"}, "between 1 and"),
        ({"context": 64, "block": 64}, "does not fit a context of 64(.|\n)*BOS"),
        ({"context": 64, "block": 65, "bos": False}, "65 tokens does not fit a context of 64"),
    ],
)
def test_terms_that_contradict_one_another(given: dict[str, Any], message: str) -> None:
    with pytest.raises(errors.InputError, match=message):
        Options.of(**given)
