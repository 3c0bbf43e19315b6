import bz2
import datetime
import gzip
import itertools
import json
import lzma
import os
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from saeatlas import errors
from saeatlas.ingest.corpora import (
    Corpus,
    Document,
    OnBadDocument,
    Skipped,
    document,
    hub,
    open_corpus,
)

Pack = Callable[[bytes], bytes]
Answers = Callable[..., None]

PACK: dict[str, Pack] = {
    "": lambda data: data,
    ".gz": gzip.compress,
    ".zst": zstandard.ZstdCompressor().compress,
    ".xz": lzma.compress,
    ".bz2": bz2.compress,
}


def write_lines(path: Path, rows: Sequence[object], pack: Pack = PACK[""]) -> str:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(pack("".join(json.dumps(row) + "\n" for row in rows).encode()))
    return str(path)


def read(source: str | Path, **options: Any) -> list[Any]:
    """Read all documents; what is skipped among them lacks what a document has."""
    return list(open_corpus(str(source), **options).documents())


def texts(source: Path, **options: Any) -> list[str]:
    return [found.text for found in read(source, **options)]


def assert_says(error: pytest.ExceptionInfo[errors.AtlasError], *parts: str) -> None:
    for part in parts:
        assert part in str(error.value), str(error.value)
    assert error.value.hint


# Round trips ------------------------------------------------------------------------------

clean = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]), max_size=8)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(-9, 9) | clean,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(clean, inner, max_size=3),
    max_leaves=5,
)
documents = st.lists(
    st.tuples(st.text(max_size=40), st.none() | clean, json_values), min_size=1, max_size=12
)


@settings(max_examples=40, deadline=None)
@given(documents, st.sampled_from([*PACK]), st.integers(0, 14), st.integers(0, 12))
def test_json_lines_read_back_equal(
    written: list[tuple[str, str | None, Any]], suffix: str, start: int, cut: int
) -> None:
    rows = [{"text": text, "meta": {"set": subset}, "more": more} for text, subset, more in written]
    expected = [(text, subset, {"more": more}) for text, subset, more in written]
    with tempfile.TemporaryDirectory() as folder:
        write_lines(Path(folder, f"a.jsonl{suffix}"), rows[:cut], PACK[suffix])
        write_lines(Path(folder, "b", f"a.jsonl{suffix}"), rows[cut:], PACK[suffix])
        corpus = open_corpus(folder, subset_field="meta.set")
        found: list[Any] = list(corpus.documents())
        assert list(corpus.documents(start)) == found[start:]
    assert [(one.text, one.subset, one.metadata) for one in found] == expected
    numbers = [*range(1, cut + 1), *range(1, len(rows) + 1)]
    assert [int(one.origin.split(":")[1]) for one in found[:cut]] == numbers[: len(found[:cut])]


@settings(max_examples=25, deadline=None)
@given(
    st.lists(st.tuples(st.text(max_size=40), st.none() | clean, st.integers(0, 9)), min_size=1),
    st.integers(1, 5),
    st.integers(0, 14),
)
def test_parquet_reads_back_equal(
    written: list[tuple[str, str | None, int]], row_group_size: int, start: int
) -> None:
    rows = [{"text": text, "meta": {"set": subset}, "n": n} for text, subset, n in written]
    schema = pa.schema(
        {"text": pa.string(), "meta": pa.struct({"set": pa.string()}), "n": pa.int8()}
    )
    with tempfile.TemporaryDirectory() as folder:
        half = len(rows) // 2
        for name, part in (("1.parquet", rows[:half]), ("2.parquet", rows[half:])):
            table = pa.Table.from_pylist(part, schema)
            pq.write_table(table, Path(folder, name), row_group_size=row_group_size)
        corpus = open_corpus(folder, subset_field="meta.set")
        found: list[Any] = list(corpus.documents())
        assert list(corpus.documents(start)) == found[start:]
    assert [(one.text, one.subset, one.metadata["n"]) for one in found] == written
    assert {one.origin.split(":")[0] for one in found} <= {"1.parquet", "2.parquet"}


def test_parquet_rows_beyond_one_batch_keep_their_place(tmp_path: Path) -> None:
    table = pa.table({"text": [str(n) for n in range(2000)]})
    pq.write_table(table, tmp_path / "x.parquet", row_group_size=700)
    corpus = open_corpus(str(tmp_path / "x.parquet"))
    for start in (0, 255, 256, 699, 700, 701, 1999, 2000):
        found: list[Any] = list(corpus.documents(start))
        assert [one.text for one in found] == [str(n) for n in range(start, 2000)]
        assert all(one.origin == f"x.parquet:{int(one.text) + 1}" for one in found)


