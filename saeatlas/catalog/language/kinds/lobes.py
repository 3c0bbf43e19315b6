"""``lobes``: groups of features that are active together; by subset, document types too."""

from typing import Any

import sqlalchemy as sa

from saeatlas.catalog.language import defaults, nodes, operands, views
from saeatlas.catalog.language.field_types import Field, Kind, columns
from saeatlas.catalog.language.fields import RUN, SAE, sae_names
from saeatlas.catalog.language.names import Clustering
from saeatlas.catalog.language.query_errors import QueryError
from saeatlas.catalog.language.select_builder import SelectBuilder
from saeatlas.schema import tables


def _compile(builder: SelectBuilder) -> sa.Select[Any]:
    of = builder.one(nodes.OfLobes)
    if of is None:
        return views.select_rows(builder)
    _keep_to_newest(builder, of.lobes)
    views.keep_to_saes(builder)
    return views.finish(builder, numbers=())  # `in run` may name the run of `subsets`


def _compile_by_subset(builder: SelectBuilder) -> sa.Select[Any]:
    of = builder.one(nodes.OfLobes)
    if of is None:
        return views.select_rows(builder)
    _keep_to_subset_runs(builder, of.lobes, _keep_to_newest(builder, of.lobes))
    views.keep_to_saes(builder)
    return views.finish(builder, numbers=())


def _keep_to_newest(builder: SelectBuilder, node: operands.Lobes) -> list[Clustering]:
    """Keep to the newest lobes of this affinity and k."""
    run = builder.number("run")
    saes = builder.listed or builder.named
    found = defaults.clusterings(builder, node, saes, run.number if run else None)
    builder.restrict("clustering", (one.id for one in found))
    return found


def _keep_to_subset_runs(
    builder: SelectBuilder, node: operands.Lobes, found: list[Clustering]
) -> None:
    """Keep to the newest run of ``subsets`` about these lobes."""
    run = builder.number("run")
    ids = {one.id for one in found}
    runs = [one for one in builder.names.subset_runs if one.clustering in ids]
    runs = [one for one in runs if run is not None and one.run == run.number] or runs
    best = {one.clustering: one.run for one in runs}
    if not best:
        raise QueryError(
            node.at, "No run of subsets has assigned document types to these lobes yet.",
            hint=f"Run `saeatlas analyze subsets --lobes {found[0].run}`.",
        )  # fmt: skip
    builder.restrict("run", best.values())
    shown = ", ".join(map(str, sorted(set(best.values()))))
    builder.notes.append(f"document types are those of run {shown} of subsets")


_NAME = Field(
    "name",
    "text",
    "Its name in the file, if published; else the up to three document "
    "types that it prefers. NULL if none.",
)
BY_SUBSET = Kind(
    name="lobes by subset",
    view="lobe_subsets",
    fields=(
        *columns(tables.subset_lobe, "run"),
        *sae_names(sae_id=False),
        SAE,
        Field("lobe_run", "integer", "Run that made the lobes."),
        *columns(tables.clustering, "affinity", "k"),
        *columns(
            tables.subset_lobe, "clustering", "lobe", "subset", "n_blocks", "n_top", "top_share"
        ),
        *columns(
            tables.subset_lobe, "mean_share", "enrichment", "enrichment_low", "enrichment_high"
        ),
    ),
    order=("run", "clustering", "lobe", "-enrichment", "subset"),
    clauses=("of", "in", "in run", "of lobes", "by subset"),
    compile=_compile_by_subset,
)
"""What ``lobes`` are with ``by subset``."""

LOBES = Kind(
    name="lobes",
    view="lobes",
    fields=(
        RUN,
        *columns(tables.run, "analysis"),
        *sae_names(sae_id=False),
        SAE,
        *columns(tables.clustering, "affinity", "k"),
        *columns(tables.lobe, "clustering", "lobe"),
        _NAME,
        *columns(tables.lobe, "n_features", "modularity", "silhouette", "parent", "parent_share"),
    ),
    order=("clustering", "lobe"),
    clauses=("of", "in", "in run", "of lobes", "by subset"),
    compile=_compile,
    variants={"by subset": BY_SUBSET},
)
