"""Top lobes of blocks and of document types, written to their tables."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from saeatlas.analyses import run_driver
from saeatlas.schema import tables
from saeatlas.schema.database import partitions, statistics
from saeatlas.schema.database.copy import copy_rows
from saeatlas.schema.rows import runs

_BLOCKS = 4_096
"""Blocks of a slab of rows."""


@dataclass(frozen=True)
class Assigned:
    """Blocks with the active features of each lobe, and their top lobes.

    Parameters
    ----------
    clusterings : sequence of int
        ``clustering.id``.
    sizes : list of ndarray of shape (k,), int64
        Features of each lobe of each clustering.
    blocks : ndarray of shape (n_blocks,), int64
        Numbers of the blocks, ascending.
    active : ndarray of shape (n_blocks, n_lobes), unsigned integer
        Active features of each lobe; first all lobes of the first clustering.
    top : ndarray of shape (n_blocks, n_clusterings), int32
        Top lobe of each block; -1 for none.
    """

    clusterings: Sequence[int]
    sizes: list[npt.NDArray[np.int64]]
    blocks: npt.NDArray[np.int64]
    active: npt.NDArray[np.unsignedinteger]
    top: npt.NDArray[np.int32]

    @cached_property
    def columns(self) -> list[slice]:
        """Which columns of `active` each clustering has."""
        ends = np.cumsum([len(size) for size in self.sizes]).tolist()
        return [slice(end - len(n), end) for end, n in zip(ends, self.sizes, strict=True)]


@dataclass(frozen=True, kw_only=True)
class Result(run_driver.Result):
    """Top lobes of blocks and of document types.

    Parameters
    ----------
    count : int
        ``run.id`` of the count that the lobes come from.
    assigned : Assigned
    subset_rows : list of dict
        Rows of ``subset_lobe``, but for the run.
    """

    count: int
    assigned: Assigned
    subset_rows: list[dict[str, Any]]


def write(connection: sa.Connection, run: int, result: Result) -> None:
    """Write a row of ``block_lobe`` a block and clustering, and the rows of ``subset_lobe``.

    Raises
    ------
    UnknownName
        The count that the lobes come from was removed meanwhile.
    """
    runs.lock_row(connection, tables.run, result.count)
    columns = ["run", "clustering", "block", "shares", "lobe"]
    with partitions.filling(connection, tables.block_lobe, run) as table:
        copy_rows(connection, table, columns, ((run, *row) for row in _rows(result.assigned)))
    if result.subset_rows:
        rows = [{"run": run} | row for row in result.subset_rows]
        connection.execute(sa.insert(tables.subset_lobe), rows)
        statistics.refresh(connection, tables.subset_lobe)


def _rows(assigned: Assigned) -> Iterator[tuple[Any, ...]]:
    """Yield clustering, block, the lobes' shares of active features, and the top lobe."""
    for first in range(0, len(assigned.blocks), _BLOCKS):
        here = slice(first, first + _BLOCKS)
        blocks = assigned.blocks[here].tolist()
        for i, clustering in enumerate(assigned.clusterings):
            own = assigned.active[here, assigned.columns[i]]
            shares = (own / assigned.sizes[i]).astype(np.float32)
            top = assigned.top[here, i].tolist()
            for block, share, lobe in zip(blocks, shares, top, strict=True):
                yield clustering, block, share, lobe if lobe >= 0 else None
