"""Lines of text files, plain or compressed; no line is longer than memory allows."""

import bz2
import codecs
import gzip
import io
import lzma
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from itertools import chain
from pathlib import Path
from typing import IO, Any, cast

from saeatlas import errors
from saeatlas.ingest.formats import files
from saeatlas.ingest.formats.files import FETCH

LONGEST = 1 << 26
"""Most bytes of a line: a long book has a tenth of it."""

COMPRESSIONS = (".gz", ".zst", ".xz", ".bz2")
"""Ends of names that say how a file is compressed."""

_CHUNK = 1 << 12  # bytes of compressed input at a time: zstd may unfold each 4 to 2**17


def open_stream(path: Path) -> IO[bytes]:
    """Open a file, uncompressing it if its name ends in one of `COMPRESSIONS`.

    Parameters
    ----------
    path : Path

    Returns
    -------
    binary file
        Read it inside `uncompressed`.

    Raises
    ------
    BadFile
        There is no such file, it is not a regular one, or an archive without a byte.
    """
    suffix = path.suffix.lower()
    # gzip and lzma take no bytes at all for a whole archive
    if not files.require_file(path) and suffix in COMPRESSIONS:
        raise errors.BadFile(f"{path.name} is cut off after line 0: it is empty.", hint=FETCH)
    with files.understood(path):
        match suffix:
            case ".gz":
                return cast(IO[bytes], gzip.open(path))
            case ".zst":
                return io.BufferedReader(_ZstdReader(path.open("rb")), 1 << 15)
            case ".xz":
                return lzma.open(path)
            case ".bz2":
                return bz2.open(path)
        return path.open("rb")


class Place:
    """Which line is being read, for messages.

    Attributes
    ----------
    line : int or None
        Lines read so far; None where they are not counted.
    """

    def __init__(self) -> None:
        self.line: int | None = None


@contextmanager
def uncompressed(path: Path) -> Iterator[Place]:
    """Say in our words what is wrong with a compressed file.

    Parameters
    ----------
    path : Path
        It is read inside.

    Yields
    ------
    Place
        Its line may be set: the message names it.

    Raises
    ------
    BadFile
    """
    place = Place()
    try:
        yield place
    except PermissionError as error:
        raise errors.BadFile(f"{path} cannot be read: {error.strerror or error}.") from error
    except (EOFError, OSError, zlib.error, lzma.LZMAError, MemoryError, zstd_error()) as error:
        how = "is cut off" if isinstance(error, EOFError) else "is damaged"
        where = "" if place.line is None else f" after line {place.line}"
        reason = str(error) or "it ends before its archive does"
        raise errors.BadFile(
            f"{path.name} {how}{where}.",
            available=f"{path} has {path.stat().st_size:,} bytes; reading on fails: {reason}.",
            hint="Fetch or write the file again.",
        ) from error


def lines(path: Path, longest: int = LONGEST) -> Iterator[tuple[int, bytes]]:
    """Yield the lines of a file, their ends included, the first without a byte order mark.

    Parameters
    ----------
    path : Path
    longest : int, default=LONGEST
        Most bytes of a line.

    Yields
    ------
    number : int
        From 1.
    line : bytes
        Of a line that is longer, the first ``longest + 1`` bytes; the rest is passed over.

    Raises
    ------
    BadFile
        After the lines before the damage.
    """
    with uncompressed(path) as place:
        place.line = 0
        with open_stream(path) as file:
            first = file.readline(longest + 1).removeprefix(codecs.BOM_UTF8)
            rest = iter(partial(file.readline, longest + 1), b"")
            for number, line in enumerate(chain([first] if first else [], rest), 1):
                yield number, line
                tail = line
                while len(tail) > longest and not tail.endswith(b"\n"):
                    tail = file.readline(longest + 1)
                place.line = number


@contextmanager
def text_lines(path: Path, longest: int = LONGEST) -> Iterator[Iterator[str]]:
    """Open a file of UTF-8 text for the csv module, which wants line ends as they are.

    Parameters
    ----------
    path : Path
    longest : int, default=LONGEST
        Most characters of a line.

    Yields
    ------
    iterator of str
        Raises BadFile where the file is damaged, a line is too long or no UTF-8.

    Raises
    ------
    BadFile
    """
    with uncompressed(path):
        stream = open_stream(path)
    with io.TextIOWrapper(cast(Any, stream), encoding="utf-8-sig", newline="") as file:
        yield _decoded(path, file, longest)


def _decoded(path: Path, file: IO[str], longest: int) -> Iterator[str]:
    try:
        with uncompressed(path) as place:
            place.line = 0
            for place.line, line in enumerate(iter(partial(file.readline, longest + 1), ""), 1):
                if len(line) > longest:
                    raise too_long(f"{path.name}, line {place.line:,}", longest)
                yield line
    except UnicodeDecodeError as error:
        raise errors.BadFile(
            f"{path.name} is not UTF-8 after line {place.line:,}: {error.reason}.",
            hint="Write the file as UTF-8, for example with iconv.",
        ) from error


def too_long(where: str, longest: int = LONGEST) -> errors.BadFile:
    """Return the error about a line that is too long.

    Parameters
    ----------
    where : str
        File and line.
    longest : int, default=LONGEST

    Returns
    -------
    BadFile
    """
    return errors.BadFile(
        f"{where}: this line has more than {longest:,} bytes.",
        hint="Check that the file is of the form that its name says, and split such lines.",
    )


class _ZstdReader(io.RawIOBase):
    """Decompress zstd frames one after another.

    zstandard's own stream reader takes a cut-off archive for a whole one.
    """

    def __init__(self, file: IO[bytes]) -> None:
        import zstandard

        self._file = file
        # The Pile and others are packed with windows beyond zstandard's default limit.
        self._zstd = zstandard.ZstdDecompressor(max_window_size=2**31)
        self._frame = self._zstd.decompressobj()
        self._in = b""  # compressed bytes of the next frame
        self._out = memoryview(b"")
        self._is_between_frames = False

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        while not self._out:
            chunk = self._in or self._file.read(_CHUNK)
            if not chunk:
                if self._is_between_frames:
                    return 0
                raise EOFError
            if self._is_between_frames:
                self._frame = self._zstd.decompressobj()
            self._out = memoryview(self._frame.decompress(chunk))
            self._is_between_frames = self._frame.eof
            self._in = self._frame.unused_data if self._frame.eof else b""
        n = min(len(buffer), len(self._out))
        buffer[:n] = self._out[:n]
        self._out = self._out[n:]
        return n

    def close(self) -> None:
        self._file.close()
        super().close()


def zstd_error() -> type[Exception]:
    """Return what zstandard raises; EOFError where it is not installed and no .zst was opened."""
    try:
        import zstandard
    except ModuleNotFoundError:
        return EOFError
    return zstandard.ZstdError
