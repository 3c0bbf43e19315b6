"""Numbers written as text: what Python's own ``float`` and ``int`` take besides is refused."""


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
