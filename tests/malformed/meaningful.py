"""Ways to spoil what a file says, in a form that is whole: cells, headers, members, columns."""

import io
import json
import zipfile
from collections.abc import Callable
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import strategies as st
from pyarrow import parquet

from tests.malformed import mutations

CELLS = (
    b"", b"-1", b"1e999", b"nan", b"0x10", b"1_0", b"9" * 5000, mutations.LONG.encode(), b'"open',
    b"\xff",
    b"\0", "٣".encode(), b"1.5", b"true", b"4294967296", b"-0", b"\xed\xa0\x80", b'a"b', b"a\rb",
)  # fmt: skip
"""What stands in a cell of CSV."""

TENSORS: dict[str, tuple[Any, ...]] = {
    "dtype": ("F64", "F16", "I8", "BF16", "BOOL", "U64", "F8_E4M3", "C64", "?", 3, None),
    "shape": ([], [0], [-1, 2], [2**63], [2**40, 2**40], "x", [[1]], [1] * 100, None),
    "data_offsets": ([0, 0], [8, 0], [0, 2**63], [-1, 4], [0], "x", None, [0, 2**32]),
}
"""What stands in the header of .safetensors."""

_N = 96
COLUMNS: tuple[Callable[[], pa.Array], ...] = (
    lambda: pa.array([f"a\0{i}" for i in range(_N)]),
    lambda: pa.array([mutations.LONG] * _N),
    lambda: pa.array([None] * _N, pa.int64()),
    lambda: pa.nulls(_N),
    lambda: pa.array([float("nan")] * _N),
    lambda: pa.array([1e300] * _N),
    lambda: pa.array([2**64 - 1] * _N, pa.uint64()),
    lambda: pa.array([-1] * _N),
    lambda: pa.array([b"\xff\xfe"] * _N),
    lambda: pa.array([[1]] * _N),
    lambda: pa.array([{"a": 1}] * _N),
    lambda: pa.array([True] * _N),
    lambda: pa.array(["1"] * _N).dictionary_encode(),
    lambda: pa.array([10**15] * _N, pa.timestamp("us")),
    lambda: pa.array([-(2**62)] * _N, pa.timestamp("us")),
    lambda: pa.array([1] * _N, pa.decimal128(38, 3)),
    lambda: pa.array([1.5] * _N, pa.float16()),
    lambda: pa.StringArray.from_buffers(
        _N, pa.py_buffer(np.arange(_N + 1, dtype=np.int32)), pa.py_buffer(b"\xff" * _N)
    ),
)
"""What stands in place of a column of Parquet."""


@st.composite
def spoiled_csv(draw: st.DrawFn, whole: bytes) -> bytes:
    """Put another text in place of a cell."""
    lines = [line.split(b",") for line in whole.splitlines()]
    line = lines[draw(st.integers(0, len(lines) - 1))]
    line[draw(st.integers(0, len(line) - 1))] = draw(st.sampled_from(CELLS))
    return b"\n".join(b",".join(line) for line in lines) + b"\n"


@st.composite
def spoiled_npz(draw: st.DrawFn, whole: bytes) -> bytes:
    """Change an array, its name, or how the archive says that it is packed."""
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        members = {name: archive.read(name) for name in archive.namelist()}
    chosen = draw(st.sampled_from(sorted(members)))
    way = draw(st.sampled_from(("header", "header", "array", "twice", "name", "flag", "method")))
    extra: list[tuple[str, bytes]] = []
    if way == "header":
        members[chosen] = draw(mutations.spoiled_header(members[chosen]))
    elif way == "array":
        members[chosen] = _saved(draw(st.sampled_from(ARRAYS)))
    elif way == "twice":
        extra = [(chosen, members[chosen][:-1])]
    elif way == "name":
        members[draw(st.sampled_from(("a\udcff.npy", "../x.npy", "x")))] = members.pop(chosen)
    packed = io.BytesIO()
    method = draw(st.sampled_from((zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED, zipfile.ZIP_LZMA)))
    with zipfile.ZipFile(packed, "w", method) as archive:
        for name, content in [*members.items(), *extra]:
            archive.writestr(name.encode("utf-8", "replace").decode(), content)
    changed = bytearray(packed.getvalue())
    if way in ("flag", "method"):  # of the first member, where both tables name it
        at = changed.index(b"PK\x01\x02")
        for place in (6, at + 8) if way == "flag" else (8, at + 10):
            changed[place] = draw(st.sampled_from((1, 9, 99)))
    return bytes(changed)


