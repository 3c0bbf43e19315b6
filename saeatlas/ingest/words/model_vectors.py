"""Vectors of words from a model: its residual stream at each word's last token."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from saeatlas import errors
from saeatlas.ingest.models import files, hooked_model, tokenizer
from saeatlas.ingest.saes import store

if TYPE_CHECKING:
    from transformers import PretrainedConfig

_CONTEXT = 128
"""Tokens of the longest word, BOS included; every model can read as many."""

TOKENS = 8_192
"""Tokens in one forward pass times hooks: what bounds the memory."""


@dataclass(frozen=True)
class Params:
    """How to compute the vectors of words with a model.

    Parameters
    ----------
    model : str
        Hub id or folder.
    layers : sequence of int
    site : {'resid_post', 'resid_pre'}, default='resid_post'
        The residual stream after a layer, as at ``hook_resid_post``, or before it, as the paper's
        ``hidden_states[layer]``.
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
        """Return the hook name of a layer."""
        return f"blocks.{layer}.hook_{self.site}"


@dataclass(frozen=True)
class ModelVectors:
    """Words with their tokens, and the residual stream at the last token of each.

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
    vectors: dict[str, npt.NDArray[np.float32]]

    def __len__(self) -> int:
        return len(self.words)


class WordModel:
    """A model that is run on words; its weights are loaded only when there are words to run.

    A word stands alone after a space, as within a text, and after BOS where the tokenizer has one.

    Parameters
    ----------
    params : Params

    Raises
    ------
    ModelMismatch
        There is no such model, or it has no such layer.
    """

    def __init__(self, params: Params) -> None:
        self.params = params
        self._config = files.read_model_config(params.model)
        _require_layers(params, self._config)
        self._tokenizer = tokenizer.load_tokenizer(params.model)
        self._hooked: hooked_model.HookedModel | None = None

    def space(self, layer: int, name: str | None) -> dict[str, Any]:
        """Return columns of ``word_space`` for a layer, without its model.

        Parameters
        ----------
        layer : int
        name : str or None
            Stands in the space's name for the model's.

        Returns
        -------
        dict
        """
        model = self.params.model
        short = Path(model).resolve().name  # of a hub id what follows its owner
        return {
            "name": f"{name or short}/{layer}/{self.params.site}",
            "layer": layer,
            "site": self.params.site,
            "facts": {
                "model_sha256": files.model_fingerprint(model, self._config),
                "tokenizer_sha256": self._tokenizer.fingerprint,
                "dtype": self.params.dtype,
                "bos": self._tokenizer.has_bos,
                "leading_space": True,
            },
            "d": files.model_facts(self._config)["d_model"],
            "source": model,
        }

    def store_row(self, connection: sa.Connection) -> int:
        """Write the model's row; return ``model.id``."""
        return store.model_row(connection, self.params.model, **files.model_facts(self._config))

    def load(self, words: Sequence[str]) -> None:
        """Load the weights, if there are words to run; refuse words that the model cannot read.

        Parameters
        ----------
        words : sequence of str

        Raises
        ------
        BadWords
            A word has no token, or too many.
        ModelMismatch
        """
        if words and self._hooked is None:
            self._tokenize(words)
            hooks = [self.params.hook(layer) for layer in self.params.layers]
            self._hooked = hooked_model.open_model(
                self.params.model, hooks, dtype=self.params.dtype, device=self.params.device
            )

    def run(self, words: Sequence[str]) -> Iterator[ModelVectors]:
        """Run the model on words, some at a time, those of like length together.

        Parameters
        ----------
        words : sequence of str
            If there is none, no weights are loaded.

        Yields
        ------
        ModelVectors

        Raises
        ------
        BadWords
            A word has no token, or too many.
        ModelMismatch
        """
        if not words:
            return
        self.load(words)
        assert self._hooked is not None
        rows = self._tokenize(words)
        order = sorted(range(len(words)), key=lambda i: (-len(rows[i]), i))
        while order:
            size = max(1, TOKENS // (len(rows[order[0]]) * len(self.params.layers)))
            batch, order = order[:size], order[size:]
            ids = [rows[i] for i in batch]
            last = [len(row) - 1 for row in ids]
            acts = self._hooked.run(ids)  # (B, T, d) by hook
            yield ModelVectors(
                [words[i] for i in batch],
                [len(row) - self._tokenizer.has_bos for row in ids],
                [self._tokenizer.piece(int(row[-1])).replace("\0", "\ufffd") for row in ids],
                {
                    hook: _finite(hook, own[range(len(ids)), last].float().cpu().numpy())
                    for hook, own in acts.items()
                },
            )

    def _tokenize(self, words: Sequence[str]) -> list[npt.NDArray[np.int32]]:
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
                    f"{word!r:.60} has {what} in {self.params.model}.",
                    hint="Leave its pairs out.",
                )
        return rows


def _finite(hook: str, vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    if not np.isfinite(vectors).all():
        raise errors.ModelMismatch(
            f"The model gives NaN or infinity at {hook}.",
            hint="float16 may be too narrow for it: use --dtype bfloat16 or float32.",
        )
    return vectors


def _require_layers(params: Params, config: "PretrainedConfig") -> None:
    last = int(config.num_hidden_layers) - 1
    for layer in params.layers:
        if not 0 <= layer <= last:
            raise errors.ModelMismatch(
                f"{params.model} has no layer {layer}.",
                available=f"Its layers are 0 to {last}.",
                hint="Choose other --layers.",
            )
