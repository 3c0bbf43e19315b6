"""Counts of pairs of features, stored in square tiles, and the matrix made of them."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from saeatlas.schema import tables
from saeatlas.schema.database import partitions, wire
from saeatlas.schema.database.copy import copy_rows, read_numbers, read_rows
from saeatlas.schema.database.statements import statement
from saeatlas.schema.rows import runs

Tile = tuple[int, int, npt.NDArray[np.int32]]
"""tile_row, tile_column and counts of shape (n_rows, n_columns)."""


@dataclass(frozen=True)
class Counts:
    """Co-occurrence as matrices.

    Parameters
    ----------
    n_blocks : int
        Blocks counted.
    n : ndarray of shape (d_sae,), int64
        Blocks with each feature active.
    features : ndarray of shape (n_live,), int64
        Features whose pairs were counted, ascending.
    n_both : ndarray of shape (n_live, n_live), int32
        Blocks with both active; rows and columns as `features`, the diagonal is n.
    """

    n_blocks: int
    n: npt.NDArray[np.int64]
    features: npt.NDArray[np.int64]
    n_both: npt.NDArray[np.int32]


def split_tiles(counts: npt.NDArray[np.int32], row: int = 0, column: int = 0) -> Iterator[Tile]:
    """Split a part of the matrix into tiles of its lower triangle.

    Parameters
    ----------
    counts : ndarray of int32
    row, column : int, default=0
        Places of its first row and column; multiples of `tables.TILE`.

    Yields
    ------
    (int, int, ndarray)
        tile_row, tile_column and counts.
    """
    for i in range(0, counts.shape[0], tables.TILE):
        for j in range(0, counts.shape[1], tables.TILE):
            if column + j <= row + i:
                tile = counts[i : i + tables.TILE, j : j + tables.TILE]
                yield (row + i) // tables.TILE, (column + j) // tables.TILE, tile


def write_tiles(connection: sa.Connection, run: int, tiles: Iterable[Tile]) -> None:
    """Write tiles to the table of a run, attached or not.

    Parameters
    ----------
    connection : sqlalchemy.Connection
    run : int
        ``run.id``.
    tiles : iterable of (int, int, ndarray)
    """
    table = partitions.table(tables.cooccurrence, run)
    columns = ["run", "tile_row", "tile_column", "counts"]
    copy_rows(connection, table, columns, ((run, *tile) for tile in tiles))


def write_features(
    connection: sa.Connection,
    run: int,
    n: npt.NDArray[np.int64],
    places: npt.NDArray[np.int64],
) -> None:
    """Write how often each feature is active and where it stands.

    Parameters
    ----------
    connection : sqlalchemy.Connection
    run : int
        ``run.id``.
    n, places : ndarray of shape (d_sae,)
        Blocks of each feature; its place in the matrix, -1 for none.
    """
    rows = (
        (run, feature, int(n[feature]), int(place) if place >= 0 else None)
        for feature, place in enumerate(places)
    )
    copy_rows(connection, tables.cooccurrence_feature, ["run", "feature", "n", "place"], rows)


def read_features(
    connection: sa.Connection, run: int
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    """Read what `write_features` wrote.

    Parameters
    ----------
    connection : sqlalchemy.Connection
    run : int
        ``run.id``.

    Returns
    -------
    (n, places) : ndarrays of shape (d_sae,), int64
        Blocks of each feature; its place in the matrix, -1 for none.
    """
    feature = tables.cooccurrence_feature.c
    query = sa.select(feature.n, sa.func.coalesce(feature.place, -1)).where(feature.run == run)
    n, places = read_numbers(connection, query.order_by(feature.feature))
    return n.astype(np.int64), places.astype(np.int64)


def read(connection: sa.Connection, run: int) -> Counts:
    """Read a run's counts.

    Parameters
    ----------
    connection : sqlalchemy.Connection
    run : int
        ``run.id``.

    Returns
    -------
    Counts
        Of 16,384 live features the matrix takes 1 GiB.

    Raises
    ------
    UnknownName
        There is no such count.
    """
    n_blocks = count_blocks(connection, run)
    n, places = read_features(connection, run)
    features = np.flatnonzero(places >= 0)
    matrix = np.zeros((len(features), len(features)), np.int32)
    fill_matrix(matrix, features, read_parts(connection, run, places))
    return Counts(n_blocks, n, features, matrix)


def fill_matrix(
    matrix: npt.NDArray[np.generic],
    features: npt.NDArray[np.int64],
    parts: Iterable[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.generic]]],
) -> None:
    """Write parts into the whole symmetric matrix.

    Parameters
    ----------
    matrix : ndarray of shape (n_live, n_live)
        Written to.
    features : ndarray of shape (n_live,), int64
        Those of its rows and columns, ascending.
    parts : iterable of (ndarray, ndarray, ndarray)
        As `read_parts` yields them, or values computed from them.
    """
    for these, those, values in parts:
        i, j = np.searchsorted(features, these), np.searchsorted(features, those)
        matrix[np.ix_(i, j)] = values
        matrix[np.ix_(j, i)] = values.T


def count_blocks(connection: sa.Connection, run: int) -> int:
    """Return the number of blocks that a run counted.

    Parameters
    ----------
    connection : sqlalchemy.Connection
    run : int
        ``run.id``.

    Returns
    -------
    int

    Raises
    ------
    UnknownName
        There is no such count.
    """
    return int(runs.read(connection, run, "cooccurrence").quality["n_blocks"])


def read_parts(
    connection: sa.Connection, run: int, places: npt.NDArray[np.int64]
) -> Iterator[tuple[npt.NDArray[np.int64], npt.NDArray[np.int64], npt.NDArray[np.int32]]]:
    """Read a run's counts part by part, for what does not need all of them at once.

    Parameters
    ----------
    connection : sqlalchemy.Connection
    run : int
        ``run.id``.
    places : ndarray of shape (d_sae,), int64
        As `read_features` returns them.

    Yields
    ------
    (these, those, counts)
        Features of the rows and of the columns, and the blocks with both, up to `tables.TILE` each
        way. A pair comes once, in either order; but where these are those, it comes in both.
    """
    live = np.flatnonzero(places >= 0)
    features = live[np.argsort(places[live])]
    for row, column, counts in _tiles(connection, run):
        n, m = counts.shape
        yield features[tables.TILE * row :][:n], features[tables.TILE * column :][:m], counts


def _tiles(connection: sa.Connection, run: int) -> Iterator[Tile]:
    for row, column, counts in read_rows(
        connection, statement(__name__, "read_tiles"), {"run": run}
    ):
        yield wire.integer(row), wire.integer(column), wire.integers(counts)
