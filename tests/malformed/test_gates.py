"""What the modules of formats refuse, whichever command reads the file."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from pyarrow import parquet

from saeatlas import errors
from saeatlas.ingest.corpora import open_corpus, places
from saeatlas.ingest.formats import files, json_list, json_text
from saeatlas.ingest.labels.delphi import Explanations
from saeatlas.ingest.labels.neuronpedia import Export
from saeatlas.ingest.labels.table import LabelTable
from saeatlas.ingest.published import columns
from saeatlas.ingest.saes.files import read_sae_files
from saeatlas.ingest.tables import job
from saeatlas.ingest.tables.files import TableFile


class Sae:
    """Stands for a row of sae."""

    release, sae_id, d_sae = "r", "s", 9


CSV: dict[str, Callable[[Path], Any]] = {
    "table": lambda path: list(TableFile(path, {}).rows(9)),
    "labels": lambda path: list(LabelTable(path).labels([Sae()], named=True)),  # type: ignore[list-item]
    "published": lambda path: columns.read_columns(path, 9, "values"),
}


@pytest.mark.parametrize("reader", CSV)
@pytest.mark.parametrize(
    "name",
    ["x" * 131_073, '"' + "y" * 200_000, "a\rb", '"a\r\nb'],
    ids=["long", "quoted", "return", "break"],
)
def test_headers_that_are_no_csv(tmp_path: Path, reader: str, name: str) -> None:
    path = tmp_path / "t.csv"
    path.write_bytes(f"document,block,feature,activation,text,{name}\na,1,1,1,x,1\n".encode())
    with pytest.raises(errors.InputError):
        CSV[reader](path)


@pytest.mark.slow
@pytest.mark.parametrize("end", ["\n", "\r\n"])
def test_line_breaks_in_the_quotes_of_a_large_table(tmp_path: Path, end: str) -> None:
    path = tmp_path / "t.csv"
    n = 100_000
    rows = "".join(f'"doc\n{i},1,2\nx",{i % 60},{i + 1}{end}' for i in range(n))
    path.write_bytes(f"document,feature,activation{end}{rows}".encode())
    table = TableFile(path, {})
    read = [row for rows in table.rows(60) for row in rows.activation.tolist()]
    assert read == list(range(1, n + 1))
    names = [named.name for named in table.documents()]
    assert (len(names), names[-1]) == (n, f"doc\n{n - 1},1,2\nx")


TWICE = ['{"k": 1, "k": 2}', '{"a": {"k": 1, "b": [], "k": 1}}', '[{"k": 1}, {"k": 1, "k": 1}]']


@pytest.mark.parametrize("content", TWICE)
def test_a_name_that_stands_twice(tmp_path: Path, content: str) -> None:
    path = tmp_path / "cfg.json"
    path.write_text(content)
    with pytest.raises(errors.BadFile, match="'k' stands twice in one object"):
        json_text.read_json(path)
    path.write_text(f"[{{}}, {content}]")
    with pytest.raises(errors.BadFile, match="cfg.json:2: the name 'k' stands twice"):
        list(json_list.items(path))


@pytest.mark.parametrize(
    "content",
    [
        '{"text": "a", "text": "b"}\n',
        '[{"text": "a", "text": "b"}]',
        json.dumps({"text": "a", "meta": '{"set": "x", "set": "y"}'}) + "\n",
    ],
)
def test_documents_that_say_a_field_twice(tmp_path: Path, content: str) -> None:
    path = tmp_path / "d.jsonl"
    path.write_text('{"text": "z", "meta": {"set": "x"}}\n' * (content[0] != "[") + content)
    with pytest.raises(errors.InputError, match="d.jsonl:[12]: the name '(text|set)' stands twice"):
        list(open_corpus(str(path), subset_field="meta.set" if "meta" in content else None)
             .documents())  # fmt: skip


READ = """
import json, sys
from pathlib import Path
from saeatlas import errors
from saeatlas.ingest.corpora import open_corpus
from saeatlas.ingest.formats import json_list, json_text
from saeatlas.ingest.published import columns
from saeatlas.ingest.tables.files import TableFile

READERS = {
    "attributes": lambda path: columns.read_columns(path, 10**6, "values"),
    "table": lambda path: [0 for _ in TableFile(path, {}).rows(9)],
    "corpus": lambda path: [0 for _ in open_corpus(str(path)).documents()],
    "json": json_text.read_json,
    "list": lambda path: [0 for _ in json_list.items(path)],
}
try:
    READERS[sys.argv[1]](Path(sys.argv[2]))
    said = "read"
except errors.InputError as error:
    said = error.wrong
