"""Texts to token ids, and token ids to blocks."""

import hashlib
import re
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from saeatlas import errors

_CHARACTERS_A_TOKEN = 8
"""First guess at how much text fills a context; English has about four, spaces many more."""

_SPACE = re.compile(r"\s")

_LOOK_BACK = 16
"""Tokens at the end of a truncated text that the missing text could have changed."""


class Tokenizer:
    """A transformers tokenizer, made to do one thing the same way for every model.

    Parameters
    ----------
    name : str
        Hub id or folder it was loaded from.
    inner : transformers.PreTrainedTokenizerBase
    """

    def __init__(self, name: str, inner: Any) -> None:
        self.name = name
        self.inner = inner
        self.special_ids: frozenset[int] = frozenset(inner.all_special_ids)

    @property
    def fingerprint(self) -> str:
        """SHA-256 of everything that decides the token ids, as hexadecimal."""
        backend = getattr(self.inner, "backend_tokenizer", None)
        if backend is not None:
            content = backend.to_str()
        else:
            content = repr(sorted(self.inner.get_vocab().items()))
        return hashlib.sha256(content.encode("utf-8", "surrogatepass")).hexdigest()

    @property
    def has_bos(self) -> bool:
        """Whether there is a BOS token to put before a text."""
        return self.inner.bos_token_id is not None

    @property
    def adds_space(self) -> bool:
        """Whether it reads a text as if a space stood before it, as Llama 2's does."""
        return self.piece(self._encode(["a"])[0][0]).startswith(" ")

    def __len__(self) -> int:
        """Count the tokens; a model's unembedding may have rows for more."""
        return len(self.inner)

    def piece(self, token: int) -> str:
        """Return the text that a token stands for in the middle of a text.

        Parameters
        ----------
        token : int

        Returns
        -------
        str
            A leading space included, which some tokenizers drop from a text's first token; U+FFFD
            for a part of a character.
        """
        before = self._encode(["a"])[0]
        return self.decode(np.array([*before, token]))[len(self.decode(np.array(before))) :]

    def tokenize(
        self, texts: Sequence[str], *, context: int, prepend_bos: bool
    ) -> list[npt.NDArray[np.int32]]:
        """Turn texts into token ids, truncated to the context.

        Parameters
        ----------
        texts : sequence of str
        context : int
            Most tokens of each, BOS included.
        prepend_bos : bool
            Put exactly one BOS before each text.

        Returns
        -------
        list of ndarray of shape (n_tokens,), int32
            Equal to tokenising the whole text and truncating, without reading all of a long one. A
            text without tokens gives none, BOS neither.

        Raises
        ------
        ModelMismatch
            BOS is wanted and this tokenizer has none.
        """
        head = [self.bos()] if prepend_bos else []
        room = context - len(head)
        rows = self._heads(texts, room)
        return [np.array(head + row if row else [], np.int32) for row in rows]

    def decode(self, ids: npt.NDArray[np.integer]) -> str:
        """Turn token ids back into text.

        Parameters
        ----------
        ids : ndarray of shape (n_tokens,), int

        Returns
        -------
        str
        """
        return str(self.inner.decode(ids.tolist(), clean_up_tokenization_spaces=False))

    def _heads(self, texts: Sequence[str], room: int) -> list[list[int]]:
        """Tokenise as much of each text as gives `room` tokens that no later text can change."""
        n_characters = _CHARACTERS_A_TOKEN * (room + _LOOK_BACK)
        rows: list[list[int]] = [[] for _ in texts]
        todo = list(range(len(texts)))
        while todo:
            parts = [_beginning(texts[i], n_characters) for i in todo]
            encoded = self._encode(parts)
            later = []
            for i, part, row in zip(todo, parts, encoded, strict=True):
                if len(part) == len(texts[i]) or len(row) >= room + _LOOK_BACK:
                    rows[i] = row[:room]
                else:
                    later.append(i)
            todo, n_characters = later, 4 * n_characters
        return rows

    def _encode(self, texts: list[str]) -> list[list[int]]:
        encoded = self.inner(
            texts, add_special_tokens=False, return_attention_mask=False, verbose=False
        )
        return list(encoded["input_ids"])

    def bos(self) -> int:
        """Return the id of BOS; ModelMismatch if there is none."""
        bos = self.inner.bos_token_id
        if bos is None:
            raise errors.ModelMismatch(
                f"The tokenizer of {self.name} has no BOS token.", hint="Check --model."
            )
        return int(bos)


def _beginning(text: str, n_characters: int) -> str:
    """Truncate a text between words: the tokens of a word may depend on its end."""
    space = _SPACE.search(text, n_characters)
    return text[: space.start()] if space else text


def load_tokenizer(name: str) -> Tokenizer:
    """Load the tokenizer of a model.

    Parameters
    ----------
    name : str
        Hub id or folder.

    Returns
    -------
    Tokenizer

    Raises
    ------
    ModelMismatch
        There is none, or the hub cannot be reached.
    """
    from transformers import AutoTokenizer

    try:
        inner = AutoTokenizer.from_pretrained(name)
    except Exception as error:  # tokenizers' own errors have no other class
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise errors.ModelMismatch(
            f"The tokenizer of {name} cannot be loaded: {first}",
            hint="Check --model: a hub id that can be reached, or a folder with tokenizer files.",
        ) from error
    return Tokenizer(name, inner)


def split_into_blocks(
    n_tokens: int, *, bos: bool, block: int, min_tokens: int
) -> list[tuple[int, int]]:
    """Split a context into blocks.

    Parameters
    ----------
    n_tokens : int
        Length of the context, BOS included.
    bos : bool
        Whether its first position is BOS, which belongs to no block.
    block : int
        Tokens of a block.
    min_tokens : int
        Least tokens of a last, partial block; `block` drops every partial one.

    Returns
    -------
    list of (int, int)
        First and last-plus-one position of each block. 1,024 tokens with BOS give three blocks
        of 256 and, where it is kept, one of 255.
    """
    begins = range(int(bos), n_tokens, block)
    spans = [(begin, min(begin + block, n_tokens)) for begin in begins]
    return [(a, b) for a, b in spans if b - a >= min(min_tokens, block)]
