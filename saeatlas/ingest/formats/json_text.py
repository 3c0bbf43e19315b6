"""JSON: parsed within bounds, and checked against a typed model."""

import codecs
import json
import re
from collections import Counter
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

from saeatlas import errors
from saeatlas.ingest.formats import files

if TYPE_CHECKING:
    from pydantic import TypeAdapter

LONGEST = 1 << 26
"""Most bytes of a file that is parsed as a whole."""

MOST_VALUES = 3_000_000
"""Most values in what is parsed at once: an entry of an object takes up to 300 bytes of memory."""

DEPTH = 100
"""Most objects and lists within one another."""

NOT_JSON = "Check that it is the right file; if it was cut off, fetch or write it again."
"""The hint about what is no JSON at all."""

_STRING = re.compile(rb'"[^"\\]*+(?:\\.[^"\\]*+)*+"', re.DOTALL)
_MARKS = (b",", b"[", b"{")
"""Before each value stands one of these, but before those of an object."""

T = TypeVar("T")


class RepeatedName(ValueError):
    """An object of JSON has a name twice: readers differ on which of the values counts."""


def _distinct(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = Counter(name for name, _ in pairs)
        twice = next(name for name, n in names.items() if n > 1)
        raise RepeatedName(f"the name {twice!r:.60} stands twice in one object")
    return found


DECODER = json.JSONDecoder(object_pairs_hook=_distinct)
"""Refuses an object that has a name twice, by `RepeatedName`."""


def read_json(path: Path, longest: int = LONGEST) -> Any:
    """Read a file of JSON.

    Parameters
    ----------
    path : Path
        UTF-8, with or without a byte order mark.
    longest : int, default=LONGEST
        Most bytes.

    Returns
    -------
    object

    Raises
    ------
    BadFile
        There is no such file, it is too long, no JSON in UTF-8, or nested too deeply.
    """
    size = files.require_content(path)
    if size > longest:
        raise errors.BadFile(
            f"{path} has {size:,} bytes, more than the {longest:,} that are read of such a file.",
            hint="Check that it is the right one.",
        )
    with files.understood(path):
        content = path.read_bytes()
    found = parse_json(content, str(path))
    _require_shallow(found, str(path))
    return found


def parse_json(content: bytes, where: str) -> Any:
    """Parse JSON.

    Parameters
    ----------
    content : bytes
        UTF-8, with or without a byte order mark.
    where : str
        File, or file and line, for messages.

    Returns
    -------
    object
        Strings may hold NUL and halves of surrogate pairs: see `texts`.

    Raises
    ------
    BadFile
        It is no JSON in UTF-8, is nested too deeply, holds more than `MOST_VALUES` values, a number
        of thousands of digits, or an object with a name twice.
    """
    # an open string would else be said to end in a control character
    content = content.removeprefix(codecs.BOM_UTF8).rstrip()
    require_few_values(content, where)
    try:
        return DECODER.decode(content.decode())
    except UnicodeDecodeError as error:
        raise errors.BadFile(
            f"{where}: byte {error.start + 1} is not UTF-8.",
            available=f"The bytes there: {content[error.start : error.start + 8].hex(' ')}.",
            hint="Write it as UTF-8, for example with iconv.",
        ) from error
    except RecursionError as error:
        raise _too_deep(where) from error
    except RepeatedName as error:
        raise repeated(where, error) from error
    except ValueError as error:  # JSONDecodeError, and whole numbers of thousands of digits
        reason = str(error).partition(";")[0]
        if isinstance(error, json.JSONDecodeError):
            line = f"line {error.lineno}, " if error.lineno > 1 else ""
            reason = f"{error.msg.removesuffix(' at')} at {line}column {error.colno}"
        begins = content[:60].decode(errors="replace")
        raise errors.BadFile(
            f"{where}: this is not JSON: {reason}.",
            available=f"It begins with {begins!r}.",
            hint=NOT_JSON,
        ) from error


def require_few_values(content: bytes, where: str) -> None:
    """Refuse JSON of so many values that they could fill the memory, before it is parsed.

    Parameters
    ----------
    content : bytes
    where : str
        For the message.

    Raises
    ------
    BadFile
        It holds more than `MOST_VALUES`.
    """
    if len(content) <= MOST_VALUES or _n_marks(content) <= MOST_VALUES:
        return
    if content.count(b'"') > MOST_VALUES or (
        _n_marks(content) - sum(map(_n_marks, _STRING.findall(content))) > MOST_VALUES
    ):
        raise errors.BadFile(
            f"{where}: this is JSON of more than {MOST_VALUES:,} values, too many at once.",
            hint="Split it, or write it as Parquet.",
        )


def _n_marks(content: bytes) -> int:
    return sum(map(content.count, _MARKS))


def repeated(where: str, error: RepeatedName) -> errors.BadFile:
    """Return the error about a name that an object has twice.

    Parameters
    ----------
    where : str
        File, or file and line.
    error : RepeatedName

    Returns
    -------
    BadFile
    """
    return errors.BadFile(
        f"{where}: {error}.",
        available="Which of its values counts is not said.",
        hint="Leave one of them.",
    )


def typed(kind: type[T], value: object, where: str, hint: str) -> T:
    """Check a value against the model of its file.

    Parameters
    ----------
    kind : type
        A ``TypedDict`` of ``typing_extensions``, or a type made of such, as ``list[Example]``.
        Fields that it does not name are left out of what is returned.
    value : object
        As `parse_json` returns it.
    where : str
        File, or file and line, for messages.
    hint : str
        What the form is.

    Returns
    -------
    object
        Of this kind.

    Raises
    ------
    BadFile
        The first that does not fit.
    """
    from pydantic import ValidationError

    try:
        checker = _checker(kind)  # type: ignore[arg-type]  # types are hashable
        found: T = checker.validate_python(value, strict=True)
    except ValidationError as error:
        first = error.errors(include_url=False, include_context=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        message = first["msg"].removeprefix("Input should be ")
        raise errors.BadFile(
            f"{where}: {f'its field {place!r}' if place else 'it'} should be {message}.",
            available=f"It is {first['input']!r:.60}.",
            hint=hint,
        ) from error
    return found


@cache
def _checker(kind: Any) -> "TypeAdapter[Any]":
    from pydantic import TypeAdapter

    return TypeAdapter(kind)


def _require_shallow(value: object, where: str) -> None:
    level = [value]
    for _ in range(DEPTH):
        level = [inner for one in level for inner in _inside(one)]
        if not level:
            return
    raise _too_deep(where)


def _inside(value: object) -> list[Any]:
    if not isinstance(value, dict | list):
        return []
    inside = value.values() if isinstance(value, dict) else value
    return [inner for inner in inside if isinstance(inner, dict | list)]


def _too_deep(where: str) -> errors.BadFile:
    return errors.BadFile(
        f"{where}: this is nested too deeply.",
        available=f"At most {DEPTH} lists and objects may be within one another.",
        hint="Check that it is the right file.",
    )
