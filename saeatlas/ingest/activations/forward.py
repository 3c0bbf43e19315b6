"""From documents to block maxima: tokenize, split, run the model, encode with each SAE.

Nothing here reads or writes the catalog.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt
import torch

from saeatlas.ingest.activations import attached_sae, block_maxima, covariance
from saeatlas.ingest.activations.attached_sae import AttachedSae, InputSite
from saeatlas.ingest.activations.options import Options
from saeatlas.ingest.activations.recordings import DocumentRow, Peaks, document_row
from saeatlas.ingest.corpora import Document, Skipped
from saeatlas.ingest.models import families, files, hooked_model, hooks
from saeatlas.ingest.models import tokenizer as tokenizers

if TYPE_CHECKING:
    from typing import Any

    import sqlalchemy as sa


_FEATURES_AND_BLOCKS = 30_000
"""Features of all SAEs times blocks of a document from which on batches do not pay."""

_FIT_TOKENS = 4_096
"""Tokens enough to say whether an SAE fits the model."""


@dataclass(frozen=True)
class TokenizedDocument:
    """A document as token ids, split into blocks.

    Parameters
    ----------
    row : DocumentRow
        What the catalog stores of it.
    ids : ndarray of shape (n_tokens,), int32
        Token ids, BOS included.
    spans : list of (int, int)
        First and last-plus-one token of each block.
    counts : ndarray of shape (n_tokens,), bool
        False at BOS, and at special tokens that are left out of the maxima.
    """

    row: DocumentRow
    ids: npt.NDArray[np.int32]
    spans: list[tuple[int, int]]
    counts: npt.NDArray[np.bool_]

    @property
    def counted(self) -> npt.NDArray[np.bool_]:
        """True at tokens that can be a block's maximum: shape (n_tokens,), bool."""
        inside = np.zeros(len(self.counts), bool)
        for a, b in self.spans:
            inside[a:b] = self.counts[a:b]
        return inside


