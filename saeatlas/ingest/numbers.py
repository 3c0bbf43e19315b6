"""Numbers written as text: read strictly, in one place.

Python's own ``int`` and ``float`` also take ``1_000``, digits of every script and any white space;
Arrow also takes ``0x10``. In a file of data such a text is more likely a mistake than a number.
"""

import re

_WHOLE = re.compile(r"[ \t]*([0-9]{1,18})[ \t]*")
_DECIMAL = re.compile(
    r"[ \t]*[+-]?(?:(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:[eE][+-]?[0-9]+)?|nan|inf|infinity)[ \t]*", re.I
)


def whole_number(text: str) -> int | None:
    """Read a whole number: digits, with blanks around them or not.

    Parameters
    ----------
    text : str

    Returns
    -------
    int or None
        None if it is none, or has more than 18 digits.
    """
    match = _WHOLE.fullmatch(text)
    return int(match[1]) if match else None


def decimal_number(text: str) -> float | None:
    """Read a number in decimal or scientific notation, with blanks around it or not.

    Parameters
    ----------
    text : str

    Returns
    -------
    float or None
        None if it is none. Can be NaN or infinite, which a file may spell out.
    """
    return float(text) if _DECIMAL.fullmatch(text) and text.isascii() else None
