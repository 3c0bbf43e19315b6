"""What the comparison of lobes and document types reads: lobes, blocks, and the blocks' bits."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from saeatlas import errors, ranges
from saeatlas.analyses import run_driver
from saeatlas.analyses.counting import bitmaps, read_bits
from saeatlas.analyses.counting.bitmaps import Bitmap
from saeatlas.analyses.run_driver import Preset, target
from saeatlas.analyses.subsets import held_out
from saeatlas.analyses.subsets.held_out import Documents, Evaluated, Origin
from saeatlas.progress import Report, silent
from saeatlas.schema import tables
from saeatlas.schema.rows import clusterings, pair_counts
from saeatlas.schema.rows.clusterings import Labels

DEFAULT_K = 8
"""Largest k that is evaluated unless others are given: each clustering writes a row per block."""

BLOCKS = 4_096
"""Blocks of a slab; a multiple of 8."""


@dataclass(frozen=True)
class Params(run_driver.Params):
    """Which lobes are assigned to blocks, and how.

    Parameters
    ----------
    lobes : int
        ``run.id`` of lobes.
    affinities : sequence of str, optional
        Only lobes of these. Default: all.
    ks : sequence of int, optional
        Only these. Default: those up to 8, since each clustering writes a row per block.
    documents : {'held-out', 'all'}
        Evaluate on documents without a block in the count that the lobes come from, or on all. On
        documents that were counted, top lobes fit better than they would elsewhere.
    preset : {'default', 'paper'}
        The top lobe of a block is the one whose active features exceed most, in standard
        deviations, the expectation from its share of all activity (`top_lobes.by_excess`); or, as
        published, the one with the largest share of its features active (`top_lobes.by_share`).
    seed : int, default=0
        Of the resampling of documents.
    cooccurrence : int, optional
        Of a published clustering: ``run.id`` of the count whose recording and threshold say where
        its features are active, and how often. Default: the one over most blocks.

    Raises
    ------
    InputError
        A k is below 1, or the seed is negative.
    """

    lobes: int = target()
    affinities: Sequence[str] = ()
    ks: Sequence[int] = ()
    documents: Documents = "held-out"
    preset: Preset = "default"
    seed: int = 0
    cooccurrence: int | None = target(None)

    def __post_init__(self) -> None:
        super().__post_init__()
        for k in self.ks:
            ranges.require_whole("--k", k, 1)


@dataclass(frozen=True)
class Blocks(run_driver.Source):
    """Lobes, and the blocks that they are evaluated on.

    Parameters
    ----------
    origin : Origin
        The count that the lobes come from.
    bitmap : Bitmap
    evaluated : Evaluated
    which : dict
        Affinities and ks, once defaults are looked up.
    """

    origin: Origin
    bitmap: Bitmap
    evaluated: Evaluated
    which: dict[str, Any]

    @property
    def stored(self) -> dict[str, Any]:
        """Affinities, ks, the count of a published clustering, and a hash of the blocks."""
        return self.which | self.origin.facts | {"blocks_sha256": self.evaluated.sha256()}


@dataclass(frozen=True)
class Slab:
    """Where features are active in some successive blocks.

    Parameters
    ----------
    first, n_blocks : int
        Number of the first block, and how many follow with it.
    bits : ndarray of shape (d_sae, >= ceil(n_blocks / 8)), uint8
        Bit b of row f, most significant first: whether feature f is active in block first + b.
    """

    first: int
    n_blocks: int
    bits: npt.NDArray[np.uint8]


@dataclass(frozen=True)
class Inputs:
    """Lobes, and where features are active.

    Parameters
    ----------
    labels : sequence of Labels
        Clusterings of one SAE's features.
    n : ndarray of shape (d_sae,), int64
        Blocks with each feature active, where the lobes were built.
    evaluated : Evaluated
        The blocks that lobes are evaluated on.
    slabs : iterable of Slab
        Bits that cover these blocks, ascending; read when it is their turn, once.
    count : int
        ``run.id`` of the count that the lobes come from.
    held_out : bool, default=True
        Whether no document built the lobes; not known of published ones.
    """

    labels: Sequence[Labels]
    n: npt.NDArray[np.int64]
    evaluated: Evaluated
    slabs: Iterable[Slab]
    count: int = 0
    held_out: bool = True


def identify(connection: sa.Connection, params: Params, report: Report = silent) -> Blocks:
    """Find the lobes and the blocks; transpose blocks that came since the count.

    Raises
    ------
    UnknownName
        There are no such lobes, or they or their recording are removed meanwhile.
    InputError
        The lobes come from counts made elsewhere, their count was removed, or no document is held
        out.
    """
    engine = connection.engine
    origin = held_out.find_origin(connection, params.lobes, params.cooccurrence)
    ks = params.ks or _small(connection, params.lobes)
    found = clusterings.find(connection, params.lobes, affinities=params.affinities, ks=ks)
    connection.rollback()  # what follows has connections of its own, and takes a while
    bitmap = bitmaps.grow(engine, origin.recording, origin.threshold, report)
    documents: Documents = "all" if origin.published else params.documents
    evaluated = held_out.choose(engine, origin, bitmap, documents)
    which = {
        "affinities": sorted({one.affinity for one in found}),
        "ks": sorted({one.k for one in found}),
    }
    facts = (
        which
        | origin.facts
        | {
            "clusterings": [one.id for one in found],
            "blocks_sha256": evaluated.sha256(),
        }
    )
    columns = {"sae": origin.sae, "recording": origin.recording, "input_run": params.lobes}
    return Blocks(columns, facts, origin, bitmap, evaluated, which)


def read(
    connection: sa.Connection, source: Blocks, params: Params, _report: Report = silent
) -> Inputs:
    """Read the lobes and the frequencies of features; bits follow slab by slab."""
    return Inputs(
        clusterings.read(connection, params.lobes, **source.which),
        pair_counts.read_features(connection, source.origin.count)[0],
        source.evaluated,
        _slabs(connection.engine, source.bitmap, source.evaluated.blocks),
        source.origin.count,
        params.documents == "held-out" and not source.origin.published,
    )


def _slabs(engine: sa.Engine, bitmap: Bitmap, blocks: npt.NDArray[np.int64]) -> Iterator[Slab]:
    """Read the bits of all chunks with a block that is evaluated."""
    table = tables.bitmap_chunk
    query = sa.select(table).where(table.c.bitmap == bitmap.id).order_by(table.c.chunk)
    with engine.connect() as connection:
        chunks = connection.execute(query).all()
    for chunk in chunks:
        stop = chunk.first_block + chunk.n_blocks
        if not np.diff(np.searchsorted(blocks, [chunk.first_block, stop]))[0]:
            continue
        with engine.connect() as connection:
            bits = read_bits.read_chunk(connection, bitmap, chunk.chunk, chunk.n_blocks)
        for first in range(chunk.first_block, stop, BLOCKS):
            byte = (first - chunk.first_block) // 8
            part = bits[:, byte : byte + BLOCKS // 8]
            yield Slab(first, min(BLOCKS, stop - first), part)


def _small(connection: sa.Connection, lobes: int) -> list[int]:
    """List the numbers of lobes that are evaluated by default."""
    table = tables.clustering
    query = sa.select(table.c.k).distinct().where(table.c.run == lobes).order_by(table.c.k)
    ks = list(connection.execute(query).scalars())
    small = [k for k in ks if k <= DEFAULT_K]
    if ks and not small:
        raise errors.InputError(
            f"Run {lobes} has no lobes of k up to {DEFAULT_K}.",
            available=f"It has k {', '.join(map(str, ks))}.",
            hint=f"Name what to evaluate: `--k {ks[0]}`.",
        )
    return small
