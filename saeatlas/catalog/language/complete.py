"""What may come next in a query: keywords of the grammar, fields, names."""

import re
from collections.abc import Sequence, Set
from typing import NamedTuple

from saeatlas.catalog.language import fields
from saeatlas.catalog.language.compile import CLAUSES
from saeatlas.catalog.language.kind import Field, Kind
from saeatlas.catalog.language.names import AFFINITIES
from saeatlas.catalog.language.parse import expected, keyword
from saeatlas.schema.tables import MEASURES

_NO_KEYWORDS = {
    "NAME", "NUMBER", "INTEGER", "TEXT", "PATH", "COMPARISON", "SIGN", "FEATURE",
    "RELEASE_FEATURE", "SAE_FEATURE", "$END",
}  # fmt: skip

_OF_SOME_KINDS = {
    "of", "in", "near", "exactly", "with", "about", "by", "run", "recording", "corpus", "fires",
}  # fmt: skip
"""Keywords that not every kind of rows takes, though the grammar lets them follow."""


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
    match = re.search(r"(?:^function +)?[\w.\-/]*$", text)
    assert match is not None
    word, head = match[0], text[: match.start()]
    terminals = expected(head)
    said = re.sub(r"#[^\n]*", "", head).split()
    kind = _kind(said)
    keywords = {keyword(name) for name in terminals - _NO_KEYWORDS}
    found = [(name, "") for name in sorted(keywords - _refused(kind, said, terminals))]
    names = [release if re.fullmatch(r"[A-Za-z_][\w.\-/]*", release) else f'"{release}"'
             for release in releases if '"' not in release]  # fmt: skip
    if "PATH" in terminals:
        found += [(name, "release") for name in names]
    if "RELEASE_FEATURE" in terminals and "NAME" not in terminals:
        found += [(f"{name}/", "release") for name in names]
    if kind and "NAME" in terminals and "NUMBER" not in terminals:
        found += _names(kind, said, terminals)
    return [
        Suggestion(name, comment, len(word))
        for name, comment in found
        if name.startswith(word) and name != word and (name[0].isalpha() or name[0] == '"')
    ]


def _kind(said: Sequence[str]) -> Kind | None:
    kind = fields.KINDS.get(" ".join(said[:2] if said[:1] == ["function"] else said[:1]))
    if kind is not None and kind.name == "lobes" and "subset" in said:
        return fields.BY_SUBSET
    return kind


def _refused(kind: Kind | None, said: Sequence[str], terminals: Set[str]) -> Set[str]:
    """Name the keywords that this kind does not take here."""
    if kind is None:
        return set()
    if not {"WHERE", "SAE"} & terminals:  # in a condition
        return set() if kind.name == "features" else {"fires"}
    clauses = CLAUSES["lobes" if kind is fields.BY_SUBSET else kind.name]
    taken = {*clauses.replace(",", "").split(), *(["by"] if "with" in said else [])}
    return _OF_SOME_KINDS - taken


def _names(kind: Kind, said: Sequence[str], terminals: Set[str]) -> list[tuple[str, str]]:
    if said[-1] == "of":
        lobes = "SAE" not in terminals or kind.name.startswith("lobes")
        return [(name, "affinity") for name in AFFINITIES] if lobes else []
    if said[-1] == "by" and said[-2] != "order":
        return [(name, "measure") for name in MEASURES]
    return [(field.name, field.comment) for field in _fields(kind, said)]


def _fields(kind: Kind, said: Sequence[str]) -> Sequence[Field]:
    more: tuple[Field, ...] = kind.more
    if kind.name == "features":
        more += (fields.LOBE,)
    for (of, clause), brought in fields.BROUGHT.items():
        if of == kind.name and (clause in said or (of == "blocks" and ":" in "".join(said))):
            more += brought
    return kind.fields + more
