"""Turn one row of a corpus, whatever it was read from, into a document."""

import datetime
import json
import math
from dataclasses import dataclass
from typing import Any

from saeatlas import errors
from saeatlas.ingest.corpora import fields
from saeatlas.ingest.formats import json_text, texts

ROW_HINT = "Correct it, or pass over such documents with --on-bad-document skip."


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
    remedy : str
        What helps.
    """

    origin: str
    reason: str
    remedy: str = ""


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
        Names of fields; a dot leads into a nested object, or one that is held as JSON text. None:
        there is no subset.

    Returns
    -------
    Document
        Its metadata lacks both fields, and objects that held nothing else. Its subset is None if
        the row lacks the field.

    Raises
    ------
    BadDocument
        The text is missing or not a string, the subset is a list or an object, the row is nested
        too deeply, or JSON held as text has a name twice.
    """
    subset = None
    try:
        text = _text(row, text_field, origin)
        rest = fields.without(row, text_field)
        if subset_field is not None:
            if fields.has(rest, subset_field):
                subset = _subset(fields.value(rest, subset_field), origin, subset_field)
            rest = fields.without(rest, subset_field)
        metadata = json_safe(rest)
    except json_text.RepeatedName as error:
        raise errors.BadDocument(f"{origin}: {error}.", hint=ROW_HINT) from error
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


def _text(row: dict[str, Any], field: str, origin: str) -> str:
    if not fields.has(row, field):
        raise errors.BadDocument(
            f"{origin}: there is no field {field!r} in this row.",
            available=fields.known(row, field),
            hint=f"Name the right field with --text-field. {ROW_HINT}",
        )
    text = fields.value(row, field)
    if not isinstance(text, str):
        remedy = (
            "Write the column as strings, as texts.cast(pyarrow.string()) does."
            if isinstance(text, bytes)
            else "Name another field with --text-field."
        )
        raise errors.BadDocument(
            f"{origin}: the field {field!r} is {called(text)}, not a string.",
            available=f"It holds {excerpt(text)}.",
            hint=f"{remedy} {ROW_HINT}",
        )
    return text
