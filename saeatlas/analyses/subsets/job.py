"""The work of `subsets.judge`: from bitmaps and lobes to the rows of its tables."""

import time
from collections.abc import Callable, Generator, Iterator
from functools import partial
from typing import Any, Literal

import numpy as np
import sqlalchemy as sa

from saeatlas.analyses.counting import read_bits
from saeatlas.analyses.counting.bitmaps import Bitmap
from saeatlas.analyses.subsets import winners
from saeatlas.analyses.subsets.enrichment import Enrichment, enrich, won_by_document
from saeatlas.analyses.subsets.held_out import Documents, Judged, Source
from saeatlas.schema import tables
from saeatlas.schema.database import partitions, statistics
from saeatlas.schema.database.copy import copy_rows
from saeatlas.schema.rows import pair_counts, runs
from saeatlas.schema.rows.clusterings import Labels

Preset = Literal["default", "paper"]

Picker = Callable[[np.ndarray[Any, Any]], np.ndarray[Any, Any]]
"""From active features of shape (n_blocks, n_lobes) to winners of shape (n_blocks,)."""

_BLOCKS = 4_096
"""Blocks that are judged and written at once; a multiple of 8."""

_LOBES = 256
"""Lobes whose intervals are made at once: bounds the memory."""


class Job:
    """One judgement that is not in the catalog yet.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    source : Source
    bitmap : Bitmap
    judged : Judged
        Blocks and their documents.
    labels : list of Labels
        Clusterings to judge.
    documents : {'held-out', 'all'}
    preset : {'default', 'paper'}
    seed : int
    """

    def __init__(
        self, engine: sa.Engine, source: Source, bitmap: Bitmap, judged: Judged,
        labels: list[Labels], *, documents: Documents, preset: Preset, seed: int,
    ) -> None:  # fmt: skip
        self.engine, self.source, self.bitmap, self.judged = engine, source, bitmap, judged
        self.labels, self.preset, self.seed = labels, preset, seed
        self.params = {
            "documents": documents,
            "affinities": sorted({one.affinity for one in labels}),
            "ks": sorted({one.k for one in labels}),
            "blocks_sha256": judged.sha256(),
        }
        self.key = runs.input_hash(
            clusterings=[one.clustering for one in labels], preset=preset, seed=seed, **self.params
        )
        self.number: int | None = None
        self.features, self.members = winners.membership(labels)
        self.sizes = [np.bincount(one.lobes) for one in labels]
        ends = np.cumsum([len(size) for size in self.sizes]).tolist()
        self.columns = [slice(end - len(n), end) for end, n in zip(ends, self.sizes, strict=True)]
        # by block and clustering; sums over the blocks of a type, by lobe
        self.won = np.empty((len(judged.blocks), len(labels)), np.int32)
        self.active = np.zeros((len(judged.subsets), len(self.members)), np.int64)
        self.n_empty = 0

    def run(self) -> Generator[int, None, None]:
        """Judge slab by slab and commit the whole; yield how many blocks are judged."""
        began = time.perf_counter()
        with self.engine.begin() as connection:
            number = self._open(connection)
            pickers = self._pickers(connection)
            with partitions.filling(connection, tables.block_lobe, number) as table:
                columns = ["run", "clustering", "block", "shares", "lobe"]
                for first, active in self._slabs(connection):
                    rows = self._judge(first, active, pickers)
                    copy_rows(connection, table, columns, ((number, *row) for row in rows))
                    yield first + len(active)
            self._write_subsets(connection, number)
            self._close(connection, number, time.perf_counter() - began)
        self.number = number

    def _open(self, connection: sa.Connection) -> int:
        """Write the run's row, and keep what it reads from being removed until it commits."""
        number = runs.create(
            connection, "subsets", self.key, sae=self.source.sae, recording=self.source.recording,
            preset=self.preset, seed=self.seed, params=self.params, quality={},
        )  # fmt: skip
        for run in (self.source.count, self.source.lobes_run):
            runs.hold(connection, tables.run, run)
        return number

    def _pickers(self, connection: sa.Connection) -> list[Picker]:
        """Say for each clustering how the winners follow from the counts of active features."""
        if self.preset == "paper":
            return [partial(winners.by_share, sizes=sizes) for sizes in self.sizes]
        n, _ = pair_counts.read_features(connection, self.source.count)
        activity = [np.bincount(one.lobes, n[one.features]) for one in self.labels]
        return [partial(winners.by_excess, activity=sums) for sums in activity]

    def _slabs(self, connection: sa.Connection) -> Iterator[tuple[int, np.ndarray[Any, Any]]]:
        """Count the active features of each lobe in the judged blocks.

        Yields the place of a slab's first block among those judged, and float32 of shape
        (blocks of the slab, n_lobes).
        """
        table = tables.bitmap_chunk
        query = sa.select(table).where(table.c.bitmap == self.bitmap.id).order_by(table.c.chunk)
        for chunk in connection.execute(query).all():
            edges = np.arange(chunk.first_block, chunk.first_block + chunk.n_blocks, _BLOCKS)
            stops = np.minimum(edges + _BLOCKS, chunk.first_block + chunk.n_blocks)
            places = np.searchsorted(self.judged.blocks, [edges, stops]).T.tolist()
            if places[0][0] == places[-1][1]:
                continue  # none of it is judged
            packed = read_bits.read_chunk(connection, self.bitmap, chunk.chunk, chunk.n_blocks)
            for edge, (first, stop) in zip(edges, places, strict=True):
                byte = (edge - chunk.first_block) // 8
                part = packed[self.features, byte : byte + _BLOCKS // 8]
                active = winners.count_active(part, self.members)
                yield first, active[self.judged.blocks[first:stop] - edge]

    def _judge(
        self,
        first: int,
        active: np.ndarray[Any, Any],
        pickers: list[Picker],
    ) -> Iterator[tuple[Any, ...]]:
        """Find the winners of a slab; yield its rows."""
        here = slice(first, first + len(active))
        blocks = self.judged.blocks[here].tolist()
        types = self.judged.types[self.judged.documents[here]]
        for one in np.unique(types[types >= 0]):
            self.active[one] += active[types == one].sum(axis=0, dtype=np.float64).astype(np.int64)
        for i, label in enumerate(self.labels):
            own = active[:, self.columns[i]]
            won = self.won[here, i] = pickers[i](own)
            self.n_empty += int((~own.any(axis=1)).sum())
            shares = (own / self.sizes[i]).astype(np.float32)
            for block, share, lobe in zip(blocks, shares, won.tolist(), strict=True):
                yield label.clustering, block, share, lobe if lobe >= 0 else None

    def _write_subsets(self, connection: sa.Connection, number: int) -> None:
        """Write how often lobes win in each document type."""
        if not self.judged.subsets:
            return
        n_blocks = np.bincount(self.judged.documents)
        for group in self._groups():
            won = [
                won_by_document(
                    self.won[:, i], self.judged.documents, len(n_blocks), len(self.sizes[i])
                )
                for i in group
            ]
            found = enrich(
                np.concatenate(won, axis=1),
                n_blocks,
                self.judged.types,
                len(self.judged.subsets),
                seed=self.seed,
            )
            rows = [{"run": number} | row for row in self._subset_rows(group, found)]
            connection.execute(sa.insert(tables.subset_lobe), rows)
        statistics.refresh(connection, tables.subset_lobe)

    def _groups(self) -> Iterator[list[int]]:
        """Divide the clusterings so that the lobes of a group are few."""
        group: list[int] = []
        n = 0
        for i, sizes in enumerate(self.sizes):
            if group and n + len(sizes) > _LOBES:
                yield group
                group, n = [], 0
            group.append(i)
            n += len(sizes)
        yield group

    def _subset_rows(self, group: list[int], found: Enrichment) -> Iterator[dict[str, Any]]:
        """Yield rows of ``subset_lobe``, without the run."""
        # a column of `found` is a lobe: place of its clustering, and number in it
        lobe = [(i, j) for i in group for j in range(len(self.sizes[i]))]
        active = self.active[:, self.columns[group[0]].start : self.columns[group[-1]].stop]
        for column, (i, j) in enumerate(lobe):
            for one, subset in enumerate(self.judged.subsets):
                n = int(found.n_blocks[one])
                yield {
                    "clustering": self.labels[i].clustering,
                    "lobe": j,
                    "subset": subset,
                    "n_blocks": n,
                    "n_top": int(found.n_top[one, column]),
                    "top_share": float(found.top_share[one, column]),
                    "mean_share": float(active[one, column] / (self.sizes[i][j] * n)),
                    "enrichment": _known(found.enrichment[one, column]),
                    "enrichment_low": _known(found.low[one, column]),
                    "enrichment_high": _known(found.high[one, column]),
                }

    def _close(self, connection: sa.Connection, number: int, seconds: float) -> None:
        """Complete the run's row with what is known only now."""
        quality = {
            "n_blocks": len(self.judged.blocks),
            "n_documents": len(self.judged.types),
            "n_clusterings": len(self.labels),
            "n_ties": int((self.won < 0).sum()) - self.n_empty,
            "n_empty": self.n_empty,
            "held_out": self.params["documents"] == "held-out",
            "seconds": round(seconds, 3),
        }
        values = {"quality": quality, "input_run": self.source.lobes_run}
        table = tables.run
        connection.execute(
            sa.update(table)
            .where(table.c.id == number)
            .values(values | {"finished_at": sa.func.clock_timestamp()})
        )


def _known(value: float) -> float | None:
    return None if np.isnan(value) else float(value)
