"""Which blocks of a recording are counted, and when a feature is active in one."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Literal

from saeatlas import ranges
from saeatlas.analyses import run_driver
from saeatlas.analyses.counting.threshold import Threshold
from saeatlas.analyses.run_driver import target

Method = Literal["sql", "torch"]
Half = Literal["first", "second"]

PUBLISHED_THRESHOLD = Threshold(1.0)
"""The threshold of the published procedure."""

HALVES: dict[Half, str] = {
    "first": "get_byte(sha256(document::text::bytea), 0) % 2 = 0",
    "second": "get_byte(sha256(document::text::bytea), 0) % 2 = 1",
}
"""Conditions on documents: which half a document is in does not depend on its place or type."""


@dataclass(frozen=True)
class Params(run_driver.Params):
    """What is counted.

    Parameters
    ----------
    recording : int
        ``recording.id``.
    threshold : Threshold, default=1.0
        When a feature is active in a block. The published procedure's is 1.
    subsets : sequence of str, optional
        Count only blocks of these document types. Default: all.
    documents_where : str, optional
        Count only blocks of documents that meet this SQL condition on view ``documents``.
    half : {'first', 'second'}, optional
        Count only one half of the documents, drawn by a hash of their numbers: what is found there
        can then be evaluated on the other.
    min_blocks : int, default=1
        Pairs of features active in fewer blocks are not counted.
    method : {'sql', 'torch'}
        Where the same products are computed: in the database, or on a GPU (or CPU) by torch.

    Raises
    ------
    InputError
        `min_blocks` is below 1.
    """

    recording: int = target()
    threshold: Threshold = PUBLISHED_THRESHOLD
    subsets: Sequence[str] = ()
    documents_where: str | None = None
    half: Half | None = None
    min_blocks: int = 1
    method: Method = "sql"

    def __post_init__(self) -> None:
        super().__post_init__()
        ranges.require_whole("--min-blocks", self.min_blocks, 1)

    @property
    def condition(self) -> str | None:
        """The condition on documents, that of the half included."""
        if self.half is None:
            return self.documents_where
        other = "" if self.documents_where is None else f"({self.documents_where}\n) and "
        return other + HALVES[self.half]

    @property
    def stored(self) -> dict[str, Any]:
        """As ``run.params`` keeps them: the half is part of the condition."""
        return {
            "threshold": str(self.threshold),
            "subsets": sorted(self.subsets),
            "documents_where": self.condition,
            "min_blocks": self.min_blocks,
            "method": self.method,
        }

    @property
    def identity(self) -> dict[str, Any]:
        """Which blocks they select is among the facts, and both methods count the same."""
        return {"threshold": str(self.threshold), "min_blocks": self.min_blocks}
