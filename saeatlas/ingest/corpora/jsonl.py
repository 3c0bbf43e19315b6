"""Read JSON lines, plain or compressed."""

from collections.abc import Iterator
from typing import Any

from saeatlas import errors
from saeatlas.ingest.corpora import document
from saeatlas.ingest.corpora.places import Place, Row, label
from saeatlas.ingest.formats import json_text, lines


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
        with errors.raised_as(errors.BadCorpus):
            for number, line in lines.lines(path):
                if line.isspace() and len(line) <= lines.LONGEST:
                    continue
                if n_to_skip:
                    n_to_skip -= 1
                else:
                    origin = f"{name}:{number}"
                    yield origin, _parse(line, origin)


def _parse(line: bytes, origin: str) -> dict[str, Any] | errors.BadDocument:
    try:
        if len(line) > lines.LONGEST:
            raise lines.too_long(origin)
        row = json_text.parse_json(line, origin)
    except errors.BadFile as error:
        hint = error.hint or "The form is one object per line."
        return errors.BadDocument(
            error.wrong, available=error.available, hint=f"{hint} {document.ROW_HINT}"
        )
    if not isinstance(row, dict):
        return errors.BadDocument(
            f"{origin}: this line is {document.called(row)}, not an object with fields.",
            available=f"It holds {document.excerpt(row)}.",
            hint=f'The form is one object per line: {{"text": "..."}}. {document.ROW_HINT}',
        )
    return row
