"""Word pairs of known relations and the vectors of their words, as arrays."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from saeatlas import errors
from saeatlas.schema import tables
from saeatlas.schema.database import connect, failures, wire
from saeatlas.schema.database.statements import statement

ATTRIBUTES = ("n_characters", "n_tokens", "last_token_length", "log_frequency")
"""What is measured of a word besides its vector; columns of ``word_vector``."""


@dataclass(frozen=True)
class WordPairs:
    """Pairs of words in one space, each pair with a difference.

    Parameters
    ----------
    relations : tuple of str
        Names of the relations.
    relation : ndarray of shape (n_pairs,), int64
        Which of them each pair belongs to. Pairs stand in the order of relations and ranks.
    words : list of str
        The m words of these pairs, each once, in the order of their code points.
    vectors : ndarray of shape (m, d), float32
    inputs, outputs : ndarray of shape (n_pairs,), int64
        Places in `words`.
    attributes : dict of str to ndarray of shape (m,), float64
        By the name in `ATTRIBUTES`; NaN where unknown.
    n_missing : int
        Pairs left out, the space lacking one of their words or both.
    n_same : int
        Pairs left out, having no difference: input and output are one word, or have the same
        vector.
    """

    relations: tuple[str, ...]
    relation: npt.NDArray[np.int64]
    words: list[str]
    vectors: npt.NDArray[np.float32]
    inputs: npt.NDArray[np.int64]
    outputs: npt.NDArray[np.int64]
    attributes: dict[str, npt.NDArray[np.float64]]
    n_missing: int
    n_same: int


def read(
    connection: sa.Connection, space: int, relations: Sequence[int] | None = None
) -> WordPairs:
    """Read word pairs with their vectors.

    Parameters
    ----------
    connection : sqlalchemy.Connection
    space : int
        ``word_space.id``.
    relations : sequence of int, optional
        ``relation.id``, in the order wanted. Default: all of which the space has a whole pair, in
        the order of their names.

    Returns
    -------
    WordPairs

    Raises
    ------
    UnknownName
        There is no such space, or no such relation.
    """
    d = _width(connection, space)
    names = _names(connection)
    if relations is None:
        whole = _whole(connection, space)
        known = [number for number in names if number in whole]
    else:
        known = list(relations)
        for number in known:
            if number not in names:
                raise _unknown_relation(str(number), names.values())
    with failures.translated(), connect.raw(connection).cursor(binary=True) as cursor:
        cursor.execute(statement(__name__, "read_words"), {"space": space, "relations": known})
        rows = cursor.fetchall()
        cursor.execute(statement(__name__, "read_word_pairs"), {"relations": known})
        pairs = cursor.fetchall()
    vectors = np.empty((len(rows), d), np.float32)
    for place, row in enumerate(rows):
        vectors[place] = wire.vector(row[1])
    attributes = {
        name: np.array([row[2 + i] for row in rows], np.float64)  # None becomes NaN
        for i, name in enumerate(ATTRIBUTES)
    }
    kept, n_missing, n_same = _usable(pairs, [row[0] for row in rows], vectors)
    used, ends = np.unique(kept[:, 1:], return_inverse=True)  # (m,), (n_pairs, 2)
    ends = ends.reshape(-1, 2)
    return WordPairs(
        tuple(names[number] for number in known),
        kept[:, 0],
        [rows[place][0] for place in used],
        vectors[used],
        ends[:, 0],
        ends[:, 1],
        {name: values[used] for name, values in attributes.items()},
        n_missing,
        n_same,
    )


def find_space(connection: sa.Connection, name: str) -> sa.Row[Any]:
    """Find a space of word vectors.

    Parameters
    ----------
    connection : sqlalchemy.Connection
    name : str
        Its name or, where none is called so, its number.

    Returns
    -------
    sqlalchemy.Row
        Of ``word_space``.

    Raises
    ------
    UnknownName
    """
    table = tables.word_space
    for column in (table.c.name, sa.cast(table.c.id, sa.Text)):
        row = connection.execute(sa.select(table).where(column == name)).one_or_none()
        if row is not None:
            return row
    raise _unknown_space(connection, name)


def find_relations(connection: sa.Connection, names: Sequence[str]) -> list[sa.Row[Any]]:
    """Find relations by their names.

    Parameters
    ----------
    connection : sqlalchemy.Connection
    names : sequence of str

    Returns
    -------
    list of sqlalchemy.Row
        Rows of ``relation``, each once, in the order named.

    Raises
    ------
    UnknownName
    """
    table = tables.relation
    query = sa.select(table).where(table.c.name.in_(names))
    found = {row.name: row for row in connection.execute(query)}
    for name in names:
        if name not in found:
            raise _unknown_relation(name, _names(connection).values())
    return [found[name] for name in dict.fromkeys(names)]


def _usable(
    pairs: Sequence[Any], known: list[str], vectors: npt.NDArray[np.float32]
) -> tuple[npt.NDArray[np.int64], int, int]:
    """Return label and the places of both words for the pairs to keep; count the others."""
    places = {word: place for place, word in enumerate(known)}
    whole = [(row[0], *map(places.get, row[1:])) for row in pairs if places.keys() >= {*row[1:]}]
    kept = np.array(whole, np.int64).reshape(-1, 3)
    same = (vectors[kept[:, 1]] == vectors[kept[:, 2]]).all(axis=1)
    return kept[~same], len(pairs) - len(whole), int(same.sum())


def _width(connection: sa.Connection, space: int) -> int:
    table = tables.word_space
    d = connection.execute(sa.select(table.c.d).where(table.c.id == space)).scalar_one_or_none()
    if d is None:
        raise _unknown_space(connection, str(space))
    return int(d)


def _names(connection: sa.Connection) -> dict[int, str]:
    """Name all relations by their numbers, in the order of names."""
    table = tables.relation
    query = sa.select(table.c.id, table.c.name).order_by(sa.collate(table.c.name, "C"))
    return {row.id: row.name for row in connection.execute(query)}


def _whole(connection: sa.Connection, space: int) -> set[int]:
    """Return the numbers of relations of which a space has a pair with both words."""
    pair, word = tables.word_pair, tables.word_vector
    of_space = sa.select(word.c.word).where(word.c.space == space)
    query = sa.select(pair.c.relation).where(
        pair.c.input.in_(of_space), pair.c.output.in_(of_space)
    )
    return set(connection.execute(query.distinct()).scalars())


def _unknown_space(connection: sa.Connection, name: str) -> errors.UnknownName:
    return errors.UnknownName(
        f"There is no space of word vectors {name!r} in the catalog.",
        available=errors.nearest(
            name, connection.execute(sa.select(tables.word_space.c.name)).scalars()
        ),
        hint="Bring words in with `saeatlas ingest words`; the view word_spaces lists them.",
    )


def _unknown_relation(name: str, known: Any) -> errors.UnknownName:
    return errors.UnknownName(
        f"There is no relation {name!r} in the catalog.",
        available=errors.nearest(name, known),
        hint="Bring it in with `saeatlas ingest words`: the stem of a file is its name.",
    )
