"""Activations computed elsewhere, on a real server: what is stored, shared, refused."""

import gzip
import json
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from decimal import Decimal
from itertools import count, pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from pyarrow import parquet
from safetensors.numpy import save_file

from saeatlas import errors
from saeatlas.ingest.tables import (
    TableOutcome,
    csv_table,
    delphi,
    delphi_files,
    files,
    ingest_table,
)
from saeatlas.schema import tables
from saeatlas.schema.rows.remove import remove_corpus, remove_recording
from tests.test_cli import run

D_SAE = 96
ROW = {"document": "a", "block": 0, "feature": 3, "activation": 2.5}
_numbers = count()


@pytest.fixture(autouse=True)
def small_batches(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows of one block come in several batches, as in a large file."""
    monkeypatch.setattr(files, "ROWS_AT_A_TIME", 5)
    monkeypatch.setattr(csv_table, "BYTES_AT_A_TIME", 150)
    monkeypatch.setattr(delphi, "ROWS_AT_A_TIME", 5)
    monkeypatch.setattr(delphi_files, "TOKENS_AT_A_TIME", 17)


@pytest.fixture(autouse=True)
def saes(engine: sa.Engine) -> None:
    row = {"release": "r", "d_in": 4, "d_sae": D_SAE, "config": {}, "source": "nowhere"}
    with engine.begin() as connection:
        for name in ("one", "two"):
            hashed = {"sae_id": name, "weights_sha256": name.encode().ljust(32)}
            connection.execute(sa.insert(tables.sae).values(row | hashed))


def _write(path: Path, rows: Any, **kwargs: Any) -> Path:
    frame = rows if isinstance(rows, pd.DataFrame) else pd.DataFrame(rows)
    if path.suffix == ".parquet":
        frame.to_parquet(path, index=False, **kwargs)
    else:
        frame.to_csv(path, index=False, sep="\t" if ".tsv" in path.suffixes else ",")
    return path


def _ingest(engine: sa.Engine, path: Path, sae: str = "one", **terms: Any) -> TableOutcome:
    return ingest_table(engine, path, sae=sae, **terms)


def _rows(engine: sa.Engine, table: sa.Table, *order: str, **where: int) -> list[sa.Row[Any]]:
    query = sa.select(table).where(*(table.c[name] == value for name, value in where.items()))
    with engine.connect() as connection:
        return list(connection.execute(query.order_by(*(table.c[name] for name in order))))


def _stored(engine: sa.Engine, done: TableOutcome) -> list[dict[int, float]]:
    rows = _rows(engine, tables.activation, "block", recording=done.recording)
    assert [row.block for row in rows] == list(range(done.blocks))
    for row in rows:
        assert row.features == sorted(set(row.features)) and row.n_active == len(row.features)
    # a real arrives as the shortest decimal that names it
    return [
        {f: float(np.float32(peak)) for f, peak in zip(row.features, row.peaks, strict=True)}
        for row in rows
    ]


def _counts(engine: sa.Engine) -> dict[str, int]:
    with engine.connect() as connection:
        return {
            name: connection.execute(
                sa.select(sa.func.count()).select_from(table)
            ).scalar_one()
            for name, table in tables.metadata.tables.items()
        }  # fmt: skip


def _peaks(rows: pd.DataFrame, keep_above: float = 0.0) -> list[dict[int, float]]:
    """What should be stored: plain loops over dictionaries."""
    found: dict[Any, dict[int, dict[int, float]]] = {}
    row: Any
    for row in rows.itertuples():
        block = found.setdefault(row.document, {}).setdefault(row.block, {})
        block[row.feature] = max(block.get(row.feature, -np.inf), float(np.float32(row.activation)))
    return [
        {f: float(v) for f, v in found[document][block].items() if v > np.float32(keep_above)}
        for document in found
        for block in sorted(found[document])
    ]


_NAMES = ["a", "Ünï 'q\"", "007", "17", "-1", " "]
_ACTIVATIONS = [-1.0, 0.0, 0.5, 0.1, 1e-30, 3.0]


@st.composite
def _tables(draw: st.DrawFn) -> pd.DataFrame:
    """Few documents, blocks and features, so that many rows speak of the same pair."""
    documents = draw(st.lists(st.sampled_from(_NAMES), min_size=1, max_size=3, unique=True))
    row = st.tuples(
        st.sampled_from(documents),
        st.sampled_from([0, 1, 2, 40, 2**40]),
        st.sampled_from([0, 1, D_SAE - 1]),
        st.sampled_from(_ACTIVATIONS) | st.floats(-4, 2.0**100, width=32),
    )
    rows = draw(st.lists(row, min_size=1, max_size=30))
    columns = ["document", "block", "feature", "activation"]
    return pd.DataFrame(rows, columns=columns)


@pytest.mark.slow
@settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    frame=_tables(),
    keep_above=st.sampled_from([0.0, 0.1, 0.5]),
    form=st.sampled_from([".parquet", ".csv", ".tsv", ".csv.gz"]),
)
def test_maxima_equal_those_of_plain_loops(
    engine: sa.Engine, tmp_path: Path, frame: pd.DataFrame, keep_above: float, form: str
) -> None:
    path = _write(tmp_path / f"{next(_numbers)}{form}", frame)
    done = _ingest(engine, path, keep_above=keep_above)
    expected = _peaks(frame, keep_above)
    assert _stored(engine, done) == expected
    assert done.blocks == len(frame[["document", "block"]].drop_duplicates()) == len(expected)
    assert done.documents == frame.document.nunique()
    assert done.activations == sum(map(len, expected))
    _check_names(engine, done.corpus, frame, form)


def _check_names(engine: sa.Engine, corpus: int, frame: pd.DataFrame, form: str) -> None:
    documents = _rows(engine, tables.document, "document", corpus=corpus)
    names = list(dict.fromkeys(frame.document))
    for row, name in zip(documents, names, strict=True):
        known = 17 if name == "17" and form != ".parquet" else name
        assert row.metadata.get("document", row.document) == known
        blocks = sorted(set(frame.block[frame.document == name]))
        assert row.metadata.get("blocks", list(range(row.n_blocks))) == blocks
        assert ("blocks" in row.metadata) == (blocks != list(range(len(blocks))))
        assert (row.subset, row.n_tokens, row.text_sha256, row.problem) == (None,) * 4
    stored = _rows(engine, tables.block, "block", corpus=corpus)
    assert [row.block for row in stored] == list(range(len(stored)))
    places = [(row.document, row.position) for row in stored]
    assert places == [(d.document, p) for d in documents for p in range(d.n_blocks)]
    assert {row.n_tokens for row in stored} == {None}


def test_what_is_known_is_stored_and_nothing_else(engine: sa.Engine, tmp_path: Path) -> None:
    frame = pd.DataFrame([
        ROW | {"document": 1, "kind": "code"},
        ROW | {"document": 1, "block": 7, "kind": "code", "activation": 0.25},
        ROW | {"document": 0, "kind": None},
    ])  # fmt: skip
    path = _write(tmp_path / "layer_3.parquet", frame.rename(columns={"feature": "latent"}))
    done = _ingest(engine, path, keep_above=0.25, columns={"feature": "latent", "subset": "kind"})
    [corpus] = _rows(engine, tables.corpus)
    assert (corpus.name, corpus.source) == ("layer_3.parquet", str(path))
    assert (corpus.n_documents, corpus.n_blocks) == (2, 3)
    assert corpus.tokenizer is None and corpus.tokenizer_sha256 is None
    assert corpus.block_length is None and corpus.context_length is None
    documents = _rows(engine, tables.document, "document")
    assert [(d.subset, d.metadata) for d in documents] == [
        ("code", {"document": 1, "blocks": [0, 7]}),
        (None, {"document": 0}),
    ]
    [recording] = _rows(engine, tables.recording)
    assert (recording.state, recording.keep_above, recording.source) == (
        "complete", 0.25, str(path)
    )  # fmt: skip
    assert recording.finished_at > recording.started_at
    for name in ("model", "model_sha256", "dtype", "device", "preset", "special_tokens", "l0"):
        assert recording._mapping[name] is None, name
    assert (recording.n_documents, recording.n_blocks, recording.n_activations) == (2, 3, 2)
    assert _stored(engine, done) == [{3: 2.5}, {}, {3: 2.5}]
    assert done.summary == (
        "Recording 1 on corpus 1: 2 documents, 3 blocks with 2 active features."
    )


def test_global_block_numbers(engine: sa.Engine, tmp_path: Path) -> None:
    rows = [ROW | {"document": d, "block": b} for d, b in ((0, 0), (1, 3), (0, 1), (1, 2))]
    _ingest(engine, _write(tmp_path / "t.parquet", rows))
    places = [(b.block, b.document, b.position) for b in _rows(engine, tables.block, "block")]
    assert places == [(0, 0, 0), (1, 0, 1), (2, 1, 0), (3, 1, 1)]
    metadata = [d.metadata for d in _rows(engine, tables.document, "document")]
    assert metadata == [{}, {"blocks": [2, 3]}]


def test_columns_of_other_types_that_fit(engine: sa.Engine, tmp_path: Path) -> None:
    table = pa.table({
        "document": pa.array(["z", "a", "z"]).dictionary_encode(),
        "block": pa.array([1, 0, 0], pa.uint8()),
        "feature": pa.array([5, 6, 7], pa.uint64()),
        "activation": pa.array([1, 2, 3], pa.float16()),
        "subset": pa.array([4, 5, 4], pa.int16()),
    })  # fmt: skip
    # a dictionary in another order than the rows, with a value that no row has
    dictionary = pa.DictionaryArray.from_arrays(pa.array([2, 1, 2]), pa.array(["-", "a", "z"]))
    table = table.set_column(0, "document", dictionary)
    parquet.write_table(table, tmp_path / "t.parquet")
    done = _ingest(engine, tmp_path / "t.parquet")
    assert _stored(engine, done) == [{7: 3.0}, {5: 1.0}, {6: 2.0}]
    documents = _rows(engine, tables.document, "document")
    assert [(d.metadata, d.subset) for d in documents] == [
        ({"document": "z"}, "4"), ({"document": "a"}, "5")
    ]  # fmt: skip


FORMS = {
    "semicolons": ("t.csv", ";", ""),
    "tabs": ("t.csv", "\t", ""),
    "pipes": ("t.csv", "|", ""),
    "commas in .tsv": ("t.tsv", ",", ""),
    "blanks": ("t.csv", ", ", ""),
    "blanks after semicolons": ("t.csv", "; ", ""),
    "mark of byte order": ("t.csv", ";", "\ufeff"),
}


@pytest.mark.parametrize("name", FORMS)
def test_every_separator_of_csv(engine: sa.Engine, tmp_path: Path, name: str) -> None:
    file, separator, before = FORMS[name]
    rows = [
        ["feature", "subset", "document", "activation", "block", "note"],
        ["3", "one kind", "a", "2.5", "0", "x"],
        ["007", "one kind", "a", "1e-1", "4", "y"],
        ["5", "", "b", ".5", "0", "0x10"],
    ]
    text = before + "".join(separator.join(row) + "\n" for row in rows)
    (tmp_path / file).write_text(text, "utf-8")
    done = _ingest(engine, tmp_path / file)
    assert _stored(engine, done) == [{3: 2.5}, {7: np.float32(0.1)}, {5: 0.5}]
    found = _rows(engine, tables.document, "document", corpus=done.corpus)
    assert [(row.metadata["document"], row.subset) for row in found] == [
        ("a", "one kind"), ("b", None)
    ]  # fmt: skip


def test_a_column_of_no_interest_may_be_there_twice(engine: sa.Engine, tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("x,document,block,feature,activation,x\n0x1,a,0,3,2.5,1_0\n")
    assert _stored(engine, _ingest(engine, path)) == [{3: 2.5}]


@pytest.mark.parametrize(
    "kind",
    [pa.string(), pa.large_string(), pa.string_view(), pa.dictionary(pa.int8(), pa.string())],
)
def test_every_type_of_text_in_parquet(engine: sa.Engine, tmp_path: Path, kind: Any) -> None:
    texts = pa.array(["a" * 40, "b", "a" * 40]).cast(kind)
    table = pa.table(
        {"document": texts, "block": [0, 0, 1], "feature": [1, 2, 3], "activation": [1.0, 2.0, 3.0],
         "subset": texts}
    )  # fmt: skip
    parquet.write_table(table, tmp_path / "t.parquet")
    done = _ingest(engine, tmp_path / "t.parquet")
    assert _stored(engine, done) == [{1: 1}, {3: 3}, {2: 2}]
    subsets = [row.subset for row in _rows(engine, tables.document, "document")]
    assert subsets == ["a" * 40, "b"]


def test_decimals_in_parquet(engine: sa.Engine, tmp_path: Path) -> None:
    kinds = {"activation": pa.array([Decimal("2.50")], pa.decimal128(5, 2))}
    table = pa.table(kinds | {"document": [1], "block": [0], "feature": [3]})
    parquet.write_table(table, tmp_path / "t.parquet")
    assert _stored(engine, _ingest(engine, tmp_path / "t.parquet")) == [{3: 2.5}]


def test_the_same_again_changes_nothing(engine: sa.Engine, tmp_path: Path) -> None:
    path = _write(tmp_path / "t.csv", [ROW])
    first = _ingest(engine, path)
    before = _counts(engine)
    again = _ingest(engine, tmp_path / "." / "t.csv", sae="r/one")
    assert again.recording == first.recording and first.created and not again.created
    assert (again.blocks, again.activations) == (1, 1)
    assert "Nothing was changed" in again.summary
    assert _counts(engine) == before


def test_other_terms_give_another_recording(engine: sa.Engine, tmp_path: Path) -> None:
    path = _write(tmp_path / "t.csv", [ROW, ROW | {"block": 1, "activation": 0.2}])
    first, second = _ingest(engine, path), _ingest(engine, path, keep_above=0.3)
    assert second.created and second.recording != first.recording
    assert second.corpus == first.corpus
    assert _stored(engine, second) == [{3: 2.5}, {}]
    assert not _ingest(engine, path, keep_above=0.3).created


def test_a_limit_too_small_for_four_bytes_is_0(engine: sa.Engine, tmp_path: Path) -> None:
    path = _write(tmp_path / "t.csv", [ROW | {"activation": 1e-40}])
    done = _ingest(engine, path, keep_above=1e-50)
    assert done.activations == 1 and _rows(engine, tables.recording)[0].keep_above == 0
    assert not _ingest(engine, path).created


def test_two_processes_at_once(engine: sa.Engine, tmp_path: Path) -> None:
    rows = [ROW | {"block": i, "feature": i % D_SAE} for i in range(3000)]
    path = _write(tmp_path / "t.csv", rows)
    with ThreadPoolExecutor(4) as pool:
        done = list(pool.map(lambda _: _ingest(engine, path), range(4)))
    assert sorted(one.created for one in done) == [False, False, False, True]
    assert {(one.recording, one.blocks) for one in done} == {(done[0].recording, 3000)}


def test_other_content_of_the_same_path(engine: sa.Engine, tmp_path: Path) -> None:
    path = _write(tmp_path / "t.csv", [ROW])
    _ingest(engine, path)
    before = _counts(engine)
    _write(path, [ROW | {"document": "b"}])
    with pytest.raises(errors.NameTaken, match=r"t.csv was (.|\n)*saeatlas remove recording 1"):
        _ingest(engine, path)
    with engine.begin() as connection:
        remove_recording(connection, 1)
    with pytest.raises(errors.CorpusChanged, match="'b'(.|\n)*saeatlas remove corpus 1"):
        _ingest(engine, path)
    assert _counts(engine) == before | {"atlas.recording": 0, "atlas.activation": 0}
    with engine.begin() as connection:
        remove_corpus(connection, 1)
    assert _stored(engine, _ingest(engine, path)) == [{3: 2.5}]


def test_nothing_remains_of_a_table_with_a_bad_end(engine: sa.Engine, tmp_path: Path) -> None:
    before = _counts(engine)
    rows = [ROW | {"block": i} for i in range(50)]
    path = _write(tmp_path / "t.parquet", [*rows, ROW | {"feature": D_SAE}])
    with pytest.raises(errors.BadTable, match="row 51: there is no feature 96"):
        _ingest(engine, path)
    assert _counts(engine) == before
    with engine.connect() as connection:
        partitions = sa.inspect(connection).get_table_names(schema="atlas")
        assert not [
            name for name in partitions if name.startswith("activation_") and name[-1].isdigit()
        ]
    assert _ingest(engine, _write(path, rows)).recording  # the path is not taken


def test_a_failure_of_the_last_statement_undoes_all(engine: sa.Engine, tmp_path: Path) -> None:
    before = _counts(engine)
    with engine.begin() as connection:
        connection.exec_driver_sql("create table atlas.activation_1 ()")  # its partition's name
    path = _write(tmp_path / "t.csv", [ROW])
    with pytest.raises(Exception, match="activation_1"):
        _ingest(engine, path)
    assert _counts(engine) == before


def test_a_table_on_an_existing_corpus(engine: sa.Engine, tmp_path: Path) -> None:
    one = [
        ROW | {"document": d, "block": b, "subset": "s"} for d, b in
        (("x", 0), ("x", 5), (1, 0), (1, 1), ("z", 9))
    ]  # fmt: skip
    first = _ingest(engine, _write(tmp_path / "one.csv", one))
    two = [ROW | {"document": 1, "block": 1, "feature": 8}, ROW | {"document": "x", "block": 5}]
    second = _ingest(engine, _write(tmp_path / "two.csv", two), "two", corpus=first.corpus)
    assert second.corpus == first.corpus and second.documents == 2
    # recorded as far as document 1; what it does not name in these is not active
    assert _stored(engine, second) == [{}, {3: 2.5}, {}, {8: 2.5}]
    assert len(_rows(engine, tables.corpus)) == 1 and len(_rows(engine, tables.block)) == 5
    again = _ingest(engine, tmp_path / "two.csv", "two", corpus=first.corpus)
    assert not again.created
    alone = _ingest(engine, tmp_path / "one.csv", "two")
    assert alone.created and alone.corpus == first.corpus
    other = _ingest(engine, _write(tmp_path / "three.csv", one), "two")
    moved = _ingest(engine, tmp_path / "three.csv", "two", corpus=first.corpus)
    assert moved.created and (other.corpus, moved.corpus) == (2, first.corpus)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([ROW | {"document": "new"}], r"names document 'new', which corpus 1 has not(.|\n)*Leave"),
        ([ROW | {"block": 4}], "names block 4 of document 'a', which corpus 1 has not"),
        ([ROW | {"document": "c"}], r"no row for document 0 of corpus 1(.|\n)*activation 0"),
    ],
)
def test_a_table_that_is_not_of_the_corpus(
    engine: sa.Engine, tmp_path: Path, rows: Any, message: str
) -> None:
    _ingest(engine, _write(tmp_path / "one.csv", [ROW | {"document": d} for d in "abc"]))
    before = _counts(engine)
    with pytest.raises(errors.BadTable, match=message):
        _ingest(engine, _write(tmp_path / "two.csv", rows), "two", corpus=1)
    assert _counts(engine) == before


def test_a_table_on_a_corpus_cut_here(engine: sa.Engine, tmp_path: Path) -> None:
    """Documents go by their number there, whatever field of theirs is called document."""
    with engine.begin() as connection:
        made = {"name": "c", "source": "s", "tokenizer_sha256": bytes(32), "n_documents": 3}
        connection.execute(sa.insert(tables.corpus).values(made | {"n_blocks": 3}))
        for i, n in enumerate((2, 0, 1)):  # document 1 was too short for a block
            row = {"corpus": 1, "document": i, "n_tokens": 9, "n_blocks": n}
            meta = {"document": "all the same"}
            connection.execute(sa.insert(tables.document).values(row | {"metadata": meta}))
        for i, (document, position) in enumerate(((0, 0), (0, 1), (2, 0))):
            row = {"corpus": 1, "block": i, "document": document, "position": position}
            connection.execute(sa.insert(tables.block).values(row | {"n_tokens": 3}))
    rows = [ROW | {"document": 2}, ROW | {"document": 0, "block": 1, "feature": 4}]
    done = _ingest(engine, _write(tmp_path / "t.parquet", rows), corpus=1)
    assert _stored(engine, done) == [{}, {4: 2.5}, {3: 2.5}]
    assert done.documents == 3
    with pytest.raises(errors.UnknownName, match="There is no corpus 9(.|\n)*Available: 1"):
        _ingest(engine, _write(tmp_path / "u.parquet", rows), corpus=9)


def _bad_files() -> dict[str, tuple[Any, str]]:
    csv = "document,block,feature,activation\n"
    return {
        "missing": (
            [{"document": 1, "block": 0, "features": 2, "activation": 1.0}],
            r"no column 'feature'(.|\n)*Nearest: features(.|\n)*--column feature=COLUMN",
        ),
        "float feature": ([ROW | {"feature": 1.0}], "'feature' of t.parquet holds double"),
        "text activation": ([ROW | {"activation": "x"}], "'activation' of .* holds (large_)?str"),
        "float document": ([ROW | {"document": 0.5}], "takes integers or strings"),
        "bool block": ([ROW | {"block": True}], "'block' of t.parquet holds bool"),
        "list subset": ([ROW | {"subset": ["a"]}], "'subset' of t.parquet holds list"),
        "low": ([ROW, ROW | {"feature": -1}], r"row 2: there is no feature -1(.|\n)*0 to 95"),
        "high": ([ROW] * 8 + [ROW | {"feature": 96}], r"row 9: there is no feature 96"),
        "nan": ([ROW, ROW | {"activation": np.nan}], "row 2: (its|the) activation is"),
        "inf": ([ROW | {"activation": np.inf}], "row 1: the activation is infinite"),
        "huge": ([ROW | {"activation": 1e39}], r"1e\+39 is more than a 4-byte real"),
        "null": ([ROW] * 6 + [ROW | {"document": None}], "row 7: its document is missing"),
        "negative": ([ROW, ROW | {"block": -4}], "row 2: block -4 is negative"),
        "subset": (
            [ROW | {"subset": "a"}] * 7 + [ROW | {"subset": "b"}],
            "row 8: its document is of subset 'b'; an earlier row says 'a'",
        ),
        "half subset": ([ROW | {"subset": "a"}, ROW | {"subset": None}], "of subset None"),
        "nul": ([ROW | {"document": "a\0b"}], "NUL"),
        "no rows": (pd.DataFrame(columns=list(ROW)).astype(
            {"document": "int64", "block": "int64", "feature": "int64", "activation": "float64"}
        ), "holds no rows"),
        "csv no rows": (csv, "holds no rows"),
        "csv empty": ("", "no column 'document'"),
        "csv text": (csv + "a,0,x,1\n", "row 1: its feature is 'x', not a whole number"),
        "csv float": (csv + "a,0,1,1\na,0.5,1,1\n", "row 2: its block is '0.5', not a whole"),
        "csv short": (csv + "a,0,1,1\na,0,1\n", "Expected 4 columns, got 3"),
        "csv null": (csv + "a,0,1,1\na,0,1,\n", "row 2: its activation is missing"),
        "csv no name": (csv + ",0,1,1\n", "row 1: its document is missing"),
        "csv nan": (csv + "a,0,1,nan\n", "row 1: the activation is not a number"),
        "csv latin1": (csv.encode() + b"\xe9t\xe9,0,1,1\n", "is not UTF-8"),
        "csv huge": (csv + "a,99999999999999999999,1,1\n", "its block is '9999999"),
        "csv twice": ("block," + csv + "1,a,1,1,1\n", "2 columns 'block'"),
        "csv quotes after blanks": (csv.replace(",", ", ") + 'a, 0, 1, "1"\n', "quotation marks"),
        "csv twice spaced": ("block, " + csv + "1, a, 1, 1, 1\n", "2 columns 'block'"),
        "csv colons": (csv.replace(",", ":") + "a:0:1:1\n", "no column 'document'(.|\n)*block:fe"),
        "csv comma decimals": (
            csv.replace(",", ";") + "a;0;1;0,5\n", "row 1: its activation is '0,5', not a number"
        ),
        **{
            f"csv {name} {text}": (
                csv + "a,0,1,1\n" * 9 + {"feature": f"a,0,{text},1", "block": f"a,{text},1,1",
                "activation": f"a,0,1,{text}"}[name], f"row 10: its {name} is '{re.escape(text)}'"
            )
            for name, texts in {
                "feature": ("0x10", "1_0", "\u0661", "1e1", "1.0", "nan", "1 1", "True", "+1"),
                "block": ("0x10", "1_0", "\u0661\u0662", "--1", "1.", "\xb2"),
                "activation": ("0x1p3", "0x10", "1_0.5", "\u0661", "1e", ".", "1 2", "1d3"),
            }.items()
            for text in texts
        },
    }  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", _bad_files())
def test_bad_tables(engine: sa.Engine, tmp_path: Path, name: str) -> None:
    content, message = _bad_files()[name]
    if isinstance(content, str | bytes):
        path = tmp_path / "t.csv"
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    else:
        path = _write(tmp_path / "t.parquet", content)
    before = _counts(engine)
    with pytest.raises(errors.BadTable, match=message):
        _ingest(engine, path)
    assert _counts(engine) == before


def test_damaged_files(engine: sa.Engine, tmp_path: Path) -> None:
    whole = _write(tmp_path / "t.parquet", [ROW] * 1000).read_bytes()
    packed = gzip.compress((tmp_path / "t.parquet").name.encode() * 9999)
    for name, content in (
        ("cut.parquet", whole[:-20]), ("zero.parquet", b""), ("csv.parquet", b"a,b\n1,2\n"),
        ("middle.parquet", whole[:4] + b"\xff" * 40 + whole[44:]),
        ("cut.csv.gz", packed[:-20]), ("not.csv.gz", b"a,b\n"),
    ):  # fmt: skip
        (tmp_path / name).write_bytes(content)
        with pytest.raises(errors.BadTable, match=r"(damaged|off|whole)(.|\n)*etch or write"):
            _ingest(engine, tmp_path / name)


def test_wrong_words(engine: sa.Engine, tmp_path: Path) -> None:
    path = _write(tmp_path / "table.csv", [ROW])
    with pytest.raises(errors.BadTable, match=r"no file or folder(.|\n)*Nearest: table.csv"):
        _ingest(engine, tmp_path / "tabel.csv")
    (tmp_path / "t.xlsx").touch()
    with pytest.raises(errors.BadTable, match=r"not of a kind(.|\n)*\.parquet"):
        _ingest(engine, tmp_path / "t.xlsx")
    with pytest.raises(errors.UnknownName, match=r"no SAE 'oen'(.|\n)*r/one"):
        _ingest(engine, path, "oen")
    with pytest.raises(errors.UnknownName, match=r"'r' names 2 SAEs(.|\n)*r/one.*r/two"):
        _ingest(engine, path, "r")
    with pytest.raises(errors.BadTable, match=r"'latent' is not a column that SAE Atlas reads"):
        _ingest(engine, path, columns={"latent": "feature"})
    with pytest.raises(errors.BadTable, match=r"no column 'kind'(.|\n)*--column subset"):
        _ingest(engine, path, columns={"subset": "kind"})
    for wrong in (-1.0, np.nan, np.inf, 1e39):
        with pytest.raises(errors.InputError, match="--keep-above"):
            _ingest(engine, path, keep_above=wrong)


CONFIG = {"dataset_repo": "owner/texts", "model_name": "gpt2", "cache_ctx_len": 8, "n_splits": 3}
N_ROWS, WIDTH = 12, 8


def _cache(
    folder: Path, *, seed: int = 0, tokens: int | None = 0, edges: Any = (0, 32, 64, D_SAE),
    kinds: Any = (np.uint8, np.uint16, np.uint32), silent: tuple[int, ...] = (2, N_ROWS - 1),
) -> dict[tuple[int, int], float]:  # fmt: skip
    """Write one hookpoint as Delphi does; return the maximum of each (row, latent).

    `tokens` is the only file that gets them; None for none.
    """
    random = np.random.default_rng(seed)
    dense = random.random((N_ROWS, WIDTH, D_SAE)).astype(np.float16)
    dense *= random.random(dense.shape) < 0.05
    dense[list(silent)] = 0
    folder.mkdir(parents=True)
    (folder / "config.json").write_text(json.dumps(CONFIG))
    for k, (start, end) in enumerate(pairwise(edges)):
        part = dense[:, :, start:end]
        locations = np.argwhere(part)
        data = {
            "locations": np.ascontiguousarray(locations, kinds[k % len(kinds)]),
            "activations": part[tuple(locations.T)],
        }
        if k == tokens:
            data["tokens"] = np.arange(N_ROWS * WIDTH).reshape(N_ROWS, WIDTH)
        save_file(data, folder / f"{start}_{end - 1}.safetensors")
    peaks = dense.max(1)
    return {(int(r), int(f)): float(peaks[r, f]) for r, f in np.argwhere(peaks)}


def _by_row(peaks: dict[tuple[int, int], float], n_rows: int = N_ROWS) -> list[dict[int, float]]:
    return [{f: v for (r, f), v in peaks.items() if r == row} for row in range(n_rows)]


def test_a_cache_of_delphi(engine: sa.Engine, tmp_path: Path) -> None:
    folder = tmp_path / "latents" / "layers.5.mlp"
    peaks = _cache(folder)
    done = _ingest(engine, folder)
    assert len(peaks) > 200 and done.activations == len(peaks)
    assert _stored(engine, done) == _by_row(peaks)
    documents = _rows(engine, tables.document, "document")
    assert [d.document for d in documents] == list(range(N_ROWS))
    assert {(d.subset, str(d.metadata), d.n_tokens, d.n_blocks) for d in documents} == {
        (None, "{}", WIDTH, 1)
    }
    assert len({d.text_sha256 for d in documents}) == N_ROWS
    assert {b.n_tokens for b in _rows(engine, tables.block)} == {WIDTH}
    [corpus], [recording] = _rows(engine, tables.corpus), _rows(engine, tables.recording)
    assert (corpus.name, corpus.source) == ("owner/texts", str(tmp_path / "latents"))
    assert (corpus.tokenizer, corpus.block_length) == ("gpt2", WIDTH)
    [model] = _rows(engine, tables.model)
    assert (model.name, model.id) == ("gpt2", recording.model)
    assert not _ingest(engine, tmp_path / "latents").created  # its only hookpoint


def test_hookpoints_of_one_run_share_their_corpus(engine: sa.Engine, tmp_path: Path) -> None:
    peaks = {}
    for seed, name in enumerate(("layers.1", "layers.2")):
        peaks[name] = _cache(tmp_path / "latents" / name, seed=seed, tokens=seed)
    with pytest.raises(errors.BadTable, match=r"2 hookpoints(.|\n)*layers.1, layers.2"):
        _ingest(engine, tmp_path / "latents")
    one = _ingest(engine, tmp_path / "latents" / "layers.1", "one")
    two = _ingest(engine, tmp_path / "latents" / "layers.2", "two")
    assert (one.corpus, one.recording) != (two.corpus, two.recording)
    assert one.corpus == two.corpus and len(_rows(engine, tables.document)) == N_ROWS
    assert _stored(engine, two) == _by_row(peaks["layers.2"]) != _stored(engine, one)


def test_hookpoints_with_other_tokens_are_refused(engine: sa.Engine, tmp_path: Path) -> None:
    _cache(tmp_path / "latents" / "one")
    _cache(tmp_path / "latents" / "two")
    _ingest(engine, tmp_path / "latents" / "one")
    path = tmp_path / "latents" / "two" / "0_31.safetensors"
    _change(path, tokens=np.ones((N_ROWS, WIDTH), np.int32))
    before = _counts(engine)
    with pytest.raises(errors.CorpusChanged, match="other tokens for document 0 than corpus 1"):
        _ingest(engine, tmp_path / "latents" / "two", "two")
    assert _counts(engine) == before


def test_a_cache_without_tokens(engine: sa.Engine, tmp_path: Path) -> None:
    peaks = _cache(tmp_path / "latents" / "one", tokens=None)
    done = _ingest(engine, tmp_path / "latents" / "one")
    assert done.blocks == N_ROWS - 1  # nobody knows that there was one more
    assert _stored(engine, done) == _by_row(peaks, N_ROWS - 1)
    assert {d.text_sha256 for d in _rows(engine, tables.document)} == {None}
    assert {b.n_tokens for b in _rows(engine, tables.block)} == {CONFIG["cache_ctx_len"]}
    [corpus] = _rows(engine, tables.corpus)
    assert corpus.source.endswith("latents/one")
    _cache(tmp_path / "latents" / "two", tokens=None)
    (tmp_path / "latents" / "two" / "config.json").unlink()
    _ingest(engine, tmp_path / "latents" / "two")
    assert {b.n_tokens for b in _rows(engine, tables.block, corpus=2)} == {None}
    assert _rows(engine, tables.recording, "id")[1].model is None


def test_a_large_latent_in_a_wide_file(engine: sa.Engine, tmp_path: Path) -> None:
    """Latents less start fit a byte; with start they would not."""
    with engine.begin() as connection:
        connection.execute(sa.update(tables.sae).values(d_sae=70_000))
    peaks = _cache(tmp_path / "c", edges=(0, 32, 96))
    (tmp_path / "c" / "32_95.safetensors").rename(tmp_path / "c" / "69936_69999.safetensors")
    shape: dict[str, Any] = {
        "locations": np.zeros((0, 3), np.uint8),
        "activations": np.zeros(0, np.float16),
    }
    save_file(shape, tmp_path / "c" / "32_69935.safetensors")
    moved = {(r, f if f < 32 else f + 69_904): v for (r, f), v in peaks.items()}
    assert max(f for _, f in moved) > 69_936
    assert _stored(engine, _ingest(engine, tmp_path / "c")) == _by_row(moved)


def _change(path: Path, **parts: np.ndarray[Any, Any]) -> None:
    from safetensors.numpy import load_file

    save_file(load_file(path) | parts, path)


def _bad_caches() -> dict[str, Any]:
    first = "0_31.safetensors"
    half = np.array([1], np.float16)

    def at(*where: int) -> np.ndarray[Any, Any]:
        return np.array([where], np.int64)

    def parts(**changes: Any) -> Any:
        return lambda c: save_file(
            {"locations": at(0, 0, 0), "activations": half} | changes, c / "32_63.safetensors"
        )

    return {
        "missing file": (lambda c: (c / "32_63.safetensors").unlink(), "latent 32 should follow"),
        "last file": (lambda c: (c / "64_95.safetensors").unlink(), "64 latents; the SAE has 96"),
        "other splits": (
            lambda c: shutil.copy(c / first, c / "0_47.safetensors"), "latent 32 should follow"
        ),
        "cut": (
            lambda c: (c / first).write_bytes((c / first).read_bytes()[:-9]), "as safetensors"
        ),
        "empty": (lambda c: (c / first).write_bytes(b""), "cannot be read as safetensors"),
        "latent": (parts(locations=at(0, 0, 32)), "no latent in the file 32"),
        "row": (parts(locations=at(12, 0, 0)), r"no row of tokens 12(.|\n)*There are 12"),
        "place": (parts(locations=at(0, 8, 0)), "no place in the row 8"),
        "signed": (parts(locations=at(-1, 0, 0)), "no row of tokens -1"),
        "inf": (parts(activations=half * np.float16(np.inf)), r"row 1: .* infinite(.|\n)*65,504"),
        "shape": (parts(activations=np.ones(2, np.float16)), "no activations as Delphi"),
        "type": (parts(locations=at(0, 0, 0).astype(np.float32)), "no locations as Delphi"),
        "tokens": (parts(tokens=np.ones((3, 0), np.int64)), "no tokens as Delphi"),
        "two tokens": (parts(tokens=np.ones((12, 8), np.int64)), "hold different tokens"),
        "config": (lambda c: (c / "config.json").write_text("{"), "is not JSON"),
        "list": (lambda c: (c / "config.json").write_text("[]"), "not an object with fields"),
        **{
            f"length {value!r}": (
                lambda c, n=value: (c / "config.json").write_text(json.dumps({"ctx_len": n})),
                "ctx_len is .*, not a number of tokens",
            )
            for value in (-8, 0, 8.0, "8", True, [8], 2**31, 10**30)
        },
        "none": (
            lambda c: [path.unlink() for path in c.glob("*.safetensors")],
            r"not a latent cache(.|\n)*It holds config.json",
        ),
    }  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("name", _bad_caches())
def test_bad_caches(engine: sa.Engine, tmp_path: Path, name: str) -> None:
    _cache(tmp_path / "c")
    change, message = _bad_caches()[name]
    change(tmp_path / "c")
    before = _counts(engine)
    with pytest.raises(errors.BadTable, match=message):
        _ingest(engine, tmp_path / "c")
    assert _counts(engine) == before


def test_tokens_may_be_as_wide_as_they_like(engine: sa.Engine, tmp_path: Path) -> None:
    _cache(tmp_path / "c")
    _change(
        tmp_path / "c" / "32_63.safetensors",
        tokens=np.arange(N_ROWS * WIDTH, dtype=np.uint16).reshape(N_ROWS, WIDTH),
    )
    assert _ingest(engine, tmp_path / "c").blocks == N_ROWS


def test_words_that_do_not_fit_a_cache(engine: sa.Engine, tmp_path: Path) -> None:
    _cache(tmp_path / "c")
    with pytest.raises(errors.BadTable, match="--column is for Parquet and CSV"):
        _ingest(engine, tmp_path / "c", columns={"feature": "latent"})
    with pytest.raises(errors.BadTable, match="Name the folder"):
        _ingest(engine, tmp_path / "c" / "0_31.safetensors")


DOCUMENTS: dict[str, list[Any]] = {
    "numbers": [0, 1, 0, 3], "texts": ["z", "a", "z", "b"], "wide": [2**40, 5, 2**40, 7],
    "fractions as text": ["1.5", "2.0", "1.5", "0x7"],
}  # fmt: skip


@pytest.mark.slow
@pytest.mark.parametrize("kind", DOCUMENTS)
@pytest.mark.parametrize("suffix", [".csv", ".parquet", ".tsv.gz"])
@pytest.mark.parametrize("twice", [False, True])
def test_one_block_a_document(
    engine: sa.Engine, tmp_path: Path, kind: str, suffix: str, twice: bool
) -> None:
    """No column of blocks, or the column of documents: whatever its type."""
    names = DOCUMENTS[kind]
    frame = pd.DataFrame({"document": names, "feature": [7, 7, 7, 2], "activation": [1, 4, 3, 2.0]})
    columns = {"document": "sequence", "block": "sequence"} if twice else {"document": "sequence"}
    path = _write(tmp_path / f"t{suffix}", frame.rename(columns={"document": "sequence"}))
    done = _ingest(engine, path, columns=columns)
    assert _stored(engine, done) == [{7: 3.0}, {7: 4.0}, {2: 2.0}]
    assert done.documents == 3 and done.summary.endswith("Each document is one block.")
    places = [(b.document, b.position) for b in _rows(engine, tables.block, "block")]
    assert places == [(0, 0), (1, 0), (2, 0)]
    # another SAE on the same documents, with blocks and without
    second = _ingest(engine, _write(tmp_path / "u.csv", frame), "two", corpus=done.corpus)
    third = _ingest(engine, _write(tmp_path / "v.csv", frame.assign(block=0)), "two", corpus=1)
    assert _stored(engine, second) == _stored(engine, third) == _stored(engine, done)


def test_a_table_without_blocks_on_a_corpus_with_several(engine: sa.Engine, tmp_path: Path) -> None:
    _ingest(engine, _write(tmp_path / "one.csv", [ROW, ROW | {"block": 1}]))
    whole = {name: value for name, value in ROW.items() if name != "block"}
    before = _counts(engine)
    with pytest.raises(errors.BadTable, match=r"names no blocks, and document 'a' of corpus 1 has"):
        _ingest(engine, _write(tmp_path / "two.csv", [whole]), "two", corpus=1)
    assert _counts(engine) == before


@pytest.mark.slow
@pytest.mark.parametrize("name", ["Block", "block_id", " block", "blok", "n_block", "blcok"])
def test_a_column_that_looks_like_blocks(engine: sa.Engine, tmp_path: Path, name: str) -> None:
    rows = pd.DataFrame([ROW, ROW | {"block": 1}]).rename(columns={"block": name})
    path = _write(tmp_path / "t.parquet", rows)
    before = _counts(engine)
    with pytest.raises(errors.BadTable, match=rf"no column 'block', but it has '{name}'"):
        _ingest(engine, path)
    assert _counts(engine) == before
    assert _ingest(engine, path, columns={"block": name}).blocks == 2
    path = path.rename(tmp_path / "u.parquet")
    assert _ingest(engine, path, "two", columns={"block": "document"}).blocks == 1


def test_the_same_file_by_other_columns_is_another_table(engine: sa.Engine, tmp_path: Path) -> None:
    frame = pd.DataFrame([ROW | {"second": 5.0}])
    path = _write(tmp_path / "t.parquet", frame)
    assert _ingest(engine, path).created
    assert not _ingest(engine, path, columns={"activation": "activation"}).created
    with pytest.raises(errors.NameTaken, match="with other content or columns"):
        _ingest(engine, path, columns={"activation": "second"})


@pytest.mark.slow
@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
@pytest.mark.parametrize(
    "columns",
    [
        {"feature": "block"}, {"activation": "block"}, {"activation": "feature"},
        {"document": "feature"}, {"subset": "activation"}, {"block": "feature"},
    ],
)  # fmt: skip
def test_one_column_for_two_things(
    engine: sa.Engine, tmp_path: Path, suffix: str, columns: dict[str, str]
) -> None:
    path = _write(tmp_path / f"t{suffix}", [ROW | {"document": 1}])
    before = _counts(engine)
    with pytest.raises(errors.BadTable, match="cannot be both"):
        _ingest(engine, path, columns=columns)
    assert _counts(engine) == before


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_the_documents_are_the_subsets_too(engine: sa.Engine, tmp_path: Path, suffix: str) -> None:
    path = _write(tmp_path / f"t{suffix}", [ROW | {"document": 17}, ROW | {"document": 4}])
    _ingest(engine, path, columns={"subset": "document", "block": "document"})
    assert [d.subset for d in _rows(engine, tables.document, "document")] == ["17", "4"]


@pytest.mark.slow
def test_on_the_command_line(tmp_path: Path) -> None:
    path = _write(tmp_path / "t.csv", pd.DataFrame([ROW]).rename(columns={"feature": "latent"}))
    words = ["ingest", "table", str(path), "--sae", "one"]
    wrong = run(*words)
    assert wrong.returncode == 1 and "Traceback" not in wrong.stderr
    assert wrong.stderr.startswith("Error: t.csv has no column 'feature'.\nNearest: latent")
    done = run(*words, "--column", "feature=latent", "--keep-above", "1")
    said = "Recording 1 on corpus 1: 1 document, 1 block with 1 active feature.\n"
    assert done.stdout == said
    again = run(*words, "--column", "feature=latent", "--keep-above", "1")
    assert "Nothing was changed" in again.stdout
    other = run(*words[:-1], "two", "--column", "feature=latent", "--corpus", "1")
    assert other.stdout.startswith("Recording 2 on corpus 1")
    assert str(path) in run("status").stdout
    twice = run(*words, "--column", "feature=latent", "--column", "feature=block")
    assert twice.returncode == 2 and "feature is given twice" in twice.stderr
