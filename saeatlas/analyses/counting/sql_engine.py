"""Tables that exist while one count runs: masks, whole bitmaps, tiles that are not visible yet."""

from collections.abc import Iterable, Sequence
from contextlib import ExitStack, suppress
from typing import Any

import numpy as np
import numpy.typing as npt
import psycopg
import sqlalchemy as sa
from psycopg import sql
from sqlalchemy.dialects.postgresql import BIT

from saeatlas import errors
from saeatlas.analyses.counting.bitmaps import Bitmap
from saeatlas.schema import tables
from saeatlas.schema.database import connect, failures, partitions, wire
from saeatlas.schema.database.copy import copy_rows, read_rows
from saeatlas.schema.database.statements import statement
from saeatlas.schema.rows.pair_counts import Tile, write_tiles
from saeatlas.schema.tables import SCHEMA, TILE

STRIP, STRIP_BYTES = 32, 2**20
"""Most features of a strip, and most bytes of their bitmaps: what a core's own cache holds."""

_COLUMNS, _COLUMNS_BYTES = 4 * TILE, 2**26
"""Most features that a statement counts with all others, and most bytes of their bitmaps."""

_STATEMENTS = 8
"""Statements that a count is divided in at least, where there are so many tiles."""

# a feature of a strip, and its count with another: what the statement count_tiles repeats
_MEMBER = sql.SQL(
    "(select n from {work} where place = first + {i}) as {n}, "
    "(select bits || B'' from {work} where place = first + {i}) as {bits}"
)
_COUNT = sql.SQL("(feature.n + strip.{n} - (feature.bits <~> strip.{bits})::integer) / 2")