def test_text_files_are_documents_and_their_first_folder_is_the_subset(tmp_path: Path) -> None:
    for name, data in {
        "b.txt": b"root",
        "code/deep/x.py": "\ufeffé\r\n".encode(),
        "code/a.py": b"",
        "code-2/z.json": b"{}",
        ".hidden/a.txt": b"no",
        ".also.txt": b"no",
    }.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_bytes(data)
    corpus = open_corpus(str(tmp_path))
    found: list[Any] = list(corpus.documents())
    assert [(one.origin, one.subset, one.text) for one in found] == [
        ("b.txt", None, "root"),
        ("code/a.py", "code", ""),
        ("code/deep/x.py", "code", "é\r\n"),
        ("code-2/z.json", "code-2", "{}"),
    ]
    assert found[1].metadata == {"path": "code/a.py"}
    assert list(corpus.documents(2)) == found[2:]
    assert texts(tmp_path / "**" / "*.py") == ["", "é\r\n"]


# What is tolerated ------------------------------------------------------------------------


def test_bom_crlf_and_blank_lines_take_no_ordinal(tmp_path: Path) -> None:
    path = tmp_path / "x.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"text": "a"}\r\n\r\n  \n{"text": "b"}')
    assert [one.origin for one in read(path)] == ["x.jsonl:1", "x.jsonl:4"]
    assert next(open_corpus(str(path)).documents(1)).origin == "x.jsonl:4"


@pytest.mark.parametrize("suffix", PACK)
@pytest.mark.parametrize("indent", [None, 2])
def test_one_list_of_objects_reads_as_lines_do(
    tmp_path: Path, suffix: str, indent: int | None
) -> None:
    rows: list[dict[str, Any]] = [{"text": "x" * n, "n": n / 7, "e": [{}, "]"]} for n in range(300)]
    rows[7]["text"] = "long " * 50_000
    plain = write_lines(tmp_path / "lines.jsonl", rows)
    text = json.dumps(rows, indent=indent).encode()
    (tmp_path / f"list.json{suffix}").write_bytes(PACK[suffix](b"\xef\xbb\xbf \n" + text + b"\n"))
    corpus = open_corpus(str(tmp_path / f"list.json{suffix}"))
    found: list[Any] = list(corpus.documents())
    assert [(d.text, d.metadata) for d in found] == [(d.text, d.metadata) for d in read(plain)]
    assert [one.origin for one in found] == [f"list.json{suffix}:{n}" for n in range(1, 301)]
    assert list(corpus.documents(298)) == found[298:]


BAD_LISTS = {
    "cut off": (b'[{"text": "a"}, {"text": "b', "x.json:2: .* Unterminated string"),
    "no end": (b'[{"text": "a"}', "x.json:2: .* it ends here"),
    "no comma": (b'[{"text": "a"} {"text": "b"}]', "x.json:2: .*',' is expected"),
    "a comma too many": (b'[{"text": "a"},]', "x.json:2: .* Expecting value"),
    "more after it": (b'[{"text": "a"}]\n[{"text": "b"}]', "x.json:2: .* goes on after its end"),
    "not json": (b'[{"text": "a"}, {text: "b"}]', "x.json:2: .* property name"),
    "too deep": (b'[{"text": "a"}, ' + b"[" * 100_000, "x.json:2: .* nested too deeply"),
    "a number too long": (b'[{"text": "a", "n": ' + b"1" * 5000 + b"}]", "x.json:1: .*4300 digits"),
    "not utf-8": (b'[{"text": "a"}, {"text": "\xe9"}]', "x.json:1: .* not UTF-8"),
    "no object": (b'[{"text": "a"}, 12345]', "x.json:2: this row is a number"),
}


@pytest.mark.parametrize("case", BAD_LISTS)
def test_lists_that_are_broken(tmp_path: Path, case: str) -> None:
    content, message = BAD_LISTS[case]
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(errors.BadCorpus, match=message) as error:
        read(tmp_path / "x.json")
    assert error.value.hint


def test_an_empty_list(tmp_path: Path) -> None:
    (tmp_path / "x.json").write_text(" [ ] ")
    with pytest.raises(errors.EmptyCorpus):
        read(tmp_path / "x.json")


def test_zstd_frames_follow_each_other(tmp_path: Path) -> None:
    pack = PACK[".zst"]
    skippable = (0x184D2A50).to_bytes(4, "little") + (3).to_bytes(4, "little") + b"abc"
    half = b'{"text": "' + b"long " * 200_000
    path = tmp_path / "x.jsonl.zst"
    path.write_bytes(skippable + pack(half) + pack(b'"}\n{"text": "b"}\n') + skippable)
    assert texts(path) == ["long " * 200_000, "b"]


def test_a_glob_picks_files_and_companions_do_not_count(tmp_path: Path) -> None:
    write_lines(tmp_path / "00.jsonl", [{"text": "a"}])
    write_lines(tmp_path / "01.json.gz", [{"text": "b"}], gzip.compress)
    (tmp_path / "README.md").write_text("about")
    (tmp_path / "SHA256SUMS.txt").write_text("0")
    assert texts(tmp_path) == ["a", "b"]
    assert texts(tmp_path / "*.jsonl*") == ["a"]


