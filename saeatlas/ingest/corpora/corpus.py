"""Open a corpus by its name and stream its documents."""

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import Any, Literal

from saeatlas import errors
from saeatlas.ingest.corpora import document, fields, hub, jsonl, parquet, places, texts
from saeatlas.ingest.corpora.document import Document, Skipped

OnBadDocument = Literal["error", "skip"]

ROWS_TO_SEARCH = 10_000
"""Rows in which the subset's field must be found once."""

_READERS = {"jsonl": jsonl.jsonl_rows, "parquet": parquet.parquet_rows, "texts": texts.texts_rows}


@dataclass(frozen=True)
class Corpus:
    """Where documents come from and which of their fields count; made by `open_corpus`.

    Attributes
    ----------
    name : str
        Short name: the file's or folder's, or the hub's.
    source : str
        What the user wrote.
    kind : {"jsonl", "parquet", "texts", "hub"}
        The form of the source.
    place : Place or None
        Its files; None for the hub.
    text_field, subset_field : str
        Dotted names of fields; ``subset_field`` may be None.
    on_bad_document : {"error", "skip"}
        What becomes of a document that cannot be read.
    split, config, revision : str or None
        Of a data set on the hub; None for files.
    """

    name: str
    source: str
    kind: places.FileKind | Literal["hub"]
    place: places.Place | None
    text_field: str
    subset_field: str | None
    on_bad_document: OnBadDocument
    split: str | None = None
    config: str | None = None
    revision: str | None = None

    @cached_property
    def commit(self) -> str | None:
        """SHA of the hub's commit that is read, asked for once; None for files."""
        return hub.commit(self.name, self.revision) if self.place is None else None

    def documents(self, start: int = 0) -> Iterator[Document | Skipped]:
        """Stream the documents in a fixed order.

        Parameters
        ----------
        start : int, default=0
            How many documents to pass over. The n-th item that is yielded is document
            ``start + n`` of the corpus, whether or not it could be read.

        Yields
        ------
        Document or Skipped
            `Skipped` only with ``on_bad_document="skip"``.

        Raises
        ------
        BadDocument
            A document cannot be read and ``on_bad_document="error"``.
        EmptyCorpus
            There is no document at all (noticed with ``start=0`` only).
        BadCorpus
            A file is cut off or damaged, or the hub does not answer; or no row of the first ones
            has the subset's field (noticed with ``start=0`` only).
        UnknownName
            The hub has no such data set, configuration or split.
        """
        if start < 0:
            raise ValueError(f"start must not be negative: {start}")
        if start == 0:
            self._require_subset_field()
        is_empty = start == 0
        for origin, row in self._rows(start):
            is_empty = False
            yield self._document(origin, row)
        if is_empty:
            raise errors.EmptyCorpus(
                f"{self.source} holds no documents.", hint="Name a corpus that holds some."
            )

    def stamp(self) -> str:
        """Say in one line what would be read, to recognise the corpus when resuming.

        Returns
        -------
        str
            For files their kind, number, bytes and a hash of their names and sizes: not where
            they stand nor when they were written. For the hub the name, configuration, split
            and commit. The fields that are picked are not in it.

        Raises
        ------
        BadCorpus
            A file is gone, or the hub does not answer.
        UnknownName
            The hub has no such data set.
        """
        if self.place is None:
            return f"hub {self.name} {self.config or 'default'} {self.split} {self.commit}"
        digest = hashlib.sha256()
        n_bytes = 0
        for path in self.place.files:
            try:
                size = path.stat().st_size
            except OSError as error:
                raise places.unreadable(path, error) from error
            n_bytes += size
            name = places.label(path, self.place.root)
            digest.update(f"{name}\0{size}\0".encode(errors="surrogateescape"))
        n_files = len(self.place.files)
        return f"{self.kind} {n_files} files {n_bytes} bytes sha256:{digest.hexdigest()[:16]}"

    def _rows(self, start: int) -> Iterator[places.Row]:
        if self.place is not None:
            return _READERS[self.place.kind](self.place, start)
        dataset = hub.stream(self.name, self.config, self.split or "train", self.commit)
        return hub.hub_rows(dataset, self.name, start)

    def _require_subset_field(self) -> None:
        """Refuse a subset's field that no row has: a single row may lack it, and has no subset."""
        if self.subset_field is None:
            return
        lacking: list[dict[str, Any]] = []
        n_rows = 0
        try:
            for _, row in islice(self._rows(0), ROWS_TO_SEARCH):
                n_rows += 1
                if not isinstance(row, dict):
                    continue
                if fields.has(row, self.subset_field):
                    return
                lacking = lacking or [row]
        except errors.BadCorpus:  # said again where the rows end that can be read
            return
        if lacking:
            which = "No row" if n_rows < ROWS_TO_SEARCH else f"None of the first {n_rows:,} rows"
            raise errors.BadCorpus(
                f"{which} of {self.source} has the field {self.subset_field!r}.",
                available="The first row lacks it. " + fields.known(lacking[0], self.subset_field),
                hint="Name the right field with --subset-field, or leave it out.",
            )

    def _document(
        self, origin: str, row: dict[str, Any] | errors.BadDocument
    ) -> Document | Skipped:
        try:
            if isinstance(row, errors.BadDocument):
                raise row
            return document.from_row(row, origin, self.text_field, self.subset_field)
        except errors.BadDocument as error:
            if self.on_bad_document == "error":
                raise
            remedy = (error.hint or "").removesuffix(document.ROW_HINT).strip()
            return Skipped(origin, error.wrong, remedy)


