"""One JSON list of many items, read an item at a time."""

import codecs
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any, cast

from saeatlas import errors
from saeatlas.ingest.formats import json_text, lines

_CHUNK = 1 << 16  # characters
_BLANKS = re.compile(r"[ \t\r\n]*")


def is_list(path: Path) -> bool:
    """Say whether a file begins as a list of objects: with ``[`` and ``{``, or an empty list.

    Parameters
    ----------
    path : Path
        Plain or compressed.

    Returns
    -------
    bool
        False also if it cannot be read.
    """
    try:
        with lines.uncompressed(path), lines.open_stream(path) as stream:
            begins = stream.read(1 << 12).removeprefix(codecs.BOM_UTF8).lstrip()
    except errors.BadFile:
        return False
    return begins.startswith(b"[") and begins[1:].lstrip()[:1] in (b"{", b"]")


def items(path: Path, longest: int = lines.LONGEST) -> Iterator[tuple[int, Any]]:
    """Yield the items of a list.

    Parameters
    ----------
    path : Path
        Plain or compressed; UTF-8, with or without a byte order mark.
    longest : int, default=lines.LONGEST
        Most characters of an item.

    Yields
    ------
    number : int
        From 1.
    item : object

    Raises
    ------
    BadFile
        After the items before the damage.
    """
    with lines.uncompressed(path) as place:
        stream = cast(Any, lines.open_stream(path))
        with io.TextIOWrapper(stream, encoding="utf-8-sig") as file:
            reader = _Reader(path.name, file, longest)
            for number, item in enumerate(reader.items(), 1):
                yield number, item
                place.line = number


class _Reader:
    """A list that is being read: some text of it, and the place in that."""

    def __init__(self, name: str, file: IO[str], longest: int) -> None:
        self._name, self._file, self._longest = name, file, longest
        self._text, self._at = "", 0
        self._n = 0  # items before this one

    def items(self) -> Iterator[Any]:
        self._take("[")
        while self._next() != "]":
            if self._n:
                self._take(",")
            self._next()
            yield self._item()
            self._n += 1
        self._take("]")
        if self._next():
            raise self._bad("the list goes on after its end")

    def _next(self) -> str:
        """Go to the next character that is not white space; return it, or nothing at the end."""
        while True:
            self._at = _BLANKS.match(self._text, self._at).end()  # type: ignore[union-attr]
            if self._at < len(self._text) or not self._read(_CHUNK):
                return self._text[self._at : self._at + 1]

    def _take(self, mark: str) -> None:
        found = self._next()
        if found != mark:
            raise self._bad(f"{mark!r} is expected, not {found!r}" if found else "it ends here")
        self._at += 1

    def _item(self) -> Any:
        while True:
            where = f"{self._name}:{self._n + 1}"
            if len(self._text) - self._at > json_text.MOST_VALUES:
                json_text.require_few_values(self._text[self._at :].encode(), where)
            try:
                item, end = json_text.DECODER.raw_decode(self._text, self._at)
            except RecursionError as error:
                raise self._bad("it is nested too deeply") from error
            except json.JSONDecodeError as error:  # or the item ends later
                n = len(self._text) - self._at
                if n > self._longest:
                    raise lines.too_long(where, self._longest) from error
                place = error.pos - self._at + 1
                if not self._read(max(_CHUNK, n)):
                    reason = f"{error.msg.removesuffix(' at')} at its character {place:,}"
                    raise self._bad(reason) from error
            except json_text.RepeatedName as error:
                raise json_text.repeated(where, error) from error
            except ValueError as error:  # a whole number of thousands of digits
                raise self._bad(str(error).partition(";")[0]) from error
            else:
                if end < len(self._text) or not self._read(_CHUNK):  # a number may go on
                    self._at = end
                    return item

    def _read(self, n: int) -> bool:
        """Read more, forget what was read before; say whether there was more."""
        try:
            more = self._file.read(n)
        except UnicodeDecodeError as error:
            raise self._bad("it is not UTF-8") from error
        if more:
            self._text, self._at = self._text[self._at :] + more, 0
        return bool(more)

    def _bad(self, reason: str) -> errors.BadFile:
        return errors.BadFile(
            f"{self._name}:{self._n + 1}: this item of the list is not JSON: {reason}.",
            hint="The form is one list of objects, or one object per line.",
        )
