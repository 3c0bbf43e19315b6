"""Files of word frequencies: a word and its count per line."""

import csv
import math
import re
from collections.abc import Iterator, Sequence
from itertools import chain
from pathlib import Path
from typing import Any

from saeatlas import errors
from saeatlas.ingest.formats import files, lines, numerals
from saeatlas.ingest.words import spellings

_FORM = (
    "The form is word,count, or the two with a tab or semicolon between; a first line may name the "
    "columns."
)


def read_frequencies(path: Path, words: Sequence[str]) -> dict[str, float]:
    """Read how frequent words are.

    Parameters
    ----------
    path : Path
        CSV or, with a tab in its first line, TSV: word and count. Semicolons separate where the
        first line has neither comma nor tab. Read a line at a time.
    words : sequence of str

    Returns
    -------
    dict of str to float
        Natural logarithm of the count, by word; without the words that the file lacks under each
        of their `spellings.spellings_of`.

    Raises
    ------
    BadWords
        It cannot be read, or has none of the words.
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
    chosen = spellings.find_spellings(words, found, cased=cased)
    if words and not chosen:
        raise errors.BadWords(
            f"{path.name} counts none of the {len(words):,} words.",
            available=f"They are {', '.join(sorted(words)[:5])}{', ...' * (len(words) > 5)}",
            hint=f"Check that they are in its language and spelling. {_FORM}",
        )
    return {word: found[name] for word, name in chosen.items()}


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
    with errors.raised_as(errors.BadWords):
        return files.file_sha256(path).hex()


def _rows(path: Path) -> Iterator[tuple[int, str, float]]:
    try:
        with errors.raised_as(errors.BadWords), lines.text_lines(path) as text:
            first = next(text, "")
            separator = _separator(first)
            # with tabs a quotation mark is a word like any other
            quoting: Any = csv.QUOTE_NONE if separator == "\t" else csv.QUOTE_MINIMAL
            reader = csv.reader(chain([first], text), delimiter=separator, quoting=quoting)
            for row in reader:
                if not row:
                    continue
                count = _count(row)
                if count is not None:
                    yield reader.line_num, row[0], count
                elif reader.line_num > 1 or not _is_header(row):
                    raise errors.BadWords(
                        f"{path.name}, line {reader.line_num:,}: {row!r:.80} is not a word and a "
                        "count above 0.",
                        hint=_FORM,
                    )
    except csv.Error as error:
        raise errors.BadWords(f"{path.name} is not CSV in UTF-8: {error}.", hint=_FORM) from error


def _count(row: list[str]) -> float | None:
    try:
        _, text = row
        count = numerals.real(text.strip())
    except ValueError:
        return None
    return count if 0 < count < math.inf else None


def _separator(first: str) -> str:
    if "\t" in first:
        return "\t"
    # "the;1,5" is a word and a count with a comma, and not the word "the;1"
    if re.search(r";\s*\d[\d.,]*\s*$", first) or ("," not in first and ";" in first):
        return ";"
    return ","


def _is_header(row: list[str]) -> bool:
    """Say whether a line names columns; what begins like a number is a count gone wrong."""
    return len(row) == 2 and not re.match(r"[\s+-]*([\d.]|(nan|inf|infinity)\s*$)", row[1], re.I)
