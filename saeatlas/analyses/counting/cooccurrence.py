"""In how many blocks two features are active together, counted inside the database.

n_ij follows from the Hamming distance of two bitmaps: (n_i + n_j - d_ij) / 2. pgvector computes it
with the processor's population count, many bits at a time, so the bits never leave the server.
"""

import time
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from saeatlas.analyses import run_driver
from saeatlas.analyses.counting import bitmaps, workspaces
from saeatlas.analyses.counting.bitmaps import Bitmap
from saeatlas.analyses.counting.block_selection import Selection, select_blocks
from saeatlas.analyses.counting.params import Params
from saeatlas.analyses.counting.sql_engine import Workspace
from saeatlas.analyses.run_driver import Analysis
from saeatlas.progress import Progress, Report, silent
from saeatlas.schema import tables
from saeatlas.schema.rows import pair_counts

CONNECTIONS = 2
"""Connections that count at once, a processor core each."""


@dataclass(frozen=True)
class Blocks(run_driver.Source):
    """The blocks that are counted.

    Parameters
    ----------
    bitmap : Bitmap
        The recording's transposed activations.
    selection : Selection
    """

    bitmap: Bitmap
    selection: Selection

    @property
    def stored(self) -> dict[str, Any]:
        """By which later analyses find the same blocks again."""
        return {
            "n_chunks": len(self.selection.chunk_blocks),
            "blocks_sha256": self.selection.sha256(),
        }


@dataclass(frozen=True)
class Earlier:
    """An earlier count to add to.

    Parameters
    ----------
    run : int
    n_chunks : int
        Chunks it covers.
    n, places : ndarray of shape (d_sae,), int64
        Blocks of each feature; its place, -1 where it has none.
    """

    run: int
    n_chunks: int
    n: npt.NDArray[np.int64]
    places: npt.NDArray[np.int64]


@dataclass(frozen=True)
class Inputs:
    """Bitmaps of the selected blocks, ready to be counted in the database.

    Parameters
    ----------
    work : Workspace
        Working tables with the bits of each feature.
    n_blocks : int
        Blocks selected.
    n, places : ndarray of shape (d_sae,), int64
        Blocks of each feature; its row and column in the matrix, -1 where it has none.
    earlier : int or None
        Run whose counts are added; the bits are then those of later blocks only.
    """

    work: Workspace
    n_blocks: int
    n: npt.NDArray[np.int64]
    places: npt.NDArray[np.int64]
    earlier: int | None

    def close(self) -> None:
        """Drop the working tables."""
        self.work.close()

    @property
    def n_features(self) -> int:
        """Features whose pairs are counted."""
        return int((self.places >= 0).sum())


@dataclass(frozen=True, kw_only=True)
class Result(run_driver.Result):
    """Counts in the working tables, to be published.

    Parameters
    ----------
    n, places : ndarray of shape (d_sae,), int64
        Blocks of each feature; its row and column in the matrix, -1 where it has none.
    work : Workspace
        With a tile for each 128 x 128 pairs.
    """

    n: npt.NDArray[np.int64]
    places: npt.NDArray[np.int64]
    work: Workspace


def identify(connection: sa.Connection, params: Params, report: Report = silent) -> Blocks:
    """Transpose blocks that came since the last time, and select those that count.

    Writes ``bitmap``, ``bitmap_chunk`` and ``feature_bitmap`` where they are missing.

    Raises
    ------
    UnknownName, InputError, EmptyCorpus, QueryFailed
        There is no such recording, it did not store what the threshold needs, or no block is
        selected.
    """
    bitmap = bitmaps.grow(connection.engine, params.recording, params.threshold, report)
    selection = select_blocks(
        connection.engine, bitmap, subsets=params.subsets, documents_where=params.condition
    )
    facts = {"recording": bitmap.recording, "blocks": selection.sha256()}
    columns = {"sae": bitmap.sae, "recording": bitmap.recording}
    return Blocks(columns, facts, bitmap, selection)


def read(
    connection: sa.Connection, source: Blocks, params: Params, _report: Report = silent
) -> Inputs:
    """Put the bits of the selected blocks into working tables, frequent features first.

    Where an earlier count covers the first chunks, only the later ones are read.
    """
    earlier = _earlier(connection, source, params)
    work = workspaces.open_workspace(connection.engine)
    try:
        work.put_masks(source.selection.masks, first=earlier.n_chunks if earlier else 0)
        new = work.masked_counts(source.bitmap)
        n = new + earlier.n if earlier else new
        places = _places(n, params.min_blocks, earlier)
        work.assemble(source.bitmap, places, new)
    except BaseException:
        work.close()
        raise
    return Inputs(work, source.selection.n_blocks, n, places, earlier.run if earlier else None)


