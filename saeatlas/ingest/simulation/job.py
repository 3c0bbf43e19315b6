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

from saeatlas import errors
from saeatlas.ingest.activations import recordings
from saeatlas.ingest.activations.recordings import Chunk, Cut, Recording
from saeatlas.ingest.activations.writer import Writer
from saeatlas.ingest.saes import store
from saeatlas.ingest.saes.load import LoadedSae
from saeatlas.ingest.simulation import (
    Blocks,
    Crystal,
    Decoder,
    Drawn,
    Features,
    Terms,
    documents_a_chunk,
    draw_decoder,
    plant_features,
)
from saeatlas.schema import tables
from saeatlas.schema.database import statistics
from saeatlas.schema.database.copy import copy_rows

SOURCE = "simulated"
BLOCK_TOKENS = 256
"""What ``n_tokens`` says of a block; no text was read."""


@dataclass(frozen=True)
class Progress:
    """How far a simulation has come.

    Parameters
    ----------
    documents, total : int
        Documents in the catalog, those of earlier runs included, and documents asked for.
    stored : StoredSae
        The simulated SAE.
    recording : int
        ``recording.id``.
    blocks, activations : int
        Stored by this run.
    seconds : float
        Time since this run began to draw.
    """

    documents: int
    total: int
    stored: store.StoredSae
    recording: int
    blocks: int = 0
    activations: int = 0
    seconds: float = 0.0

    @property
    def blocks_per_second(self) -> float | None:
        """Blocks drawn and written a second; None before the first."""
        return self.blocks / self.seconds if self.seconds and self.blocks else None

    @property
    def summary(self) -> str:
        """What was done, in two lines."""
        stored = self.stored
        return (
            f"SAE {stored.sae}  {stored.release}/{stored.sae_id}  {stored.d_sae:,} features of "
            f"{stored.d_in:,} dimensions: {'simulated' if stored.created else 'already there'}\n"
            f"Recording {self.recording}: {self.documents:,} documents. This run stored "
            f"{self.blocks:,} blocks with {self.activations:,} active features."
        )


def simulate(
    engine: sa.Engine,
    terms: Terms | None = None,
    *,
    blocks: int = 5_000,
    release: str = SOURCE,
    sae_id: str | None = None,
    layer: int | None = None,
) -> Iterator[Progress]:
    """Write a simulation into the catalog; continue where an earlier run stopped.

    Writes one row of ``sae`` with all terms in ``config``, its rows of ``feature``, the truth in
    ``planted_feature`` and ``planted_crystal``, and ``corpus``, ``document``, ``block``,
    ``recording`` and ``activation``, a chunk of documents in one transaction. A document's
    metadata hold the lobe that it is about and the one that its type prefers.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    terms : Terms, optional
    blocks : int, default=5000
        Blocks wanted, rounded up to whole documents. More than there are are added to the same
        recording, with the rows of one undisturbed run.
    release : str, default='simulated'
    sae_id : str, optional
        Default: features x dimensions and seed, as ``1024x128-seed0``.
    layer : int, optional
        Layer that the SAE is said to listen to.

    Yields
    ------
    Progress
        At the start, after each chunk and at the end.

    Raises
    ------
    InputError
        ``blocks`` is not positive.
    NameTaken
        A simulation on other terms has this name.
    CorpusChanged
        This version of numpy draws other rows than those in the catalog.
    CatalogBusy
        Another process writes this simulation.
    DatabaseError
    """
    if blocks < 1:
        raise errors.InputError(
            f"{blocks} blocks cannot be drawn.", hint="Choose --blocks above 0."
        )
    terms = terms or Terms()
    features = plant_features(terms)
    decoder = draw_decoder(terms, features)
    loaded = _described(terms, decoder, release, sae_id, layer)
    with engine.connect() as connection:
        connection.detach()  # its lock ends with it, so it must not go back to the pool
        with connection.begin():
            stored = store.store_sae(connection, loaded)
            if stored.created:
                _write_truth(connection, stored.sae, features, decoder.crystals)
            recording = _open_recording(connection, stored.sae, terms)
        del decoder, loaded  # large
        yield from _record(engine, connection, recording, stored, Blocks(terms, features), blocks)