@pytest.mark.parametrize(
    ("value", "subset"),
    [("a\0\ud800", "a\ufffd\ufffd"), (None, None), (3, "3"), (True, "true")],
)
def test_subsets_are_strings_that_postgresql_stores(
    tmp_path: Path, value: object, subset: str | None
) -> None:
    path = write_lines(tmp_path / "x.jsonl", [{"text": "", "set": value}])
    assert [one.subset for one in read(path, subset_field="set")] == [subset]


def test_null_parent_of_a_subset_is_null_and_a_dotted_name_wins(tmp_path: Path) -> None:
    rows = [{"text": "", "a": None}, {"text": "", "a.b": "x", "a": {"b": "y", "c": 1}}]
    path = write_lines(tmp_path / "x.jsonl", rows)
    found = read(path, subset_field="a.b")
    assert [one.subset for one in found] == [None, "x"]
    assert found[1].metadata == {"a": {"b": "y", "c": 1}}


SUBSET_LESS: list[Any] = [
    {},
    {"meta": None},
    {"meta": {}},
    {"meta": {"set": None}},
    {"meta": {"sett": "x"}},
    {"meta": "set"},
    {"meta": 3},
    {"meta": []},
    {"meta": '{"set": '},
    {"meta": "{'set': 'x'}"},
    {"meta": '["set"]'},
]


@pytest.mark.parametrize("first", [True, False])
@pytest.mark.parametrize("row", SUBSET_LESS, ids=str)
def test_a_row_without_the_subsets_field_has_none(
    tmp_path: Path, row: dict[str, Any], first: bool
) -> None:
    rows = [{"text": "a"} | row, {"text": "b", "meta": {"set": "x"}}]
    path = write_lines(tmp_path / "x.jsonl", rows if first else rows[::-1])
    found = read(path, subset_field="meta.set")
    assert {one.text: one.subset for one in found} == {"a": None, "b": "x"}


def test_parquet_and_json_lines_lack_subsets_alike(tmp_path: Path) -> None:
    rows = [{"text": "a"}, {"text": "b", "meta": {"set": "x"}}, {"text": "c", "meta": None}]
    table = pa.Table.from_pylist(
        rows, pa.schema({"text": pa.string(), "meta": pa.struct({"set": pa.string()})})
    )
    pq.write_table(table, tmp_path / "x.parquet")
    paths = [str(tmp_path / "x.parquet"), write_lines(tmp_path / "x.jsonl", rows)]
    one, other = ([d.subset for d in read(path, subset_field="meta.set")] for path in paths)
    assert one == other == [None, "x", None]


@pytest.mark.parametrize("rows", [[{"text": "a", "meta": {"sett": "s"}}], SUBSET_LESS[5:7]])
@pytest.mark.parametrize("skip", ["skip", "error"])
def test_a_subsets_field_that_no_row_has_is_refused(
    tmp_path: Path, rows: list[Any], skip: Any
) -> None:
    path = write_lines(tmp_path / "x.jsonl", [{"text": "", "other": 1} | row for row in rows] * 3)
    with pytest.raises(errors.BadCorpus) as error:
        read(path, subset_field="meta.set", on_bad_document=skip)
    assert_says(error, "No row of", "has the field 'meta.set'", "other", "--subset-field")


def test_a_subsets_field_is_looked_for_in_the_first_rows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("saeatlas.ingest.corpora.corpus.ROWS_TO_SEARCH", 4)
    for n, is_found in ((3, True), (4, False)):
        path = write_lines(tmp_path / "x.jsonl", [{"text": ""}] * n + [{"text": "", "set": "x"}])
        if is_found:
            assert [one.subset for one in read(path, subset_field="set")] == [None] * n + ["x"]
        else:
            with pytest.raises(errors.BadCorpus, match="None of the first 4 rows of .* has the"):
                read(path, subset_field="set")


def test_an_archive_that_is_cut_off_is_still_read_up_to_there(tmp_path: Path) -> None:
    whole = gzip.compress(b'{"text": "a"}\n' * 2000 + json.dumps({"text": str(range(99))}).encode())
    (tmp_path / "x.jsonl.gz").write_bytes(whole[:-20])
    corpus = open_corpus(str(tmp_path / "x.jsonl.gz"), subset_field="set")
    with pytest.raises(errors.BadCorpus, match="is cut off"):
        for _ in corpus.documents():
            pass


