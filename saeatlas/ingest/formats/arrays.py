"""Arrays of .npy and .npz files: the size a header claims is compared before memory is taken."""

import io
import zlib
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import IO
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from saeatlas import errors
from saeatlas.ingest.formats import files
from saeatlas.ingest.formats.files import FETCH
from saeatlas.ingest.formats.npy import (
    PIECE,
    SAVE,
    Array,
    Header,
    cut_off,
    read_header,
    read_values,
)

FREE = 1 << 26
"""Bytes that the arrays of a file may unfold to whatever its size."""

RATIO = 50
"""How many times the size of the file they may unfold to if they are more."""


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
    size = files.require_content(path)
    with files.open_file(path) as file, files.understood(path):
        return read_values(file, read_header(file, path.name, size), path.name)


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
        self._unfolded = 0  # bytes that were read
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
            return read_header(file, self._label(name), info.file_size)

    def read(self, name: str, *, any_ratio: bool = False) -> Array:
        """Read an array.

        Parameters
        ----------
        name : str
            Of `names`.
        any_ratio : bool, default=False
            Whether it may unfold to any multiple of the file's size: for an array whose shape in
            the `header` is the one expected.

        Returns
        -------
        ndarray

        Raises
        ------
        BadFile
        """
        with self._opened(name) as (file, info):
            packed = info.compress_size
            self._unfolded += info.file_size
            if self._unfolded > max(FREE, RATIO * self._size) and not any_ratio:
                raise errors.BadFile(
                    f"{self._label(name)} would unfold from {packed:,} to {info.file_size:,} "
                    "bytes.",
                    available=f"More than {RATIO} times the file's size is not read: it could fill "
                    "the memory.",
                    hint="If it is right, save it with numpy.savez, uncompressed.",
                )
            return read_values(
                file, read_header(file, self._label(name), info.file_size), self._label(name)
            )

    def _label(self, name: str) -> str:
        return f"{name} in {self._name}"

    @contextmanager
    def _opened(self, name: str) -> Iterator[tuple[IO[bytes], ZipInfo]]:
        info, label = self._members[name], self._label(name)
        if info.flag_bits & 1:
            raise errors.BadFile(f"{label} is encrypted.", hint=SAVE)
        if info.compress_type not in (ZIP_STORED, ZIP_DEFLATED):
            raise errors.BadFile(f"{label} is compressed by a method unknown to numpy.", hint=SAVE)
        if info.compress_size > self._size:
            raise cut_off(label, info.compress_size, self._size)
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
    files.require_content(path)
    with files.understood(path):
        file = _Pieces(path)
    with file:
        with _unzipped(path.name):
            if file.read(2) != b"PK":
                raise BadZipFile("it is no archive of arrays")
            archive = ZipFile(file)
        with archive:
            yield Npz(path, archive)


def require_stored(path: Path) -> None:
    """Refuse an archive whose parts are compressed: they could unfold to any size.

    Parameters
    ----------
    path : Path
        A .zip file, by whatever name.

    Raises
    ------
    BadFile
    """
    with _Pieces(path) as file, _unzipped(path.name), ZipFile(file) as archive:
        packed = [one for one in archive.infolist() if one.compress_type != ZIP_STORED]
        if packed or any(one.flag_bits & 1 for one in archive.infolist()):
            raise errors.BadFile(
                f"{path.name} has compressed or encrypted parts, which are not read.",
                hint="Save it again with torch.save.",
            )


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
            f"{label} cannot be read: {error or type(error).__name__}.", hint=SAVE
        ) from error
