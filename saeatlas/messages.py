"""What a message may hold: as much as a screen shows, and only what it can show."""

import re

LINES = 6
"""Most lines of each of the three parts of an error's message."""

CHARACTERS = 480
"""Most characters of each part: six lines of a terminal."""

_UNPRINTABLE = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff]")


def printable(text: str) -> str:
    """Shorten a part of a message, and escape characters that a terminal cannot show.

    A file may hold a million names, and a name a million characters.

    Parameters
    ----------
    text : str

    Returns
    -------
    str
        At most `LINES` lines and `CHARACTERS` characters.
    """
    lines = text.replace("\r\n", "\n").split("\n", LINES)
    shown = "\n".join(lines[:LINES])
    too_long = len(lines) > LINES or len(shown) > CHARACTERS
    shown = _UNPRINTABLE.sub(lambda match: repr(match[0])[1:-1], shown[: CHARACTERS + 1])
    return shown[: CHARACTERS - 4] + " ..." if too_long or len(shown) > CHARACTERS else shown


def first_lines(error: BaseException, most: int = 1, empty: str | None = None) -> str:
    """Return what another library's error says, in one line.

    Parameters
    ----------
    error : BaseException
    most : int, default=1
        Most lines of it; torch says what is wrong on the second.
    empty : str, optional
        What to return of an error that says nothing. Default: its type.

    Returns
    -------
    str
    """
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:most]) or empty or type(error).__name__