@pytest.mark.parametrize("form", ["jsonl", "parquet"])
def test_fields_in_objects_held_as_json_text(tmp_path: Path, form: str) -> None:
    objects = [{"set": "A", "n": 1, "body": {"text": "a"}}, {"set": None, "body": {"text": "b"}}]
    rows = [{"meta": " " + json.dumps(one), "more": '{"kept": "as it is"}'} for one in objects]
    path = tmp_path / f"x.{form}"
    if form == "jsonl":
        write_lines(path, rows)
    else:
        pq.write_table(pa.Table.from_pylist(rows), path)
    found = read(path, text_field="meta.body.text", subset_field="meta.set")
    assert [(one.text, one.subset) for one in found] == [("a", "A"), ("b", None)]
    assert [one.metadata for one in found] == [
        {"meta": {"n": 1}, "more": '{"kept": "as it is"}'},
        {"more": '{"kept": "as it is"}'},
    ]


def test_objects_within_texts_within_objects(tmp_path: Path) -> None:
    inner = json.dumps({"c": json.dumps({"d": "x", "e": 1})})
    path = write_lines(tmp_path / "x.jsonl", [{"text": "", "a": {"b": inner}}])
    (found,) = read(path, subset_field="a.b.c.d")
    assert (found.subset, found.metadata) == ("x", {"a": {"b": {"c": {"e": 1}}}})


TEXT_TYPES = {
    "string": pa.string(),
    "large": pa.large_string(),
    "view": pa.string_view(),
    "dictionary": pa.dictionary(pa.int8(), pa.string()),
    "large dictionary": pa.dictionary(pa.int32(), pa.large_string()),
}


@pytest.mark.parametrize("name", TEXT_TYPES)
def test_every_type_of_text_in_parquet(tmp_path: Path, name: str) -> None:
    kind = TEXT_TYPES[name]
    columns = {"text": ["a", "b" * 50, "a"], "set": ["x", None, "y" * 50]}
    table = pa.table({field: pa.array(texts).cast(kind) for field, texts in columns.items()})
    pq.write_table(table, tmp_path / "x.parquet")
    found = read(tmp_path / "x.parquet", subset_field="set")
    assert [one.text for one in found] == columns["text"]
    assert [one.subset for one in found] == columns["set"]


def test_a_map_in_parquet_is_an_object(tmp_path: Path) -> None:
    maps = pa.array([[("set", "A"), ("x", "y")], [], None], pa.map_(pa.string(), pa.string()))
    pq.write_table(pa.table({"text": ["a", "b", "c"], "meta": maps}), tmp_path / "x.parquet")
    found = read(tmp_path / "x.parquet", subset_field="meta.set")
    assert [one.subset for one in found] == ["A", None, None]
    assert found[0].metadata == {"meta": {"x": "y"}}


def test_an_object_as_json_in_bytes(tmp_path: Path) -> None:
    table = pa.table({"text": ["a"], "meta": pa.array([b'{"set": "A", "n": 1}'])})
    pq.write_table(table, tmp_path / "x.parquet")
    (found,) = read(tmp_path / "x.parquet", subset_field="meta.set")
    assert (found.subset, found.metadata) == ("A", {"meta": {"n": 1}})


def test_text_that_is_bytes_says_how_to_write_strings(tmp_path: Path) -> None:
    pq.write_table(pa.table({"text": pa.array([b"a"])}), tmp_path / "x.parquet")
    with pytest.raises(errors.BadDocument) as error:
        read(tmp_path / "x.parquet")
    assert_says(error, "x.parquet:1: the field 'text' is bytes, not a string", "cast(pyarrow.str")


def test_text_keeps_nul_and_loses_lone_surrogates(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "x.jsonl", [{"doc": {"body": "a\0b\ud83d 😀"}, "k\0": "\0"}])
    assert read(path, text_field="doc.body") == [
        Document("a\0b\ufffd 😀", None, {"k\ufffd": "\ufffd"}, "x.jsonl:1")
    ]


def test_metadata_becomes_json() -> None:
    day = datetime.datetime(2024, 2, 29, 12, tzinfo=datetime.UTC)
    values = {
        "float": [1.5, float("nan"), float("inf"), np.float32(0.5), np.int64(7), np.bool_(True)],
        "array": np.array([[1, 2]]),
        "when": (day, day.date(), day.time()),
        "bytes": [b"abc", b"\xff"],
        1: {"\ud800": [("x\0", None)]},
    }
    safe = document.json_safe(values)
    assert json.loads(json.dumps(safe, allow_nan=False)) == {
        "float": [1.5, None, None, 0.5, 7, True],
        "array": [[1, 2]],
        "when": ["2024-02-29T12:00:00+00:00", "2024-02-29", "12:00:00"],
        "bytes": ["abc", None],
        "1": {"\ufffd": [["x\ufffd", None]]},
    }


@settings(max_examples=50, deadline=None)
@given(st.recursive(st.none() | st.floats() | st.text(st.characters()) | st.binary(), st.lists))
def test_any_metadata_can_be_stored(value: object) -> None:
    stored = json.dumps(document.json_safe(value), allow_nan=False, ensure_ascii=False)
    assert "\\u0000" not in stored
    stored.encode()


def test_streaming_reads_no_more_than_asked_for(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "x.jsonl", [{"text": "a"}] * 3)
    with Path(path).open("a") as file:
        file.write("broken")
    assert len([*itertools.islice(open_corpus(path).documents(), 3)]) == 3


