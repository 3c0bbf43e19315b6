"""Say which lobe each block of text is of, and which document types a lobe prefers."""

import time
from collections.abc import Iterator, Sequence
from contextlib import closing

import sqlalchemy as sa

from saeatlas import errors
from saeatlas.analyses.counting import bitmaps
from saeatlas.analyses.progress import Progress
from saeatlas.analyses.subsets import held_out
from saeatlas.analyses.subsets.held_out import Documents
from saeatlas.analyses.subsets.job import Job, Preset
from saeatlas.schema import tables
from saeatlas.schema.rows import clusterings, runs

DEFAULT_K = 8
"""Largest k that is judged unless others are asked for: each clustering writes a row a block."""


def judge(
    engine: sa.Engine,
    lobes_run: int,
    *,
    affinities: Sequence[str] = (),
    ks: Sequence[int] = (),
    documents: Documents = "held-out",
    preset: Preset = "default",
    seed: int = 0,
) -> Iterator[Progress]:
    """Say which lobe wins each block, and how often lobes win in each document type.

    Writes, in one transaction, a row of ``run``, one of ``block_lobe`` a block and clustering, and
    one of ``subset_lobe`` a lobe and document type. A judgement that was made before is found, not
    made again. Bitmaps grow first if blocks came since the count.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    lobes_run : int
        ``run.id`` of lobes.
    affinities : sequence of str, optional
        Judge only lobes of these. Default: all.
    ks : sequence of int, optional
        Judge only these. Default: those up to 8, since each clustering writes a row a block.
    documents : {'held-out', 'all'}
        Judge documents of which the count behind the lobes has seen no block, or all. On documents
        that built the lobes, winners fit better than they would elsewhere.
    preset : {'default', 'paper'}
        The winner is the lobe whose active features exceed most, in standard deviations, what its
        share of all activity makes expect (`winners.by_excess`); or, as published, the one with
        the largest share of its features active (`winners.by_share`).
    seed : int, default=0
        Of the resampling of documents.

    Yields
    ------
    Progress

    Raises
    ------
    UnknownName
        There are no such lobes, or they or their recording are removed meanwhile.
    InputError
        The lobes come from counts made elsewhere, their count was removed, or no document is held
        out.
    CatalogBusy
        Another process makes the same judgement.

    Notes
    -----
    ``run.quality`` holds n_blocks, n_documents and n_clusterings judged; n_ties and n_empty, blocks
    without a winner summed over clusterings; held_out; seconds. A block without a winner counts
    among all blocks, as does one whose document has no type, which has no row in ``subset_lobe``.

    Misleads if the count was restricted to some document types: only the others are held out, and
    the lobes never saw their like. Neighbouring documents of one source may be near copies, which
    makes held-out ones less independent than they look.

    References
    ----------
    Li et al., "The Geometry of Concepts", Entropy 27(4):344, 2025: preset paper, on the documents
    that built the lobes.
    """
    began = time.perf_counter()
    with engine.connect() as connection:
        source = held_out.find_source(connection, lobes_run)
        wanted = ks or _small(connection, lobes_run)
        labels = clusterings.read(connection, lobes_run, affinities=affinities, ks=wanted)
    bitmap = bitmaps.grow(engine, source.recording, source.threshold)
    judged = held_out.choose(engine, source, bitmap, documents)
    n = len(judged.blocks)
    job = Job(engine, source, bitmap, judged, labels, documents=documents, preset=preset, seed=seed)
    with runs.claimed(engine, "subsets", "judgement of document types", job.key) as run:
        if run is None:
            with closing(job.run()) as steps:  # left halfway, it rolls back before the lock goes
                for done in steps:
                    yield Progress("judging", done, n, time.perf_counter() - began)
    number = run or job.number
    ask = f'saeatlas sql "select * from lobe_subsets where run = {number}"'
    yield Progress("done", n, n, time.perf_counter() - began, number, run is None, ask)


def _small(connection: sa.Connection, lobes_run: int) -> list[int]:
    """List the numbers of lobes that are judged by default."""
    table = tables.clustering
    query = sa.select(table.c.k).distinct().where(table.c.run == lobes_run).order_by(table.c.k)
    ks = list(connection.execute(query).scalars())
    small = [k for k in ks if k <= DEFAULT_K]
    if ks and not small:
        raise errors.InputError(
            f"Run {lobes_run} has no lobes of k up to {DEFAULT_K}.",
            available=f"It has k {', '.join(map(str, ks))}.",
            hint=f"Name what to judge: `--k {ks[0]}`.",
        )
    return small
