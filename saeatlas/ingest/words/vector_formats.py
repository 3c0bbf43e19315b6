"""The rows of files of word vectors: word2vec's two formats, and GloVe's.

word2vec's begin with a line ``n d``. In the text format each line is a word and d numbers; in the
binary one each word is followed by a space and d little-endian float32. GloVe's is the text format
without the first line.
"""

import codecs
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import chain
from typing import IO

import numpy as np
import numpy.typing as npt

from saeatlas import errors
from saeatlas.ingest.formats import numerals
from saeatlas.ingest.formats.files import FETCH
from saeatlas.ingest.saes.loaded_sae import MAX_WIDTH

FORMS = (
    "Forms: word2vec text or binary, GloVe's text (each also as .gz), .npz with words and vectors."
)
Row = tuple[bytes, bytes]  # a word, and its numbers as the file has them

CHUNK = 2**20
"""Bytes that are read at once: more than a line of MAX_WIDTH numbers has."""

_LONGEST_WORD = 2**12  # bytes


@dataclass(frozen=True)
class Rows:
    """A file of word vectors, opened.

    Parameters
    ----------
    form : {'word2vec binary', 'word2vec text', 'text'}
    n : int or None
        Words, as the first line says; None if it says nothing.
    d : int
        Width of a vector.
    rows : iterator of (bytes, bytes)
        Each word, and its numbers for `numbers`; BadWords where the file goes wrong.
    """

    form: str
    n: int | None
    d: int
    rows: Iterator[Row]

    def numbers(self, raw: bytes) -> npt.NDArray[np.floating]:
        """Read the numbers of a row.

        Parameters
        ----------
        raw : bytes

        Returns
        -------
        ndarray of shape (d,)

        Raises
        ------
        ValueError
            Something is no number.
        """
        if self.form == "word2vec binary":
            return np.frombuffer(raw, "<f4")
        return np.array([numerals.real(field) for field in raw.split(b" ")])


def open_rows(name: str, file: IO[bytes]) -> Rows:
    """Find out what a file is from its first two lines.

    Parameters
    ----------
    name : str
        The file's, for messages.
    file : binary file
        At its beginning.

    Returns
    -------
    Rows
        Read a piece at a time.

    Raises
    ------
    BadWords
    """
    first, second = file.readline(CHUNK).removeprefix(codecs.BOM_UTF8), file.readline(CHUNK)
    fields = first.split()
    n, d = map(numerals.whole, fields) if len(fields) == 2 else (None, None)
    if n is not None and d is not None:
        require_width(name, d)
        if is_text(second):
            rows = _text_rows(name, chain([second], _lines(file)), d, 2)
            return Rows("word2vec text", n, d, rows)
        return Rows("word2vec binary", n, d, _binary_rows(name, second, file, n, d))
    if not is_text(first):
        raise errors.BadWords(
            f"{name} is no file of word vectors.",
            available=f"It begins with {first[:40]!r}: neither the numbers of words and "
            "dimensions, nor a word and its vector.",
            hint=FORMS,
        )
    d = len(fields) - 1
    require_width(name, d)
    return Rows("text", None, d, _text_rows(name, chain([first, second], _lines(file)), d, 1))


def is_text(line: bytes) -> bool:
    """Say whether a line is a word and one or more numbers, as no binary row is.

    Parameters
    ----------
    line : bytes

    Returns
    -------
    bool
    """
    try:
        return bool([numerals.real(field) for field in line.split()[1:]])
    except ValueError:
        return False


def require_width(name: str, d: int) -> None:
    """Refuse vectors that the catalog cannot hold.

    Parameters
    ----------
    name : str
        The file's, for the message.
    d : int

    Raises
    ------
    BadWords
    """
    if not 0 < d <= MAX_WIDTH:
        raise errors.BadWords(
            f"{name} says that its vectors have {d:,} dimensions.",
            available=f"A vector in PostgreSQL has 1 to {MAX_WIDTH:,}.",
            hint=FORMS,
        )


def _lines(file: IO[bytes]) -> Iterator[bytes]:
    """Yield lines, none longer than any line should be, so that no file fills the memory."""
    return iter(partial(file.readline, CHUNK), b"")


def _text_rows(name: str, lines: Iterable[bytes], d: int, first: int) -> Iterator[Row]:
    for number, line in enumerate(lines, first):
        row = line.rstrip()
        if not row:
            continue
        word, _, numbers = row.partition(b" ")
        if numbers.count(b" ") != d - 1:
            # other white space, or a word with spaces in it, as GloVe has some
            word, *fields = row.rsplit(None, d)
            if len(fields) != d or is_text(word):  # a number too many is not part of a word
                raise errors.BadWords(
                    f"{name}, line {number:,}: {len(row.split()) - 1:,} numbers, not {d:,}.",
                    available=f"It begins with {line[:40]!r}.",
                    hint=FETCH,
                )
            numbers = b" ".join(fields)
        yield word, numbers


def _binary_rows(name: str, head: bytes, file: IO[bytes], n: int, d: int) -> Iterator[Row]:
    data, at, width = head, 0, 4 * d
    for rank in range(1, n + 1):
        end = data.find(b" ", at)
        while end < 0 or len(data) <= end + width:
            more = file.read(CHUNK)
            data, at = data[at:] + more, 0
            end = data.find(b" ")
            if not more or (end < 0 and len(data) > _LONGEST_WORD):
                raise errors.BadWords(
                    f"{name} ends, or goes wrong, at word {rank:,} of {n:,}.",
                    available=f"Its first line says {n:,} words of {d:,} dimensions. It was read "
                    "as word2vec's binary format, its second line being no word and numbers.",
                    hint=FETCH,
                )
        yield data[at:end].lstrip(b"\n"), data[end + 1 : end + 1 + width]
        at = end + 1 + width
    if (data[at:] + file.read(CHUNK)).strip():
        raise errors.BadWords(
            f"{name} goes on after the {n:,} words of {d:,} dimensions that its first line says.",
            hint=FETCH,
        )
