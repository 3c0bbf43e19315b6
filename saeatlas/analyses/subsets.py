"""Lobes by document type: which lobe wins each block, judged on documents that built none."""

import time
from collections.abc import Iterator, Sequence
from typing import Any, Literal

import numpy as np
import sqlalchemy as sa
from psycopg import sql

from saeatlas import errors
from saeatlas.analyses import bitmaps
from saeatlas.analyses.bitmaps import Bitmap
from saeatlas.analyses.progress import Progress
from saeatlas.analyses.selection import select_blocks
from saeatlas.analyses.threshold import Threshold
from saeatlas.analyses.winners import (
    NONE,
    Preference,
    Preset,
    count_active,
    prefer,
    winners,
)
from saeatlas.schema import (
    clusterings,
    connect,
    failures,
    lobes,
    partitions,
    results,
    runs,
    tiles,
)
from saeatlas.schema.clusterings import Labels
from saeatlas.schema.copy import copy_rows
from saeatlas.schema.statements import statement

Array = np.ndarray[Any, Any]
Documents = Literal["held-out", "all"]

_HERE = "saeatlas.analyses"

FEW = 8
"""Largest k that is judged unless others are asked for: every clustering has a row a block."""


def judge(
    engine: sa.Engine,
    lobes_run: int,
    *,
    affinities: Sequence[str] = (),
    ks: Sequence[int] = (),
    documents: Documents = "held-out",
    preset: Preset = "default",
    seed: int = 0,
) -> Iterator[Progress]:
    """Find which lobe wins each block, and which document types each lobe prefers.

    Writes in one transaction a run 'subsets' (``input_run`` the run of lobes), a partition of
    ``block_lobe`` with a row a block and clustering, and ``subset_lobe`` with one a lobe and
    document type.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    lobes_run : int
        ``run.id`` of lobes.
    affinities : sequence of str, optional
    ks : sequence of int, optional
        Only these. Default: all affinities, and k up to 8.
    documents : {'held-out', 'all'}
        Judge the documents of the recording that the lobes were not made from, or all of them: then
        preferences are those that were found, not tested.
    preset : {'default', 'paper'}
        How a winner is found: see `winners.winners`. paper judges all documents.
    seed : int
        Of the resampling for intervals.

    Yields
    ------
    Progress

    Raises
    ------
    UnknownName, InputError, EmptyCorpus
        No such lobes; none whose counts are known; or no documents left to judge.
    CatalogBusy
        Another process judges the same.

    Notes
    -----
    A feature is active above the threshold of the counts. A block without a winner, by a tie or
    because nothing is active, counts among all blocks. Documents without a type are judged, and
    have no row in ``subset_lobe``.

    References
    ----------
    Li et al., "The Geometry of Concepts", Entropy 27(4):344, 2025.
    """
    began = time.perf_counter()
    documents = "all" if preset == "paper" else documents
    with engine.connect() as connection:
        labels = clusterings.read(connection, lobes_run, affinities=affinities, ks=ks)
        labels = [one for one in labels if ks or one.k <= FEW] or labels
        counts = _counts(connection, lobes_run)
        activity, _ = tiles.read_features(connection, counts.id)
    job = Job(engine, labels, counts, activity, preset)
    yield from job.choose(documents)
    key = runs.input_hash(
        clusterings=[one.clustering for one in labels],
        blocks=job.sha256,
        preset=preset,
        seed=seed,
        documents=documents,
    )
    with engine.connect() as connection:
        connection.detach()
        runs.lock(connection, "judgement of lobes", key)
        number = runs.find(connection, "subsets", key)
        connection.rollback()
        created = number is None
        if number is None:
            yield from job.run()
            number = job.publish(key, lobes_run, documents, seed, began=began)
    ask = f'saeatlas sql "select * from lobe_subsets where run = {number}"'
    yield Progress("done", 1, 1, time.perf_counter() - began, number, created, ask)


