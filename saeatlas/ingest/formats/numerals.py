"""Numbers written as text: what Python's own ``float`` and ``int`` take besides is refused."""

import re

_LIKE = re.compile(
    r"[-+\u2212]?(?:0[xX][\da-fA-F_.]+(?:[pP][-+]?\d+)?|0[bB][01_]+|0[oO][0-7_]+"
    r"|(?:(?:\d[\d_]*|\d{1,3}(?:[.,'\u2019 \u00a0\u202f]\d{3})+)(?:[.,][\d_]*)?|[.,]\d[\d_]*)"
    r"(?:[eE][-+\u2212]?\d+)?\s?%?)"
)


def real(text: str | bytes) -> float:
    """Read a number as files write it.

    Parameters
    ----------
    text : str or bytes
        As 1, -0.5 or 3e-4; also nan and inf, which the caller may refuse. No underscores and
        no digits of other scripts.

    Returns
    -------
    float

    Raises
    ------
    ValueError
    """
    if not text.isascii() or (b"_" if isinstance(text, bytes) else "_") in text:  # type: ignore[operator]
        raise ValueError(f"could not convert to a number: {text[:60]!r}")
    return float(text)


def is_like(text: str) -> bool:
    """Tell whether a text is a number, also in a form that `real` refuses.

    Parameters
    ----------
    text : str
        As 0,35, 1.234,5, 1_000, 0x1F, 35% or inf.

    Returns
    -------
    bool
    """
    try:
        real(text)
    except ValueError:
        return _LIKE.fullmatch(text) is not None
    return True


def whole(text: str | bytes) -> int | None:
    """Read a whole number that is not negative.

    Parameters
    ----------
    text : str or bytes

    Returns
    -------
    int or None
        None if it is none, or has 19 digits or more: nothing has so many parts.
    """
    return int(text) if text.isascii() and text.isdigit() and len(text) < 19 else None
