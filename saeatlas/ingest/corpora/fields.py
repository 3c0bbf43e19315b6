"""Fields of a row by dotted names, through nested objects, Parquet's maps and JSON held as text."""

from collections.abc import Iterator
from typing import Any

from saeatlas import errors
from saeatlas.ingest.formats import json_text

_MAX_SHOWN = 12


def has(row: dict[str, Any], path: str) -> bool:
    """Say whether a row has a field, null or not.

    Parameters
    ----------
    row : dict
        The row as it was read.
    path : str
        Name of the field; a dot leads into a nested object.

    Returns
    -------
    bool
        True also if the object that would hold the field is null, as in Parquet, or cannot be
        read.
    """
    try:
        value(row, path)
    except json_text.RepeatedName:
        return True
    except KeyError:
        return False
    return True


def known(row: dict[str, Any], path: str) -> str:
    """Say which fields a row has, for a message about one that it lacks.

    Parameters
    ----------
    row : dict
        The row as it was read.
    path : str
        Name of the field that it lacks.

    Returns
    -------
    str
    """
    names = list(_paths(row))
    shown = ", ".join(names[:_MAX_SHOWN]) or "none"
    more = len(names) - _MAX_SHOWN
    near = errors.nearest(path, names) if names else ""
    return f"Its fields: {shown}{f' (and {more} more)' if more > 0 else ''}." + (
        f" {near}" if near.startswith("Nearest") else ""
    )


def value(row: dict[str, Any], path: str) -> Any:
    """Look a field up.

    Parameters
    ----------
    row : dict
        The row as it was read.
    path : str
        Name of the field. A name that itself holds a dot wins.

    Returns
    -------
    object
        None also if the object that would hold it is null.

    Raises
    ------
    KeyError
        The row lacks it.
    RepeatedName
        The text of JSON that holds it has a name twice.
    """
    if path in row:
        return row[path]
    head, _, rest = path.partition(".")
    if not rest:
        raise KeyError(path)
    inner = _opened(row[head])
    if inner is None:  # Parquet's form of an object whose fields are all null
        return None
    if not isinstance(inner, dict):
        raise KeyError(path)
    return value(inner, rest)


def without(row: dict[str, Any], path: str) -> dict[str, Any]:
    """Take a field out of a row, and objects that held nothing else.

    Parameters
    ----------
    row : dict
        The row as it was read; it is not changed.
    path : str
        Name of the field.

    Returns
    -------
    dict
        With an object in place of a text of JSON that held the field.
    """
    if path in row:
        return {key: inner for key, inner in row.items() if key != path}
    head, _, rest = path.partition(".")
    inner = _opened(row.get(head))
    if not rest or not isinstance(inner, dict):
        return row
    left = without(inner, rest)
    kept = {key: left if key == head else other for key, other in row.items()}
    if not left:
        del kept[head]
    return kept


def _opened(inner: Any) -> Any:
    """Return the object that a text of JSON or a map holds; anything else as it is."""
    if isinstance(inner, list) and inner and all(_is_entry(entry) for entry in inner):
        return dict(inner)
    if not isinstance(inner, str | bytes) or inner.lstrip()[:1] not in ("{", b"{"):
        return inner
    try:
        return json_text.DECODER.decode(inner if isinstance(inner, str) else inner.decode())
    except json_text.RepeatedName:
        raise
    except (ValueError, RecursionError):
        return inner


def _is_entry(entry: Any) -> bool:
    """Say whether this is an entry of a map: pyarrow gives lists of pairs."""
    return isinstance(entry, tuple) and len(entry) == 2 and isinstance(entry[0], str)


def _paths(row: dict[str, Any], depth: int = 3) -> Iterator[str]:
    for key, held in row.items():
        try:
            inner = _opened(held)
        except json_text.RepeatedName:
            inner = None
        if isinstance(inner, dict) and inner and depth > 1:
            yield from (f"{key}.{name}" for name in _paths(inner, depth - 1))
        else:
            yield str(key)
