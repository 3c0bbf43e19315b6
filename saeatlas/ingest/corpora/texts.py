"""Read a folder of text files, each of them a document."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from saeatlas import errors
from saeatlas.ingest.corpora import document
from saeatlas.ingest.corpora.places import Place, Row, label
from saeatlas.ingest.formats import files, lines

TEXT_FIELD = "text"
SUBSET_FIELD = "subset"


def texts_rows(place: Place, start: int) -> Iterator[Row]:
    """Yield the texts of some files.

    Parameters
    ----------
    place : Place
        The files, in order, and the folder from which sub-folders count.
    start : int
        How many files to pass over; they are not opened.

    Yields
    ------
    origin : str
        The file's path below the folder.
    row : dict or BadDocument
        ``text`` with its line ends as they are, ``subset`` (the first sub-folder's name, or
        None) and ``path``; or why the file cannot be read.
    """
    for path in place.files[start:]:
        origin = label(path, place.root)
        yield origin, _read(path, origin)


def _read(path: Path, origin: str) -> dict[str, Any] | errors.BadDocument:
    try:
        with files.open_file(path) as file:
            content = file.read(lines.LONGEST + 1)
        if len(content) > lines.LONGEST:
            raise lines.too_long(origin)
        text = content.decode("utf-8-sig")
    except errors.BadFile as error:
        return errors.BadDocument(f"{origin}: {error.wrong}", hint=document.ROW_HINT)
    except UnicodeDecodeError as error:
        line = error.object[: error.start].count(b"\n") + 1
        return errors.BadDocument(
            f"{origin}: byte {error.start + 1} of this file, in line {line}, is not UTF-8.",
            available=f"The bytes there: {error.object[error.start : error.start + 8].hex(' ')}.",
            hint="Write the file as UTF-8, for example with iconv, or take it out of the folder. "
            + document.ROW_HINT,
        )
    except OSError as error:
        return errors.BadDocument(
            f"{origin}: this file cannot be read: {error.strerror}.", hint=document.ROW_HINT
        )
    folder, slash, _ = origin.partition("/")
    return {TEXT_FIELD: text, SUBSET_FIELD: folder if slash else None, "path": origin}
