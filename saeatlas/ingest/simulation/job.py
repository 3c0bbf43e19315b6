"""A catalog with a known answer: simulated features, documents and blocks, and the truth of them.

Users calibrate analyses with it; tests and benchmarks use it.
"""

import hashlib
import json
import time
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import sqlalchemy as sa

from saeatlas import ranges
from saeatlas.ingest.activations import recordings
from saeatlas.ingest.activations.recordings import DocumentRow, Recording
from saeatlas.ingest.activations.writer import Chunk, Writer
from saeatlas.ingest.saes import store
from saeatlas.ingest.saes.loaded_sae import LoadedSae
from saeatlas.ingest.simulation import (
    Blocks,
    Crystal,
    Decoder,
    Drawn,
    Features,
    Params,
    documents_a_chunk,
    draw_decoder,
    plant_features,
)
from saeatlas.progress import Progress, Report, silent
from saeatlas.schema import tables
from saeatlas.schema.database import statistics
from saeatlas.schema.database.copy import copy_rows
from saeatlas.schema.rows import running_jobs, runs
from saeatlas.wording import counted

SOURCE = "simulated"
BLOCK_TOKENS = 256
"""What ``n_tokens`` says of a block; no text was read."""


@dataclass(frozen=True)
class SimulationOutcome:
    """What a run of `simulate` did.

    Parameters
    ----------
    stored : StoredSae
        The simulated SAE.
    recording : int
        ``recording.id``.
    documents : int
        Documents in the catalog, those of earlier runs included.
    blocks, activations : int, default=0
        Stored by this run.
    """

    stored: store.StoredSae
    recording: int
    documents: int
    blocks: int = 0
    activations: int = 0

    @property
    def summary(self) -> str:
        """What was done, in two lines."""
        stored = self.stored
        done = "simulated" if stored.created else "already there"
        return (
            f"SAE {stored.sae}  {stored.release}/{stored.sae_id}  {stored.size}: {done}\n"
            f"Recording {self.recording}: {counted(self.documents, 'document')}. Stored now: "
            f"{counted(self.blocks, 'block')} with {counted(self.activations, 'active feature')}."
        )


def simulate(
    engine: sa.Engine,
    params: Params | None = None,
    *,
    blocks: int = 5_000,
    release: str = SOURCE,
    sae_id: str | None = None,
    layer: int | None = None,
    report: Report = silent,
) -> SimulationOutcome:
    """Write a simulation into the catalog; continue where an earlier run stopped.

    Writes one row of ``sae`` with all parameters in ``config``, its rows of ``feature``, the truth
    in ``planted_feature`` and ``planted_crystal``, and ``corpus``, ``document``, ``block``,
    ``recording`` and ``activation``, a chunk of documents in one transaction. A document's
    metadata hold the lobe that it is about and the one that its type prefers.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    params : Params, optional
    blocks : int, default=5000
        Blocks to draw, rounded up to whole documents. More than there are are added to the same
        recording, with the rows of one undisturbed run.
    release : str, default='simulated'
    sae_id : str, optional
        Default: features x dimensions and seed, as ``1024x128-seed0``.
    layer : int, optional
        Layer that the catalog gives as the SAE's.
    report : callable, optional
        Called with the documents done at the start, after each chunk and at the end.

    Returns
    -------
    SimulationOutcome

    Raises
    ------
    InputError
        ``blocks`` is not positive.
    NameTaken
        A simulation with other parameters has this name.
    CorpusChanged
        This version of numpy draws other rows than those in the catalog.
    CatalogBusy
        Another process writes this simulation.
    DatabaseError
    """
    ranges.require_whole("--blocks", blocks, 1)
    ranges.require_whole("--layer", layer)
    params = params or Params()
    features = plant_features(params)
    decoder = draw_decoder(params, features)
    loaded = _described(params, decoder, release, sae_id, layer)
    key = runs.input_hash(
        release=release, sae_id=loaded.sae_id, weights=loaded.weights_sha256, config=loaded.config
    )
    with running_jobs.locked(engine, "recording", "simulation", key):
        with engine.begin() as connection:
            stored = store.store_sae(connection, loaded)
            if stored.created:
                _write_truth(connection, stored.sae, features, decoder.crystals)
            recording = _open_recording(connection, stored.sae, params)
        del decoder, loaded  # large
        outcome = SimulationOutcome(stored, recording.id, recording.n_documents)
        return _record(engine, recording, outcome, Blocks(params, features), blocks, report=report)


def _described(
    params: Params, decoder: Decoder, release: str, sae_id: str | None, layer: int | None
) -> LoadedSae:
    config = params.config()
    digest = hashlib.sha256(json.dumps(config, sort_keys=True).encode())
    digest.update(decoder.vectors.data)
    return LoadedSae(
        release=release,
        sae_id=sae_id or f"{params.features}x{params.d_model}-seed{params.seed}",
        source=SOURCE,
        sae=None,
        decoder=decoder.vectors,
        threshold=None,
        config=config,
        weights_sha256=digest.hexdigest(),
        layer=layer,
    )


