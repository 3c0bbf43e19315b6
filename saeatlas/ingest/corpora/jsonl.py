"""Read JSON lines, or one list of objects, plain or compressed."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from saeatlas import errors
from saeatlas.ingest.corpora import document
from saeatlas.ingest.corpora.places import Place, Row, label
from saeatlas.ingest.formats import json_list, json_text, lines


def jsonl_rows(place: Place, start: int) -> Iterator[Row]:
    """Yield the objects of some files of JSON lines, or of lists of objects.

    Parameters
    ----------
    place : Place
        The files, in order. Blank lines do not count as rows.
    start : int
        How many rows to pass over; lines are not parsed.

    Yields
    ------
    origin : str
        ``file:line``; of a list, ``file:item``.
    row : dict or BadDocument
        The object, or what is wrong with it.

    Raises
    ------
    BadCorpus
        A file cannot be opened or is cut off, after its whole lines were yielded.
    """
    n_to_skip = start
    for path in place.files:
        name = label(path, place.root)
        with errors.raised_as(errors.BadCorpus):
            is_list = json_list.is_list(path)
            found: Iterator[tuple[int, Any]] = json_list.items(path) if is_list else _lines(path)
            for number, one in found:
                if n_to_skip:
                    n_to_skip -= 1
                else:
                    origin = f"{name}:{number}"
                    yield origin, _checked(one, origin) if is_list else _parse(one, origin)


def _lines(path: Path) -> Iterator[tuple[int, bytes]]:
    for number, line in lines.lines(path):
        if not line.isspace() or len(line) > lines.LONGEST:
            yield number, line


def _parse(line: bytes, origin: str) -> dict[str, Any] | errors.BadDocument:
    try:
        if len(line) > lines.LONGEST:
            raise lines.too_long(origin)
        row = json_text.parse_json(line, origin)
    except errors.BadFile as error:
        other = error.hint == json_text.NOT_JSON
        hint = "The form is one object per line." if other else error.hint
        return errors.BadDocument(
            error.wrong, available=error.available, hint=f"{hint} {document.ROW_HINT}"
        )
    return _checked(row, origin)


def _checked(row: Any, origin: str) -> dict[str, Any] | errors.BadDocument:
    if not isinstance(row, dict):
        return errors.BadDocument(
            f"{origin}: this row is {document.called(row)}, not an object with fields.",
            available=f"It holds {document.excerpt(row)}.",
            hint=f'The form is one object per line: {{"text": "..."}}. {document.ROW_HINT}',
        )
    return row
