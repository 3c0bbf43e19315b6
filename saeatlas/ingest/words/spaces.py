"""The rows of spaces of word vectors: a space found or created, then filled with what it lacks."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

from saeatlas import errors
from saeatlas.schema import tables
from saeatlas.schema.database.copy import copy_rows
from saeatlas.wording import counted


@dataclass(frozen=True)
class Word:
    """A word as a space has it.

    Parameters
    ----------
    word : str
    vector : ndarray of shape (d,), float32
    log_frequency : float or None
    n_tokens : int or None, default=None
    last_token : str or None, default=None
        Its text, a leading space included.
    """

    word: str
    vector: npt.NDArray[np.float32]
    log_frequency: float | None
    n_tokens: int | None = None
    last_token: str | None = None


@dataclass(frozen=True)
class Space:
    """A space as it was found, locked until the transaction ends.

    Parameters
    ----------
    id : int
        ``word_space.id``.
    name : str
    d : int
    n_words : int
        Words that it had.
    lacking : tuple of str
        Words wanted that it did not have, sorted.
    """

    id: int
    name: str
    d: int
    n_words: int
    lacking: tuple[str, ...]


def words_to_add(
    connection: sa.Connection, row: dict[str, Any], wanted: Sequence[str]
) -> frozenset[str]:
    """Find the words that a space lacks, without locking it; it need not be there yet.

    Parameters
    ----------
    connection : sqlalchemy.Connection
    row : dict
        Columns of ``word_space``.
    wanted : sequence of str

    Returns
    -------
    frozenset of str

    Raises
    ------
    NameTaken
        The words of this name were computed otherwise.
    """
    table = tables.word_space
    query = sa.select(table).where(table.c.name == row["name"])
    found = connection.execute(query).one_or_none()
    if found is None:
        return frozenset(wanted)
    _require_same(found, row)
    return frozenset(wanted) - _words_of(connection, found.id)


def find_or_create_space(
    connection: sa.Connection, row: dict[str, Any], wanted: Sequence[str]
) -> Space:
    """Open a space to add words to it; writes a row of ``word_space`` if there is none.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        In a transaction that the caller commits.
    row : dict
        Columns of ``word_space``.
    wanted : sequence of str

    Returns
    -------
    Space

    Raises
    ------
    NameTaken
        The words of this name were computed otherwise.
    """
    table = tables.word_space
    query = sa.select(table).where(table.c.name == row["name"]).with_for_update()
    found = connection.execute(query).one_or_none()
    if found is None:  # or another process creates it at this moment
        connection.execute(insert(table).values(row).on_conflict_do_nothing())
        found = connection.execute(query).one()
    _require_same(found, row)
    has = _words_of(connection, found.id)
    return Space(found.id, found.name, found.d, len(has), tuple(sorted(set(wanted) - has)))


def add_words(connection: sa.Connection, space: Space, new: Iterable[Word]) -> None:
    """Write words; one row of ``word_vector`` each.

    Parameters
    ----------
    connection : sqlalchemy.Connection
    space : Space
    new : iterable of Word
        Of those that it lacked.
    """
    columns = [
        "space", "word", "vector", "n_characters", "n_tokens", "last_token", "last_token_length",
        "log_frequency",
    ]  # fmt: skip
    rows = (
        (
            space.id,
            one.word,
            one.vector,
            len(one.word),
            one.n_tokens,
            one.last_token,
            None if one.last_token is None else len(one.last_token.removeprefix(" ")),
            one.log_frequency,
        )
        for one in new
    )
    n = copy_rows(connection, tables.word_vector, columns, rows)
    table = tables.word_space
    connection.execute(
        sa.update(table).where(table.c.id == space.id).values(n_words=table.c.n_words + n)
    )


def space_summary(space: Space, n_added: int) -> str:
    """Say in a line what was added to a space.

    Parameters
    ----------
    space : Space
    n_added : int

    Returns
    -------
    str
    """
    done = f"{n_added:,} added" if n_added else "already there, unchanged"
    size = f"{counted(space.n_words + n_added, 'word')} of {counted(space.d, 'dimension')}"
    return f"Words {space.id}  {space.name}  {size}: {done}"


def _words_of(connection: sa.Connection, space: int) -> frozenset[str]:
    word = tables.word_vector
    query = sa.select(word.c.word).where(word.c.space == space)
    return frozenset(connection.execute(query).scalars())


def _require_same(found: sa.Row[Any], row: dict[str, Any]) -> None:
    """Compare what decides a word's vector: facts, layer, site and width."""
    had, mine = dict(found.facts), dict(row["facts"])
    for column in ("layer", "site", "d"):
        had[column], mine[column] = found._mapping[column], row.get(column)
    other = sorted(name for name in had | mine if had.get(name) != mine.get(name))
    if other:
        raise errors.NameTaken(
            f"The words under the name {found.name} were not computed like these.",
            available=f"They came from {found.source} and differ in {', '.join(other)}.",
            hint="Compute these in the same way, give them another --name, or take those out: "
            f"`saeatlas remove words {found.name}`.",
        )
