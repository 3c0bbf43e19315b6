"""Which blocks lobes are evaluated on: by default those of documents that did not build them."""

import hashlib
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from saeatlas import errors
from saeatlas.analyses.counting.bitmaps import Bitmap
from saeatlas.analyses.counting.block_selection import select_counted
from saeatlas.analyses.counting.threshold import Threshold
from saeatlas.schema import tables
from saeatlas.schema.rows import published, runs

Documents = Literal["held-out", "all"]

_AGAIN = (
    "Count again, `saeatlas analyze cooccurrence --recording {} --half first`, and find lobes in "
    "that: `saeatlas analyze lobes --cooccurrence RUN`."
)


@dataclass(frozen=True)
class Origin:
    """Lobes, and the count of co-occurrence that they come from.

    Parameters
    ----------
    lobes_run, count : int
        ``run.id`` of either.
    sae, recording : int
    params : dict
        ``run.params`` of the count.
    published : bool, default=False
        Whether they came from a file, and the count only knows where features are active.
    """

    lobes_run: int
    count: int
    sae: int
    recording: int
    params: dict[str, Any]
    published: bool = False

    @property
    def facts(self) -> dict[str, Any]:
        """Of published lobes: the count, and that all documents are evaluated."""
        return {"cooccurrence": self.count, "documents": "all"} if self.published else {}

    @property
    def threshold(self) -> Threshold:
        """When a feature counted as active."""
        return Threshold.parse(self.params["threshold"])


@dataclass(frozen=True)
class Evaluated:
    """The blocks that lobes are evaluated on.

    Parameters
    ----------
    blocks : ndarray of shape (n_blocks,), int64
        Their numbers in the corpus, ascending.
    documents : ndarray of shape (n_blocks,), int64
        Document of each: a place in `types`.
    types : ndarray of shape (n_documents,), int64
        Type of each document with a block: a place in `subsets`, -1 for none.
    subsets : list of str
        The document types there are, in alphabetical order.
    """

    blocks: npt.NDArray[np.int64]
    documents: npt.NDArray[np.int64]
    types: npt.NDArray[np.int64]
    subsets: list[str]

    def sha256(self) -> str:
        """Hash the blocks and their types, as hexadecimal.

        Returns
        -------
        str
        """
        digest = hashlib.sha256(repr(self.subsets).encode())
        for part in (self.blocks, self.documents, self.types):
            digest.update(part.tobytes())
        return digest.hexdigest()


def find_origin(
    connection: sa.Connection, lobes_run: int, cooccurrence: int | None = None
) -> Origin:
    """Find the count that lobes come from.

    Parameters
    ----------
    connection : sqlalchemy.Connection
    lobes_run : int
        ``run.id`` of lobes.
    cooccurrence : int, optional
        Of a published clustering: ``run.id`` of the count to use.

    Returns
    -------
    Origin

    Raises
    ------
    UnknownName
        There is no such run of lobes.
    InputError
        They come from counts made elsewhere, or the count was removed; or no recording of the SAE
        of a published clustering was counted.
    """
    row = runs.read(connection, lobes_run, "lobes")
    count = published.count_for(connection, row, cooccurrence, recorded=True)
    if count is not None:
        return Origin(lobes_run, count.id, row.sae, count.recording, count.params, published=True)
    if published.is_published(row):
        raise errors.InputError(
            f"The lobes of run {lobes_run} came from a file, and no recording of SAE {row.sae} was "
            "counted: it is not known where their features are active.",
            hint="`saeatlas analyze cooccurrence --recording RECORDING` counts one.",
        )
    if row.recording is None:
        raise errors.InputError(
            f"The lobes of run {lobes_run} come from counts made elsewhere: there is no recording "
            "whose blocks could be used.",
            hint="Record with `saeatlas ingest activations`, count that and find lobes in it.",
        )
    if row.input_run is None:
        raise errors.InputError(
            f"The count that the lobes of run {lobes_run} come from was removed: which "
            "documents built them is no longer known.",
            hint=_AGAIN.format(row.recording),
        )
    query = sa.select(tables.run.c.params).where(tables.run.c.id == row.input_run)
    params = connection.execute(query).scalar_one()
    return Origin(lobes_run, row.input_run, row.sae, row.recording, params)


def choose(engine: sa.Engine, origin: Origin, bitmap: Bitmap, documents: Documents) -> Evaluated:
    """Choose the blocks that lobes are evaluated on.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    origin : Origin
    bitmap : Bitmap
        The recording at the count's threshold, grown to all its blocks.
    documents : {'held-out', 'all'}
        Blocks of documents without a block in the count; or of all.

    Returns
    -------
    Evaluated

    Raises
    ------
    InputError
        The count has seen all documents, or which it saw cannot be found again.
    """
    block = tables.block
    with engine.connect() as connection:
        rows = connection.execute(
            sa.select(block.c.block, block.c.document)
            .where(block.c.corpus == bitmap.corpus, block.c.block < bitmap.n_blocks)
            .order_by(block.c.block)
        ).all()
        names = _types(connection, bitmap.corpus)
    numbers = np.fromiter((number for row in rows for number in row), np.int64)
    blocks, of_document = numbers.reshape(-1, 2).T.copy()
    if documents == "held-out":
        seen = np.unique(of_document[_counted(engine, origin, bitmap)])
        held_out = ~np.isin(of_document, seen)
        if not held_out.any():
            raise _all_seen(origin)
        blocks, of_document = blocks[held_out], of_document[held_out]
    numbers, place = np.unique(of_document, return_inverse=True)
    present = [names[number] for number in numbers.tolist()]
    subsets = sorted({name for name in present if name is not None})
    at = {name: i for i, name in enumerate(subsets)}
    types = np.array([-1 if name is None else at[name] for name in present], np.int64)
    return Evaluated(blocks, place, types, subsets)


def _types(connection: sa.Connection, corpus: int) -> dict[int, str | None]:
    table = tables.document
    query = sa.select(table.c.document, table.c.subset).where(table.c.corpus == corpus)
    return {row.document: row.subset for row in connection.execute(query)}


def _counted(engine: sa.Engine, origin: Origin, bitmap: Bitmap) -> npt.NDArray[np.int64]:
    """Find the blocks that the count has seen: those of its own chunks, not of later ones."""
    selection = select_counted(engine, bitmap, origin.count, origin.params)
    parts = zip(selection.masks, selection.chunk_blocks, strict=True)
    return np.flatnonzero(np.concatenate([np.unpackbits(mask)[:size] for mask, size in parts]))


def _all_seen(origin: Origin) -> errors.InputError:
    return errors.InputError(
        f"The lobes of run {origin.lobes_run} were built on all documents of recording "
        f"{origin.recording}: none is held out to evaluate them on.",
        available="On the documents that built them, lobes look more certain than they are.",
        hint=_AGAIN.format(origin.recording)
        + " Or evaluate on the same documents: `saeatlas analyze subsets --lobes "
        + f"{origin.lobes_run} --documents all`.",
    )
