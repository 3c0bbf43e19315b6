"""Arrays of .npy and .npz files: the size a header claims is compared before memory is taken."""

import ast
import io
import math
import re
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

import numpy as np
import numpy.typing as npt

from saeatlas import errors
from saeatlas.ingest.formats import files
from saeatlas.ingest.formats.files import FETCH

PIECE = 1 << 22
"""Bytes that are read at once; also the most that a zip archive's table of contents may have."""

FREE = 1 << 26
"""Bytes that a member of an archive may unfold to whatever its size in the archive."""

RATIO = 50
"""How many times its size in the archive a larger member may unfold to."""

_MAGIC = b"\x93NUMPY"
_LONGEST_HEADER = 1 << 16
_MOST_AXES = 32
_PICKLED = "They would have to be unpickled, which could run any program."
_SAVE = "Save it with numpy.save or numpy.savez, as numbers or as text."

Array = npt.NDArray[Any]


@dataclass(frozen=True)
class Header:
    """What a .npy file says of its array.

    Parameters
    ----------
    shape : tuple of int
    dtype : numpy.dtype
    fortran : bool
        Whether the first axis varies fastest.
    """

    shape: tuple[int, ...]
    dtype: np.dtype[Any]
    fortran: bool

    @property
    def n_bytes(self) -> int:
        """Bytes of the array's values."""
        return math.prod(self.shape) * self.dtype.itemsize


def read_npy(path: Path) -> Array:
    """Read the array of a .npy file.

    Parameters
    ----------
    path : Path

    Returns
    -------
    ndarray

    Raises
    ------
    BadFile
        It is no such file, holds Python objects, or is longer or shorter than its header says.
    """
    size = files.require_file(path)
    with files.open_file(path) as file, files.understood(path):
        return _read(file, _header(file, path.name, size), path.name)


class Npz:
    """The arrays of a .npz file, each read when it is asked for; made by `open_npz`.

    Parameters
    ----------
    path : Path
    archive : zipfile.ZipFile
    """

    def __init__(self, path: Path, archive: ZipFile) -> None:
        self._name, self._archive = path.name, archive
        self._size = path.stat().st_size
        counts = Counter(info.filename.removesuffix(".npy") for info in archive.infolist())
        twice = [name for name, n in counts.items() if n > 1]
        if twice:
            raise errors.BadFile(
                f"{self._name} holds {twice[0]} {counts[twice[0]]} times.",
                hint="Write it again, each array once.",
            )
        self._members = {info.filename.removesuffix(".npy"): info for info in archive.infolist()}

    @property
    def names(self) -> list[str]:
        """Names of its arrays, sorted."""
        return sorted(self._members)

    def header(self, name: str) -> Header:
        """Read what is said of an array, without reading it.

        Parameters
        ----------
        name : str
            Of `names`.

        Returns
        -------
        Header

        Raises
        ------
        BadFile
        """
        with self._opened(name) as (file, info):
            return _header(file, self._label(name), info.file_size)

    def read(self, name: str, *, any_ratio: bool = False) -> Array:
        """Read an array.

        Parameters
        ----------
        name : str
            Of `names`.
        any_ratio : bool, default=False
            Whether it may unfold to any multiple of its size in the archive: for an array whose
            shape in the `header` is the one expected.

        Returns
        -------
        ndarray

        Raises
        ------
        BadFile
        """
        with self._opened(name) as (file, info):
            packed = info.compress_size
            if info.file_size > max(FREE, RATIO * packed) and not any_ratio:
                raise errors.BadFile(
                    f"{self._label(name)} would unfold from {packed:,} to {info.file_size:,} "
                    "bytes.",
                    available=f"More than {RATIO} times as much is not read: it could fill the "
                    "memory.",
                    hint="If it is right, save it with numpy.savez, uncompressed.",
                )
            return _read(file, _header(file, self._label(name), info.file_size), self._label(name))

    def _label(self, name: str) -> str:
        return f"{name} in {self._name}"

    @contextmanager
    def _opened(self, name: str) -> Iterator[tuple[IO[bytes], ZipInfo]]:
        info, label = self._members[name], self._label(name)
        if info.flag_bits & 1:
            raise errors.BadFile(f"{label} is encrypted.", hint=_SAVE)
        if info.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
            raise errors.BadFile(f"{label} is compressed by a method unknown to numpy.", hint=_SAVE)
        if info.compress_size > self._size:
            raise _cut_off(label, info.compress_size, self._size)
        with _unzipped(label), self._archive.open(info) as file:
            yield file, info


@contextmanager
def open_npz(path: Path) -> Iterator[Npz]:
    """Open a .npz file; its arrays are read one by one.

    Parameters
    ----------
    path : Path

    Yields
    ------
    Npz

    Raises
    ------
    BadFile
        It is no such file.
    """
    files.require_file(path)
    with files.understood(path):
        file = _Pieces(path)
    with file:
        with _unzipped(path.name):
            archive = ZipFile(file)
        with archive:
            yield Npz(path, archive)