class Job:
    """The judgement of some clusterings of one SAE.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    labels : list of Labels
    counts : sqlalchemy.Row
        The run of co-occurrence that the lobes come from.
    activity : ndarray of shape (d_sae,), int64
        Blocks in which each feature was active there.
    preset : {'default', 'paper'}
    """

    def __init__(
        self, engine: sa.Engine, labels: list[Labels], counts: sa.Row[Any], activity: Array,
        preset: Preset,
    ) -> None:  # fmt: skip
        self.engine, self.labels, self.counts = engine, labels, counts
        self.preset = preset
        self._sizes = [np.bincount(one.lobes) for one in labels]
        self._activity = [np.bincount(one.lobes, activity[one.features]) for one in labels]

    def choose(self, documents: Documents) -> Iterator[Progress]:
        """Find the blocks to judge."""
        began, params = time.perf_counter(), self.counts.params
        threshold = Threshold.parse(params["threshold"])
        for bitmap, total in bitmaps.grow(self.engine, self.counts.recording, threshold):
            yield Progress("bitmaps", bitmap.n_blocks, total, time.perf_counter() - began)
            self.bitmap = bitmap
        with self.engine.connect() as connection, failures.translated():
            values = {"corpus": self.bitmap.corpus, "n_blocks": self.bitmap.n_blocks}
            query = statement("block_documents", _HERE)
            rows = connect.raw(connection).execute(query, values).fetchall()
        self.documents = np.array([row[0] for row in rows])
        self.types = [row[1] for row in rows]
        self.chosen = np.ones(len(rows), bool)
        if documents == "held-out":
            counted = self.documents[_counted(self.engine, self.bitmap, params)]
            self.chosen = ~np.isin(self.documents, counted)
        if not self.chosen.any():
            raise errors.InputError(
                "The lobes were made from all documents of the recording: none is left to judge.",
                mend="Count with `--half first` and find lobes in that; or judge the same "
                "documents with `--documents all`.",
            )
        self.sha256 = runs.input_hash(blocks=np.packbits(self.chosen).tobytes().hex()).hex()

    def run(self) -> Iterator[Progress]:
        """Count active features and find the winners, a chunk of blocks at a time."""
        began = time.perf_counter()
        chunks = results.bitmap_chunk
        with self.engine.connect() as connection:
            query = sa.select(chunks.c.chunk, chunks.c.n_blocks).order_by(chunks.c.chunk)
            sizes = connection.execute(query.where(chunks.c.bitmap == self.bitmap.id)).all()
        shares: list[list[Array]] = [[] for _ in self.labels]
        won: list[list[Array]] = [[] for _ in self.labels]
        self.n_empty, first = 0, 0
        for chunk, n_blocks in sizes:
            wanted = self.chosen[first : first + n_blocks]
            bits = self._bits(chunk, n_blocks)
            counted = count_active(
                bits, [one.lobes for one in self.labels], [one.features for one in self.labels]
            )
            for i, counts in enumerate(counted):
                active = counts[:n_blocks][wanted]
                shares[i].append(active / self._sizes[i].astype(np.float32))
                won[i].append(winners(active, self._sizes[i], self._activity[i], self.preset))
            first += n_blocks
            yield Progress("blocks", first, self.bitmap.n_blocks, time.perf_counter() - began)
        self.shares = [np.concatenate(parts) for parts in shares]
        self.won = [np.concatenate(parts) for parts in won]

    def publish(
        self, key: bytes, lobes_run: int, documents: Documents, seed: int, *, began: float
    ) -> int:
        """Write the run and its rows."""
        blocks = np.flatnonzero(self.chosen)
        names = sorted({name for name in self.types if name is not None})
        numbers = {name: i for i, name in enumerate(names)} | {None: NONE}
        types = np.array([numbers[self.types[block]] for block in blocks])
        rows: list[dict[str, Any]] = []
        for one, shares, won in zip(self.labels, self.shares, self.won, strict=True):
            own = self.documents[blocks]
            found = prefer(won, shares, types, own, n_types=len(names), seed=seed)
            rows += _preferences(one.clustering, found, names)
        with self.engine.begin() as connection:
            number = runs.create(
                connection, "subsets", key, sae=self.counts.sae,
                recording=self.counts.recording, input_run=lobes_run, preset=self.preset,
                seed=seed, params={
                    "documents": documents,
                    "clusterings": [one.clustering for one in self.labels],
                },
                quality={
                    "n_blocks": len(blocks),
                    "n_documents": len(np.unique(self.documents[blocks])),
                    "n_without_winner": [int((won == NONE).sum()) for won in self.won],
                    "seconds": round(time.perf_counter() - began, 3),
                },
            )  # fmt: skip
            with partitions.filling(connection, lobes.block_lobe, number) as part:
                columns = ["run", "clustering", "block", "shares", "lobe"]
                for one, shares, won in zip(self.labels, self.shares, self.won, strict=True):
                    copy_rows(
                        connection, part, columns,
                        (
                            (number, one.clustering, int(block), share, int(w) if w >= 0 else None)
                            for block, share, w in zip(blocks, shares, won, strict=True)
                        ),
                    )  # fmt: skip
            if rows:
                insert = sa.insert(lobes.subset_lobe)
                connection.execute(insert, [{"run": number} | row for row in rows])
        return number

    def _bits(self, chunk: int, n_blocks: int) -> Array:
        """Read a chunk's bitmaps, uint8 of shape (d_sae, n_bytes)."""
        bits = np.zeros((self.bitmap.d_sae, -(-n_blocks // 64) * 8), np.uint8)
        query = sql.SQL(statement("read_bits", _HERE)).format(
            bitmap=sql.Literal(self.bitmap.id), chunk=sql.Literal(chunk)
        )
        with self.engine.connect() as connection, failures.translated():
            cursor = connect.raw(connection).cursor()
            with cursor, cursor.copy(query) as copy:
                for feature, value in copy.rows():
                    bits[int.from_bytes(feature)] = np.frombuffer(value, np.uint8, offset=4)
        return bits


def _counts(connection: sa.Connection, lobes_run: int) -> sa.Row[Any]:
    """Return the run of co-occurrence that lobes come from."""
    run = results.run
    row = connection.execute(sa.select(run).where(run.c.id == lobes_run)).one()
    counts = connection.execute(
        sa.select(run).where(run.c.id == row.input_run, run.c.analysis == "cooccurrence")
    ).one_or_none()
    if row.analysis != "lobes" or counts is None:
        raise errors.InputError(
            f"Run {lobes_run} has no counts of co-occurrence behind it any more, or never had.",
            mend="Count and find lobes again: `saeatlas analyze lobes --cooccurrence RUN`.",
        )
    if counts.recording is None:
        raise errors.InputError(
            f"The counts behind run {lobes_run} came from a file: there are no blocks to judge.",
            mend="Record activations, count them and find lobes in that.",
        )
    return counts


def _counted(engine: sa.Engine, bitmap: Bitmap, params: dict[str, Any]) -> Array:
    """Say of each block whether it was counted; bool of shape (n_blocks,)."""
    selection = select_blocks(
        engine, bitmap, subsets=params["subsets"], documents_where=params["documents_where"]
    )
    sizes = selection.chunk_blocks
    parts = [
        np.unpackbits(mask)[:size].astype(bool) & (chunk < params["n_chunks"])
        for chunk, (mask, size) in enumerate(zip(selection.masks, sizes, strict=True))
    ]
    return np.concatenate(parts)


def _preferences(clustering: int, found: Preference, names: list[str]) -> Iterator[dict[str, Any]]:
    """Make the rows of ``subset_lobe`` of one clustering."""
    for lobe, kind in np.ndindex(found.n_won.shape):
        if not found.n_blocks[kind]:
            continue
        ends = {
            "enrichment": found.enrichment,
            "enrichment_low": found.low,
            "enrichment_high": found.high,
        }
        yield {
            "clustering": clustering,
            "lobe": lobe,
            "subset": names[kind],
            "n_blocks": int(found.n_blocks[kind]),
            "n_won": int(found.n_won[lobe, kind]),
            "won_share": float(found.n_won[lobe, kind] / found.n_blocks[kind]),
            "mean_share": float(found.mean_share[lobe, kind]),
        } | {
            name: None if np.isnan(values[lobe, kind]) else float(values[lobe, kind])
            for name, values in ends.items()
        }