# Bad documents ----------------------------------------------------------------------------

GOOD = b'{"text": "fine", "meta": {"set": "s", "source": 1}}\n'
BAD_LINES = {
    "not json": (b'{"text": "a" 1}\n', ["x.jsonl:2: ", "not JSON", "column 14", '{"text": "a" 1}']),
    "cut off": (b'{"text": "a', ["x.jsonl:2: ", "Unterminated string", "one object per line"]),
    "no object": (b'["a"]\n', ["x.jsonl:2: ", "is a list, not an object", "['a']"]),
    "no text": (b'{"txt": "a"}\n', ["no field 'text'", "Its fields: txt.", "--text-field"]),
    "text is a list": (b'{"text": ["a"], "meta": {"set": ""}}\n', ["'text' is a list", "['a']"]),
    "text is null": (b'{"text": null}\n', ["x.jsonl:2: the field 'text' is null, not a string"]),
    "subset is an object": (b'{"text": "", "meta": {"set": {}}}\n', ["'meta.set' is an object"]),
    "not utf-8": (b'{"text": "\xe9"}\n', ["x.jsonl:2: byte 11", "not UTF-8", "e9", "iconv"]),
    "too deep": (b"[" * 100_000 + b"\n", ["x.jsonl:2: ", "nested too deeply"]),
    "metadata too deep": (
        b'{"text": "", "meta": {"set": "", "x": ' + b"[" * 900 + b"]" * 900 + b"}}\n",
        ["x.jsonl:2: ", "nested too deeply"],
    ),
    "a number too long": (b'{"text": ' + b"1" * 5000 + b"}\n", ["x.jsonl:2: ", "not JSON"]),
}


@pytest.mark.parametrize("case", BAD_LINES)
def test_a_bad_line_is_named_and_can_be_passed_over(tmp_path: Path, case: str) -> None:
    line, says = BAD_LINES[case]
    path = tmp_path / "x.jsonl"
    path.write_bytes(GOOD + line.rstrip(b"\n") + b"\n" + GOOD)
    corpus = open_corpus(str(path), subset_field="meta.set")
    with pytest.raises(errors.BadDocument) as error:
        list(corpus.documents())
    assert_says(error, *says, "--on-bad-document skip")
    corpus = open_corpus(str(path), subset_field="meta.set", on_bad_document="skip")
    first, bad, last = read(path, subset_field="meta.set", on_bad_document="skip")
    assert (first.text, last.text, last.origin) == ("fine", "fine", "x.jsonl:3")
    assert isinstance(bad, Skipped)
    assert (bad.origin, bad.reason) == ("x.jsonl:2", error.value.wrong)
    assert "skip" not in bad.remedy
    assert list(corpus.documents(1)) == [bad, last]


def test_many_fields_are_not_all_shown(tmp_path: Path) -> None:
    path = write_lines(tmp_path / "x.jsonl", [{f"field {n}": n for n in range(40)}])
    with pytest.raises(errors.BadDocument, match=r"field 11 \(and 28 more\)"):
        read(path)


