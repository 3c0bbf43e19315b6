"""Documents in, block maxima out: tokenise, cut, run the model, ask each SAE. No database."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
import torch

from saeatlas.ingest.activations import attached_sae as ears
from saeatlas.ingest.activations import block_maxima, covariance
from saeatlas.ingest.activations.attached_sae import Ear, Sound
from saeatlas.ingest.activations.options import Options
from saeatlas.ingest.activations.recordings import Cut, Peaks, text_hash
from saeatlas.ingest.corpora import Document, Skipped
from saeatlas.ingest.models import files, hooked_model
from saeatlas.ingest.models import hooks as sites
from saeatlas.ingest.models import tokenizer as tokens

if TYPE_CHECKING:
    import sqlalchemy as sa


_FEATURES_AND_BLOCKS = 30_000
"""Features of all SAEs times blocks of a document from which on batches do not pay."""

_FIT_TOKENS = 4_096
"""Tokens enough to say whether an SAE fits the model."""


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
        False at BOS, and at special tokens that are left out of the maxima.
    """

    cut: Cut
    ids: np.ndarray[Any, Any]
    spans: list[tuple[int, int]]
    counts: np.ndarray[Any, Any]

    @property
    def counted(self) -> np.ndarray[Any, Any]:
        """True at tokens that can be a block's maximum: shape (n_tokens,), bool."""
        inside: np.ndarray[Any, Any] = np.zeros(len(self.counts), bool)
        for a, b in self.spans:
            inside[a:b] = self.counts[a:b]
        return inside


