"""Count in how many blocks two features are active together, inside the database.

n_ij follows from the Hamming distance of two bitmaps: (n_i + n_j - d_ij) / 2. pgvector computes it
with the processor's population count, many bits at a time, so the counting never leaves the server.
"""

import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

import numpy as np
import sqlalchemy as sa

from saeatlas.analyses.counting import bitmaps, sql_engine
from saeatlas.analyses.counting.bitmaps import Bitmap
from saeatlas.analyses.counting.block_selection import Selection, select_blocks
from saeatlas.analyses.counting.sql_engine import Workspace
from saeatlas.analyses.counting.threshold import Threshold
from saeatlas.analyses.progress import Progress
from saeatlas.schema import tables
from saeatlas.schema.rows import pair_counts, runs

Method = Literal["sql", "torch"]

PUBLISHED = Threshold(1.0)
"""The threshold of the published procedure."""

CONNECTIONS = 2
"""Connections that count at once, a processor core each."""


HALVES = {
    "first": "get_byte(sha256(document::text::bytea), 0) % 2 = 0",
    "second": "get_byte(sha256(document::text::bytea), 0) % 2 = 1",
}
"""Conditions on documents: which half of them one lies in, whatever its place and type."""


def count(
    engine: sa.Engine,
    recording: int,
    *,
    threshold: Threshold = PUBLISHED,
    subsets: Sequence[str] = (),
    documents_where: str | None = None,
    half: str | None = None,
    min_blocks: int = 1,
    method: Method = "sql",
) -> Iterator[Progress]:
    """Count the co-occurrence of all pairs of features of a recording.

    Writes ``bitmap``, ``bitmap_chunk`` and ``feature_bitmap`` where they are missing, and in one
    transaction at the end a row of ``run``, one of ``cooccurrence_feature`` a feature and one of
    ``cooccurrence`` a tile of 128 x 128 pairs. A count that was made before is found, not made
    again; one over fewer blocks is added to.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    recording : int
        ``recording.id``.
    threshold : Threshold, default=1.0
        When a feature is active in a block. The published procedure's is 1.
    subsets : sequence of str, optional
        Count only blocks of these document types.
    documents_where : str, optional
        Count only blocks of documents that meet this SQL condition on view ``documents``.
    half : {'first', 'second'}, optional
        Count only one half of the documents, drawn by a hash of their numbers: what is found there
        can then be judged on the other.
    min_blocks : int, default=1
        Pairs of features active in fewer blocks are not counted.
    method : {'sql', 'torch'}
        Where the same products are made: in the database, or on a GPU (or CPU) by torch.

    Yields
    ------
    Progress

    Raises
    ------
    UnknownName, InputError, EmptyCorpus, QueryFailed
        There is nothing to count, or not so; or it is removed meanwhile.
    CatalogBusy
        Another process makes the same count, or has removed the run that this one adds to.

    Notes
    -----
    Counts over subsets add up to those over all blocks. With a low threshold and long blocks nearly
    everything co-occurs with everything: look at phi or lift, not at counts.

    References
    ----------
    Li et al., "The Geometry of Concepts", Entropy 27(4):344, 2025: above 1, blocks of 256 tokens.
    """
    began = time.perf_counter()
    for bitmap, total in bitmaps.grow(engine, recording, threshold):
        yield Progress("bitmaps", bitmap.n_blocks, total, time.perf_counter() - began)
    if half is not None:
        other = "" if documents_where is None else f"({documents_where}\n) and "
        documents_where = other + HALVES[half]
    selection = select_blocks(engine, bitmap, subsets=subsets, documents_where=documents_where)
    params = {
        "threshold": str(threshold),
        "subsets": sorted(subsets),
        "documents_where": documents_where,
        "min_blocks": min_blocks,
        "method": method,
    }
    job = Job(engine, bitmap, selection, params)
    with runs.claimed(engine, "cooccurrence", "count of co-occurrence", job.key) as run:
        if run is None:
            yield from job.run()
    seconds = time.perf_counter() - began
    number = run or job.number
    ask = f"saeatlas sql \"select * from partners({number}, FEATURE, 'phi', 10)\""
    yield Progress("done", job.n_pairs, job.n_pairs, seconds, number, run is None, ask)


