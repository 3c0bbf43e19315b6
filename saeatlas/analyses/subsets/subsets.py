"""Which lobe each block of text belongs to, and which document types a lobe prefers."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np
import numpy.typing as npt

from saeatlas.analyses.arrays import or_null
from saeatlas.analyses.run_driver import Analysis
from saeatlas.analyses.subsets import inputs as subsets_inputs
from saeatlas.analyses.subsets import store, top_lobes
from saeatlas.analyses.subsets.enrichment import Enrichment, enrich, top_by_document
from saeatlas.analyses.subsets.inputs import Inputs, Params
from saeatlas.analyses.subsets.store import Assigned, Result
from saeatlas.progress import Progress, Report, silent

LOBES = 256
"""Lobes whose intervals are computed at once: bounds the memory."""

Pick = Callable[[npt.NDArray[np.float32]], npt.NDArray[np.int32]]
"""From active features of shape (n_blocks, n_lobes) to top lobes of shape (n_blocks,)."""


def compute(inputs: Inputs, params: Params, report: Report = silent) -> Result:
    """Assign blocks to lobes, and compare how often lobes are on top in each document type.

    Parameters
    ----------
    inputs : Inputs
    params : Params
    report : callable, optional
        Called with each `Progress`, in blocks.

    Returns
    -------
    Result
        ``quality`` has n_blocks, n_documents and n_clusterings evaluated; n_ties and n_empty,
        blocks without a top lobe summed over clusterings; held_out. A block without a top lobe
        counts among all blocks, as does one whose document has no type, which has no row in
        ``subset_lobe``.

    Notes
    -----
    Misleads if the count was restricted to some document types: only the others are held out, and
    the lobes never saw their like. Neighbouring documents of one source may be near copies, which
    makes held-out ones less independent than they look. In memory are the counts of active
    features of each block and lobe, mostly 2 bytes each.

    References
    ----------
    .. [Li2025] Preset paper, on the documents that built the lobes.
    """
    assigned = _assign(inputs, params, report)
    unassigned = int((assigned.top < 0).sum())
    n_empty = sum(
        int((~assigned.active[:, columns].any(axis=1)).sum()) for columns in assigned.columns
    )
    quality = {
        "n_blocks": len(inputs.evaluated.blocks),
        "n_documents": len(inputs.evaluated.types),
        "n_clusterings": len(inputs.labels),
        "n_ties": unassigned - n_empty,
        "n_empty": n_empty,
        "held_out": inputs.held_out,
    }
    rows = list(_subset_rows(inputs, assigned, params.seed))
    return Result(quality=quality, count=inputs.count, assigned=assigned, subset_rows=rows)


ANALYSIS = Analysis(
    name="subsets",
    what="comparison of lobes and document types",
    ask="select * from lobe_subsets where run = {run}",
    identify=subsets_inputs.identify,
    read=subsets_inputs.read,
    compute=compute,
    write=store.write,
)


def _assign(inputs: Inputs, params: Params, report: Report) -> Assigned:
    """Count the active features of each lobe in each block, and find the top lobes."""
    blocks = inputs.evaluated.blocks
    features, members = top_lobes.membership(inputs.labels)
    sizes = [np.bincount(one.lobes) for one in inputs.labels]
    assigned = Assigned(
        [one.clustering for one in inputs.labels],
        sizes,
        blocks,
        np.zeros((len(blocks), len(members)), np.min_scalar_type(max(map(np.max, sizes)))),
        np.empty((len(blocks), len(sizes)), np.int32),
    )
    picks = _picks(inputs, params, sizes)
    for slab in inputs.slabs:
        first, stop = np.searchsorted(blocks, [slab.first, slab.first + slab.n_blocks]).tolist()
        if first == stop:
            continue
        counts = top_lobes.count_active(slab.bits[features], members)
        counts = counts[blocks[first:stop] - slab.first]
        assigned.active[first:stop] = counts
        for i, columns in enumerate(assigned.columns):
            assigned.top[first:stop, i] = picks[i](counts[:, columns])
        report(Progress("assign blocks to lobes", stop, len(blocks)))
    return assigned


def _picks(inputs: Inputs, params: Params, sizes: list[npt.NDArray[np.int64]]) -> list[Pick]:
    """Say for each clustering how the top lobes follow from the counts of active features."""
    if params.preset == "paper":
        return [partial(top_lobes.by_share, sizes=own) for own in sizes]
    activity = [np.bincount(one.lobes, inputs.n[one.features]) for one in inputs.labels]
    return [partial(top_lobes.by_excess, activity=sums) for sums in activity]


def _subset_rows(inputs: Inputs, assigned: Assigned, seed: int) -> Iterator[dict[str, Any]]:
    """Yield how often lobes are on top in each document type: rows of ``subset_lobe``."""
    evaluated = inputs.evaluated
    if not evaluated.subsets:
        return
    types = evaluated.types[evaluated.documents]
    active = np.array(
        [
            assigned.active[types == one].sum(axis=0, dtype=np.int64)
            for one in range(len(evaluated.subsets))
        ]
    )  # (n_types, n_lobes)
    n_blocks = np.bincount(evaluated.documents)
    for group in _groups(assigned):
        top = [
            top_by_document(
                assigned.top[:, i], evaluated.documents, len(n_blocks), len(assigned.sizes[i])
            )
            for i in group
        ]
        found = enrich(
            np.concatenate(top, axis=1), n_blocks, evaluated.types, len(evaluated.subsets),
            seed=seed,
        )  # fmt: skip
        first = assigned.columns[group[0]].start
        lobes = [(i, lobe) for i in group for lobe in range(len(assigned.sizes[i]))]
        for column, (i, lobe) in enumerate(lobes):
            most = assigned.sizes[i][lobe] * found.n_blocks
            mean_share = active[:, first + column] / most
            for one, subset in enumerate(evaluated.subsets):
                yield {
                    "clustering": assigned.clusterings[i],
                    "lobe": lobe,
                    "subset": subset,
                    "mean_share": float(mean_share[one]),
                } | _row(found, one, column)


def _row(found: Enrichment, one: int, column: int) -> dict[str, Any]:
    """Say how often a lobe is on top in a document type."""
    return {
        "n_blocks": int(found.n_blocks[one]),
        "n_top": int(found.n_top[one, column]),
        "top_share": float(found.top_share[one, column]),
        "enrichment": or_null(found.enrichment[one, column]),
        "enrichment_low": or_null(found.low[one, column]),
        "enrichment_high": or_null(found.high[one, column]),
    }


def _groups(assigned: Assigned) -> Iterator[list[int]]:
    """Divide the clusterings so that the lobes of a group are few."""
    group: list[int] = []
    n = 0
    for i, sizes in enumerate(assigned.sizes):
        if group and n + len(sizes) > LOBES:
            yield group
            group, n = [], 0
        group.append(i)
        n += len(sizes)
    yield group