@dataclass(frozen=True)
class Ensemble:
    """A model, its tokenizer and the SAEs that listen to it.

    Parameters
    ----------
    model : str
        Hub id or folder.
    tokenizer : Tokenizer
    listener : Listener
    ears : tuple of Ear
    prepend_bos : bool
        Whether BOS stands before each document: what the SAEs were trained on.
    """

    model: str
    tokenizer: tokens.Tokenizer
    listener: hooked_model.Listener
    ears: tuple[Ear, ...]
    prepend_bos: bool

    def read(self, documents: Sequence[Document | Skipped], options: Options) -> list[Read]:
        """Tokenise documents and cut them in blocks.

        Parameters
        ----------
        documents : sequence of Document or Skipped
        options : Options

        Returns
        -------
        list of Read
            One each, in order; those without a block too.
        """
        texts = [d.text if isinstance(d, Document) else "" for d in documents]
        rows = self.tokenizer.tokenize(texts, context=options.context, prepend_bos=self.prepend_bos)
        return [self._read(d, row, options) for d, row in zip(documents, rows, strict=True)]

    def hear(
        self,
        ears: Sequence[Ear],
        reads: Sequence[Read],
        options: Options,
        *,
        fits: Mapping[int, block_maxima.Fit] | None = None,
        sums: Mapping[Sound, covariance.Sums] | None = None,
    ) -> dict[int, list[Peaks]]:
        """Run the model once and ask every SAE for its block maxima.

        Parameters
        ----------
        ears : sequence of Ear
        reads : sequence of Read
        options : Options
        fits : mapping of int to Fit, optional
            By ``sae.id``: filled with how well the SAE explains the longest of these documents, of
            some thousand tokens together.
        sums : mapping of Sound to Sums, optional
            Filled with what is heard at the tokens of blocks that count, each token once.

        Returns
        -------
        dict of int to list of (features, peaks)
            By ``sae.id``: one pair of arrays a block, in document order.
        """
        found: dict[int, dict[int, list[Peaks]]] = {}
        exact = options.dtype == "float32"
        alone = exact and _better_alone(ears, options)
        left = [i for i, read in enumerate(reads) if read.spans]
        if fits and not left:  # too short for any block, but not to see whether an SAE fits
            left = [i for i, read in enumerate(reads) if read.counts.any()]
        left.sort(key=lambda i: -len(reads[i].ids))  # of like length, so that little is padding
        while left:
            size = 1 if alone else max(1, options.batch_tokens // len(reads[left[0]].ids))
            batch, left = left[:size], left[size:]
            acts = self.listener.hear([reads[i].ids for i in batch])
            for row, i in enumerate(batch):
                own = {hook: a[row] for hook, a in acts.items()}
                found[i] = {}
                near = self._listen(ears, own, reads[i], options.keep_above, found[i])
                _fit(ears, own, reads[i], fits or {})
                covariance.add_document(ears, own, reads[i].counted, sums or {})
                if near and exact and len(batch) > 1:
                    own = {hook: a[0] for hook, a in self.listener.hear([reads[i].ids]).items()}
                    self._listen(near, own, reads[i], options.keep_above, found[i])
        return {
            ear.sae: [peaks for i in sorted(found) for peaks in found[i][ear.sae]] for ear in ears
        }

    def _read(self, document: Document | Skipped, row: Any, options: Options) -> Read:
        spans = tokens.cut(
            len(row),
            bos=self.prepend_bos,
            block=options.block,
            min_tokens=options.min_tokens,
        )
        counts = np.ones(len(row), bool)
        counts[: int(self.prepend_bos)] = False
        if not options.special_tokens:
            counts &= ~np.isin(row, sorted(self.tokenizer.special_ids))
        texts = [self.tokenizer.decode(row[a:b]) for a, b in spans] if options.store_text else None
        n_tokens = max(len(row) - self.prepend_bos, 0)
        return Read(cut_of(document, n_tokens, spans, texts), row, spans, counts)

    def _listen(
        self,
        ears: Sequence[Ear],
        acts: dict[str, torch.Tensor],
        read: Read,
        keep_above: float,
        found: dict[int, list[Peaks]],
    ) -> list[Ear]:
        """Write down what SAEs hear in a document; return those for which rounding could count."""
        near = []
        for ear in ears:
            own = ear.take(acts[ear.hook_name][: len(read.ids)])  # (T, d_in)
            maxima = block_maxima.block_maxima(
                ear.weights, own, read.spans, read.counts, keep_above=keep_above
            )
            found[ear.sae] = maxima.blocks
            if maxima.near:
                near.append(ear)
        return near


def assemble(model: str, rows: "Sequence[sa.Row[Any]]", options: Options) -> Ensemble:
    """Load SAEs of the catalog and the model they listen to, and check that they fit.

    Parameters
    ----------
    model : str
        Hub id or folder of a transformers model.
    rows : sequence of sqlalchemy.Row
        Rows of ``sae``.
    options : Options

    Returns
    -------
    Ensemble

    Raises
    ------
    UnsupportedSae, ModelMismatch, BadWeights, NameTaken
    """
    prepend_bos = ears.agreed_bos(rows)
    hooks = {row.id: ears.hook_of(row) for row in rows}
    hooked_model.require_fit(
        model, [(hooks[row.id], row.config.get("d_in", row.d_in)) for row in rows]
    )
    family = sites.family_of(model, files.read_config(model).model_type)
    centred = {
        row.id: sites.is_centred(hooks[row.id], family, ears.processing(row)) for row in rows
    }
    tokenizer = tokens.load(model)
    loaded = {row.id: ears.load(row) for row in rows}
    listener = hooked_model.open_model(
        model, list(dict.fromkeys(hooks.values())), dtype=options.dtype, device=options.device
    )
    listening = [
        Ear(
            row.id,
            f"{row.release}/{row.sae_id}",
            loaded[row.id].to(device=listener.device, dtype=getattr(torch, options.dtype)),
            hooks[row.id],
            centred[row.id],
        )
        for row in rows
    ]
    return Ensemble(model, tokenizer, listener, tuple(listening), prepend_bos)


def _better_alone(ears: Sequence[Ear], options: Options) -> bool:
    """Say whether a batch would not spare hearing its documents one by one, to be exact.

    So it is where features compete for their place. Elsewhere one feature of a block in 70,000 was
    so near its threshold that its document had to be heard again: batches pay with few features.
    """
    if not all(block_maxima.is_monotone(ear.weights) for ear in ears):
        return True
    blocks = options.context / options.block
    return blocks * sum(int(ear.weights.cfg.d_sae) for ear in ears) > _FEATURES_AND_BLOCKS


def _fit(
    ears: Sequence[Ear],
    acts: dict[str, torch.Tensor],
    read: Read,
    fits: Mapping[int, block_maxima.Fit],
) -> None:
    """Add a document to the fits that have not seen enough yet."""
    for ear in ears:
        fit = fits.get(ear.sae)
        if fit is not None and fit.n_tokens < _FIT_TOKENS:
            own = ear.take(acts[ear.hook_name][: len(read.ids)])
            fit.add(ear.weights, own, read.counts)


def cut_of(
    document: Document | Skipped,
    n_tokens: int = 0,
    spans: Sequence[tuple[int, int]] = (),
    texts: Sequence[str] | None = None,
) -> Cut:
    """Say what the catalog stores of a document.

    Parameters
    ----------
    document : Document or Skipped
    n_tokens : int, default=0
        Tokens read, BOS not counted.
    spans : sequence of (int, int), optional
        Its blocks.
    texts : sequence of str, optional
        Their texts, where asked for.

    Returns
    -------
    Cut
    """
    if isinstance(document, Skipped):
        return Cut(None, {}, problem=document.reason.replace("\0", "\ufffd"))
    return Cut(
        subset=document.subset,
        metadata=document.metadata,
        n_tokens=n_tokens,
        block_tokens=tuple(b - a for a, b in spans),
        text_sha256=text_hash(document.text),
        block_texts=None if texts is None else tuple(t.replace("\0", "\ufffd") for t in texts),
    )
