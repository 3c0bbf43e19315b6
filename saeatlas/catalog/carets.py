"""A line of a query with carets under a part of it."""

import re
import unicodedata

_NO_WIDTH = {"Mn", "Me", "Cf"}
_CONTROL = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")

BEFORE, AFTER = 70, 80
"""Characters of a long line that are shown before the place, and from it on."""


def width(text: str) -> int:
    """Count the columns of a terminal that a text takes.

    Parameters
    ----------
    text : str
        One line.

    Returns
    -------
    int
    """
    if text.isascii():
        return len(text)
    return sum(
        0 if unicodedata.category(character) in _NO_WIDTH
        else 2 if unicodedata.east_asian_width(character) in "WF"
        else 1
        for character in text
    )  # fmt: skip


def caret(text: str, start: int, end: int | None = None) -> str:
    """Show where something stands.

    Parameters
    ----------
    text : str
        The whole query.
    start : int
        Its first character; the length of the text for its end.
    end : int, optional
        The one after its last. Default: one character.

    Returns
    -------
    str
        The line, and carets below it. Of a long line a part; U+FFFD for control characters.
    """
    first = text.rfind("\n", 0, start) + 1
    line = _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text[first:].split("\n", 1)[0].rstrip("\r"))
    start, end = start - first, (end or start + 1) - first
    cut = max(0, start - BEFORE) if len(line) > BEFORE + AFTER else 0
    left = "... " if cut else ""
    right = " ..." if len(line) > cut + BEFORE + AFTER else ""
    before, marked = left + line[cut:start], line[start : min(end, cut + BEFORE + AFTER)]
    space = "".join("\t" if each == "\t" else " " * width(each) for each in before)
    shown = f"{left}{line[cut : cut + BEFORE + AFTER]}{right}"
    return f"{shown}\n{space}{'^' * max(1, width(marked))}"
