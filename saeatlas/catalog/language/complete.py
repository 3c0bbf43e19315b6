"""What may come next in a query: keywords of the grammar, fields, names."""

import re
from collections.abc import Sequence
from typing import NamedTuple

from saeatlas.catalog.language import fields
from saeatlas.catalog.language.kind import Field
from saeatlas.catalog.language.names import AFFINITIES
from saeatlas.catalog.language.parse import expected, keyword
from saeatlas.schema.lobes import MEASURES

_NO_KEYWORDS = {
    "NAME", "NUMBER", "INTEGER", "TEXT", "PATH", "COMPARISON", "SIGN", "FEATURE",
    "RELEASE_FEATURE", "SAE_FEATURE", "$END",
}  # fmt: skip


class Suggestion(NamedTuple):
    """A word that may come next, with its explanation, and how much of it is written already."""

    word: str
    comment: str
    written: int


def suggest(text: str, releases: Sequence[str] = ()) -> list[Suggestion]:
    """Suggest what may come next.

    Parameters
    ----------
    text : str
        The query up to the cursor.
    releases : sequence of str, optional
        Releases in the catalog.

    Returns
    -------
    list of Suggestion
        In the order of keywords, then fields or names; none where the text is no beginning.
    """
    match = re.search(r"[\w.\-/]*$", text)
    assert match is not None
    word, head = match[0], text[: match.start()]
    terminals = expected(head)
    found = [(keyword(name), "") for name in sorted(terminals - _NO_KEYWORDS)]
    if "PATH" in terminals:
        found += [(release, "release") for release in releases]
    if "NAME" in terminals and "NUMBER" not in terminals:
        found += _names(head)
    return [
        Suggestion(name, comment, len(word))
        for name, comment in found
        if name.startswith(word) and name != word and name[0].isalpha()
    ]


def _names(head: str) -> list[tuple[str, str]]:
    before = head.split()
    if before[-1:] == ["of"]:
        return [(name, "affinity") for name in AFFINITIES]
    if before[-1:] == ["by"] and before[-2:-1] != ["order"]:
        return [(name, "measure") for name in MEASURES]
    return [(field.name, field.comment) for field in _fields(head)]


def _fields(head: str) -> Sequence[Field]:
    words = head.split()
    name = " ".join(words[:2]) if words[:1] == ["function"] else words[0]
    if name == "lobes" and "subset" in words:
        return fields.BY_SUBSET.fields
    kind = fields.KINDS[name]
    more: tuple[Field, ...] = kind.more
    if name == "features":
        more += (fields.LOBE,)
    for clause, brought in (
        ("near", (fields.COSINE,)), ("with", fields.PARTNER), ("about", fields.LABEL),
    ):  # fmt: skip
        if name != "crystals" and clause in words:
            more += brought
    return kind.fields + more
