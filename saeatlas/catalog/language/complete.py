"""What may come next in a query: keywords of the grammar, fields, names."""

import re
from collections.abc import Iterable, Sequence, Set
from itertools import chain
from typing import NamedTuple

from saeatlas.catalog.language.field_types import Field, Kind
from saeatlas.catalog.language.kinds import KINDS
from saeatlas.catalog.language.names import CLUSTERED
from saeatlas.catalog.language.parse import expected, keyword
from saeatlas.schema.tables import MEASURES

_NO_KEYWORDS = {
    "NAME", "NUMBER", "INTEGER", "TEXT", "PATH", "COMPARISON", "SIGN", "FEATURE",
    "RELEASE_FEATURE", "SAE_FEATURE", "ATTRIBUTE", "$END",
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
    word = _begun(text)
    head = text[: len(text) - len(word)]
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


def _begun(text: str) -> str:
    """Return the word at the end, or the words that begin the name of a kind."""
    match = re.search(r"[\w.\-/]*$", text)
    assert match is not None
    return text if any(" " in text and name.startswith(text) for name in KINDS) else match[0]


def _kind(said: Sequence[str]) -> Kind | None:
    for name, kind in KINDS.items():
        words = name.split()
        if said[: len(words)] == words:
            variants = (v for clause, v in kind.variants.items() if clause.split()[-1] in said)
            return next(variants, kind)
    return None


def _refused(kind: Kind | None, said: Sequence[str], terminals: Set[str]) -> Set[str]:
    """Name the keywords that this kind does not take here, though the grammar lets them follow."""
    if kind is None:
        return set()
    if not {"WHERE", "SAE"} & terminals:  # in a condition
        return {word for each in KINDS.values() for word in each.conditions} - {*kind.conditions}
    every = _words(clause for each in KINDS.values() for clause in each.clauses)
    return every - _words(kind.clauses) - ({"by"} if "with" in said else set())


def _words(clauses: Iterable[str]) -> set[str]:
    return {word for clause in clauses for word in clause.split()}


def _names(kind: Kind, said: Sequence[str], terminals: Set[str]) -> list[tuple[str, str]]:
    if said[-1] == "of":
        lobes = "SAE" not in terminals or "of lobes" in kind.clauses
        return [(name, "affinity") for name in CLUSTERED] if lobes else []
    if said[-1] == "by" and said[-2] != "order":
        return [(name, "measure") for name in MEASURES]
    return [(field.name, field.comment) for field in _fields(kind, said)]


def _fields(kind: Kind, said: Sequence[str]) -> list[Field]:
    brought = (one.fields for one in kind.brought if one.is_in(said))
    return [*kind.fields, *kind.more, *kind.condition_fields, *chain.from_iterable(brought)]
