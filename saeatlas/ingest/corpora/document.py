"""Turn one row of a corpus, whatever it was read from, into a document."""

import datetime
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from saeatlas import errors
from saeatlas.ingest.formats import texts

ROW_HINT = "Correct it, or pass over such documents with --on-bad-document skip."

_MAX_FIELDS_SHOWN = 12


@dataclass(frozen=True, slots=True)
class Document:
    """One document, ready to be tokenised and stored.

    Attributes
    ----------
    text : str
        The text. May be empty and may hold NUL (U+0000); holds no lone surrogates.
    subset : str or None
        What kind of document it is; None if the corpus does not say.
    metadata : dict
        Every other field of the row, as JSON that PostgreSQL accepts.
    origin : str
        Where it stands, for messages: ``pile.jsonl.zst:17``. Lines and rows count from 1.
    """

    text: str
    subset: str | None
    metadata: dict[str, Any]
    origin: str


@dataclass(frozen=True, slots=True)
class Skipped:
    """A document that cannot be read and that takes up its place in the order all the same.

    Attributes
    ----------
    origin : str
        Where it stands, as in `Document`.
    reason : str
        What is wrong with it, one sentence.
    """

    origin: str
    reason: str


_TYPE_NAMES = {
    type(None): "null",
    bool: "a boolean",
    int: "a number",
    float: "a number",
    str: "a string",
    bytes: "bytes",
    list: "a list",
    dict: "an object",
}


def from_row(
    row: dict[str, Any], origin: str, text_field: str, subset_field: str | None
) -> Document:
    """Pick a row's text and subset; the rest is metadata.

    Parameters
    ----------
    row : dict
        The row as it was read.
    origin : str
        Where it stands.
    text_field, subset_field : str
        Names of fields; a dot leads into a nested object. None: there is no subset.

    Returns
    -------
    Document
        Its metadata lacks both fields, and objects that held nothing else.

    Raises
    ------
    BadDocument
        A field is missing, the text is not a string, or the row is nested too deeply.
    """
    text = _field(row, text_field, origin, "--text-field")
    if not isinstance(text, str):
        raise errors.BadDocument(
            f"{origin}: the field {text_field!r} is {called(text)}, not a string.",
            available=f"It holds {excerpt(text)}.",
            hint=f"Name another field with --text-field. {ROW_HINT}",
        )
    rest = _without(row, text_field)
    subset = None
    if subset_field is not None:
        subset = _subset(_field(row, subset_field, origin, "--subset-field"), origin, subset_field)
        rest = _without(rest, subset_field)
    try:
        metadata = json_safe(rest)
    except RecursionError:
        raise errors.BadDocument(
            f"{origin}: its metadata is nested too deeply to be stored.", hint=ROW_HINT
        ) from None
    return Document(texts.without_surrogates(text), subset, metadata, origin)


def json_safe(value: Any) -> Any:
    """Give a value the form in which PostgreSQL stores it as jsonb.

    Parameters
    ----------
    value : object
        Anything that JSON, Parquet or a hub data set holds.

    Returns
    -------
    object
        Dates as ISO 8601; NaN, infinities and bytes that are not UTF-8 as None; arrays as lists;
        U+FFFD for NUL and for lone surrogates, which PostgreSQL refuses; else what ``str`` says.
    """
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else None
    if value is None or isinstance(value, int):
        return value
    if isinstance(value, dict):
        return {texts.storable(str(key)): json_safe(inner) for key, inner in value.items()}
    if isinstance(value, list | tuple):
        return [json_safe(inner) for inner in value]
    if hasattr(value, "tolist"):  # numpy's scalars and arrays
        return json_safe(value.tolist())
    return _as_text(value)


def called(value: Any) -> str:
    """Name a value's type as JSON does, for a message."""
    return _TYPE_NAMES.get(type(value), f"a {type(value).__name__}")


def excerpt(value: Any, length: int = 60) -> str:
    """Show the beginning of a value, for a message."""
    shown = repr(value)
    return shown if len(shown) <= length else f"{shown[:length]}..."


def _as_text(value: Any) -> str | None:
    if isinstance(value, bytes):
        try:
            return texts.storable(value.decode())
        except UnicodeDecodeError:
            return None
    if isinstance(value, datetime.date | datetime.time):
        return value.isoformat()
    return texts.storable(str(value))


def _subset(value: Any, origin: str, field: str) -> str | None:
    safe = json_safe(value) if not isinstance(value, dict | list) else value
    if isinstance(safe, dict | list):
        raise errors.BadDocument(
            f"{origin}: the field {field!r} is {called(value)}, not the name of a subset.",
            available=f"It holds {excerpt(value)}.",
            hint=f"Name another field with --subset-field. {ROW_HINT}",
        )
    if safe is None:
        return None
    name = safe if isinstance(safe, str) else json.dumps(safe)
    with errors.raised_as(errors.BadDocument):
        return texts.require_name(
            name, f"{origin}: its subset", f"Name another field with --subset-field. {ROW_HINT}"
        )


def _field(row: dict[str, Any], path: str, origin: str, option: str) -> Any:
    try:
        return _look_up(row, path)
    except KeyError:
        pass
    known = list(_paths(row))
    shown = ", ".join(known[:_MAX_FIELDS_SHOWN]) or "none"
    more = len(known) - _MAX_FIELDS_SHOWN
    near = errors.nearest(path, known) if known else ""
    raise errors.BadDocument(
        f"{origin}: there is no field {path!r} in this row.",
        available=f"Its fields: {shown}{f' (and {more} more)' if more > 0 else ''}."
        + (f" {near}" if near.startswith("Nearest") else ""),
        hint=f"Name the right field with {option}. {ROW_HINT}",
    )


def _look_up(row: dict[str, Any], path: str) -> Any:
    if path in row:  # a name that itself holds a dot wins
        return row[path]
    head, _, rest = path.partition(".")
    if not rest:
        raise KeyError(path)
    inner = row[head]
    if inner is None:  # Parquet's form of an object whose fields are all null
        return None
    if not isinstance(inner, dict):
        raise KeyError(path)
    return _look_up(inner, rest)


def _without(row: dict[str, Any], path: str) -> dict[str, Any]:
    if path in row:
        return {key: value for key, value in row.items() if key != path}
    head, _, rest = path.partition(".")
    inner = row.get(head)
    if not rest or not isinstance(inner, dict):
        return row
    left = _without(inner, rest)
    kept = {key: left if key == head else value for key, value in row.items()}
    if not left:
        del kept[head]
    return kept


def _paths(row: dict[str, Any], depth: int = 3) -> Iterator[str]:
    for key, value in row.items():
        if isinstance(value, dict) and value and depth > 1:
            yield from (f"{key}.{inner}" for inner in _paths(value, depth - 1))
        else:
            yield str(key)
