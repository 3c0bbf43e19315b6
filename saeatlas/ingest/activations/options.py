"""Options of a recording: how documents are split, which tokens count, what is stored."""

from dataclasses import dataclass, replace
from typing import Any, Literal

from saeatlas import errors, ranges

LARGEST = 3.4028234663852886e38
"""Largest activation: a 4-byte real."""

Tail = Literal["drop", "keep"] | int
Preset = Literal["default", "paper"]


@dataclass(frozen=True)
class Options:
    """How to record the activations of SAEs on a corpus.

    Parameters
    ----------
    preset : {'default', 'paper'}
        ``paper`` is the published procedure: activations above 1, BOS's position removed, every
        other special token counted, partial last block dropped.
    documents : int, optional
        Documents to read. Default: the whole corpus.
    context : int, default=1024
        Tokens read of each document, BOS included.
    block : int, default=256
        Tokens of a block.
    tail : {'drop', 'keep'} or int, default='drop'
        What to do with a partial last block; a number is the fewest tokens to keep it. Short
        blocks have fewer active features; without them short documents are left out.
    bos : bool, optional
        Whether BOS stands before each document. Default: what the SAEs were trained with; where
        their files do not say, True if the model has a BOS token.
    keep_above : float, default=0.0
        Activation floor: only maximum activations above this are stored.
    special_tokens : bool, default=False
        Whether special tokens other than BOS count.
    dtype : {'float32', 'bfloat16', 'float16'}, default='float32'
        Precision of model and SAEs; below float32 a few features of a block differ.
    device : str, optional
        Default: cuda or mps where there is one, else cpu.
    batch_tokens : int, default=8192
        Tokens in one forward pass, padding included: what bounds the memory.
    store_text : bool, default=False
        Store the text of each block.
    covariance : bool, default=False
        Collect mean and covariance of each SAE's input activations, in recordings that begin
        now.
    force : bool, default=False
        Go on with an SAE that does not explain this model's activations.
    """

    preset: Preset = "default"
    documents: int | None = None
    context: int = 1024
    block: int = 256
    tail: Tail = "drop"
    bos: bool | None = None
    keep_above: float = 0.0
    special_tokens: bool = False
    dtype: str = "float32"
    device: str | None = None
    batch_tokens: int = 8192
    store_text: bool = False
    covariance: bool = False
    force: bool = False

    def __post_init__(self) -> None:
        ranges.require_real("--keep-above", self.keep_above, 0, LARGEST)
        for option, value, least in (
            ("--documents", self.documents, 1), ("--context", self.context, 2),
            ("--block", self.block, 1), ("--batch-tokens", self.batch_tokens, 1),
        ):  # fmt: skip
            ranges.require_whole(option, value, least)
        if self.block > self.context - (self.bos is not False):
            raise errors.InputError(
                f"A block of {self.block} tokens does not fit a context of {self.context}.",
                hint="Choose a smaller --block or a larger --context"
                + ("." if self.bos is False else ": BOS takes one token of it."),
            )
        if not 1 <= self.min_tokens <= self.block:
            raise errors.InputError(
                f"--tail {self.tail} is not between 1 and the block's {self.block} tokens.",
                hint="Use --tail drop, keep, or a number of tokens.",
            )

    @property
    def min_tokens(self) -> int:
        """Shortest last block that is kept, in tokens."""
        if self.tail == "drop":
            return self.block
        return 1 if self.tail == "keep" else int(self.tail)

    @classmethod
    def of(cls, preset: Preset = "default", **given: Any) -> "Options":
        """Take the options of a preset and change those that are given.

        Parameters
        ----------
        preset : {'default', 'paper'}
        **given
            Fields of the class; None means the preset's value.

        Returns
        -------
        Options

        Raises
        ------
        InputError
            Values that contradict one another.
        """
        options = cls(preset=preset)
        if preset == "paper":
            options = replace(options, keep_above=1.0, special_tokens=True)
        changes = {name: value for name, value in given.items() if value is not None}
        if isinstance(changes.get("tail"), str) and changes["tail"] not in ("drop", "keep"):
            changes["tail"] = _tokens(changes["tail"])
        return replace(options, **changes)


def _tokens(text: str) -> int:
    if not (text.isascii() and text.isdecimal() and len(text) < 10):
        raise errors.InputError(
            f"--tail {text} is neither drop, keep nor a number of tokens.",
            hint="Use --tail drop, --tail keep or --tail 64.",
        )
    return int(text)
