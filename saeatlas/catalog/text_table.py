"""Answers as tables of text: as wide as a terminal for people, whole where a program reads them."""

import math
import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from decimal import Decimal
from typing import Any

from saeatlas.catalog.carets import width as columns_of
from saeatlas.catalog.plain import as_json

ELLIPSIS = "…"
"""Stands in the middle of a text that was shortened."""

NARROWEST = 8
"""Characters of a text or a heading that are always shown."""

_LONGEST = 10_000
"""Characters of a text that are looked at for a terminal."""


def render(names: Sequence[str], rows: Sequence[Sequence[Any]], width: int | None) -> str:
    """Write rows as a table.

    Parameters
    ----------
    names : sequence of str
        The columns.
    rows : sequence of sequence
    width : int or None
        Columns of the terminal: longer texts are shortened in the middle, numbers have three
        significant digits, and columns that have no room stand in further tables below, whose rows
        are numbered. None: nothing is shortened.

    Returns
    -------
    str
        Numbers stand at the right of their columns, all else at the left.
    """
    cells = [[cell(value, width) for value in row] for row in rows]
    right = [any(_is_number(row[i]) for row in rows) for i in range(len(names))]
    columns = [[name, *(row[i] for row in cells)] for i, name in enumerate(names)]
    if width is None:
        return _aligned(columns, right)
    needed = [_needed(column, is_right) for column, is_right in zip(columns, right, strict=True)]
    if _total(needed) <= width:
        return _fitted(columns, right, needed, width)
    numbers = ["", *(str(i) for i in range(1, len(rows) + 1))]
    room = width - len(numbers[-1]) - 1
    tables = []
    for places in _groups(needed, room):
        parts = [columns[i] for i in places]
        fitted = _fitted(parts, [right[i] for i in places], [needed[i] for i in places], room)
        tables.append(_aligned([numbers, fitted.split("\n")], [True, False]))
    return "\n\n".join(tables)


def cell(value: Any, width: int | None) -> str:
    """Write a value on one line that no terminal takes for a command.

    Parameters
    ----------
    value : object
    width : int or None
        Characters of which the rest may be left out; None for all.

    Returns
    -------
    str
        NULL is empty.
    """
    if value is None:
        return ""
    if width is not None and isinstance(value, float | Decimal):
        return significant(float(value))
    if width is not None and isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    text = as_json(value) if isinstance(value, list | dict) else str(value)
    if width is not None and len(text) > _LONGEST:
        text = text[: _LONGEST // 2] + ELLIPSIS + text[-_LONGEST // 2 :]
    line = re.sub(r"\s+", " ", text).strip()
    safe = "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in line)
    return safe if width is None else shortened(safe, width)


def significant(number: float) -> str:
    """Write a number with three significant digits; whole digits are all kept, up to a million.

    Parameters
    ----------
    number : float

    Returns
    -------
    str
    """
    if math.isfinite(number) and 999.5 <= abs(number) < 1e6:
        return f"{number:.0f}"
    return f"{number:.3g}"


def shortened(text: str, width: int) -> str:
    """Leave out the middle of a text that is too long.

    Parameters
    ----------
    text : str
        One line.
    width : int
        Columns of a terminal that it may take.

    Returns
    -------
    str
    """
    if columns_of(text) <= width:
        return text
    head = _beginning(text, width // 2)
    tail = _beginning(text[::-1], width - 1 - width // 2)[::-1]
    return f"{head}{ELLIPSIS}{tail}"


def _beginning(text: str, width: int) -> str:
    end = min(width, len(text))
    while columns_of(text[:end]) > width:
        end -= 1
    return text[:end]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | Decimal) and not isinstance(value, bool)


def _needed(column: Sequence[str], is_number: bool) -> int:
    """Say how narrow a column may be: numbers are never shortened, headings and texts are."""
    natural = max(map(columns_of, column))
    numbers = max(map(columns_of, column[1:]), default=0) if is_number else 0
    return max(numbers, min(natural, NARROWEST))


def _total(widths: Sequence[int]) -> int:
    return sum(widths) + max(0, len(widths) - 1)


def _groups(needed: Sequence[int], room: int) -> Iterator[list[int]]:
    """Share columns out to tables that fit; a column wider than the room is alone."""
    group: list[int] = []
    for i in range(len(needed)):
        if group and _total([needed[j] for j in [*group, i]]) > room:
            yield group
            group = []
        group.append(i)
    if group:
        yield group


def _fitted(
    columns: Sequence[Sequence[str]], right: Sequence[bool], needed: Sequence[int], room: int
) -> str:
    """Give what room is left to the columns that lack some, the same to each."""
    natural = [max(map(columns_of, column)) for column in columns]
    widths = list(needed)
    left = room - _total(widths)
    while left > 0:
        narrow = [i for i in range(len(widths)) if widths[i] < natural[i]]
        if not narrow:
            break
        for i in narrow[:left]:
            widths[i] += 1
        left -= len(narrow[:left])
    short = [
        [shortened(text, most) for text in column]
        for column, most in zip(columns, widths, strict=True)
    ]
    return _aligned(short, right)


def _aligned(columns: Sequence[Sequence[str]], right: Sequence[bool]) -> str:
    padded = []
    for column, is_right in zip(columns, right, strict=True):
        most = max(map(columns_of, column))
        spaces = [" " * (most - columns_of(text)) for text in column]
        padded.append(
            [s + text if is_right else text + s for text, s in zip(column, spaces, strict=True)]
        )
    return "\n".join(" ".join(line).rstrip() for line in zip(*padded, strict=True))