def test_a_text_file_that_is_not_utf_8(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_bytes(b"one\ntwo \xff")
    (tmp_path / "b.txt").write_bytes(b"fine")
    with pytest.raises(errors.BadDocument) as error:
        read(tmp_path)
    assert_says(error, "a.txt: byte 9 of this file, in line 2, is not UTF-8", "ff", "skip")
    skipped, fine = read(tmp_path, on_bad_document="skip")
    assert (skipped.origin, fine.text) == ("a.txt", "fine")


def test_parquet_row_with_bytes_that_are_not_utf_8(tmp_path: Path) -> None:
    texts = pa.array([b"a", b"b\xff", b"c"]).view(pa.binary())
    bad = pa.Array.from_buffers(pa.string(), 3, texts.buffers())
    pq.write_table(pa.table({"text": bad}), tmp_path / "x.parquet")
    with pytest.raises(errors.BadDocument) as error:
        read(tmp_path / "x.parquet")
    assert_says(error, "x.parquet:2: byte 2", "not UTF-8")
    first, skipped, last = read(tmp_path / "x.parquet", on_bad_document="skip")
    assert (first.text, skipped.origin, last.text) == ("a", "x.parquet:2", "c")


def test_parquet_without_the_text_column(tmp_path: Path) -> None:
    pq.write_table(pa.table({"texte": ["a"], "n": [1]}), tmp_path / "x.parquet")
    with pytest.raises(errors.BadDocument) as error:
        read(tmp_path / "x.parquet")
    assert_says(error, "x.parquet:1: ", "'text'", "Its fields: texte, n.", "Nearest: texte")


# Bad files --------------------------------------------------------------------------------


@pytest.mark.slow
@pytest.mark.parametrize("on_bad_document", ["error", "skip"])
@pytest.mark.parametrize("suffix", [suffix for suffix in PACK if suffix])
def test_a_cut_off_archive_yields_its_whole_lines_first(
    tmp_path: Path, suffix: str, on_bad_document: OnBadDocument
) -> None:
    path = tmp_path / f"x.jsonl{suffix}"
    rows = [{"text": os.urandom(300).hex()} for _ in range(2000)]
    write_lines(path, rows, PACK[suffix])
    path.write_bytes(path.read_bytes()[:-9])
    found: list[Any] = []
    with pytest.raises(errors.BadCorpus) as error:
        for one in open_corpus(str(path), on_bad_document=on_bad_document).documents():
            assert isinstance(one, Document)
            found.append(one.text)
    assert_says(error, f"x.jsonl{suffix} is cut off after line {len(found)}.", "bytes", "again")
    assert not isinstance(error.value, errors.BadDocument)
    assert len(found) > (0 if suffix in (".bz2", ".xz") else 1500)
    assert found == [row["text"] for row in rows[: len(found)]]


@pytest.mark.parametrize("suffix", [suffix for suffix in PACK if suffix])
def test_a_damaged_archive(tmp_path: Path, suffix: str) -> None:
    (tmp_path / f"x.jsonl{suffix}").write_bytes(b"no archive at all")
    with pytest.raises(errors.BadCorpus) as error:
        read(tmp_path / f"x.jsonl{suffix}")
    assert_says(error, f"x.jsonl{suffix} is damaged after line 0", "17 bytes")


@pytest.mark.parametrize("suffix", [suffix for suffix in PACK if suffix])
def test_an_empty_archive_among_others_is_cut_off(tmp_path: Path, suffix: str) -> None:
    write_lines(tmp_path / "a.jsonl", [{"text": "a"}])
    (tmp_path / f"b.jsonl{suffix}").write_bytes(b"")
    with pytest.raises(errors.BadCorpus, match="is cut off after line 0"):
        read(tmp_path)


@pytest.mark.parametrize("keep", [slice(0, 40), slice(0, -20), slice(300, None)])
def test_a_corrupt_parquet_file(tmp_path: Path, keep: slice) -> None:
    pq.write_table(pa.table({"text": [os.urandom(99).hex()]}), tmp_path / "x.parquet")
    whole = (tmp_path / "x.parquet").read_bytes()
    (tmp_path / "x.parquet").write_bytes(whole[keep])
    with pytest.raises(errors.BadCorpus) as error:
        read(tmp_path / "x.parquet", on_bad_document="skip")
    assert_says(error, "x.parquet is ", "off, fetch" if keep.start else "bytes")


@pytest.mark.parametrize("name", ["x.jsonl", "x.jsonl.gz", "x.jsonl.zst", "x.parquet"])
def test_an_empty_file(tmp_path: Path, name: str) -> None:
    (tmp_path / name).write_bytes(b"")
    with pytest.raises(errors.EmptyCorpus, match=r"x\..* is empty: 0 bytes"):
        open_corpus(str(tmp_path / name))


def test_files_without_a_document(tmp_path: Path) -> None:
    (tmp_path / "x.jsonl").write_text("\n \n")
    pq.write_table(pa.table({"text": pa.array([], pa.string())}), tmp_path / "x.parquet")
    for name in ("x.jsonl", "x.parquet"):
        with pytest.raises(errors.EmptyCorpus, match="holds no documents"):
            read(tmp_path / name)
    (tmp_path / "none" / ".git").mkdir(parents=True)
    with pytest.raises(errors.EmptyCorpus, match="holds no files"):
        open_corpus(str(tmp_path / "none"))


def test_a_file_that_may_not_be_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_lines(tmp_path / "x.jsonl", [{"text": "a"}])
    (tmp_path / "texts").mkdir()
    (tmp_path / "texts" / "a.txt").write_text("a")

    def refuse(self: Path, *_: object, **__: object) -> None:
        raise PermissionError(13, "Permission denied", str(self))

    monkeypatch.setattr(Path, "open", refuse)  # root may read everything: chmod proves nothing
    with pytest.raises(errors.BadCorpus) as error:
        read(tmp_path / "x.jsonl", on_bad_document="skip")
    assert_says(error, "x.jsonl cannot be read: Permission denied", "chmod")
    with pytest.raises(errors.BadDocument, match=r"a\.txt: .* Permission denied"):
        read(tmp_path / "texts")


@pytest.mark.parametrize(
    ("name", "hint"),
    [("x.csv", "read_csv"), ("x.txt", "folder"), ("x.bin", "JSON lines"), ("x.zip", "Unpack")],
)
def test_an_unknown_suffix(tmp_path: Path, name: str, hint: str) -> None:
    (tmp_path / name).write_text("text")
    with pytest.raises(errors.BadCorpus) as error:
        open_corpus(str(tmp_path / name))
    assert_says(error, f"{name} has no form", ".jsonl", ".parquet", hint)


@pytest.mark.parametrize("prefix", ["", "./", "deeper/"])
def test_a_missing_file_is_not_looked_up_on_the_hub(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, prefix: str
) -> None:
    monkeypatch.chdir(tmp_path)
    write_lines(tmp_path / "pile.jsonl.gz", [{"text": "a"}], gzip.compress)
    with pytest.raises(errors.BadCorpus) as error:
        open_corpus(f"{prefix}pille.jsonl.gz")
    assert_says(error, f"no file or folder '{prefix}pille.jsonl.gz'", "pile.jsonl.gz")


def test_patterns_and_folders_that_do_not_add_up(tmp_path: Path) -> None:
    write_lines(tmp_path / "a.jsonl", [{"text": "a"}])
    (tmp_path / "b.py").write_text("pass")
    with pytest.raises(errors.BadCorpus) as error:
        open_corpus(str(tmp_path))
    assert_says(error, "several kinds", "jsonl: a.jsonl; text: b.py", "**/*.jsonl")
    with pytest.raises(errors.BadCorpus, match="several kinds"):
        open_corpus(str(tmp_path / "*"))
    with pytest.raises(errors.BadCorpus) as error:
        open_corpus(str(tmp_path / "*.parquet"))
    assert_says(error, "No file has a name like", "a.jsonl, b.py", "quotation marks")
    with pytest.raises(errors.BadCorpus, match="No corpus is named"):
        open_corpus("")


def test_options_that_do_not_apply(tmp_path: Path) -> None:
    (tmp_path / "a.txt").write_text("a")
    wrong: list[dict[str, Any]] = [
        {"split": "test"},
        {"config": "en"},
        {"subset_field": "meta.set"},
    ]
    for options in wrong:
        with pytest.raises(errors.BadCorpus, match="Leave "):
            open_corpus(str(tmp_path), **options)


def test_stamp_tells_contents_apart_but_not_places(tmp_path: Path) -> None:
    def stamp(folder: str, **files: str) -> str:
        for name, text in files.items():
            write_lines(tmp_path / folder / f"{name}.jsonl", [{"text": text}])
        return open_corpus(str(tmp_path / folder)).stamp()

    first = stamp("1", a="one")
    assert stamp("2", a="one") == first
    os.utime(tmp_path / "1" / "a.jsonl", (0, 0))
    assert stamp("1") == first
    assert first.startswith("jsonl 1 files 16 bytes")
    assert len({first, stamp("3", b="one"), stamp("4", a="more"), stamp("2", b="one")}) == 4


# The hub ----------------------------------------------------------------------------------


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A data set in the hub's layout, read by the code that reads the hub's."""
    import datasets

    monkeypatch.setattr(hub, "commit", lambda repo, revision: None)
    monkeypatch.setattr(datasets.config, "HF_DATASETS_CACHE", tmp_path / "cache")
    folder = tmp_path / "data set"
    rows = [{"text": f"t{n}", "meta": {"set": None if n else "s", "n": n}} for n in range(5)]
    (folder / "data").mkdir(parents=True)
    for split in ("train", "validation"):
        pq.write_table(pa.Table.from_pylist(rows), folder / "data" / f"{split}-0.parquet")
    pq.write_table(pa.table({"body": ["other"]}), folder / "other.parquet")
    (folder / "README.md").write_text("""---
configs:
- config_name: plain
  data_files:
  - {split: train, path: data/train-*}
  - {split: validation, path: data/validation-*}
- config_name: other
  data_files: other.parquet
---
""")
    return str(folder)


def of_hub(
    repository: str,
    *,
    split: str = "train",
    config: str | None = "plain",
    on_bad_document: OnBadDocument = "error",
) -> Corpus:
    return Corpus(
        repository, repository, "hub", None, "text", "meta.set", on_bad_document, split, config
    )


def test_a_hub_data_set_is_streamed(repository: str) -> None:
    found: list[Any] = list(of_hub(repository, split="validation").documents())
    assert [(one.text, one.subset, one.metadata) for one in found] == [
        (f"t{n}", None if n else "s", {"meta": {"n": n}}) for n in range(5)
    ]
    assert found[2].origin == f"{repository}:3"
    for start in (2, 5, 6):
        assert list(of_hub(repository).documents(start)) == found[start:]


def test_unknown_splits_configurations_and_fields_of_a_data_set(repository: str) -> None:
    cases: list[tuple[dict[str, Any], list[str]]] = [
        ({"split": "valid"}, ["no split 'valid'", "Nearest: validation", "--split"]),
        ({"config": "plan"}, ["no configuration 'plan'", "plain", "--config"]),
        ({"config": None}, ["several configurations", "plain, other", "--config"]),
    ]
    for options, says in cases:
        with pytest.raises(errors.UnknownName) as error:
            next(of_hub(repository, **options).documents())
        assert_says(error, *says)
    ways: tuple[OnBadDocument, ...] = ("error", "skip")
    for way in ways:
        with pytest.raises(errors.BadCorpus, match="Its fields: body"):
            next(of_hub(repository, config="other", on_bad_document=way).documents())


def test_a_stream_that_breaks_off(repository: str) -> None:
    path = Path(repository, "data", "train-1.parquet")
    path.write_bytes(Path(repository, "data", "train-0.parquet").read_bytes()[:-30])
    found: list[Any] = []
    with pytest.raises(errors.BadCorpus) as error:
        for one in of_hub(repository).documents():
            found.append(one)
    assert_says(error, "broke off after document 5", "continue where it stopped")
    assert len(found) == 5


def test_rows_of_a_data_set_without_known_features() -> None:
    import datasets

    dataset = datasets.IterableDataset.from_generator(lambda: iter([{"text": "a"}, {"text": "b"}]))
    assert list(hub.hub_rows(dataset, "me/mine", 1)) == [("me/mine:2", {"text": "b"})]


@pytest.mark.parametrize("source", ["gsm8k", "monology/pile-uncopyrighted", "a/b@v1.0"])
def test_a_name_on_the_hub_opens_without_asking_it(source: str) -> None:
    corpus = open_corpus(source, config="c")
    assert (corpus.kind, corpus.name, corpus.revision) == (
        "hub",
        source.split("@", maxsplit=1)[0],
        "v1.0" if "@" in source else None,
    )


@pytest.fixture
def hub_answers(monkeypatch: pytest.MonkeyPatch) -> Iterator[Answers]:
    """A hub on this machine that gives every look-up one answer."""
    answers: dict[str, Any] = {}

    class Answer(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(answers["status"])
            if answers["code"]:
                self.send_header("X-Error-Code", answers["code"])
            body = b'{"id": "me/mine", "sha": "0123abc"}'
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Answer)
    thread = threading.Thread(target=server.serve_forever, args=(0.02,))
    thread.start()
    monkeypatch.setattr(
        "huggingface_hub.constants.ENDPOINT", f"http://127.0.0.1:{server.server_port}"
    )
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", False)

    def answer(status: int, code: str | None = None) -> None:
        answers.update(status=status, code=code)

    yield answer
    server.shutdown()
    thread.join()
    server.server_close()


def test_stamp_of_a_data_set_names_its_commit(hub_answers: Answers) -> None:
    hub_answers(200)
    corpus = open_corpus("me/mine", split="test", config="en")
    assert corpus.stamp() == "hub me/mine en test 0123abc"


@pytest.mark.parametrize(
    ("status", "code", "kind", "says"),
    [
        (404, "RepoNotFound", errors.UnknownName, ["no data set 'me/mine'", "hf auth login"]),
        (404, "RevisionNotFound", errors.UnknownName, ["no revision 'v2'", "commits"]),
        (403, "GatedRepo", errors.BadCorpus, ["is gated", "datasets/me/mine", "hf auth login"]),
        (500, None, errors.BadCorpus, ["cannot be looked up", "500", "connection"]),
    ],
)
def test_what_the_hub_refuses(
    hub_answers: Answers,
    status: int,
    code: str | None,
    kind: type[errors.AtlasError],
    says: list[str],
) -> None:
    hub_answers(status, code)
    with pytest.raises(kind) as error:
        next(open_corpus("me/mine@v2").documents())
    assert_says(error, *says)


def test_an_unreachable_hub_is_noticed_at_once(tmp_path: Path) -> None:
    (tmp_path / "pile-copyrighted.jsonl").write_text('{"text": ""}')
    program = """if True:
        import sys
        from saeatlas import errors
        from saeatlas.ingest.corpora import open_corpus
        assert not {"datasets", "pyarrow", "torch", "numpy"} & set(sys.modules)
        try:
            next(open_corpus("monology/pile-uncopyrighted").documents())
        except errors.BadCorpus as error:
            print(error)
    """
    said = subprocess.run(
        [sys.executable, "-c", program],
        env={**os.environ, "HF_HUB_OFFLINE": "1"},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    for part in ("monology/pile-uncopyrighted", "HF_HUB_OFFLINE", "pile-copyrighted.jsonl"):
        assert part in said.stdout


@pytest.mark.slow
def test_parquet_is_not_held_in_memory(tmp_path: Path) -> None:
    schema = pa.schema({"text": pa.string()})
    with pq.ParquetWriter(tmp_path / "x.parquet", schema, use_dictionary=False) as writer:
        rows = [os.urandom(1000).hex() for _ in range(20_000)]
        writer.write_table(pa.table({"text": rows}), row_group_size=20_000)
    pool = pa.default_memory_pool()
    before = pool.bytes_allocated()
    in_use = [pool.bytes_allocated() - before for _ in open_corpus(str(tmp_path)).documents()]
    assert max(in_use) < (tmp_path / "x.parquet").stat().st_size / 4