ARRAYS: tuple[Any, ...] = (
    np.array(["x"]), np.array([{}], object), np.zeros(0), np.array(1), np.array(np.nan),
    np.zeros((3, 3), complex), np.zeros(4, "M8[s]"), np.array([b"x"]), np.zeros(3, "f4,i2"),
    np.full((96, 24), np.nan, np.float32), np.zeros((96, 24), bool), np.zeros((2, 3, 4)),
)  # fmt: skip
"""What stands in place of an array."""


def _saved(array: Any) -> bytes:
    file = io.BytesIO()
    np.save(file, array, allow_pickle=True)
    return file.getvalue()


@st.composite
def spoiled_tensors(draw: st.DrawFn, whole: bytes) -> bytes:
    """Change what the header of .safetensors says of a tensor."""
    length = int.from_bytes(whole[:8], "little")
    header = json.loads(whole[8 : 8 + length])
    chosen = draw(st.sampled_from(sorted(header.keys() - {"__metadata__"})))
    key = draw(st.sampled_from(sorted(TENSORS)))
    way = draw(st.integers(0, 5))
    if way == 0:
        header[mutations.LONG] = header.pop(chosen)
    elif way == 1:
        header[chosen] = draw(st.sampled_from(mutations.HOSTILE_VALUES))
    else:
        header[chosen][key] = draw(st.sampled_from(TENSORS[key]))
    said = json.dumps(header).encode()
    return len(said).to_bytes(8, "little") + said + whole[8 + length :]


@st.composite
def spoiled_parquet(draw: st.DrawFn, whole: bytes) -> bytes:
    """Put another column in place of one, or name it otherwise."""
    table = parquet.read_table(io.BytesIO(whole))
    chosen = draw(st.integers(0, table.num_columns - 1))
    if draw(st.integers(0, 5)):
        column = draw(st.sampled_from(COLUMNS))().slice(0, table.num_rows)
        table = table.set_column(chosen, table.column_names[chosen], column)
    else:
        names = list(table.column_names)
        names[chosen] = draw(st.sampled_from(("", mutations.LONG, names[0], "a.b", "\0")))
        table = table.rename_columns(names)
    file = io.BytesIO()
    parquet.write_table(table, file)
    return file.getvalue()


def spoiled(
    whole: bytes,
    kind: str,
    unpack: Callable[[bytes], bytes] | None = None,
    pack: Callable[[bytes], bytes] = bytes,
) -> st.SearchStrategy[bytes]:
    """Return the strategy for a file: its bytes, and what they mean, half and half."""
    meaning: dict[str, Callable[[bytes], st.SearchStrategy[bytes]]] = {
        "json": mutations.spoiled_json, "npy": mutations.spoiled_header, "csv": spoiled_csv,
        "npz": spoiled_npz, "safetensors": spoiled_tensors, "parquet": spoiled_parquet,
    }  # fmt: skip
    plain = mutations.spoiled_bytes(whole)
    if kind not in meaning:
        return plain
    if unpack is not None:
        inner = meaning[kind](unpack(whole)) | mutations.spoiled_bytes(unpack(whole))
        return plain | inner.map(pack) | inner.map(pack)
    return plain | meaning[kind](whole) | meaning[kind](whole)
