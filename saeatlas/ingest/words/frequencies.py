"""Files of word frequencies: a word and its count per line."""

import csv
import hashlib
import math
from collections.abc import Iterator, Sequence
from pathlib import Path

from saeatlas import errors
from saeatlas.ingest.words import spellings

_FORM = "The form is word,count, or the two with a tab between; a first line may name the columns."


def read_frequencies(path: Path, words: Sequence[str]) -> dict[str, float]:
    """Read how frequent words are.

    Parameters
    ----------
    path : Path
        CSV or, with a tab in its first line, TSV: word and count. Read a line at a time.
    words : sequence of str

    Returns
    -------
    dict of str to float
        Natural logarithm of the count, by word; without the words that the file lacks under each
        of their `spellings.spellings_of`.

    Raises
    ------
    BadWords
    """
    wanted = spellings.all_spellings(words)
    found: dict[str, float] = {}
    cased = False
    for number, name, count in _rows(path):
        cased = cased or name != name.lower()
        if name in found:
            raise errors.BadWords(
                f"{path.name}, line {number:,}: {name!r} was there before.",
                hint="Add the counts up, so that each word has one line.",
            )
        if name in wanted:
            found[name] = math.log(count)
    return {
        word: found[name]
        for word, name in spellings.find_spellings(words, found, cased=cased).items()
    }


def frequencies_sha256(path: Path) -> str:
    """Hash a file of frequencies.

    Parameters
    ----------
    path : Path

    Returns
    -------
    str
        SHA-256 as hexadecimal.

    Raises
    ------
    BadWords
    """
    try:
        with path.open("rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except OSError as error:
        raise errors.BadWords(
            f"{path} cannot be read: {error.strerror or error}.", hint=_FORM
        ) from error


def _rows(path: Path) -> Iterator[tuple[int, str, float]]:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            tab = "\t" in file.readline()
            file.seek(0)
            # with tabs a quotation mark is a word like any other
            reader = (
                csv.reader(file, delimiter="\t", quoting=csv.QUOTE_NONE)
                if tab
                else csv.reader(file)
            )
            for row in reader:
                if not row:
                    continue
                count = _count(row)
                if count is not None:
                    yield reader.line_num, row[0], count
                elif reader.line_num > 1:
                    raise errors.BadWords(
                        f"{path.name}, line {reader.line_num:,}: {row!r:.80} is not a word and a "
                        "count above 0.",
                        hint=_FORM,
                    )
    except OSError as error:
        raise errors.BadWords(f"{path} cannot be read: {error.strerror or error}.") from error
    except (UnicodeDecodeError, csv.Error) as error:
        raise errors.BadWords(f"{path.name} is not CSV in UTF-8: {error}.", hint=_FORM) from error


def _count(row: list[str]) -> float | None:
    try:
        _, text = row
        count = float(text)
    except ValueError:
        return None
    return count if 0 < count < math.inf else None
