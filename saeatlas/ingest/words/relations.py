"""Files of word pairs: one relation per file, as a list of {"input", "output"}."""

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from saeatlas import errors
from saeatlas.ingest.formats import json_text, texts
from saeatlas.schema import tables
from saeatlas.schema.database.copy import copy_rows
from saeatlas.wording import counted

Pair = tuple[str, str]

MAX_CHARACTERS = 500
"""Longest word, or words, of a pair: a key of the catalog's, and not a text."""

_FORM = 'The form is a list of pairs: [{"input": "Austria", "output": "Vienna"}, ...].'


@dataclass(frozen=True)
class Relation:
    """Pairs of words as a file has them.

    Parameters
    ----------
    name : str
    pairs : tuple of (str, str)
        Input and output, without white space around them; each pair once.
    n_duplicates : int
        Pairs left out, each being equal to an earlier one.
    """

    name: str
    pairs: tuple[Pair, ...]
    n_duplicates: int

    @property
    def n_same(self) -> int:
        """Pairs whose output is their input."""
        return sum(a == b for a, b in self.pairs)

    @property
    def n_repeated(self) -> int:
        """Pairs whose input an earlier pair has with another output."""
        return len(self.pairs) - len({a for a, _ in self.pairs})

    @cached_property
    def sha256(self) -> bytes:
        """Hash of the pairs in their order."""
        return hashlib.sha256(json.dumps(self.pairs).encode()).digest()


@dataclass(frozen=True)
class Stored:
    """A relation in the catalog.

    Parameters
    ----------
    id : int
        ``relation.id``.
    relation : Relation
    created : bool
        False if the same pairs were there already.
    """

    id: int
    relation: Relation
    created: bool

    @property
    def summary(self) -> str:
        """What was done, in a line."""
        made = self.relation
        counts = (
            (made.n_same, "with input equal to output"),
            (made.n_repeated, "with an input that an earlier one has"),
            (made.n_duplicates, "more left out as duplicates"),
        )
        said = "".join(f", {n:,} {what}" for n, what in counts if n)
        done = "ingested" if self.created else "already there, unchanged"
        return f"Relation {self.id}  {made.name}  {counted(len(made.pairs), 'pair')}{said}: {done}"


def read_relation(path: Path) -> Relation:
    """Read a file of word pairs; its stem is the relation's name.

    Parameters
    ----------
    path : Path
        JSON: a list of objects with ``input`` and ``output``; other fields do not count.

    Returns
    -------
    Relation

    Raises
    ------
    BadWords
        It cannot be read, or is not of this form.
    """
    with errors.raised_as(errors.BadWords):
        found = json_text.read_json(path)
        texts.require_name(path.stem, f"The relation of {path.name}", "Rename the file.")
    if not isinstance(found, list) or not found:
        raise errors.BadWords(
            f"{path.name} is not a list of word pairs.",
            available=f"It holds {'an empty list' if found == [] else type(found).__name__}.",
            hint=_FORM,
        )
    pairs = [
        (_word(path, place, row, "input"), _word(path, place, row, "output"))
        for place, row in enumerate(found, 1)
    ]
    distinct = tuple(dict.fromkeys(pairs))
    return Relation(path.stem, distinct, len(pairs) - len(distinct))


def store_relation(connection: sa.Connection, relation: Relation) -> Stored:
    """Write a relation; the same pairs again change nothing.

    Writes one row of ``relation`` and one of ``word_pair`` a pair.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        In a transaction that the caller commits.
    relation : Relation

    Returns
    -------
    Stored

    Raises
    ------
    NameTaken
        Other pairs have this name.
    """
    found = _same_pairs(connection, relation)
    if found is not None:
        return Stored(found, relation, created=False)
    table = tables.relation
    row = {
        "name": relation.name,
        "n_pairs": len(relation.pairs),
        "n_same": relation.n_same,
        "n_repeated": relation.n_repeated,
        "n_duplicates": relation.n_duplicates,
        "sha256": relation.sha256,
    }
    number = connection.execute(
        insert(table).values(row).on_conflict_do_nothing().returning(table.c.id)
    ).scalar_one_or_none()
    if number is None:  # another process has created it at this moment
        return store_relation(connection, relation)
    rows = ((number, rank, *pair) for rank, pair in enumerate(relation.pairs, 1))
    copy_rows(connection, tables.word_pair, ["relation", "rank", "input", "output"], rows)
    return Stored(number, relation, created=True)


def require_free_name(connection: sa.Connection, relation: Relation) -> None:
    """Check that the catalog has no other pairs under a relation's name.

    Parameters
    ----------
    connection : sqlalchemy.Connection
    relation : Relation

    Raises
    ------
    NameTaken
    """
    table = tables.relation
    query = sa.select(table).where(table.c.name == relation.name)
    row = connection.execute(query).one_or_none()
    if row is not None:
        _require_same_pairs(row, relation)


def stored_pairs(connection: sa.Connection, relations: Sequence[int] | None = None) -> list[Pair]:
    """Read the pairs of relations of the catalog.

    Parameters
    ----------
    connection : sqlalchemy.Connection
    relations : sequence of int, optional
        ``relation.id``. Default: all there are.

    Returns
    -------
    list of (str, str)

    Raises
    ------
    UnknownName
        There is none.
    """
    table = tables.word_pair
    query = sa.select(table.c.input, table.c.output).order_by(table.c.relation, table.c.rank)
    if relations is not None:
        query = query.where(table.c.relation.in_(relations))
    found = [(row.input, row.output) for row in connection.execute(query)]
    if not found:
        raise errors.UnknownName(
            "There are no word pairs in the catalog yet.",
            hint=f"Name files of pairs: `saeatlas ingest words PAIRS.json ...`. {_FORM}",
        )
    return found


def _word(path: Path, place: int, row: Any, field: str) -> str:
    value = row.get(field) if isinstance(row, dict) else row
    if not isinstance(row, dict) or not isinstance(value, str):
        missing = isinstance(row, dict) and field not in row
        what = f"has no {field}" if missing else f"has {value!r:.60} where its {field} should be"
        raise errors.BadWords(f"{path.name}: pair {place} {what}.", hint=_FORM)
    word = value.strip()
    if not 0 < len(word) <= MAX_CHARACTERS:
        raise errors.BadWords(
            f"{path.name}: the {field} of pair {place} has {len(word):,} characters.",
            available=f"A word, or words, has 1 to {MAX_CHARACTERS}, white space around it apart.",
            hint="Leave the pair out, or correct it.",
        )
    if texts.storable(word) != word:
        raise errors.BadWords(
            f"{path.name}: the {field} of pair {place} is no text that can be stored: {word!r}.",
            available="It has a NUL character, or half of a surrogate pair.",
            hint="Leave the pair out, or correct it.",
        )
    return word


def _same_pairs(connection: sa.Connection, relation: Relation) -> int | None:
    """Find the relation of this name; refuse one of other pairs."""
    table = tables.relation
    query = sa.select(table).where(table.c.name == relation.name).with_for_update(key_share=True)
    row = connection.execute(query).one_or_none()
    if row is None:
        return None
    _require_same_pairs(row, relation)
    return int(row.id)


def _require_same_pairs(row: sa.Row[Any], relation: Relation) -> None:
    if row.sha256 != relation.sha256:
        raise errors.NameTaken(
            f"The catalog has other pairs under the name {relation.name}.",
            available=f"{row.n_pairs:,} pairs there, {len(relation.pairs):,} in this file.",
            hint="Give this file another name, or take those out: `saeatlas remove relation "
            f"{relation.name}`.",
        )
