"""What a recording of activations did."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from saeatlas.ingest.activations.forward import TokenizedDocument
from saeatlas.ingest.activations.writer import Chunk
from saeatlas.wording import counted


@dataclass(frozen=True)
class RecordOutcome:
    """What a run of `record` did.

    Parameters
    ----------
    recordings : tuple of int
        ``recording.id`` of each SAE.
    documents : int
        Documents that are recorded for all SAEs, those of earlier runs included.
    blocks, activations : int
        Stored by this run, all SAEs together.
    tokens : int
        Tokens read by this run.
    without_block, unreadable : int
        Documents of this run that gave no block: too short, or left out.
    """

    recordings: tuple[int, ...] = ()
    documents: int = 0
    blocks: int = 0
    activations: int = 0
    tokens: int = 0
    without_block: int = 0
    unreadable: int = 0

    @property
    def summary(self) -> str:
        """What was done, in a few lines."""
        numbers = ", ".join(map(str, self.recordings))
        lines = [
            f"Recording {numbers}: {counted(self.documents, 'document')} recorded. Stored now: "
            f"{counted(self.blocks, 'block')} (all SAEs together) with "
            f"{counted(self.activations, 'active feature')}."
        ]
        if self.without_block:
            lines.append(
                f"Too short for a block: {counted(self.without_block, 'document')} "
                "(--tail keep or a smaller --block includes them)."
            )
        if self.unreadable:
            lines.append(
                f"Left out: {counted(self.unreadable, 'document')}; document.problem says why."
            )
        return "\n".join(lines)

    def with_chunk(self, chunk: Chunk, documents: Sequence[TokenizedDocument]) -> "RecordOutcome":
        """Return the outcome with one more chunk counted."""
        n_active = sum(len(features) for rows in chunk.peaks.values() for features, _ in rows)
        short = sum(not one.spans and one.row.problem is None for one in documents)
        unreadable = sum(one.row.problem is not None for one in documents)
        return replace(
            self,
            documents=chunk.first + len(documents),
            blocks=self.blocks + sum(map(len, chunk.peaks.values())),
            activations=self.activations + n_active,
            tokens=self.tokens + sum(len(one.ids) for one in documents),
            without_block=self.without_block + short,
            unreadable=self.unreadable + unreadable,
        )