class Workspace:
    """The working tables of one count, named after the run that will come of it.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    number : int
        ``run.id`` of the run to come.

    Attributes
    ----------
    lock : ExitStack
        Holds what is released when they are closed.
    """

    def __init__(self, engine: sa.Engine, number: int) -> None:
        self.engine, self.number = engine, number
        self.lock = ExitStack()
        self._running: set[psycopg.Connection[Any]] = set()
        self._n_bytes = 1  # of a feature's bits
        names = {
            "mask": f"counting_{number}_mask",
            "work": f"counting_{number}",
            "tiles": partitions.name(tables.cooccurrence, number),
        }
        self._parts: dict[str, sql.Composable] = {
            name: sql.Identifier(SCHEMA, table) for name, table in names.items()
        } | {"run": sql.Literal(number), "tile": sql.Literal(TILE)}
        self._mask = sa.Table(
            names["mask"],
            sa.MetaData(schema=SCHEMA),
            sa.Column("chunk", sa.Integer),
            sa.Column("bits", BIT(varying=True)),
        )

    def put_masks(self, masks: Sequence[npt.NDArray[np.uint8]], *, first: int) -> None:
        """Say which blocks count.

        Parameters
        ----------
        masks : sequence of ndarray of uint8
            Bits of each chunk.
        first : int
            First chunk to count.
        """
        self._n_bytes = max(1, sum(map(len, masks[first:])))
        with self.engine.begin() as connection:
            rows = ((chunk, mask) for chunk, mask in enumerate(masks) if chunk >= first)
            copy_rows(connection, self._mask, ["chunk", "bits"], rows)

    def masked_counts(self, bitmap: Bitmap) -> npt.NDArray[np.int64]:
        """Count the selected blocks of each feature.

        Parameters
        ----------
        bitmap : Bitmap

        Returns
        -------
        ndarray of shape (d_sae,), int64
        """
        n = np.zeros(bitmap.d_sae, np.int64)
        with self.engine.begin() as connection:
            rows = self.execute(
                connection, "masked_counts", parts={"bitmap": sql.Literal(bitmap.id)}
            )
            for feature, count in rows:
                n[feature] = count
        return n

    def assemble(
        self, bitmap: Bitmap, places: npt.NDArray[np.int64], n: npt.NDArray[np.int64]
    ) -> None:
        """Put each feature's bits of all chunks in one, in the order of their places.

        Parameters
        ----------
        bitmap : Bitmap
        places, n : ndarray of shape (d_sae,)
            Place of each feature, -1 for none; selected blocks with it.
        """
        order = np.argsort(places, kind="stable")[(places < 0).sum() :]
        with self.engine.begin() as connection:
            self.execute(
                connection,
                "assemble_bitmaps",
                {"bitmap": bitmap.id, "features": order.tolist(), "counts": n[order].tolist()},
            )

    def columns(self, live: int) -> list[range]:
        """Divide the features in columns, each for one statement.

        Parameters
        ----------
        live : int
            Number of features.

        Returns
        -------
        list of range
            Places.
        """
        most = min(_COLUMNS, _COLUMNS_BYTES // self._n_bytes, live // _STATEMENTS)
        width = max(1, most // TILE) * TILE
        return [range(first, min(first + width, live)) for first in range(0, live, width)]

    def count_column(self, places: range, live: int) -> None:
        """Count the pairs of some features with each other and with all that follow.

        Parameters
        ----------
        places : range
            Their places, from a multiple of `TILE`.
        live : int
            Number of features.
        """
        strip = STRIP
        while strip > 1 and strip * self._n_bytes > STRIP_BYTES:
            strip //= 2
        own = [
            {"i": sql.Literal(i), "n": sql.Identifier(f"n{i}"), "bits": sql.Identifier(f"bits{i}")}
            for i in range(strip)
        ]
        parts: dict[str, sql.Composable] = {
            "strip": sql.Literal(strip),
            "first": sql.Literal(places.start),
            "stop": sql.Literal(places.stop),
            "live": sql.Literal(live),
            "members": sql.SQL(", ").join(_MEMBER.format(**self._parts, **part) for part in own),
            "counts": sql.SQL(", ").join(_COUNT.format(**part) for part in own),
        }
        with self.engine.begin() as connection:
            driver = connect.raw(connection)
            self._running.add(driver)
            try:
                self.execute(connection, "counting_memory")
                self.execute(connection, "count_tiles", parts=parts)
            finally:
                self._running.discard(driver)

    def bits(self, live: int) -> npt.NDArray[np.uint8]:
        """Read the assembled bitmaps.

        Parameters
        ----------
        live : int
            Number of features.

        Returns
        -------
        ndarray of shape (live, n_bytes), uint8
            In the order of places; the most significant bit of a byte is its first block.
        """
        query = sql.SQL(statement(__name__, "read_work")).format(**self._parts)
        rows: npt.NDArray[np.uint8] | None = None
        with self.engine.connect() as connection:
            for i, (value,) in enumerate(read_rows(connection, query)):
                row = wire.bits(value)
                if rows is None:
                    rows = np.empty((live, len(row)), np.uint8)
                rows[i] = row
        return np.empty((0, 0), np.uint8) if rows is None else rows

    def put_tiles(self, tiles: Iterable[Tile]) -> None:
        """Write tiles counted elsewhere.

        Parameters
        ----------
        tiles : iterable of (int, int, ndarray of int32)
            tile_row, tile_column and counts.
        """
        with self.engine.begin() as connection:
            write_tiles(connection, self.number, tiles)

    def cancel(self) -> None:
        """Stop the statements of `count_column` that run now."""
        for driver in list(self._running):
            with suppress(psycopg.Error):
                driver.cancel_safe(timeout=5)

    def add(self, run: int) -> None:
        """Add the counts of an earlier run, tile by tile.

        Parameters
        ----------
        run : int
            Its places begin as those of this one.

        Raises
        ------
        CatalogBusy
            It was removed meanwhile.
        """
        table = tables.run
        with self.engine.begin() as connection:
            self.execute(connection, "add_tiles", {"base": run})
            if connection.execute(sa.select(table.c.id).where(table.c.id == run)).first() is None:
                raise errors.CatalogBusy(
                    f"Run {run}, which this count adds to, was removed meanwhile.",
                    hint="Run the same command again: it counts all blocks.",
                )

    def publish(self, connection: sa.Connection) -> None:
        """Make the tiles a partition of ``cooccurrence``, in the caller's transaction.

        The working tables go in the same moment.

        Parameters
        ----------
        connection : sqlalchemy.Connection
        """
        partitions.attach(connection, tables.cooccurrence, self.number)
        self.execute(connection, "drop_workspace")

    def create(self) -> None:
        """Make the tables, empty."""
        with self.engine.begin() as connection:
            self.execute(connection, "create_workspace")
            partitions.create(connection, tables.cooccurrence, self.number)

    def drop(self) -> None:
        """Remove what is not published."""
        with self.engine.begin() as connection:
            self.execute(connection, "drop_workspace")

    def close(self) -> None:
        """Drop them and release the lock."""
        with self.lock:
            self.drop()

    def execute(
        self,
        connection: sa.Connection,
        name: str,
        values: dict[str, Any] | None = None,
        parts: dict[str, sql.Composable] | None = None,
    ) -> psycopg.Cursor[Any]:
        """Run a statement of sql_engine.sql with the names of these tables in it.

        Parameters
        ----------
        connection : sqlalchemy.Connection
        name : str
            The statement's.
        values : dict, optional
            Its parameters.
        parts : dict, optional
            Identifiers and literals besides the tables' names.
        """
        query = sql.SQL(statement(__name__, name)).format(**self._parts | (parts or {}))
        with failures.translated():
            return connect.raw(connection).execute(query, values)
