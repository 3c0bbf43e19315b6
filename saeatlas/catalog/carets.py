"""A line of a query with carets under a part of it."""

import unicodedata

_NO_WIDTH = {"Mn", "Me", "Cf"}


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
        The line, and carets below it.
    """
    first = text.rfind("\n", 0, start) + 1
    line = text[first:].split("\n", 1)[0].rstrip("\r")
    before, marked = line[: start - first], line[start - first : (end or start + 1) - first]
    space = "".join("\t" if each == "\t" else " " * width(each) for each in before)
    return f"{line}\n{space}{'^' * max(1, width(marked))}"
