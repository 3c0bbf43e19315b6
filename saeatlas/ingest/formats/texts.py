"""Texts on their way to the database, which stores neither NUL nor halves of surrogate pairs."""

import re

from saeatlas import errors

LONGEST_NAME = 1_300
"""Most bytes of a name: two of them stand in an index, whose entries have at most 2,700."""

_LONE_SURROGATES = re.compile("[\ud800-\udfff]")
_REPLACEMENT = "\ufffd"


def without_surrogates(text: str) -> str:
    """Replace lone surrogates by U+FFFD: they are not Unicode text, and tokenizers crash on them.

    Parameters
    ----------
    text : str
        Any string.

    Returns
    -------
    str
        A string that has a UTF-8 form.
    """
    try:
        text.encode()  # ten times as fast as a search by the regular expression
    except UnicodeEncodeError:
        return _LONE_SURROGATES.sub(_REPLACEMENT, text)
    return text


def storable(text: str) -> str:
    """Replace what PostgreSQL does not store by U+FFFD: NUL and lone surrogates.

    Parameters
    ----------
    text : str

    Returns
    -------
    str
    """
    return without_surrogates(text).replace("\0", _REPLACEMENT)


def require_storable(text: str, what: str, hint: str = "Name it otherwise.") -> None:
    """Refuse a text that the database could not keep as it is.

    Parameters
    ----------
    text : str
    what : str
        What is called so, for the message.
    hint : str, optional

    Raises
    ------
    BadFile
        It has NUL, or halves of surrogate pairs.
    """
    if storable(text) != text:
        raise errors.BadFile(
            f"{what} is called {text!r:.80}, which cannot be stored.",
            available="It has a NUL character, or bytes that are not UTF-8.",
            hint=hint,
        )


def require_name(text: str, what: str, hint: str = "Name it otherwise.") -> str:
    """Refuse a name that the database could not keep as it is: names are never changed.

    Parameters
    ----------
    text : str
    what : str
        What has this name, for the message: ``The release``.
    hint : str, optional

    Returns
    -------
    str
        The same text.

    Raises
    ------
    BadFile
        It has NUL, halves of surrogate pairs, or more bytes than `LONGEST_NAME`.
    """
    require_storable(text, what, hint)
    n_bytes = len(text.encode())
    if n_bytes > LONGEST_NAME:
        raise errors.BadFile(
            f"{what} has a name of {n_bytes:,} bytes; the longest stored has {LONGEST_NAME:,}.",
            available=f"It begins with {text[:60]!r}.",
            hint=hint,
        )
    return text
