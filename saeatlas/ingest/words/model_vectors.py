"""A model that reads words: its residual stream at each word's last token."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import sqlalchemy as sa

from saeatlas import errors
from saeatlas.ingest.models import files, hooked_model, tokenizer
from saeatlas.ingest.saes import store

if TYPE_CHECKING:
    from transformers import PretrainedConfig

_CONTEXT = 128
"""Tokens of the longest word, BOS included; every model can read as many."""

_TOKENS = 8_192
"""Tokens in one forward pass times layers heard: what bounds the memory."""


@dataclass(frozen=True)
class Terms:
    """How a model reads words.

    Parameters
    ----------
    model : str
        Hub id or folder.
    layers : sequence of int
    site : {'resid_post', 'resid_pre'}, default='resid_post'
        The residual stream after a layer, as SAEs at ``hook_resid_post`` hear it, or before it,
        as the paper's ``hidden_states[layer]``.
    dtype : {'float32', 'bfloat16', 'float16'}, default='float32'
    device : str, optional
        Default: cuda or mps where there is one, else cpu.
    """

    model: str
    layers: Sequence[int]
    site: Literal["resid_post", "resid_pre"] = "resid_post"
    dtype: str = "float32"
    device: str | None = None

    def hook(self, layer: int) -> str:
        """Name the place of a layer."""
        return f"blocks.{layer}.hook_{self.site}"


@dataclass(frozen=True)
class Heard:
    """Words with their tokens, and what the model has at the last of each.

    Parameters
    ----------
    words : list of str
    n_tokens : list of int
        BOS not counted.
    last_tokens : list of str
        Texts of the last tokens, a leading space included.
    vectors : dict of str to ndarray of shape (n_words, d), float32
        By hook name.
    """

    words: list[str]
    n_tokens: list[int]
    last_tokens: list[str]
    vectors: dict[str, np.ndarray[Any, Any]]

    def __len__(self) -> int:
        return len(self.words)


class Reader:
    """A model that reads words; its weights are loaded only when it must.

    A word stands alone after a space, as within a text, and after BOS where the tokenizer has one.

    Parameters
    ----------
    terms : Terms

    Raises
    ------
    ModelMismatch
        There is no such model, or it has no such layer.
    """

    def __init__(self, terms: Terms) -> None:
        self._terms = terms
        self._config = files.read_config(terms.model)
        _require_layers(terms, self._config)
        self._tokenizer = tokenizer.load(terms.model)
        self._facts = {
            "model_sha256": files.fingerprint(terms.model, self._config),
            "tokenizer_sha256": self._tokenizer.fingerprint,
            "dtype": terms.dtype,
            "bos": self._tokenizer.has_bos,
            "leading_space": True,
        }

    def row(self, connection: sa.Connection, layer: int, name: str | None) -> dict[str, Any]:
        """Return columns of ``word_space`` for a layer, and write the model's row.

        Parameters
        ----------
        connection : sqlalchemy.Connection
        layer : int
        name : str or None
            Stands in the space's name for the model's.

        Returns
        -------
        dict
        """
        model = self._terms.model
        facts = files.facts(self._config)
        short = Path(model).resolve().name  # of a hub id what follows its owner
        return {
            "name": f"{name or short}/{layer}/{self._terms.site}",
            "model": store.model_row(connection, model, **facts),
            "layer": layer,
            "site": self._terms.site,
            "facts": self._facts,
            "d": facts["d_model"],
            "source": model,
        }

    def read(self, words: Sequence[str], hooks: Sequence[str]) -> Iterator[Heard]:
        """Read words, some at a time, those of like length together.

        Parameters
        ----------
        words : sequence of str
            None: no weights are loaded.
        hooks : sequence of str

        Yields
        ------
        Heard

        Raises
        ------
        BadWords
            A word has no token, or too many.
        ModelMismatch
        """
        if not words:
            return
        rows = self._tokenize(words)
        order = sorted(range(len(words)), key=lambda i: (-len(rows[i]), i))
        listener = hooked_model.open_model(
            self._terms.model, hooks, dtype=self._terms.dtype, device=self._terms.device
        )
        while order:
            size = max(1, _TOKENS // (len(rows[order[0]]) * len(hooks)))
            batch, order = order[:size], order[size:]
            ids = [rows[i] for i in batch]
            last = [len(row) - 1 for row in ids]
            acts = listener.hear(ids)  # (B, T, d) by hook
            yield Heard(
                [words[i] for i in batch],
                [len(row) - self._tokenizer.has_bos for row in ids],
                [self._tokenizer.piece(int(row[-1])).replace("\0", "\ufffd") for row in ids],
                {
                    hook: _finite(hook, own[range(len(ids)), last].float().cpu().numpy())
                    for hook, own in acts.items()
                },
            )

    def _tokenize(self, words: Sequence[str]) -> list[np.ndarray[Any, Any]]:
        before = "" if self._tokenizer.adds_space else " "
        rows = self._tokenizer.tokenize(
            [before + word for word in words],
            context=_CONTEXT,
            prepend_bos=self._tokenizer.has_bos,
        )
        for word, row in zip(words, rows, strict=True):
            if not 0 < len(row) < _CONTEXT:
                what = "no token" if not len(row) else f"{_CONTEXT} tokens or more"
                raise errors.BadWords(
                    f"{word!r:.60} has {what} in {self._terms.model}.",
                    hint="Leave its pairs out.",
                )
        return rows


def _finite(hook: str, vectors: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    if not np.isfinite(vectors).all():
        raise errors.ModelMismatch(
            f"The model gives NaN or infinity at {hook}.",
            hint="float16 may be too narrow for it: use --dtype bfloat16 or float32.",
        )
    return vectors


def _require_layers(terms: Terms, config: "PretrainedConfig") -> None:
    last = int(config.num_hidden_layers) - 1
    for layer in terms.layers:
        if not 0 <= layer <= last:
            raise errors.ModelMismatch(
                f"{terms.model} has no layer {layer}.",
                available=f"Its layers are 0 to {last}.",
                hint="Choose other --layers.",
            )