def compute(inputs: Inputs, params: Params, report: Report = silent) -> Result:
    """Count the pairs of all features.

    Counting is the one computation of an analysis that happens in the server: it reads and writes
    the working tables, so that neither bits nor counts travel. The reference implementation in
    NumPy is in tests/support/sparse.py.

    Parameters
    ----------
    inputs : Inputs
    params : Params
    report : callable, optional
        Called with each `Progress`, in pairs.

    Returns
    -------
    Result
        ``quality`` has n_blocks, n_features (whose pairs were counted) and n_dead (features that
        are active in no selected block).

    Raises
    ------
    CatalogBusy
        The earlier count that is added was removed meanwhile.

    Notes
    -----
    Counts over subsets add up to those over all blocks. With a low threshold and long blocks nearly
    everything co-occurs with everything: look at phi or lift, not at counts.

    References
    ----------
    .. [Li2025] Activations above 1, blocks of 256 tokens.
    """
    if params.method == "torch":
        from saeatlas.analyses.counting import torch_engine

        torch_engine.count_tiles(inputs.work, inputs.n_features, report)
    else:
        _count_tiles(inputs.work, inputs.n_features, report)
    if inputs.earlier is not None:
        inputs.work.add(inputs.earlier)
    quality = {
        "n_blocks": inputs.n_blocks,
        "n_features": inputs.n_features,
        "n_dead": int((inputs.n == 0).sum()),
    }
    return Result(
        quality=quality, number=inputs.work.number, n=inputs.n, places=inputs.places,
        work=inputs.work,
    )  # fmt: skip


def write(connection: sa.Connection, run: int, result: Result) -> None:
    """Write ``cooccurrence_feature``, and attach the tiles to ``cooccurrence`` as a partition."""
    pair_counts.write_features(connection, run, result.n, result.places)
    result.work.publish(connection)


ANALYSIS = Analysis(
    name="cooccurrence",
    what="count of co-occurrence",
    ask="select * from partners({run}, (select feature from cooccurrence_feature "
    "where run = {run} order by n desc limit 1))",
    identify=identify,
    read=read,
    compute=compute,
    write=write,
)


def _count_tiles(work: Workspace, live: int, report: Report) -> None:
    """Count in the database, several statements at once; cancel them if one fails."""
    done, total = 0, live * (live + 1) // 2
    with ThreadPoolExecutor(CONNECTIONS) as pool:
        columns = {
            pool.submit(work.count_column, places, live): places for places in work.columns(live)
        }
        try:
            for future in as_completed(columns):
                future.result()
                done += sum(live - place for place in columns[future])
                report(Progress("count pairs", done, total))
        finally:
            pool.shutdown(wait=False, cancel_futures=True)
            while any(future.running() for future in columns):
                work.cancel()  # again: a statement may only now have begun
                time.sleep(0.05)


def _places(
    n: npt.NDArray[np.int64], min_blocks: int, earlier: Earlier | None
) -> npt.NDArray[np.int64]:
    """Give each feature that is active often enough a row of the matrix, frequent ones first.

    What an earlier count placed stays where it is.
    """
    places = earlier.places.copy() if earlier else np.full(len(n), -1)
    wanted = (n >= max(1, min_blocks)) & (places < 0)
    order = np.flatnonzero(wanted)[np.argsort(-n[wanted], kind="stable")]
    places[order] = np.arange(len(order)) + (places >= 0).sum()
    return places


def _earlier(connection: sa.Connection, source: Blocks, params: Params) -> Earlier | None:
    """Find the newest count of the same over fewer chunks, whose counts need only be added to.

    With min_blocks above 1 a feature may pass it now whose earlier pairs were not counted.
    """
    if params.min_blocks > 1:
        return None
    run = tables.run
    rows = connection.execute(
        sa.select(run.c.id, run.c.params)
        .where(run.c.analysis == "cooccurrence", run.c.recording == params.recording)
        .order_by(run.c.id.desc())
    ).all()
    for row in rows:
        chunks = row.params["n_chunks"]
        same = row.params["threshold"] == str(params.threshold) and (
            row.params["blocks_sha256"] == source.selection.sha256(chunks)
        )
        if same and row.params["min_blocks"] <= 1:
            return Earlier(row.id, chunks, *pair_counts.read_features(connection, row.id))
    return None
