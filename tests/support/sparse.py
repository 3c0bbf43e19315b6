"""Recordings made of numpy rows, and the counts that numpy makes of them."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import sqlalchemy as sa

from saeatlas.ingest.activations import recordings
from saeatlas.ingest.activations.recordings import DocumentRow, Peaks
from saeatlas.ingest.activations.writer import Chunk, Writer
from saeatlas.schema import tables
from saeatlas.schema.database import partitions
from saeatlas.schema.database.copy import copy_rows

Array = np.ndarray[Any, Any]


@dataclass
class Made:
    """A recording and the matrix it was made of.

    Attributes
    ----------
    row : Recording
    peaks : ndarray of shape (n_blocks, d_sae), float32
        0 where a feature is not active.
    subsets : ndarray of shape (n_blocks,), str
    """

    row: recordings.Recording
    peaks: Array
    subsets: Array

    @property
    def id(self) -> int:
        return self.row.id


def draw(rng: np.random.Generator, n_blocks: int, d_sae: int, density: float = 0.3) -> Array:
    """Sparse activations; each feature as frequent as its own beta-distributed density."""
    p = rng.beta(density, 1, d_sae)
    peaks = rng.gamma(2, 1, (n_blocks, d_sae)).astype(np.float32)
    return np.where(rng.random((n_blocks, d_sae)) < p, peaks, np.float32(0))


def record(
    engine: sa.Engine,
    peaks: Array,
    *,
    keep_above: float = 0.0,
    thetas: Sequence[float | None] | None = None,
    blocks_per_document: int = 1,
) -> Made:
    """Store an SAE, a corpus of documents A, B, A, ... and what their blocks activate."""
    d_sae = peaks.shape[1]
    with engine.begin() as connection:
        n = connection.execute(sa.select(sa.func.count()).select_from(tables.sae)).scalar_one()
        values = {"release": "r", "sae_id": f"s{n}", "d_in": 1, "d_sae": d_sae, "config": {}}
        digest = {"source": "test", "weights_sha256": hashlib.sha256(bytes([n])).digest()}
        sae = connection.execute(
            sa.insert(tables.sae).values(values | digest).returning(tables.sae.c.id)
        ).scalar_one()
        with partitions.filling(connection, tables.feature, sae) as part:
            columns = ["sae", "feature", "decoder", "decoder_norm", "threshold"]
            theta = thetas if thetas is not None else [None] * d_sae
            one = np.ones(1, np.float32)
            rows = ((sae, f, one, 1.0, theta[f]) for f in range(d_sae))
            copy_rows(connection, part, columns, rows)
        corpus = recordings.open_corpus_row(connection, {"name": "c", "source": str(sae)})
        row = recordings.create_recording(
            connection, {"sae": sae, "corpus": corpus.id}, {"keep_above": keep_above}
        )
    made = Made(row, np.empty((0, d_sae), np.float32), np.empty(0, "<U1"))
    add(engine, made, peaks, keep_above=keep_above, blocks_per_document=blocks_per_document)
    return made


def add(
    engine: sa.Engine,
    made: Made,
    peaks: Array,
    *,
    keep_above: float = 0.0,
    blocks_per_document: int = 1,
) -> None:
    """Let a recording grow by some documents."""
    step = blocks_per_document
    with Writer(engine, [made.row]) as writer:
        for begin in range(0, len(peaks), 200 * step):
            part = peaks[begin : begin + 200 * step]
            first = made.row.n_documents
            sizes = [len(part[i : i + step]) for i in range(0, len(part), step)]
            subsets = ["AB"[(first + i) % 2] for i in range(len(sizes))]
            documents = [
                DocumentRow(subset, {"place": first + i}, 256 * size, (256,) * size, bytes(32))
                for i, (subset, size) in enumerate(zip(subsets, sizes, strict=True))
            ]
            rows = [_row(line, keep_above) for line in part]
            writer.put(Chunk(first, documents, {made.id: rows}))
            made.subsets = np.concatenate([made.subsets, np.repeat(subsets, sizes)])
    made.peaks = np.concatenate([made.peaks, peaks])


def _row(line: Array, keep_above: float) -> Peaks:
    features = np.flatnonzero(line > keep_above).astype(np.int32)
    return features, line[features]


def counts(active: Array, min_blocks: int = 1) -> tuple[Array, Array]:
    """Count in how many blocks each feature is active, and each two together: reference values."""
    x = active.astype(np.int64)
    both = x.T @ x
    n = both.diagonal().copy()
    rare = n < min_blocks
    both[rare] = both[:, rare] = 0
    return n, both
