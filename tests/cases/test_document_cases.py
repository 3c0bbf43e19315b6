"""Documents as people have them: without BOS, without a subset, without a readable text."""

import json
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
import sqlalchemy as sa
from pyarrow import parquet

from saeatlas.schema import tables
from tests.support import tiny
from tests.support.commands import refused, run_command

TEXT = " ".join(tiny.WORDS * 4)


def _ingest(model: Path, corpus: Path, *more: str) -> list[str]:
    words = ["ingest", "activations", "--model", str(model), "--corpus", str(corpus), "--sae", "1"]
    return [*words, "--block", "16", "--context", "64", "--force", *more]


def _lines(path: Path, *rows: dict[str, Any]) -> Path:
    path.write_text("".join(json.dumps({"text": TEXT} | row) + "\n" for row in rows))
    return path


def _subsets(engine: sa.Engine) -> list[str | None]:
    table = tables.document.c
    with engine.connect() as connection:
        order = (table.corpus, table.document)
        return list(connection.execute(sa.select(table.subset).order_by(*order)).scalars())


@pytest.fixture
def sae(engine: sa.Engine, tmp_path: Path) -> None:
    run_command(["ingest", "sae", "--path", str(tiny.make_sae(tmp_path / "sae"))])


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.make_family(tmp_path_factory.mktemp("llama"), "llama")


@pytest.fixture(scope="module")
def qwen(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tiny.make_family(tmp_path_factory.mktemp("qwen"), "qwen3")
    path = folder / "tokenizer_config.json"
    terms = json.loads(path.read_text())
    path.write_text(json.dumps({name: terms[name] for name in terms if name != "bos_token"}))
    return folder


def test_qwen_has_no_bos(engine: sa.Engine, qwen: Path, tmp_path: Path) -> None:
    saes = {"silent": None, "says_bos": True}
    for name, said in saes.items():
        folder = tiny.make_sae(tmp_path / "r" / name, metadata={"prepend_bos": said})
        run_command(["ingest", "sae", "--path", str(folder)])
    corpus = _lines(tmp_path / "x.jsonl", {}, {})
    run_command(_ingest(qwen, corpus))
    words = _ingest(qwen, corpus, "--sae", "2")
    assert "no BOS token" in refused(words) and "--no-bos" in refused(words)
    run_command([*words, "--no-bos"])
    with engine.connect() as connection:
        found = connection.exec_driver_sql("select prepend_bos from recordings").scalars()
        assert list(found) == [False, False]
        n_tokens = connection.execute(sa.select(tables.document.c.n_tokens)).scalars()
        assert set(n_tokens) == {64}  # all of the context is text


ROWS: list[dict[str, Any]] = [
    {"meta": {"pile_set_name": "Books"}},
    {"meta": {}},
    {"meta": None},
    {},
    {"meta": {"pile_set_name": None}},
    {"meta": {"pile_set_name": "Code"}},
]
EXPECTED = ["Books", None, None, None, None, "Code"]


@pytest.mark.slow
@pytest.mark.parametrize("form", ["jsonl", "parquet", "text jsonl", "text parquet"])
def test_some_documents_have_no_subset(
    engine: sa.Engine, sae: None, model: Path, tmp_path: Path, form: str
) -> None:
    rows: list[dict[str, Any]] = ROWS
    if form.startswith("text"):  # the object as a text of JSON
        rows = [row | {"meta": json.dumps(row["meta"])} if "meta" in row else row for row in ROWS]
    path = tmp_path / f"x.{form.rsplit(maxsplit=1)[-1]}"
    if path.suffix == ".jsonl":
        _lines(path, *rows)
    else:
        parquet.write_table(pa.Table.from_pylist([{"text": TEXT} | row for row in rows]), path)
    run_command(_ingest(model, path, "--subset-field", "meta.pile_set_name"))
    assert _subsets(engine) == EXPECTED


def test_no_document_has_a_subset(
    engine: sa.Engine, sae: None, model: Path, tmp_path: Path
) -> None:
    corpus = _lines(tmp_path / "x.jsonl", {"meta": {"pile_set": "Books"}}, {})
    said = refused(_ingest(model, corpus, "--subset-field", "meta.pile_set_name"))
    assert "No row of" in said and "Nearest: meta.pile_set" in said and "--subset-field" in said
    assert _subsets(engine) == []


@pytest.mark.slow
@pytest.mark.parametrize("kind", [pa.binary(), pa.large_binary(), pa.list_(pa.string())])
def test_texts_that_are_no_strings(
    engine: sa.Engine, sae: None, model: Path, tmp_path: Path, kind: Any
) -> None:
    value = [TEXT] if kind == pa.list_(pa.string()) else TEXT.encode()
    table = pa.table({"text": pa.array([value, value], kind)})
    parquet.write_table(table, tmp_path / "x.parquet")
    words = _ingest(model, tmp_path / "x.parquet", "--on-bad-document", "skip")
    said = refused(words)
    assert "None of the 2 documents can be read" in said and "x.parquet:1: " in said
    assert ("is bytes, not a string" in said) == ("cast(pyarrow.string())" in said)
    assert "--block" not in said and _subsets(engine) == []
    # the remedy works, under the same name
    table = pa.table({"text": [TEXT, TEXT]})
    parquet.write_table(table, tmp_path / "x.parquet")
    run_command(words)
    assert _subsets(engine) == [None, None]
