"""Documents in, block maxima out: tokenise, cut, run the model, ask each SAE. No database."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from saeatlas.ingest import encode, tokens
from saeatlas.ingest.corpora import Document, Skipped
from saeatlas.ingest.options import Options
from saeatlas.ingest.recordings import Cut, Peaks, text_hash

if TYPE_CHECKING:
    from sae_lens import SAE

    from saeatlas.ingest.models import Listener


@dataclass(frozen=True)
class Ear:
    """An SAE ready to listen.

    Parameters
    ----------
    sae : int
        ``sae.id``.
    name : str
        ``release/sae_id``, for messages.
    weights : sae_lens.SAE
    hook_name : str
    """

    sae: int
    name: str
    weights: "SAE[Any]"
    hook_name: str


@dataclass(frozen=True)
class Read:
    """A document as the model reads it.

    Parameters
    ----------
    cut : Cut
        What the catalog stores of it.
    ids : ndarray of shape (n_tokens,), int32
        Token ids, BOS included.
    spans : list of (int, int)
        First and last-plus-one token of each block.
    counts : ndarray of shape (n_tokens,), bool
        False where a special token is left out of the maxima.
    """

    cut: Cut
    ids: np.ndarray[Any, Any]
    spans: list[tuple[int, int]]
    counts: np.ndarray[Any, Any]


def read(
    documents: Sequence[Document | Skipped],
    tokenizer: tokens.Tokenizer,
    options: Options,
    *,
    prepend_bos: bool,
) -> list[Read]:
    """Tokenise documents and cut them in blocks.

    Parameters
    ----------
    documents : sequence of Document or Skipped
    tokenizer : Tokenizer
    options : Options
    prepend_bos : bool

    Returns
    -------
    list of Read
        One each, in order; those without a block too.
    """
    texts = [d.text if isinstance(d, Document) else "" for d in documents]
    ids = tokenizer.tokenize(texts, context=options.context, prepend_bos=prepend_bos)
    special = [] if options.special_tokens else sorted(tokenizer.special_ids)
    reads = []
    for document, row in zip(documents, ids, strict=True):
        spans = tokens.cut(len(row), bos=prepend_bos, block=options.block, tail=options.min_tokens)
        texts_of = [tokenizer.decode(row[a:b]) for a, b in spans] if options.store_text else None
        cut = _cut(document, len(row) - prepend_bos, spans, texts_of)
        reads.append(Read(cut, row, spans, ~np.isin(row, special)))
    return reads


def _cut(
    document: Document | Skipped,
    n_tokens: int,
    spans: list[tuple[int, int]],
    texts: list[str] | None,
) -> Cut:
    if isinstance(document, Skipped):
        return Cut(None, {}, problem=document.reason)
    return Cut(
        subset=document.subset,
        metadata=document.metadata,
        n_tokens=max(n_tokens, 0),
        block_tokens=tuple(b - a for a, b in spans),
        text_sha256=text_hash(document.text),
        block_texts=None if texts is None else tuple(t.replace("\0", "\ufffd") for t in texts),
    )


def hear(
    listener: "Listener", ears: Sequence[Ear], reads: Sequence[Read], options: Options
) -> tuple[dict[int, list[Peaks]], dict[int, encode.Fit]]:
    """Run the model once and ask every SAE for its block maxima.

    Parameters
    ----------
    listener : Listener
    ears : sequence of Ear
    reads : sequence of Read
    options : Options

    Returns
    -------
    peaks : dict of int to list of (features, peaks)
        By ``sae.id``: one pair of arrays a block, in document order.
    fits : dict of int to Fit
        By ``sae.id``: how well each SAE explains what it heard.
    """
    by_read: dict[int, dict[int, list[Peaks]]] = {ear.sae: {} for ear in ears}
    fits = {ear.sae: encode.Fit() for ear in ears}
    for batch in batches(reads, options.batch_tokens):
        heard = listener(*_padded([reads[i].ids for i in batch]))
        for ear in ears:
            for row, i in enumerate(batch):
                ...
    return {
        ear.sae: [peaks for i in sorted(by_read[ear.sae]) for peaks in by_read[ear.sae][i]]
        for ear in ears
    }, fits


def batches(reads: Sequence[Read], batch_tokens: int) -> Iterator[list[int]]:
    """Group documents of like length, so that little is padding.

    Parameters
    ----------
    reads : sequence of Read
        Those without a block are left out: nobody listens to them.
    batch_tokens : int
        Most tokens of a batch, padding included; a single document may pass it.

    Yields
    ------
    list of int
        Places in `reads`.
    """
    order = sorted((i for i, r in enumerate(reads) if r.spans), key=lambda i: len(reads[i].ids))
    batch: list[int] = []
    for i in order:
        if batch and (len(batch) + 1) * len(reads[i].ids) > batch_tokens:
            yield batch
            batch = []
        batch.append(i)
    if batch:
        yield batch


def _padded(rows: list[np.ndarray[Any, Any]]) -> tuple[torch.Tensor, torch.Tensor]:
    """Right-pad token rows; the mask is 1 where there is a token."""
    width = max(map(len, rows))
    ids = torch.zeros(len(rows), width, dtype=torch.int64)  # (B, T)
    mask = torch.zeros_like(ids)
    for i, row in enumerate(rows):
        ids[i, : len(row)] = torch.from_numpy(row.astype(np.int64))
        mask[i, : len(row)] = 1
    return ids, mask