# not getrusage's, which counts the parent's memory
most = next(line for line in Path("/proc/self/status").open() if line.startswith("VmHWM"))
print(json.dumps([int(most.split()[1]), said]))
"""


def _table(path: Path, text: str, n: int, **options: Any) -> Path:
    numbers = pa.array(np.zeros(n, np.int64))
    which = pa.array((np.arange(n) >= n // 3).astype(np.int32))
    names = pa.DictionaryArray.from_arrays(which, ["a", text])
    found = {"document": names, "text": names, "feature": numbers, "activation": numbers}
    parquet.write_table(pa.table(found), path, store_schema=False, **options)
    assert path.stat().st_size < 1 << 23
    return path


def _many(path: Path, start: bytes, item: bytes, end: bytes) -> Path:
    path.write_bytes(start + item * ((63 << 20) // len(item)) + end)
    return path


BOMBS: dict[str, tuple[str, Callable[[Path], Path], str]] = {
    "attributes": ("attributes", lambda f: _table(f / "a.parquet", "x" * 20_000, 200_000), "read"),
    "table": ("table", lambda f: _table(f / "a.parquet", "x" * 20_000, 200_000), "read"),
    "corpus": ("corpus", lambda f: _table(f / "a.parquet", "x" * (1 << 24), 100), "read"),
    "too long": ("corpus", lambda f: _table(f / "a.parquet", "x" * (70 << 20), 6), "this row has"),
    "unfolds": (
        "table",
        lambda f: _table(f / "a.parquet", "x" * (300 << 20), 3, compression="zstd"),
        "would unfold",
    ),
    "lists": ("json", lambda f: _many(f / "a.json", b"[", b"[],", b"[]]"), "values"),
    "objects": ("json", lambda f: _many(f / "a.json", b"[", b"{},", b"{}]"), "values"),
    "numbers": ("json", lambda f: _many(f / "a.json", b"[", b"1,", b"1]"), "values"),
    "texts": ("json", lambda f: _many(f / "a.json", b"[", b'"",', b'""]'), "values"),
    "line": ("corpus", lambda f: _many(f / "a.jsonl", b'{"a":[', b"[],", b"[]]}\n"), "values"),
    "item": ("list", lambda f: _many(f / "a.json", b'[{"a":[', b"[],", b"[]]}]"), "values"),
    "commas": ("json", lambda f: _many(f / "a.json", b'["', b",", b'"]'), "read"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", BOMBS)
def test_small_files_of_much_memory(tmp_path: Path, name: str) -> None:
    reader, make, expected = BOMBS[name]
    path = make(tmp_path)
    done = subprocess.run(
        [sys.executable, "-c", READ, reader, str(path)],
        capture_output=True, text=True, check=False, timeout=100,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    kib, said = json.loads(done.stdout)
    assert expected in said
    assert kib < 1 << 20, f"{kib:,} KiB"


@pytest.mark.slow
def test_the_dearest_json_of_the_values_that_are_read(tmp_path: Path) -> None:
    path = tmp_path / "a.json"
    n = json_text.MOST_VALUES - 2
    path.write_text("{" + ",".join(f'"{i}":{i % 700 + 300}' for i in range(n)) + "}")
    assert path.stat().st_size < json_text.LONGEST
    done = subprocess.run(
        [sys.executable, "-c", READ, "json", str(path)],
        capture_output=True, text=True, check=False, timeout=100,
    )  # fmt: skip
    kib, said = json.loads(done.stdout)
    assert said == "read" and kib < 1 << 20, f"{kib:,} KiB"


@pytest.mark.parametrize("large", [False, True])
def test_texts_of_parquet_come_back_as_they_were(tmp_path: Path, large: bool) -> None:
    kinds = [pa.string(), pa.large_string(), pa.dictionary(pa.int8(), pa.string())]
    texts = ["b", "a", None, "b", "", "ü"]
    for i, kind in enumerate([*kinds, pa.string_view()]):
        held = pa.array(texts, pa.string()).cast(pa.large_string() if large else pa.string())
        path = tmp_path / f"{i}.parquet"
        column = held.cast(kind) if i != 2 else held.dictionary_encode()
        parquet.write_table(pa.table({"feature": list(range(6)), "x": column}), path,
                            row_group_size=4, use_dictionary=not large)  # fmt: skip
        assert columns.read_columns(path, 9, "values").values["x"] == texts


READERS: dict[str, Callable[[Path], Any]] = {
    "Neuronpedia": lambda path: Export([path]),
    "CSV": LabelTable,
    "Delphi": Explanations,
    "table": lambda path: job.open_table(path, {}),
    "corpus": lambda path: places.find_files(str(path)),
    "sae": read_sae_files,
}


@pytest.mark.parametrize("reader", READERS)
def test_what_is_no_file_is_called_what_it_is(tmp_path: Path, reader: str) -> None:
    pipe, loop, other = (tmp_path / f"{name}.jsonl" for name in ("pipe", "loop", "other"))
    os.mkfifo(pipe)
    loop.symlink_to(other)
    other.symlink_to(loop)
    for path, said in (
        (pipe, "is a pipe"),
        (Path("/dev/null"), "is a device"),
        (loop, "is a link that leads back to itself"),
    ):
        with pytest.raises(errors.InputError, match=said):
            READERS[reader](path)


def test_where_nothing_is_readers_say_so_themselves(tmp_path: Path) -> None:
    files.require_plain(tmp_path / "none")
    files.require_plain(tmp_path)
    with pytest.raises(errors.BadFile, match="no path"):
        files.require_plain(Path("a\0b"))
