"""Read JSON lines, plain or compressed."""

import bz2
import codecs
import gzip
import io
import json
import lzma
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, cast

from saeatlas import errors
from saeatlas.ingest.corpora import document
from saeatlas.ingest.corpora.places import Place, Row, label, unreadable

_CHUNK = 1 << 15  # bytes of compressed input at a time: bounds what they may unfold to


def jsonl_rows(place: Place, start: int) -> Iterator[Row]:
    """Yield the objects of some files of JSON lines.

    Parameters
    ----------
    place : Place
        The files, in order. Blank lines do not count as rows.
    start : int
        How many rows to pass over; they are not parsed.

    Yields
    ------
    origin : str
        ``file:line``.
    row : dict or BadDocument
        The object, or what is wrong with the line.

    Raises
    ------
    BadCorpus
        A file cannot be opened or is cut off, after its whole lines were yielded.
    """
    n_to_skip = start
    for path in place.files:
        name = label(path, place.root)
        for number, line in _lines(path, name):
            if n_to_skip:
                n_to_skip -= 1
            else:
                origin = f"{name}:{number}"
                yield origin, _parse(line, origin)


def _lines(path: Path, name: str) -> Iterator[tuple[int, bytes]]:
    number = 0
    try:
        with _open(path) as file:
            for number, line in enumerate(file, 1):
                if number == 1:
                    line = line.removeprefix(codecs.BOM_UTF8)  # noqa: PLW2901
                if not line.isspace() and line:
                    yield number, line
    except PermissionError as error:
        raise unreadable(path, error) from error
    except (EOFError, OSError, zlib.error, lzma.LZMAError, _zstd_error()) as error:
        raise _broken(path, name, number, error) from error


def _open(path: Path) -> IO[bytes]:
    match path.suffix.lower():
        case ".gz":
            if not path.stat().st_size:  # gzip takes no bytes at all for a whole archive
                raise EOFError
            return cast(IO[bytes], gzip.open(path))
        case ".zst":
            return io.BufferedReader(_ZstdReader(path.open("rb")), _CHUNK)
        case ".xz":
            return lzma.open(path)
        case ".bz2":
            return bz2.open(path)
    return path.open("rb")


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


def _zstd_error() -> type[Exception]:
    try:
        import zstandard
    except ModuleNotFoundError:  # then no .zst file was opened
        return EOFError
    return zstandard.ZstdError


def _broken(path: Path, name: str, n_lines: int, error: Exception) -> errors.BadCorpus:
    how = "is cut off" if isinstance(error, EOFError) else "is damaged"
    reason = str(error) or "it ends before its archive does"
    return errors.BadCorpus(
        f"{name} {how} after line {n_lines}.",
        available=f"{path} has {path.stat().st_size:,} bytes; reading on fails: {reason}.",
        hint="Fetch or write the file again.",
    )


def _parse(line: bytes, origin: str) -> dict[str, Any] | errors.BadDocument:
    line = line.rstrip()  # else an open string would be said to end in a control character
    try:
        row = json.loads(line.decode())
    except UnicodeDecodeError as error:
        return errors.BadDocument(
            f"{origin}: byte {error.start + 1} of this line is not UTF-8.",
            available=f"The bytes there: {line[error.start : error.start + 8].hex(' ')}.",
            hint=f"Write the file as UTF-8, for example with iconv. {document.ROW_HINT}",
        )
    except RecursionError:
        return errors.BadDocument(
            f"{origin}: this line's JSON is nested too deeply.", hint=document.ROW_HINT
        )
    except ValueError as error:  # JSONDecodeError, and whole numbers of thousands of digits
        reason = str(error)
        if isinstance(error, json.JSONDecodeError):  # it counts lines within this one
            reason = f"{error.msg.removesuffix(' at')} at column {error.colno}"
        return errors.BadDocument(
            f"{origin}: this line is not JSON: {reason}.",
            available=f"It begins with {document.excerpt(line.decode())}.",
            hint=f"The form is one object per line. {document.ROW_HINT}",
        )
    if not isinstance(row, dict):
        return errors.BadDocument(
            f"{origin}: this line is {document.called(row)}, not an object with fields.",
            available=f"It holds {document.excerpt(row)}.",
            hint=f'The form is one object per line: {{"text": "..."}}. {document.ROW_HINT}',
        )
    return row
