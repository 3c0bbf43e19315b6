"""What is wrong with a query, with a caret under the place, the known names and the nearest."""

import difflib
from collections.abc import Iterable

from saeatlas import errors
from saeatlas.catalog.carets import caret
from saeatlas.catalog.language.nodes import Place

PAGE = "docs/query.md explains the language."

_LISTED = 30
"""Known names that a message lists."""


def mistake(
    text: str,
    at: Place,
    wrong: str,
    *,
    name: str | None = None,
    known: Iterable[str] = (),
    available: str | None = None,
    hint: str = PAGE,
) -> errors.BadQuery:
    """Make the error of a query.

    Parameters
    ----------
    text : str
        The query.
    at : Place
    wrong : str
        One sentence.
    name, known : str and iterable of str, optional
        What was written, and what there is.
    available : str, optional
        What there is, in other words.
    hint : str
    """
    names = _known(name, list(dict.fromkeys(known))) if name is not None else None
    shown = "\n".join(filter(None, (caret(text, *at), names, available)))
    return errors.BadQuery(wrong, available=shown, hint=hint)


def _known(name: str, known: list[str]) -> str:
    if not known:
        return "There is none yet."
    close = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.4)
    more = f" and {len(known) - _LISTED} more" if len(known) > _LISTED else ""
    near = [f"Nearest: {close[0]}."] if close else []
    return "\n".join([*near, f"Known: {', '.join(known[:_LISTED])}{more}."])