def _write_truth(
    connection: sa.Connection, sae: int, features: Features, crystals: Iterable[Crystal]
) -> None:
    columns = ["sae", "feature", "lobe", "density"]
    planted = zip(features.lobe.tolist(), features.density.tolist(), strict=True)
    rows = ((sae, i, lobe if lobe >= 0 else None, p) for i, (lobe, p) in enumerate(planted))
    copy_rows(connection, tables.planted_feature, columns, rows)
    columns = ["sae", "crystal", "kind", "function_vector", "a", "b", "c", "d"]
    corners = (
        (sae, i, crystal.kind, crystal.function_vector, crystal.a, crystal.b, crystal.c, crystal.d)
        for i, crystal in enumerate(crystals)
    )
    copy_rows(connection, tables.planted_crystal, columns, corners)


def _open_recording(connection: sa.Connection, sae: int, params: Params) -> Recording:
    """Find or create corpus and recording."""
    config = params.config()
    digest = hashlib.sha256(json.dumps(config, sort_keys=True).encode()).hexdigest()
    source = f"{SOURCE}:seed={params.seed}:{digest[:16]}"
    without_text = (
        "tokenizer_sha256", "context_length", "block_length", "min_tokens", "prepend_bos",
        "text_field", "subset_field",
    )  # fmt: skip
    corpus = recordings.open_corpus_row(
        connection, {"name": SOURCE, "source": source} | dict.fromkeys(without_text)
    )
    columns = {
        "sae": sae, "corpus": corpus.id, "model_sha256": None, "source": SOURCE,
        "keep_above": 0.0, "special_tokens": None, "dtype": None,
    }  # fmt: skip
    found = recordings.find_recording(connection, columns)
    return found or recordings.create_recording(connection, columns, {})


def _record(
    engine: sa.Engine,
    recording: Recording,
    outcome: SimulationOutcome,
    source: Blocks,
    blocks: int,
    *,
    report: Report,
) -> SimulationOutcome:
    """Draw what is not written yet, chunk by chunk."""
    wanted = -(-blocks // source.params.blocks_per_document)
    total = max(wanted, recording.n_documents)
    report(Progress("documents", recording.n_documents, total))
    began = time.perf_counter()
    with Writer(engine, [recording]) as writer:
        for chunk in _chunks(engine, recording, source, wanted):
            writer.put(chunk)
            peaks = chunk.peaks[recording.id]
            outcome = replace(
                outcome,
                documents=recording.n_documents,
                blocks=outcome.blocks + len(peaks),
                activations=outcome.activations + sum(len(features) for features, _ in peaks),
            )
            rate = outcome.blocks / (time.perf_counter() - began)
            report(Progress("documents", outcome.documents, total, f"{rate:,.0f} blocks/s"))
    with engine.begin() as connection:
        recordings.mark_complete(connection, recording, wanted)
        statistics.refresh_corpora(connection)
    return outcome


def _chunks(
    engine: sa.Engine, recording: Recording, source: Blocks, wanted: int
) -> Iterator[Chunk]:
    """Draw the chunks from where the recording stands; the first and the last may be parts."""
    size, start = documents_a_chunk(source.params), recording.n_documents
    if start >= wanted:
        return
    number = max(start - 1, 0) // size  # the last document written is drawn again, and compared
    for chunk in range(number, -(-wanted // size)):
        documents, rows = _rows(source, source.draw(chunk))
        first = chunk * size
        if first < start:
            again = [documents[start - 1 - first]]
            with engine.connect() as connection:
                recordings.require_same_documents(connection, recording.corpus, start - 1, again)
        skip, stop = max(start - first, 0), min(wanted - first, size)
        if skip < stop:
            per = source.params.blocks_per_document
            peaks = {recording.id: rows[skip * per : stop * per]}
            yield Chunk(first + skip, documents[skip:stop], peaks)


def _rows(source: Blocks, drawn: Drawn) -> tuple[list[DocumentRow], list[recordings.Peaks]]:
    """Put documents in the form that recordings take."""
    per, lobes = source.params.blocks_per_document, source.params.lobes
    # there is no text: the whole chunk's rows and the place among them stand in for it
    whole = hashlib.sha256(drawn.features.data)
    whole.update(drawn.peaks.data)
    tokens = (BLOCK_TOKENS,) * per
    documents = []
    for i, (kind, lobe) in enumerate(zip(drawn.types.tolist(), drawn.lobes.tolist(), strict=True)):
        about: dict[str, Any] = {"lobe": lobe, "preferred_lobe": kind % lobes}
        digest = hashlib.sha256(whole.digest() + i.to_bytes(4)).digest()
        documents.append(DocumentRow(f"type {kind}", about, sum(tokens), tokens, digest))
    return documents, drawn.blocks
