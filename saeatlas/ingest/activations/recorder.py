"""One run of recording activations: what is recorded already, what is missing, how far it is."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

import sqlalchemy as sa

from saeatlas import errors
from saeatlas.ingest.activations import covariance, recordings
from saeatlas.ingest.activations.attached_sae import AttachedSae
from saeatlas.ingest.activations.block_maxima import Fit
from saeatlas.ingest.activations.forward import ModelWithSaes, TokenizedDocument
from saeatlas.ingest.activations.options import Options
from saeatlas.ingest.activations.outcome import RecordOutcome
from saeatlas.ingest.activations.recordings import Recording
from saeatlas.ingest.activations.writer import Chunk, Writer
from saeatlas.ingest.corpora import Corpus, Document, Skipped
from saeatlas.ingest.saes import store
from saeatlas.progress import Progress, Report
from saeatlas.schema.database import statistics
from saeatlas.schema.rows import remove

MIN_EXPLAINED_VARIANCE = 0.2
"""Below this an SAE was trained on another model: even very sparse ones explain half of theirs."""

CHUNK_BATCHES = 4
"""Batches in a chunk: more to sort by length against less to lose when stopped."""


def chunk_documents(options: Options) -> int:
    """Return how many documents are run and written together.

    Parameters
    ----------
    options : Options

    Returns
    -------
    int
    """
    return max(1, CHUNK_BATCHES * options.batch_tokens // options.context)


class Recorder:
    """Records a corpus for some SAEs, from where their recordings stand.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    corpus : Corpus
    loaded : ModelWithSaes
    options : Options
    report : callable
        Called with the documents done at the start, after each chunk and at the end.
    """

    def __init__(
        self,
        engine: sa.Engine,
        corpus: Corpus,
        loaded: ModelWithSaes,
        options: Options,
        report: Report,
    ) -> None:
        self.engine, self.corpus, self.loaded = engine, corpus, loaded
        self.options, self.report = options, report
        self.recordings: dict[int, Recording] = {}  # by sae.id
        self.covariances = covariance.Covariances(options.covariance)
        self.outcome = RecordOutcome()
        self.unreadable: Skipped | None = None  # the first
        self.began = time.perf_counter()
        self.corpus_params = _corpus_params(corpus, loaded, options)

    @property
    def locks(self) -> dict[bytes, str]:
        """What to lock, and what it is called."""
        return {
            recordings.lock_key(self.corpus_params, self._recording_params(sae)): f"recording of "
            f"SAE {sae.name}"
            for sae in self.loaded.saes
        }

    def run(self) -> RecordOutcome:
        """Record what is not recorded yet, chunk by chunk."""
        with self.engine.begin() as connection:
            start = self._find(connection)
        self._count(replace(self.outcome, documents=start))
        chunks = self._chunks(start)
        first = next(chunks, None)
        if first is not None:
            chunk = self._record(*first)  # before there is anything to write to
            with Writer(self.engine, list(self.recordings.values())) as writer:
                writer.put(chunk)
                self._count(self.outcome.with_chunk(chunk, first[1]))
                for place, documents in chunks:
                    chunk = self._record(place, documents)
                    writer.put(chunk)
                    self._count(self.outcome.with_chunk(chunk, documents))
        self._finish()
        self.report(Progress("documents", self.outcome.documents, self.outcome.documents))
        return self.outcome

    def _find(self, connection: sa.Connection) -> int:
        """Look up what earlier runs made; return the first document that some SAE lacks."""
        corpus = recordings.find_corpus(connection, self.corpus_params)
        if corpus is None:
            return 0
        for sae in self.loaded.saes:
            params = self._recording_params(sae) | {"corpus": corpus.id}
            found = recordings.find_recording(connection, params)
            if found is not None:
                self.covariances.resume(connection, found)
                self.recordings[sae.sae] = found
        if len(self.recordings) < len(self.loaded.saes):
            return 0
        return min(recording.n_documents for recording in self.recordings.values())

    def _chunks(self, start: int) -> Iterator[tuple[int, list[TokenizedDocument]]]:
        """Read documents from a place on, as many at a time as make a few batches.

        Chunks begin and end at the same documents whether or not a run was interrupted, so what
        is run together, and with it every last digit, is the same.
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
            raw = list(islice(documents, stop - place))
            skipped = (one for one in raw if isinstance(one, Skipped))
            self.unreadable = self.unreadable or next(skipped, None)
            read = self.loaded.tokenize(raw, self.options)
            if read:
                yield place, read
            place += len(read)
            if place < stop or place == wanted:
                return

    def _require_unchanged(self, place: int, last: Document | Skipped | None) -> None:
        if last is None:
            raise errors.CorpusChanged(
                f"The corpus ends before document {place}, which was read before.",
                hint="Restore the source, or remove the corpus and start afresh.",
            )
        number = next(iter(self.recordings.values())).corpus
        again = [recordings.document_row(last)]
        with self.engine.connect() as connection:
            recordings.require_same_documents(connection, number, place, again)

    def _record(self, place: int, documents: list[TokenizedDocument]) -> Chunk:
        """Run the model for the SAEs that lack these documents; create missing recordings."""
        new = [sae for sae in self.loaded.saes if sae.sae not in self.recordings]
        late = [s for s in self.loaded.saes if s not in new and self._n_documents(s) == place]
        saes = [*late, *new]
        fits = {sae.sae: Fit() for sae in new}
        sums = self.covariances.new_sums(saes, self.recordings)
        found = self.loaded.block_maxima(saes, documents, self.options, fits=fits, sums=sums)
        if new:
            self._create(new, fits)
        peaks = {self.recordings[sae].id: rows for sae, rows in found.items()}
        moments = self.covariances.add_chunk(saes, self.recordings, sums)
        return Chunk(place, [one.row for one in documents], peaks, moments)

    def _n_documents(self, sae: AttachedSae) -> int:
        return self.recordings[sae.sae].n_documents

    def _create(self, new: list[AttachedSae], fits: dict[int, Fit]) -> None:
        """Check that SAEs without a recording fit, then create their rows."""
        if not self.options.force:
            _require_fit(new, fits, self.loaded.model)
        with self.engine.begin() as connection:
            corpus = recordings.open_corpus_row(connection, self.corpus_params)
            model = store.model_row(connection, self.loaded.model, **self.loaded.hooked.facts)
            for sae in new:
                params = self._recording_params(sae) | {"corpus": corpus.id}
                facts = self._recording_facts(model, fits[sae.sae])
                made = recordings.create_recording(connection, params, facts)
                self.covariances.begin(connection, made, sae)
                self.recordings[sae.sae] = made

    def _finish(self) -> None:
        """Mark recordings complete; remove those without any block, and a corpus of none."""
        everything = list(self.recordings.values())
        with self.engine.begin() as connection:
            for recording in everything:
                if recording.n_blocks:
                    recordings.mark_complete(connection, recording, self.options.documents)
                else:
                    remove.remove_recording(connection, recording.id)
                    remove.remove_unused_corpus(connection, recording.corpus)
            statistics.refresh_corpora(connection)
        if not any(recording.n_blocks for recording in everything):
            raise self._nothing_recorded()

    def _nothing_recorded(self) -> errors.EmptyCorpus:
        """Say why no document gave a block: unreadable, empty, too short, or some of each."""
        done, first = self.outcome, self.unreadable
        if first is not None and done.unreadable == done.documents:
            return errors.EmptyCorpus(
                f"None of the {done.documents:,} documents can be read.",
                available=f"The first: {first.reason}",
                hint=first.remedy or "Correct the documents.",
            )
        unread = f"{done.unreadable:,} of them could not be read"
        unread += f"; the first: {first.reason}" if first else "."
        if not done.tokens:
            return errors.EmptyCorpus(
                f"None of the {done.documents:,} documents has any text.",
                available=unread,
                hint="Check that --text-field is the field that holds the text.",
            )
        return errors.EmptyCorpus(
            f"None of the {done.documents:,} documents read gave a block of "
            f"{self.options.min_tokens} tokens or more.",
            available=unread,
            hint="Use a smaller --block, or --tail keep.",
        )

    def _count(self, outcome: RecordOutcome) -> None:
        numbers = tuple(recording.id for recording in self.recordings.values())
        self.outcome = replace(outcome, recordings=numbers)
        seconds = time.perf_counter() - self.began
        rate = f"{outcome.tokens / seconds:,.0f} tokens/s" if outcome.tokens else ""
        self.report(Progress("documents", outcome.documents, self.options.documents, rate))

    def _recording_params(self, sae: AttachedSae) -> dict[str, Any]:
        return {
            "sae": sae.sae,
            "model_sha256": bytes.fromhex(self.loaded.hooked.fingerprint),
            "source": None,
            "keep_above": self.options.keep_above,
            "special_tokens": self.options.special_tokens,
            "dtype": self.options.dtype,
        }

    def _recording_facts(self, model: int, fit: Fit) -> dict[str, Any]:
        return {
            "model": model,
            "preset": self.options.preset,
            "device": str(self.loaded.hooked.device),
            "forced": self.options.force,
            "explained_variance": fit.explained_variance,
            "l0": fit.l0,
            "documents_wanted": self.options.documents,
        }


def _corpus_params(corpus: Corpus, loaded: ModelWithSaes, options: Options) -> dict[str, Any]:
    return {
        "name": corpus.name,
        "source": corpus.source,
        "tokenizer": loaded.model,
        "tokenizer_sha256": bytes.fromhex(loaded.tokenizer.fingerprint),
        "context_length": options.context,
        "block_length": options.block,
        "min_tokens": options.min_tokens,
        "prepend_bos": loaded.prepend_bos,
        "text_field": corpus.text_field,
        "subset_field": corpus.subset_field,
    }


def _require_fit(saes: Sequence[AttachedSae], fits: dict[int, Fit], model: str) -> None:
    for sae in saes:
        explained = fits[sae.sae].explained_variance
        if explained is not None and explained < MIN_EXPLAINED_VARIANCE:
            raise errors.PoorFit(
                f"SAE {sae.name} explains {explained:.2f} of the variance that {model} has at "
                f"{sae.hook_name}; at least {MIN_EXPLAINED_VARIANCE} is expected.",
                available="It was probably trained on another model, layer or normalisation.",
                hint="Check --model and --sae; --force records it all the same.",
            )
