"""How close is ingest to what it cannot do without?

Two ratios, each side by side in one run, the two ways in turn, the median of the pairs:

- copy_ratio: blocks a second that the write path stores (documents, blocks, sparse rows, progress;
  a transaction a chunk), over those of a raw COPY of the same bytes (four a feature, four a peak)
  into one bytea column, in the same chunks. 16,384 features, about 1,090 active a block.
- ingest_over_forward: wall time of `ingest activations` on the demo's model, SAEs and documents
  over reading, forward pass and encoding alone.

Run: python benchmarks/ingest.py [--quick]
"""

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa

from saeatlas.demo import tour
from saeatlas.ingest import activations, listening, recordings, store
from saeatlas.ingest.corpora import open_corpus
from saeatlas.ingest.options import Options
from saeatlas.ingest.recordings import Chunk, Cut
from saeatlas.ingest.writer import Writer
from saeatlas.schema import connect, partitions, server, tables
from saeatlas.schema.copy import copy_rows

D_SAE, ACTIVE, BLOCKS_A_DOCUMENT, DOCUMENTS_A_CHUNK = 16_384, 1_090, 3, 64


@contextmanager
def catalog() -> Iterator[sa.Engine]:
    """An embedded server of the benchmark's own, gone afterwards."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "postgres"
        engine = connect.open_catalog(server.url(path))
        try:
            yield engine
        finally:
            engine.dispose()
            server.shut_down(path)


def blocks(n: int, rng: np.random.Generator) -> list[recordings.Peaks]:
    """Sparse rows with power-law features, as SAEs have them."""
    rate = rng.pareto(1.0, D_SAE) + 0.05
    rate = np.minimum(rate * ACTIVE / rate.sum(), 0.95)
    rate *= ACTIVE / rate.sum()
    rows = []
    for _ in range(n):
        features = np.flatnonzero(rng.random(D_SAE) < rate).astype(np.int32)
        rows.append((features, rng.gamma(2.0, 2.0, len(features)).astype(np.float32)))
    return rows


def write_path(engine: sa.Engine, rows: list[recordings.Peaks]) -> float:
    """Seconds that the catalog's own write path takes."""
    with engine.begin() as connection:
        sae = connection.execute(
            sa.insert(tables.sae)
            .values(release="b", sae_id=str(time.time_ns()), d_in=1, d_sae=D_SAE, config={},
                    source="b", weights_sha256=bytes(32))
            .returning(tables.sae.c.id)
        ).scalar_one()  # fmt: skip
        corpus = recordings.open_corpus_row(connection, {"name": "b", "source": str(sae)})
        recording = recordings.create_recording(
            connection, {"sae": sae, "corpus": corpus.id}, {"keep_above": 0.0}
        )
    step = BLOCKS_A_DOCUMENT * DOCUMENTS_A_CHUNK
    begin = time.perf_counter()
    with Writer(engine, [recording]) as writer:
        for first in range(0, len(rows), step):
            part = rows[first : first + step]
            n_documents = len(part) // BLOCKS_A_DOCUMENT
            cuts = [Cut("ArXiv", {}, 768, (256,) * BLOCKS_A_DOCUMENT, bytes(32))] * n_documents
            writer.put(Chunk(first // BLOCKS_A_DOCUMENT, cuts, {recording.id: part}))
    return time.perf_counter() - begin


def raw_copy(engine: sa.Engine, rows: list[recordings.Peaks]) -> float:
    """Seconds that a COPY of the same bytes into one bytea column takes."""
    name = f"raw_{time.time_ns()}"
    table = sa.Table(name, sa.MetaData(schema="public"), sa.Column("row", sa.LargeBinary))
    raw = tables.activation.metadata  # noqa: F841
    target = sa.Table(
        name, sa.MetaData(schema="public"), sa.Column("row", sa.dialects.postgresql.BYTEA)
    )
    with engine.begin() as connection:
        table.create(connection)
        connection.exec_driver_sql(f"alter table public.{name} alter row set storage external")
    payload = [features.tobytes() + peaks.tobytes() for features, peaks in rows]
    step = BLOCKS_A_DOCUMENT * DOCUMENTS_A_CHUNK
    begin = time.perf_counter()
    for first in range(0, len(rows), step):
        with engine.begin() as connection:
            copy_rows(connection, target, ["row"], ((p,) for p in payload[first : first + step]))
    seconds = time.perf_counter() - begin
    with engine.begin() as connection:
        table.drop(connection)
    return seconds
