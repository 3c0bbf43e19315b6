"""How close ingest comes to what it cannot do without.

Two ratios, each side by side in one run, the two ways in turn, the median of the pairs:

- copy_ratio: blocks a second that the write path stores (documents, blocks, sparse rows, progress;
  a transaction a chunk), over those of a raw COPY of the same bytes (four a feature, four a peak)
  into one bytea column, in the same chunks. 16,384 features, about 1,090 active a block.
- ingest_over_forward: wall time of `ingest activations` on the demo's model, SAEs and documents
  over reading, forward pass and encoding alone.

Run: python benchmarks/ingest.py [--quick | --smoke]
"""

import statistics
import tempfile
import time
from dataclasses import dataclass
from itertools import islice
from pathlib import Path

import numpy as np
import sqlalchemy as sa
from harness import catalog, finish, options, size
from sqlalchemy.dialects.postgresql import BYTEA

from saeatlas.demo import tour
from saeatlas.ingest.activations import forward, record, recorder, recordings
from saeatlas.ingest.activations.options import Options
from saeatlas.ingest.activations.recordings import DocumentRow
from saeatlas.ingest.activations.writer import Chunk, Writer
from saeatlas.ingest.corpora import Corpus, open_corpus
from saeatlas.schema import tables
from saeatlas.schema.database.copy import copy_rows
from saeatlas.schema.rows import saes
from saeatlas.schema.rows.remove import remove_corpus

D_SAE, ACTIVE, BLOCKS_A_DOCUMENT, DOCUMENTS_A_CHUNK = 16_384, 1_090, 3, 64


@dataclass(frozen=True)
class Size:
    """How much is written and recorded, and how many times."""

    n_blocks: int
    copy_rounds: int
    documents: int
    ingest_rounds: int


SIZES = {
    "full": Size(n_blocks=19_200, copy_rounds=7, documents=370, ingest_rounds=5),
    "quick": Size(n_blocks=7_680, copy_rounds=5, documents=250, ingest_rounds=3),
    "smoke": Size(n_blocks=384, copy_rounds=1, documents=4, ingest_rounds=1),
}


def blocks(n: int, rng: np.random.Generator) -> list[recordings.Peaks]:
    """Sparse rows with power-law features, as SAEs have them."""
    rate = rng.pareto(1.0, D_SAE) + 0.05
    for _ in range(100):  # what the cap takes from some, the others get
        rate = np.minimum(rate * ACTIVE / rate.sum(), 0.95)
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
            one = DocumentRow("ArXiv", {}, 768, (256,) * BLOCKS_A_DOCUMENT, bytes(32))
            documents = [one] * n_documents
            writer.put(Chunk(first // BLOCKS_A_DOCUMENT, documents, {recording.id: part}))
    return time.perf_counter() - begin


def raw_copy(engine: sa.Engine, rows: list[recordings.Peaks]) -> float:
    """Seconds that a COPY of the same bytes into one bytea column takes."""
    table = sa.Table("raw", sa.MetaData(schema="public"), sa.Column("bytes", BYTEA))
    with engine.begin() as connection:
        table.create(connection)
        connection.exec_driver_sql("alter table public.raw alter bytes set storage external")
    payload = [features.tobytes() + peaks.tobytes() for features, peaks in rows]
    step = BLOCKS_A_DOCUMENT * DOCUMENTS_A_CHUNK
    begin = time.perf_counter()
    for first in range(0, len(rows), step):
        with engine.begin() as connection:
            copy_rows(connection, table, ["bytes"], ((p,) for p in payload[first : first + step]))
    seconds = time.perf_counter() - begin
    with engine.begin() as connection:
        table.drop(connection)
    return seconds


def measure_copy(n_blocks: int, rounds: int) -> float:
    """Print both ways of writing in turn; return the median ratio."""
    rows = blocks(n_blocks, np.random.default_rng(0))
    active = statistics.mean(len(features) for features, _ in rows)
    print(f"\n{n_blocks:,} blocks, {active:,.0f} active features a block: blocks/s")
    print(f"{'write path':>12}{'raw COPY':>12}{'ratio':>8}")
    ratios = []
    with catalog() as engine:
        write_path(engine, rows[:BLOCKS_A_DOCUMENT])  # warm
        for _ in range(rounds):
            ours, raw = write_path(engine, rows), raw_copy(engine, rows)
            ratios.append(raw / ours)
            print(f"{len(rows) / ours:12,.0f}{len(rows) / raw:12,.0f}{ratios[-1]:8.2f}")
    return statistics.median(ratios)


def forward_alone(loaded: forward.ModelWithSaes, corpus: Corpus, options: Options) -> float:
    """Seconds that reading, the forward pass and the SAEs take, without a database."""
    size = recorder.chunk_documents(options)
    documents = corpus.documents()
    begin = time.perf_counter()
    while part := list(islice(documents, size)):
        loaded.block_maxima(loaded.saes, loaded.tokenize(part, options), options)
    return time.perf_counter() - begin


def ingest(
    engine: sa.Engine, loaded: forward.ModelWithSaes, corpus: Corpus, options: Options
) -> float:
    """Seconds that the same takes with everything stored, into an empty catalog."""
    begin = time.perf_counter()
    record.record_documents(engine, corpus, loaded, options)
    seconds = time.perf_counter() - begin
    with engine.begin() as connection:
        remove_corpus(connection, connection.execute(sa.select(tables.corpus.c.id)).scalar_one())
    return seconds


def measure_ingest(n_documents: int, rounds: int) -> float:
    """Print ingest and forward pass in turn on the demo; return the median ratio."""
    options = Options()
    print(f"\nthe demo's model and six SAEs, {n_documents} documents: seconds")
    print(f"{'ingest':>12}{'forward':>12}{'ratio':>8}")
    ratios = []
    with catalog() as engine, tempfile.TemporaryDirectory() as folder:
        path = tour.write_documents(Path(folder) / "texts.jsonl", per_subset=10)
        path.write_text("".join(path.read_text().splitlines(keepends=True)[:n_documents]))
        corpus = open_corpus(str(path), subset_field="meta.pile_set_name")
        list(tour.ingest_saes(engine))
        with engine.connect() as connection:
            rows = saes.find_saes(connection, [tour.RELEASE])
        loaded = forward.load_model_with_saes(str(tour.MODEL), rows, options)
        forward_alone(loaded, corpus, options)  # warm
        for _ in range(rounds):
            ours = ingest(engine, loaded, corpus, options)
            alone = forward_alone(loaded, corpus, options)
            ratios.append(ours / alone)
            print(f"{ours:12.2f}{alone:12.2f}{ratios[-1]:8.3f}")
    return statistics.median(ratios)


def main() -> None:
    """Run both comparisons and print their figures."""
    given = options(__doc__).parse_args()
    chosen = size(given, SIZES)
    finish(given, {
        "copy_ratio": measure_copy(chosen.n_blocks, chosen.copy_rounds),
        "ingest_over_forward": measure_ingest(chosen.documents, chosen.ingest_rounds),
    })  # fmt: skip


if __name__ == "__main__":
    main()
