"""The rows of corpora and recordings: found, created and marked complete."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert

import saeatlas
from saeatlas import errors
from saeatlas.ingest.corpora import Document, Skipped
from saeatlas.schema import tables
from saeatlas.schema.database import partitions
from saeatlas.schema.rows import runs

Peaks = tuple[npt.NDArray[np.int32], npt.NDArray[np.float32]]
"""Ascending features that are active in a block, and their maximum activations."""


@dataclass(frozen=True)
class DocumentRow:
    """What the catalog stores of one document and its blocks.

    Parameters
    ----------
    subset : str or None
    metadata : dict
    n_tokens : int
        Tokens that the model reads of it, BOS not counted.
    block_tokens : tuple of int
        Tokens in each of its blocks.
    text_sha256 : bytes or None
        Hash of the text; None if the document could not be read.
    problem : str or None
        Why it was left out.
    block_texts : tuple of str or None
        Decoded text of each block, if it is to be stored.
    """

    subset: str | None
    metadata: dict[str, Any]
    n_tokens: int = 0
    block_tokens: tuple[int, ...] = ()
    text_sha256: bytes | None = None
    problem: str | None = None
    block_texts: tuple[str, ...] | None = None


@dataclass
class Recording:
    """The maximum activations of one SAE on one corpus, as far as it has come.

    Parameters
    ----------
    id, sae, corpus : int
        Numbers of the rows.
    n_documents, n_blocks, n_activations : int
        What has been written.
    """

    id: int
    sae: int
    corpus: int
    n_documents: int = 0
    n_blocks: int = 0
    n_activations: int = 0


def text_hash(text: str) -> bytes:
    """Hash a document's text, to notice when a corpus has changed.

    Parameters
    ----------
    text : str

    Returns
    -------
    bytes
        SHA-256 of its UTF-8 form.
    """
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()


def document_row(
    document: Document | Skipped,
    n_tokens: int = 0,
    spans: Sequence[tuple[int, int]] = (),
    texts: Sequence[str] | None = None,
) -> DocumentRow:
    """Gather what the catalog stores of a document.

    Parameters
    ----------
    document : Document or Skipped
    n_tokens : int, default=0
        Tokens of it that the model reads, BOS not counted.
    spans : sequence of (int, int), optional
        Its blocks.
    texts : sequence of str, optional
        Their texts, if they are to be stored.

    Returns
    -------
    DocumentRow
    """
    if isinstance(document, Skipped):
        return DocumentRow(None, {}, problem=document.reason.replace("\0", "\ufffd"))
    return DocumentRow(
        subset=document.subset,
        metadata=document.metadata,
        n_tokens=n_tokens,
        block_tokens=tuple(b - a for a, b in spans),
        text_sha256=text_hash(document.text),
        block_texts=None if texts is None else tuple(t.replace("\0", "\ufffd") for t in texts),
    )


def open_corpus_row(connection: sa.Connection, params: dict[str, Any]) -> sa.Row[Any]:
    """Find or create the corpus that is split into blocks in this way.

    Parameters
    ----------
    connection : sqlalchemy.Connection
    params : dict
        Columns of ``corpus`` down to ``subset_field``.

    Returns
    -------
    sqlalchemy.Row
        The row of ``corpus``.
    """
    found = find_corpus(connection, params)
    if found is None:  # or another process creates it at this moment
        connection.execute(insert(tables.corpus).values(params).on_conflict_do_nothing())
        found = find_corpus(connection, params)
    assert found is not None
    return found


def find_corpus(connection: sa.Connection, params: dict[str, Any]) -> sa.Row[Any] | None:
    """Find the corpus that is split into blocks in this way; its name does not count.

    Parameters
    ----------
    connection : sqlalchemy.Connection
    params : dict
        As for `open_corpus_row`.

    Returns
    -------
    sqlalchemy.Row or None
    """
    query = sa.select(tables.corpus).where(*_same(tables.corpus, corpus_key(params)))
    return connection.execute(query).one_or_none()


def corpus_key(params: dict[str, Any]) -> dict[str, Any]:
    """Return those columns of ``corpus`` that tell corpora apart."""
    return {name: value for name, value in params.items() if name not in ("name", "tokenizer")}


def lock_key(corpus: dict[str, Any], recording: dict[str, Any]) -> bytes:
    """Hash what makes two recordings the same one, whether or not it is in the catalog.

    Parameters
    ----------
    corpus, recording : dict
        As for `find_corpus` and `find_recording`, the latter without its corpus.

    Returns
    -------
    bytes
        For `running_jobs`.
    """
    columns = corpus_key(corpus) | {f"recording {name}": value for name, value in recording.items()}
    columns["recording keep_above"] = float(np.float32(recording["keep_above"]))
    return runs.input_hash(
        **{n: v.hex() if isinstance(v, bytes) else v for n, v in columns.items()}
    )


def _same(table: sa.Table, params: dict[str, Any]) -> list[sa.ColumnElement[bool]]:
    """Compare so that NULL equals NULL."""
    return [
        table.c[name].is_not_distinct_from(sa.cast(sa.literal(value), table.c[name].type))
        for name, value in params.items()
    ]


def find_recording(connection: sa.Connection, params: dict[str, Any]) -> Recording | None:
    """Find the recording made with these parameters.

    Parameters
    ----------
    connection : sqlalchemy.Connection
    params : dict
        sae, corpus, model_sha256, source, keep_above, special_tokens, dtype.

    Returns
    -------
    Recording or None
    """
    table = tables.recording
    columns = [table.c[name] for name in Recording.__dataclass_fields__]
    row = connection.execute(sa.select(*columns).where(*_same(table, params))).one_or_none()
    return None if row is None else Recording(**row._mapping)


def create_recording(
    connection: sa.Connection, params: dict[str, Any], facts: dict[str, Any]
) -> Recording:
    """Create a recording and the partition of its activations.

    Parameters
    ----------
    connection : sqlalchemy.Connection
    params, facts : dict
        Columns of ``recording``: those that tell recordings apart, and the others.

    Returns
    -------
    Recording
    """
    table = tables.recording
    values = params | facts | {"code_version": saeatlas.__version__}
    number = connection.execute(insert(table).values(values).returning(table.c.id)).scalar_one()
    with partitions.filling(connection, tables.activation, number):
        pass
    return Recording(number, params["sae"], params["corpus"])


def require_same_documents(
    connection: sa.Connection, corpus: int, first: int, documents: Sequence[DocumentRow]
) -> None:
    """Check that documents read again are those that were read before.

    Parameters
    ----------
    connection : sqlalchemy.Connection
    corpus, first : int
    documents : sequence of DocumentRow

    Raises
    ------
    CorpusChanged
    """
    table = tables.document
    if not documents:
        return
    rows = connection.execute(
        sa.select(table.c.document, table.c.text_sha256)
        .where(table.c.corpus == corpus, table.c.document >= first)
        .where(table.c.document < first + len(documents))
        .order_by(table.c.document)
    )
    for row, again in zip(rows, documents, strict=True):
        if row.text_sha256 != again.text_sha256:
            raise errors.CorpusChanged(
                f"Document {row.document} is not the one that was read before.",
                available=f"Corpus {corpus} of the catalog was read from another state of this "
                "source.",
                hint=f"Restore the source, or `saeatlas remove corpus {corpus}` and start afresh.",
            )


def mark_complete(connection: sa.Connection, recording: Recording, wanted: int | None) -> None:
    """Mark a recording complete.

    Parameters
    ----------
    connection : sqlalchemy.Connection
    recording : Recording
    wanted : int or None
        Documents that were to be read.
    """
    table = tables.recording
    partitions.analyze(connection, tables.activation, recording.id)
    connection.execute(
        sa.update(table)
        .where(table.c.id == recording.id, table.c.state == "running")
        .values(state="complete", finished_at=sa.func.now(), documents_wanted=wanted)
    )