def _described(
    terms: Terms, decoder: Decoder, release: str, sae_id: str | None, layer: int | None
) -> LoadedSae:
    config = terms.config()
    digest = hashlib.sha256(json.dumps(config, sort_keys=True).encode())
    digest.update(decoder.vectors.data)
    return LoadedSae(
        release=release,
        sae_id=sae_id or f"{terms.features}x{terms.d_model}-seed{terms.seed}",
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


def _open_recording(connection: sa.Connection, sae: int, terms: Terms) -> Recording:
    """Find or make corpus and recording, and keep other processes from it."""
    wishes = terms.config()
    digest = hashlib.sha256(json.dumps(wishes, sort_keys=True).encode()).hexdigest()
    source = f"{SOURCE}:seed={terms.seed}:{digest[:16]}"
    uncut = (
        "tokenizer_sha256", "context_length", "block_length", "min_tokens", "prepend_bos",
        "text_field", "subset_field",
    )  # fmt: skip
    corpus = recordings.open_corpus_row(
        connection, {"name": SOURCE, "source": source} | dict.fromkeys(uncut)
    )
    key = {
        "sae": sae, "corpus": corpus.id, "model_sha256": None, "source": SOURCE,
        "keep_above": 0.0, "special_tokens": None, "dtype": None,
    }  # fmt: skip
    found = recordings.find_recording(connection, key)
    recording = found or recordings.create_recording(connection, key, {})
    recordings.lock(connection, recording)
    # another process may have moved it on until just now
    return recordings.find_recording(connection, key) or recording


def _record(
    engine: sa.Engine,
    connection: sa.Connection,
    recording: Recording,
    stored: store.StoredSae,
    source: Blocks,
    blocks: int,
) -> Iterator[Progress]:
    """Draw what is not written yet, chunk by chunk."""
    wanted = -(-blocks // source.terms.blocks_per_document)
    last = Progress(recording.n_documents, max(wanted, recording.n_documents), stored, recording.id)
    yield last
    begin = time.perf_counter()
    with Writer(engine, [recording]) as writer:
        for chunk in _chunks(connection, recording, source, wanted):
            writer.put(chunk)
            peaks = chunk.peaks[recording.id]
            last = replace(
                last,
                documents=recording.n_documents,
                blocks=last.blocks + len(peaks),
                activations=last.activations + sum(len(features) for features, _ in peaks),
                seconds=time.perf_counter() - begin,
            )
            yield last
    with connection.begin():
        recordings.finish(connection, recording, wanted)
        statistics.refresh_corpora(connection)
    yield replace(last, seconds=time.perf_counter() - begin)


def _chunks(
    connection: sa.Connection, recording: Recording, source: Blocks, wanted: int
) -> Iterator[Chunk]:
    """Draw the chunks from where the recording stands; the first and the last may be parts."""
    size, start = documents_a_chunk(source.terms), recording.n_documents
    if start >= wanted:
        return
    number = max(start - 1, 0) // size  # the last document written is drawn again, and compared
    for chunk in range(number, -(-wanted // size)):
        cuts, rows = _cut(source, source.draw(chunk))
        first = chunk * size
        if first < start:
            with connection.begin():
                done = [cuts[start - 1 - first]]
                recordings.require_same_documents(connection, recording.corpus, start - 1, done)
        skip, stop = max(start - first, 0), min(wanted - first, size)
        if skip < stop:
            per = source.terms.blocks_per_document
            peaks = {recording.id: rows[skip * per : stop * per]}
            yield Chunk(first + skip, cuts[skip:stop], peaks)


def _cut(source: Blocks, drawn: Drawn) -> tuple[list[Cut], list[recordings.Peaks]]:
    """Put documents in the form that recordings take."""
    per, lobes = source.terms.blocks_per_document, source.terms.lobes
    # there is no text: the whole chunk's rows and the place among them stand in for it
    whole = hashlib.sha256(drawn.features.data)
    whole.update(drawn.peaks.data)
    tokens = (BLOCK_TOKENS,) * per
    cuts = []
    for i, (kind, lobe) in enumerate(zip(drawn.types.tolist(), drawn.lobes.tolist(), strict=True)):
        about: dict[str, Any] = {"lobe": lobe, "preferred_lobe": kind % lobes}
        digest = hashlib.sha256(whole.digest() + i.to_bytes(4)).digest()
        cuts.append(Cut(f"type {kind}", about, sum(tokens), tokens, digest))
    return cuts, drawn.blocks
