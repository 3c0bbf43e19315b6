"""Small files that stand for gigabytes: refused, in a process that stays small."""

import bz2
import gzip
import json
import lzma
import subprocess
import sys
import zipfile
import zlib
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zstandard

PIECE = b"x" * (1 << 26)
TIMES = 80
"""So many pieces are one line of 5 GiB."""

READ = """
import json, sys
from pathlib import Path
from saeatlas import errors
from saeatlas.ingest.corpora import open_corpus
from saeatlas.ingest.formats import arrays, json_text, tensors
from saeatlas.ingest.labels.table import LabelTable
from saeatlas.ingest.tables.files import TableFile
from saeatlas.ingest.words import frequencies, vector_files


def npz(path):
    with arrays.open_npz(path) as file:
        file.read("W_dec")


def labels(path):
    class Sae:
        release, sae_id, d_sae = "r", "s", 9
    list(LabelTable(path).labels([Sae()], named=True))


READERS = {
    "jsonl": lambda path: list(open_corpus(str(path)).documents()),
    "labels": labels,
    "table": lambda path: list(TableFile(path, {}).rows(9)),
    "vectors": lambda path: vector_files.read_vectors(path, ["a"]),
    "counts": lambda path: frequencies.read_frequencies(path, ["a"]),
    "npy": arrays.read_npy,
    "npz": npz,
    "json": json_text.read_json,
    "safetensors": tensors.read_tensors,
}
said = {}
for reader, path in json.loads(sys.argv[1]):
    try:
        READERS[reader](Path(path))
        said[path] = "read"
    except errors.InputError as error:
        said[path] = error.wrong
# not ru_maxrss: a new process inherits that of the one that started it
status = Path("/proc/self/status").read_text()
kib = int(status.split("VmHWM:")[1].split()[0])
print(json.dumps([kib, said]))
"""


def _zip_bomb(path: Path, n_bytes: int = 3 << 30) -> Path:
    """A packed member of zeros, its pieces compressed once and repeated."""
    header = zlib.compressobj(9, zlib.DEFLATED, -15)
    text = (
        b"\x93NUMPY\x01\x00v\x00"
        + str({"descr": "<f4", "fortran_order": False, "shape": (n_bytes // 4,)})
        .encode()
        .ljust(117)
        + b"\n"
    )
    head = header.compress(text) + header.flush(zlib.Z_FULL_FLUSH)
    body = zlib.compressobj(9, zlib.DEFLATED, -15)
    piece = body.compress(bytes(1 << 26)) + body.flush(zlib.Z_FULL_FLUSH)
    packed = head + piece * (n_bytes >> 26) + b"\x03\x00"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("W_dec.npy", packed)
    content = bytearray(path.read_bytes())
    size = (n_bytes + len(text)).to_bytes(4, "little")
    at = content.index(b"PK\x01\x02")
    for method, unpacked in ((8, 22), (at + 10, at + 24)):
        content[method] = zipfile.ZIP_DEFLATED
        content[unpacked : unpacked + 4] = size
    path.write_bytes(content)
    return path


def _header(folder: Path, said: dict[str, Any]) -> Path:
    path = folder / f"{len(list(folder.iterdir()))}.npy"
    text = repr({"descr": "<f4", "fortran_order": False, "shape": (3,)} | said).encode() + b"\n"
    path.write_bytes(b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text + bytes(12))
    return path


def _sparse(path: Path, start: bytes = b"", size: int = 5 << 30) -> Path:
    with path.open("wb") as file:
        file.write(start)
        file.truncate(size)
    return path


def _files(folder: Path) -> list[tuple[str, Path]]:
    found: list[tuple[str, Path]] = []
    packed = gzip.compress(PIECE, 1) * TIMES
    for reader, name in (
        ("jsonl", "x.jsonl.gz"), ("labels", "l.csv.gz"), ("table", "t.csv.gz"),
        ("vectors", "v.txt.gz"), ("counts", "f.csv.gz"),
    ):  # fmt: skip
        (folder / name).write_bytes(packed)
        found.append((reader, folder / name))
    quarter = PIECE[: 1 << 24]
    for suffix, other in (
        ("zst", zstandard.compress(PIECE) * TIMES),
        ("bz2", bz2.compress(quarter) * 4 * TIMES),
        ("xz", lzma.compress(quarter, preset=0) * 4 * TIMES),
    ):
        (folder / f"x.jsonl.{suffix}").write_bytes(other)
        found.append(("jsonl", folder / f"x.jsonl.{suffix}"))
    found += [
        ("npz", _zip_bomb(folder / "bomb.npz")),
        ("npy", _header(folder, {"shape": (10**6, 10**6)})),
        ("npy", _header(folder, {"descr": "<U999999999"})),
        ("npy", _header(folder, {"shape": (0, 10**18)})),
        ("json", _sparse(folder / "cfg.json", b"{")),
        ("jsonl", _sparse(folder / "x.jsonl", b'{"text": "')),
        ("vectors", _sparse(folder / "v.txt", b"a 1 2\n")),
        ("counts", _sparse(folder / "f.csv", b"a,1\n")),
        ("safetensors", _sparse(folder / "w.safetensors", (4 << 30).to_bytes(8, "little"))),
        ("npz", _sparse(folder / "w.npz", b"PK\x03\x04")),
    ]
    return found


@pytest.mark.slow
def test_a_process_that_reads_bombs_stays_small(tmp_path: Path) -> None:
    files = [(reader, str(path)) for reader, path in _files(tmp_path)]
    done = subprocess.run(
        [sys.executable, "-c", READ, json.dumps(files)],
        capture_output=True, text=True, check=False, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-2000:]
    kib, said = json.loads(done.stdout)
    assert "read" not in said.values(), said
    assert kib < 1 << 20, f"{kib:,} KiB"


def test_a_zip_bomb_is_what_it_should_be(tmp_path: Path) -> None:
    """The packed zeros unfold, so that it is not refused for being damaged."""
    path = _zip_bomb(tmp_path / "small.npz", 1 << 26)
    with zipfile.ZipFile(path) as archive, archive.open("W_dec.npy") as member:
        assert np.lib.format.read_magic(member) == (1, 0)
        assert len(member.read(1 << 20)) == 1 << 20
