"""What is wrong with a query: a position in its text, the known names and the nearest.

The text is not known here: `catalog.query` adds the line and the caret.
"""

import difflib
from collections.abc import Iterable

from saeatlas import errors
from saeatlas.catalog.language.operands import Place

PAGE = f"{errors.DOCS}/query.md explains the language."

_LISTED = 30
"""Known names that a message lists."""


class QueryError(errors.BadQuery):
    """The query cannot be understood.

    Parameters
    ----------
    at : Place or None
        What is wrong stands here. None: it is the query as a whole.
    wrong : str
        What is wrong, one sentence.
    name, known : str and iterable of str, optional
        The name that was written, and the names there are.
    available : str, optional
        What is available, in other words.
    hint : str, optional
        What helps. Default: where the language is explained.
    """

    def __init__(
        self,
        at: Place | None,
        wrong: str,
        *,
        name: str | None = None,
        known: Iterable[str] = (),
        available: str | None = None,
        hint: str | None = PAGE,
    ) -> None:
        names = _known(name, list(dict.fromkeys(known))) if name is not None else None
        listed = "\n".join(filter(None, (names, available)))
        super().__init__(wrong, available=listed or None, hint=hint)
        self.at = at


def _known(name: str, known: list[str]) -> str:
    if not known:
        return "There is none yet."
    close = difflib.get_close_matches(name.lower(), known, n=1, cutoff=0.4)
    more = f" and {len(known) - _LISTED} more" if len(known) > _LISTED else ""
    near = [f"Nearest: {close[0]}."] if close else []
    return "\n".join([*near, f"Known: {', '.join(known[:_LISTED])}{more}."])