class _Pieces(io.FileIO):
    """A file of which nobody reads more than a piece at once, however long it is said to be."""

    def read(self, size: int | None = -1, /) -> bytes:
        if size is not None and size > PIECE:
            raise BadZipFile(f"its table of contents is said to have {size:,} bytes")
        return super().read(size) or b""


@contextmanager
def _unzipped(label: str) -> Iterator[None]:
    """Say in our words what is wrong with a zip archive."""
    try:
        yield
    except errors.AtlasError:
        raise
    except (EOFError, zlib.error, BadZipFile) as error:
        reason = str(error) or "it ends too early"
        raise errors.BadFile(f"{label} cannot be read: {reason}.", hint=FETCH) from error
    except Exception as error:  # zipfile names none of what it raises at a damaged archive
        raise errors.BadFile(
            f"{label} cannot be read: {error or type(error).__name__}.", hint=_SAVE
        ) from error


def _header(file: IO[bytes], label: str, size: int) -> Header:
    """Read the header of an array, and compare what it says with the bytes there are."""
    start = file.read(8)
    if start[:6] != _MAGIC:
        raise errors.BadFile(
            f"{label} is no array: it does not begin as numpy writes it.",
            available=f"It begins with {start!r}.",
            hint=_SAVE,
        )
    width = 2 if start[6:7] == b"\x01" else 4
    length = int.from_bytes(file.read(width), "little")
    if length > _LONGEST_HEADER:
        raise errors.BadFile(f"{label} is said to have a header of {length:,} bytes.", hint=_SAVE)
    text = file.read(length)
    found = _parsed(text.decode("latin1"), label)
    n = found.n_bytes
    there = size - 8 - width - length
    if len(text) < length or there < n:
        raise _cut_off(label, n, max(there, 0))
    if there > n:
        raise errors.BadFile(
            f"{label} goes on after its array: {there:,} bytes, of which its header names {n:,}.",
            hint="Save one array in a file.",
        )
    return found


def _parsed(text: str, label: str) -> Header:
    try:
        said = ast.literal_eval(re.sub(r"(?<=\d)L\b", "", text.strip()))  # 7L: of Python 2
        shape, fortran, kind = said["shape"], said["fortran_order"], said["descr"]
        plain = isinstance(kind, str) and "," not in kind and "(" not in kind
        dtype = np.dtype(kind if plain else "V1")
        right = (
            isinstance(shape, tuple)
            and len(shape) <= _MOST_AXES
            and all(type(n) is int and 0 <= n < 2**63 for n in shape)
            and isinstance(fortran, bool)
        )
    except (ValueError, TypeError, SyntaxError, LookupError, MemoryError, RecursionError) as error:
        raise errors.BadFile(
            f"The header of {label} cannot be read.",
            available=f"It begins with {text[:60]!r}.",
            hint=_SAVE,
        ) from error
    if dtype.kind in "OV":
        what = "Python objects" if dtype.kind == "O" else f"{kind!r:.80}"
        raise errors.BadFile(
            f"{label} holds {what}, neither numbers nor text.",
            available=_PICKLED if dtype.kind == "O" else None,
            hint=_SAVE,
        )
    if not right or not dtype.itemsize:
        raise errors.BadFile(
            f"{label} is said to have shape {shape!r:.80} and type {kind!r:.80}.", hint=_SAVE
        )
    return Header(shape, dtype, fortran)


def _read(file: IO[bytes], header: Header, label: str) -> Array:
    try:
        flat = np.empty(math.prod(header.shape), header.dtype)
        raw = flat.view(np.uint8)
        at = 0
        while at < len(raw):
            piece = file.read(min(PIECE, len(raw) - at))
            if not piece:
                raise _cut_off(label, len(raw), at)
            raw[at : at + len(piece)] = np.frombuffer(piece, np.uint8)
            at += len(piece)
        whole: Array = flat.reshape(header.shape, order="F" if header.fortran else "C")
    except (MemoryError, ValueError) as error:  # ValueError: axes of length 0 beside huge ones
        raise errors.BadFile(
            f"{label} has shape {header.shape}, for which there is no memory."
        ) from error
    if header.dtype.kind == "U" and len(flat):
        codes = flat.view(header.dtype.str[0].replace("|", "=") + "u4")
        if codes.max() > 0x10FFFF:
            raise errors.BadFile(f"{label} holds text with characters that do not exist.")
    return whole


def _cut_off(label: str, claimed: int, there: int) -> errors.BadFile:
    return errors.BadFile(
        f"{label} is cut off: it is said to have {claimed:,} bytes, and there are {there:,}.",
        hint=FETCH,
    )
