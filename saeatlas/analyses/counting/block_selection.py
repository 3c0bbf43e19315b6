"""Which blocks count: all, or those of some document types or of chosen documents."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from saeatlas import errors
from saeatlas.analyses import sql_filters
from saeatlas.analyses.counting.bitmaps import Bitmap
from saeatlas.schema import tables
from saeatlas.schema.database.statements import statement


@dataclass(frozen=True)
class Selection:
    """Blocks that count, chunk by chunk of a bitmap.

    Parameters
    ----------
    n_blocks : int
        Blocks selected.
    chunk_blocks : list of int
        Blocks in each chunk, selected or not.
    masks : list of ndarray of uint8
        Bits of each chunk, as in ``feature_bitmap.bits``.
    """

    n_blocks: int
    chunk_blocks: list[int]
    masks: list[npt.NDArray[np.uint8]]

    def sha256(self, n_chunks: int | None = None) -> str:
        """Hash what is selected of the first chunks, as hexadecimal.

        Parameters
        ----------
        n_chunks : int, optional
            Default: all.

        Returns
        -------
        str
        """
        digest = hashlib.sha256(repr(self.chunk_blocks[:n_chunks]).encode())
        for mask in self.masks[:n_chunks]:
            digest.update(mask.tobytes())
        return digest.hexdigest()


def select_blocks(
    engine: sa.Engine,
    bitmap: Bitmap,
    *,
    subsets: Sequence[str] = (),
    documents_where: str | None = None,
) -> Selection:
    """Find the blocks of some documents.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    bitmap : Bitmap
    subsets : sequence of str, optional
        Document types; default all.
    documents_where : str, optional
        SQL condition on the columns of view ``documents``, run as the read-only role.

    Returns
    -------
    Selection

    Raises
    ------
    UnknownName
        A document type that the corpus does not have.
    QueryFailed
        The condition does not run.
    EmptyCorpus
        Nothing is selected.
    """
    with engine.connect() as connection:
        chunks = tables.bitmap_chunk
        query = sa.select(chunks.c.n_blocks).where(chunks.c.bitmap == bitmap.id)
        sizes = list(connection.execute(query.order_by(chunks.c.chunk)).scalars())
        if not subsets and documents_where is None:
            return Selection(sum(sizes), sizes, [_mask(np.ones(size, bool)) for size in sizes])
        _require_subsets(connection, bitmap.corpus, subsets)
        chosen = np.zeros(sum(sizes), bool)
        wanted = {"corpus": bitmap.corpus, "n_blocks": len(chosen), "subsets": list(subsets)}
        blocks = sql_filters.select(
            connection, statement(__name__, "select_blocks"), wanted, documents_where, "documents"
        )
        chosen[blocks] = True
    if not chosen.any():
        raise errors.EmptyCorpus(
            "No block of the recording is selected.",
            hint='Choose other documents; `saeatlas sql "select * from documents"` shows them.',
        )
    parts = np.split(chosen, np.cumsum(sizes)[:-1])
    return Selection(int(chosen.sum()), sizes, [_mask(part) for part in parts])


def select_counted(
    engine: sa.Engine, bitmap: Bitmap, run: int, params: dict[str, Any]
) -> Selection:
    """Find again the blocks that a run of co-occurrence has counted, and none that came later.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    bitmap : Bitmap
        Its recording at its threshold.
    run : int
        ``run.id``.
    params : dict
        ``run.params``.

    Returns
    -------
    Selection
        Of the chunks that it covers.

    Raises
    ------
    InputError
        The same condition selects other blocks today.
    """
    selection = select_blocks(
        engine, bitmap, subsets=params["subsets"], documents_where=params["documents_where"]
    )
    n_chunks = params["n_chunks"]
    if selection.sha256(n_chunks) != params["blocks_sha256"]:
        raise errors.InputError(
            f"The blocks that run {run} counted can no longer be determined: its condition "
            f"{params['documents_where']!r} now selects other blocks.",
            hint="Count with a condition that only looks at the document itself, as "
            "`--half first`, and find lobes in that.",
        )
    masks = selection.masks[:n_chunks]
    n_blocks = sum(int(np.bitwise_count(mask).sum()) for mask in masks)
    return Selection(n_blocks, selection.chunk_blocks[:n_chunks], masks)


def _mask(chosen: npt.NDArray[np.bool_]) -> npt.NDArray[np.uint8]:
    mask = np.zeros(-(-len(chosen) // 64) * 8, np.uint8)
    packed = np.packbits(chosen)
    mask[: len(packed)] = packed
    return mask


def _require_subsets(connection: sa.Connection, corpus: int, subsets: Sequence[str]) -> None:
    table = tables.document
    query = sa.select(table.c.subset).distinct().where(table.c.corpus == corpus)
    known = [name for name in connection.execute(query).scalars() if name is not None]
    for name in subsets:
        if name not in known:
            raise errors.UnknownName(
                f"The corpus has no documents of type {name!r}.",
                available=errors.nearest(name, known),
                hint="`saeatlas status` lists the types of each corpus.",
            )