@dataclass(frozen=True)
class ModelWithSaes:
    """A model, its tokenizer and the SAEs attached to it.

    Parameters
    ----------
    model : str
        Hub id or folder.
    tokenizer : Tokenizer
    hooked : HookedModel
    saes : tuple of AttachedSae
    prepend_bos : bool
        Whether BOS stands before each document.
    """

    model: str
    tokenizer: tokenizers.Tokenizer
    hooked: hooked_model.HookedModel
    saes: tuple[AttachedSae, ...]
    prepend_bos: bool

    def tokenize(
        self, documents: Sequence[Document | Skipped], options: Options
    ) -> list[TokenizedDocument]:
        """Tokenize documents and split them into blocks.

        Parameters
        ----------
        documents : sequence of Document or Skipped
        options : Options

        Returns
        -------
        list of TokenizedDocument
            One each, in order; those without a block too.
        """
        texts = [d.text if isinstance(d, Document) else "" for d in documents]
        rows = self.tokenizer.tokenize(texts, context=options.context, prepend_bos=self.prepend_bos)
        return [self._split(d, row, options) for d, row in zip(documents, rows, strict=True)]

    def block_maxima(
        self,
        saes: Sequence[AttachedSae],
        documents: Sequence[TokenizedDocument],
        options: Options,
        *,
        fits: Mapping[int, block_maxima.Fit] | None = None,
        sums: Mapping[InputSite, covariance.Sums] | None = None,
    ) -> dict[int, list[Peaks]]:
        """Run the model on documents and find every SAE's maximum activations in each block.

        Parameters
        ----------
        saes : sequence of AttachedSae
        documents : sequence of TokenizedDocument
        options : Options
        fits : mapping of int to Fit, optional
            By ``sae.id``: filled with how well the SAE explains the longest of these documents, of
            some thousand tokens together.
        sums : mapping of InputSite to Sums, optional
            Filled with the input activations at the tokens of blocks that count, each token once.

        Returns
        -------
        dict of int to list of (features, peaks)
            By ``sae.id``: one pair of arrays per block, in document order.
        """
        found: dict[int, dict[int, list[Peaks]]] = {}
        exact = options.dtype == "float32"
        alone = exact and _better_alone(saes, options)
        left = _by_length(documents, fits)
        while left:
            size = 1 if alone else max(1, options.batch_tokens // len(documents[left[0]].ids))
            batch, left = left[:size], left[size:]
            acts = self.hooked.run([documents[i].ids for i in batch])
            for place, i in enumerate(batch):
                one = documents[i]
                own = {hook: a[place] for hook, a in acts.items()}
                found[i] = {}
                near = _add_maxima(saes, own, one, options.keep_above, found[i])
                _add_fits(saes, own, one, fits or {})
                covariance.add_document(saes, own, one.counted, sums or {})
                if near and exact and len(batch) > 1:
                    again = self.hooked.run([one.ids])
                    own = {hook: a[0] for hook, a in again.items()}
                    _add_maxima(near, own, one, options.keep_above, found[i])
        return {
            sae.sae: [peaks for i in sorted(found) for peaks in found[i][sae.sae]] for sae in saes
        }

    def _split(
        self, document: Document | Skipped, ids: npt.NDArray[np.int32], options: Options
    ) -> TokenizedDocument:
        spans = tokenizers.split_into_blocks(
            len(ids), bos=self.prepend_bos, block=options.block, min_tokens=options.min_tokens
        )
        counts = np.ones(len(ids), bool)
        counts[: int(self.prepend_bos)] = False
        if not options.special_tokens:
            counts &= ~np.isin(ids, sorted(self.tokenizer.special_ids))
        texts = [self.tokenizer.decode(ids[a:b]) for a, b in spans] if options.store_text else None
        n_tokens = max(len(ids) - self.prepend_bos, 0)
        return TokenizedDocument(document_row(document, n_tokens, spans, texts), ids, spans, counts)


def load_model_with_saes(
    model: str, rows: "Sequence[sa.Row[Any]]", options: Options
) -> ModelWithSaes:
    """Load SAEs of the catalog and the model they are attached to, and check that they fit.

    Parameters
    ----------
    model : str
        Hub id or folder of a transformers model.
    rows : sequence of sqlalchemy.Row
        Rows of ``sae``.
    options : Options

    Returns
    -------
    ModelWithSaes

    Raises
    ------
    UnsupportedSae, ModelMismatch, BadWeights, NameTaken
    """
    names = {row.id: attached_sae.hook_name_of(row) for row in rows}
    hooked_model.require_fit(
        model, [(names[row.id], row.config.get("d_in", row.d_in)) for row in rows]
    )
    family = families.family_of(model, files.read_model_config(model).model_type)
    centred = {
        row.id: hooks.is_centred(names[row.id], family, attached_sae.model_processing(row))
        for row in rows
    }
    tokenizer = tokenizers.load_tokenizer(model)
    prepend_bos = attached_sae.agreed_bos(rows, tokenizer, options.bos)
    weights = {row.id: attached_sae.load_weights(row) for row in rows}
    hooked = hooked_model.open_model(
        model, list(dict.fromkeys(names.values())), dtype=options.dtype, device=options.device
    )
    attached = tuple(
        AttachedSae(
            row.id,
            f"{row.release}/{row.sae_id}",
            weights[row.id].to(device=hooked.device, dtype=getattr(torch, options.dtype)),
            names[row.id],
            centred[row.id],
        )
        for row in rows
    )
    return ModelWithSaes(model, tokenizer, hooked, attached, prepend_bos)


def _by_length(
    documents: Sequence[TokenizedDocument], fits: Mapping[int, block_maxima.Fit] | None
) -> list[int]:
    """Order the documents to be run: those of like length together, so that little is padding."""
    left = [i for i, one in enumerate(documents) if one.spans]
    if fits and not left:  # too short for any block, but not to see whether an SAE fits
        left = [i for i, one in enumerate(documents) if one.counts.any()]
    return sorted(left, key=lambda i: -len(documents[i].ids))


def _better_alone(saes: Sequence[AttachedSae], options: Options) -> bool:
    """Say whether most documents of a batch would have to be run a second time, alone, to be exact.

    So it is where features compete for their place. Elsewhere one feature of a block in 70,000 was
    so near its threshold that its document had to be run again: batches pay with few features.
    """
    if not all(block_maxima.is_monotone(sae.weights) for sae in saes):
        return True
    blocks = options.context / options.block
    return blocks * sum(int(sae.weights.cfg.d_sae) for sae in saes) > _FEATURES_AND_BLOCKS


def _add_maxima(
    saes: Sequence[AttachedSae],
    acts: Mapping[str, torch.Tensor],
    document: TokenizedDocument,
    keep_above: float,
    found: dict[int, list[Peaks]],
) -> list[AttachedSae]:
    """Add a document's block maxima; return the SAEs for which rounding could decide."""
    near = []
    for sae in saes:
        own = sae.inputs(acts[sae.hook_name][: len(document.ids)])  # (T, d_in)
        maxima = block_maxima.block_maxima(
            sae.weights, own, document.spans, document.counts, keep_above=keep_above
        )
        found[sae.sae] = maxima.blocks
        if maxima.near:
            near.append(sae)
    return near


def _add_fits(
    saes: Sequence[AttachedSae],
    acts: Mapping[str, torch.Tensor],
    document: TokenizedDocument,
    fits: Mapping[int, block_maxima.Fit],
) -> None:
    """Add a document to the fits that have not seen enough yet."""
    for sae in saes:
        fit = fits.get(sae.sae)
        if fit is not None and fit.n_tokens < _FIT_TOKENS:
            own = sae.inputs(acts[sae.hook_name][: len(document.ids)])
            fit.add(sae.weights, own, document.counts)