class Job:
    """One count that is not in the catalog yet.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    bitmap : Bitmap
    selection : Selection
    params : dict
        What the user asked for; stored with the run.
    """

    def __init__(
        self, engine: sa.Engine, bitmap: Bitmap, selection: Selection, params: dict[str, Any]
    ) -> None:
        self.engine, self.bitmap, self.selection, self.params = engine, bitmap, selection, params
        what = {k: v for k, v in params.items() if k in ("threshold", "min_blocks")}
        self.key = runs.input_hash(recording=bitmap.recording, blocks=selection.sha256(), **what)
        self.number: int | None = None
        self.n_pairs = 0

    def run(self) -> Iterator[Progress]:
        """Count, tile by tile, and publish the whole."""
        began = time.perf_counter()
        base = self._base()
        with sql_engine.opened(self.engine) as work:
            work.put_masks(self.selection.masks, first=base.n_chunks if base else 0)
            new = work.masked_counts(self.bitmap)
            places, n = self._places(new, base)
            live = int((places >= 0).sum())
            self.n_pairs = live * (live + 1) // 2
            work.assemble(self.bitmap, places, new)
            for done in self._tiles(work, live):
                yield Progress("counting", done, self.n_pairs, time.perf_counter() - began)
            if base:
                work.add(base.run)
            self._publish(work, places, n, time.perf_counter() - began)

    def _tiles(self, work: Workspace, live: int) -> Iterator[int]:
        if self.params["method"] == "torch":
            from saeatlas.analyses.counting import torch_engine

            yield from torch_engine.count_tiles(work, live)
            return
        done = 0
        with ThreadPoolExecutor(CONNECTIONS) as pool:
            columns = {
                pool.submit(work.count_column, places, live): places
                for places in work.columns(live)
            }
            try:
                for future in as_completed(columns):
                    future.result()
                    places = columns[future]
                    done += sum(live - place for place in places)
                    yield done
            finally:
                pool.shutdown(wait=False, cancel_futures=True)
                while any(future.running() for future in columns):
                    work.cancel()  # again: a statement may only now have begun
                    time.sleep(0.05)

    def _places(
        self, new: np.ndarray[Any, Any], base: "Base | None"
    ) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
        """Give each feature that is active often enough a row of the table, frequent ones first.

        What an earlier count placed stays where it is.
        """
        n = new + base.n if base else new
        places = base.places.copy() if base else np.full(self.bitmap.d_sae, -1)
        wanted = (n >= max(1, self.params["min_blocks"])) & (places < 0)
        order = np.flatnonzero(wanted)[np.argsort(-n[wanted], kind="stable")]
        places[order] = np.arange(len(order)) + (places >= 0).sum()
        return places, n

    def _base(self) -> "Base | None":
        """Find the newest count of the same over fewer chunks, whose counts need only be added to.

        With min_blocks above 1 a feature may pass it now whose earlier pairs were not counted.
        """
        if self.params["min_blocks"] > 1:
            return None
        run = tables.run
        with self.engine.connect() as connection:
            rows = connection.execute(
                sa.select(run.c.id, run.c.params)
                .where(run.c.analysis == "cooccurrence")
                .where(run.c.recording == self.bitmap.recording)
                .order_by(run.c.id.desc())
            ).all()
            for row in rows:
                chunks = row.params["n_chunks"]
                same = row.params["threshold"] == self.params["threshold"] and (
                    row.params["blocks_sha256"] == self.selection.sha256(chunks)
                )
                if same and row.params["min_blocks"] <= 1:
                    return Base(row.id, chunks, *pair_counts.read_features(connection, row.id))
        return None

    def _publish(
        self,
        work: Workspace,
        places: np.ndarray[Any, Any],
        n: np.ndarray[Any, Any],
        seconds: float,
    ) -> None:
        """Make the run and all its rows visible at once."""
        params = self.params | {
            "n_chunks": len(self.selection.chunk_blocks),
            "blocks_sha256": self.selection.sha256(),
        }
        quality = {
            "n_blocks": self.selection.n_blocks,
            "n_features": int((places >= 0).sum()),
            "n_dead": int((n == 0).sum()),
            "seconds": round(seconds, 3),
        }
        with self.engine.begin() as connection:
            runs.create(
                connection,
                "cooccurrence",
                self.key,
                id=work.number,
                sae=self.bitmap.sae,
                recording=self.bitmap.recording,
                params=params,
                quality=quality,
                started_at=sa.func.clock_timestamp() - timedelta(seconds=seconds),
            )
            pair_counts.write_features(connection, work.number, n, places)
            work.publish(connection)
        self.number = work.number


@dataclass(frozen=True)
class Base:
    """An earlier count to add to.

    Parameters
    ----------
    run : int
    n_chunks : int
        Chunks it covers.
    n, places : ndarray of shape (d_sae,)
        Blocks of each feature; its place, -1 where it has none.
    """

    run: int
    n_chunks: int
    n: np.ndarray[Any, Any]
    places: np.ndarray[Any, Any]