def open_corpus(
    source: str,
    *,
    text_field: str = "text",
    subset_field: str | None = None,
    split: str = "train",
    config: str | None = None,
    on_bad_document: OnBadDocument = "error",
) -> Corpus:
    """Find a corpus, without reading any of it and without asking the hub.

    Parameters
    ----------
    source : str
        A file, a folder, a glob or a data set of the hub: ``owner/name``, or
        ``owner/name@revision`` for a branch, tag or commit. What exists here wins.
    text_field : str, default="text"
        The field that holds the text. A dot leads into a nested object: ``doc.body``.
    subset_field : str, optional
        The field that says what kind of document it is: ``meta.pile_set_name``.
    split : str, default="train"
        Of a data set of the hub.
    config : str, optional
        Of a data set of the hub.
    on_bad_document : {"error", "skip"}, default="error"
        Whether a document that cannot be read ends the stream or gives way to a `Skipped`.

    Returns
    -------
    Corpus
        A cheap handle.

    Raises
    ------
    BadCorpus
        There is no such file, its form cannot be read, or an option does not apply to it.
    EmptyCorpus
        The folder holds no files or the files hold no bytes.
    """
    if on_bad_document not in ("error", "skip"):
        raise ValueError(f"on_bad_document must be 'error' or 'skip', not {on_bad_document!r}")
    place = places.find_files(source)
    if place is None:
        repo, _, revision = source.partition("@")
        return Corpus(
            repo, source, "hub", None, text_field, subset_field, on_bad_document,
            split=split, config=config, revision=revision or None,
        )  # fmt: skip
    _refuse_hub_options(source, split, config)
    if place.kind == "texts":
        _refuse_fields(source, text_field, subset_field)
        text_field, subset_field = texts.TEXT_FIELD, texts.SUBSET_FIELD
    name = Path(source).expanduser().resolve().name
    return Corpus(name, source, place.kind, place, text_field, subset_field, on_bad_document)


def _refuse_hub_options(source: str, split: str, config: str | None) -> None:
    for option, value, default in (("--split", split, "train"), ("--config", config, None)):
        if value != default:
            raise errors.BadCorpus(
                f"{option} {value} is for data sets of the hub; {source} is on this machine.",
                hint=f"Leave {option} out; name the files you mean, with a pattern if need be.",
            )


def _refuse_fields(source: str, text_field: str, subset_field: str | None) -> None:
    if text_field != texts.TEXT_FIELD or subset_field not in (None, texts.SUBSET_FIELD):
        raise errors.BadCorpus(
            f"{source} holds text files, which have no fields.",
            available="A file is a document's text, and its first sub-folder is its subset.",
            hint="Leave --text-field and --subset-field out.",
        )
