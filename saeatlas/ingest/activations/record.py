"""A model reads a corpus once, and every SAE named writes down what each block activates."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import Any

import sqlalchemy as sa

from saeatlas import errors
from saeatlas.ingest.activations import covariance, forward, recordings
from saeatlas.ingest.activations.attached_sae import Ear
from saeatlas.ingest.activations.block_maxima import Fit
from saeatlas.ingest.activations.forward import Ensemble, Read
from saeatlas.ingest.activations.options import Options
from saeatlas.ingest.activations.recordings import Chunk, Recording
from saeatlas.ingest.activations.writer import Writer
from saeatlas.ingest.corpora import Corpus, Document, Skipped
from saeatlas.ingest.saes import store
from saeatlas.schema.database import statistics
from saeatlas.schema.rows.remove import remove_recording
from saeatlas.schema.rows.saes import find as find_saes

MIN_EXPLAINED_VARIANCE = 0.2
"""Below this an SAE hears another model: even very sparse ones explain half of their own."""

CHUNK_BATCHES = 4
"""Batches in a chunk: more to sort by length against less to lose when stopped."""


@dataclass(frozen=True)
class Progress:
    """How far a recording has come.

    Parameters
    ----------
    documents : int
        Documents heard by all SAEs, those of earlier runs included.
    total : int or None
        Documents asked for; None for the whole corpus.
    blocks, activations : int
        Stored by this run, all SAEs together.
    tokens : int
        Tokens read by this run.
    seconds : float
        Time since this run began to read.
    without_block, unreadable : int
        Documents of this run that gave no block: too short, or left out.
    recordings : tuple of int
        ``recording.id`` of each SAE.
    """

    documents: int
    total: int | None
    blocks: int = 0
    activations: int = 0
    tokens: int = 0
    seconds: float = 0.0
    without_block: int = 0
    unreadable: int = 0
    recordings: tuple[int, ...] = ()

    @property
    def tokens_per_second(self) -> float | None:
        """Tokens read a second; None before the first."""
        return self.tokens / self.seconds if self.seconds and self.tokens else None

    @property
    def summary(self) -> str:
        """What was done, in a few lines."""
        numbers = ", ".join(map(str, self.recordings))
        lines = [
            f"Recording {numbers}: {self.documents:,} documents heard. This run stored "
            f"{self.blocks:,} rows of blocks with {self.activations:,} active features."
        ]
        if self.without_block:
            lines.append(
                f"{self.without_block:,} documents were too short for a block "
                "(--tail keep or a smaller --block takes them in)."
            )
        if self.unreadable:
            lines.append(f"{self.unreadable:,} documents were left out; document.problem says why.")
        return "\n".join(lines)


def record(
    engine: sa.Engine,
    *,
    model: str,
    corpus: Corpus,
    saes: Sequence[str],
    options: Options | None = None,
) -> Iterator[Progress]:
    """Listen to a corpus through SAEs; continue where an earlier run stopped.

    Writes ``corpus``, ``document``, ``block``, ``model``, ``recording`` and ``activation``, with
    ``options.covariance`` ``activation_covariance`` too, a chunk of documents in one transaction.
    A recording begun with it goes on with it, whatever the options say. Nothing is written before
    the first documents have been heard and every SAE was found to fit.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    model : str
        Hub id or folder of a transformers model.
    corpus : Corpus
    saes : sequence of str
        SAEs of the catalog: numbers, names, or a release for all of it.
    options : Options, optional

    Yields
    ------
    Progress
        At the start, after each chunk and at the end.

    Raises
    ------
    InputError
        SAE, model and corpus do not belong together, or cannot be read; or a covariance is wanted
        of a recording that was begun without.
    CatalogBusy
        Another process makes one of these recordings.
    DatabaseError

    Notes
    -----
    In float32 the blocks' features are those of ``sae.encode`` on each document alone, whatever
    the batch: see `encode`. In bfloat16 about one in two hundred differs.
    """
    options = options or Options()
    with engine.connect() as connection:
        connection.detach()  # its locks end with it, so it must not go back to the pool
        rows = find_saes(connection, saes)
        connection.rollback()  # opening models takes long; hold nothing meanwhile
        ensemble = forward.assemble(model, rows, options)
        yield from Session(engine, connection, corpus, ensemble, options).run()


def chunk_documents(options: Options) -> int:
    """Return how many documents are heard and written together.

    Parameters
    ----------
    options : Options

    Returns
    -------
    int
    """
    return max(1, CHUNK_BATCHES * options.batch_tokens // options.context)


class Session:
    """One run of `record`: the rows it works on, and how far it is.

    Parameters
    ----------
    engine : sqlalchemy.Engine
        The writers' connections come from it.
    connection : sqlalchemy.Connection
        Holds the recordings' locks; not from the pool.
    corpus : Corpus
    ensemble : Ensemble
    options : Options
    """

    def __init__(
        self,
        engine: sa.Engine,
        connection: sa.Connection,
        corpus: Corpus,
        ensemble: Ensemble,
        options: Options,
    ) -> None:
        self.engine, self.connection = engine, connection
        self.corpus, self.ensemble, self.options = corpus, ensemble, options
        self.recordings: dict[int, Recording] = {}  # by sae.id
        self.clouds = covariance.Clouds(options.covariance)
        self.progress = Progress(0, options.documents)
        self.begin = time.perf_counter()

    def run(self) -> Iterator[Progress]:
        """Hear what is not heard yet, chunk by chunk."""
        with self.connection.begin():
            start = self._find()
        self.progress = replace(self.progress, documents=start, recordings=self._numbers())
        yield self.progress
        chunks = self._chunks(start)
        first = next(chunks, None)
        if first is not None:
            heard = self._hear(*first)  # before there is anything to write to
            with Writer(self.engine, list(self.recordings.values())) as writer:
                writer.put(heard)
                self._count(heard, first[1])
                yield self.progress
                for place, reads in chunks:
                    heard = self._hear(place, reads)
                    writer.put(heard)
                    self._count(heard, reads)
                    yield self.progress
        self._finish()
        yield self.progress

    def _find(self) -> int:
        """Look up what earlier runs made; return the first document that some SAE lacks."""
        corpus = recordings.find_corpus(self.connection, self._corpus_terms())
        if corpus is None:
            return 0
        for ear in self.ensemble.ears:
            terms = self._recording_terms(ear, corpus.id)
            found = recordings.find_recording(self.connection, terms)
            if found is not None:
                recordings.lock(self.connection, found)
                self.clouds.resume(self.connection, found)
                self.recordings[ear.sae] = found
        if len(self.recordings) < len(self.ensemble.ears):
            return 0
        return min(recording.n_documents for recording in self.recordings.values())

    def _chunks(self, start: int) -> Iterator[tuple[int, list[Read]]]:
        """Read documents from a place on, as many at a time as make a few batches.

        Chunks begin and end at the same documents whether or not a run was interrupted, so what
        is heard together, and with it every last digit, is the same.
        """
        size = chunk_documents(self.options)
        wanted = self.options.documents
        if wanted is not None and start >= wanted:
            return
        documents = self.corpus.documents(max(start - 1, 0))
        if start:
            self._require_unchanged(start - 1, next(documents, None))
        place = start
        ahead = sorted({r.n_documents for r in self.recordings.values()} - {start})
        while True:
            stops = [place + size - place % size, *ahead, *([wanted] if wanted else [])]
            stop = min(s for s in stops if s > place)
            reads = self.ensemble.read(list(islice(documents, stop - place)), self.options)
            if reads:
                yield place, reads
            place += len(reads)
            if place < stop or place == wanted:
                return

    def _require_unchanged(self, place: int, last: Document | Skipped | None) -> None:
        cuts = [] if last is None else [forward.cut_of(last)]
        number = next(iter(self.recordings.values())).corpus
        if last is None:
            raise errors.CorpusChanged(
                f"The corpus ends before document {place}, which was read before.",
                hint="Restore the source, or remove the corpus and start afresh.",
            )
        with self.connection.begin():
            recordings.require_same_documents(self.connection, number, place, cuts)

    def _hear(self, place: int, reads: list[Read]) -> Chunk:
        """Run the model for the SAEs that have not heard these documents; make missing rows."""
        new = [ear for ear in self.ensemble.ears if ear.sae not in self.recordings]
        late = [e for e in self.ensemble.ears if e not in new and self._heard(e) == place]
        ears = [*late, *new]
        fits = {ear.sae: Fit() for ear in new}
        sums = self.clouds.listen(ears, self.recordings)
        heard = self.ensemble.hear(ears, reads, self.options, fits=fits, sums=sums)
        if new:
            self._create(new, fits)
        peaks = {self.recordings[sae].id: rows for sae, rows in heard.items()}
        moments = self.clouds.join(ears, self.recordings, sums)
        return Chunk(place, [read.cut for read in reads], peaks, moments)

    def _heard(self, ear: Ear) -> int:
        return self.recordings[ear.sae].n_documents

    def _create(self, new: list[Ear], fits: dict[int, Fit]) -> None:
        """Check that SAEs without a recording fit, then make their rows."""
        if not self.options.force:
            _require_fit(new, fits, self.ensemble.model)
        with self.connection.begin():
            corpus = recordings.open_corpus_row(self.connection, self._corpus_terms())
            facts = self.ensemble.listener.facts
            model = store.model_row(self.connection, self.ensemble.model, **facts)
            for ear in new:
                terms = self._recording_terms(ear, corpus.id)
                made = recordings.create_recording(
                    self.connection, terms, self._recording_facts(model, fits[ear.sae])
                )
                recordings.lock(self.connection, made)
                self.clouds.begin(self.connection, made, ear)
                self.recordings[ear.sae] = made

    def _finish(self) -> None:
        """Mark the recordings complete; take back what turned out to hold nothing."""
        everything = list(self.recordings.values())
        with self.connection.begin():
            for recording in everything:
                if recording.n_blocks:
                    recordings.finish(self.connection, recording, self.options.documents)
                else:
                    remove_recording(self.connection, recording.id)
            statistics.refresh_corpora(self.connection)
        if not any(recording.n_blocks for recording in everything):
            raise errors.EmptyCorpus(
                f"None of the {self.progress.documents:,} documents read gave a block of "
                f"{self.options.min_tokens} tokens or more.",
                available=f"{self.progress.unreadable:,} of them could not be read.",
                hint="Use a smaller --block, or --tail keep.",
            )

    def _count(self, chunk: Chunk, reads: list[Read]) -> None:
        self.progress = replace(
            self.progress,
            documents=chunk.first + len(reads),
            blocks=self.progress.blocks + sum(map(len, chunk.peaks.values())),
            activations=self.progress.activations
            + sum(len(features) for rows in chunk.peaks.values() for features, _ in rows),
            tokens=self.progress.tokens + sum(len(read.ids) for read in reads),
            seconds=time.perf_counter() - self.begin,
            without_block=self.progress.without_block
            + sum(not r.spans and r.cut.problem is None for r in reads),
            unreadable=self.progress.unreadable + sum(r.cut.problem is not None for r in reads),
            recordings=self._numbers(),
        )

    def _numbers(self) -> tuple[int, ...]:
        return tuple(recording.id for recording in self.recordings.values())

    def _corpus_terms(self) -> dict[str, Any]:
        return {
            "name": self.corpus.name,
            "source": self.corpus.source,
            "tokenizer": self.ensemble.model,
            "tokenizer_sha256": bytes.fromhex(self.ensemble.tokenizer.fingerprint),
            "context_length": self.options.context,
            "block_length": self.options.block,
            "min_tokens": self.options.min_tokens,
            "prepend_bos": self.ensemble.prepend_bos,
            "text_field": self.corpus.text_field,
            "subset_field": self.corpus.subset_field,
        }

    def _recording_terms(self, ear: Ear, corpus: int) -> dict[str, Any]:
        return {
            "sae": ear.sae,
            "corpus": corpus,
            "model_sha256": bytes.fromhex(self.ensemble.listener.fingerprint),
            "source": None,
            "keep_above": self.options.keep_above,
            "special_tokens": self.options.special_tokens,
            "dtype": self.options.dtype,
        }

    def _recording_facts(self, model: int, fit: Fit) -> dict[str, Any]:
        return {
            "model": model,
            "preset": self.options.preset,
            "device": str(self.ensemble.listener.device),
            "forced": self.options.force,
            "explained_variance": fit.explained_variance,
            "l0": fit.l0,
            "documents_wanted": self.options.documents,
        }


def _require_fit(ears: Sequence[Ear], fits: dict[int, Fit], model: str) -> None:
    for ear in ears:
        explained = fits[ear.sae].explained_variance
        if explained is not None and explained < MIN_EXPLAINED_VARIANCE:
            raise errors.PoorFit(
                f"SAE {ear.name} explains {explained:.2f} of the variance that {model} has at "
                f"{ear.hook_name}; at least {MIN_EXPLAINED_VARIANCE} is expected.",
                available="It was probably trained on another model, layer or normalisation.",
                hint="Check --model and --sae; --force records it all the same.",
            )
