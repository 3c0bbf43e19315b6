"""Kinds that are rows of one view: lobes, spectra, crystals, function vectors, labels, runs ..."""

from typing import Any

import sqlalchemy as sa

from saeatlas.catalog.language import meant, nodes, vectors
from saeatlas.catalog.language.blocks import refused
from saeatlas.catalog.language.conditions import condition
from saeatlas.catalog.language.draft import Draft, whole
from saeatlas.catalog.language.features import NEAREST
from saeatlas.catalog.language.fields import BY_SUBSET, COSINE


def compile_rows(draft: Draft) -> sa.Select[Any]:
    """Make the statement of a kind that is one view.

    Parameters
    ----------
    draft : Draft

    Returns
    -------
    sqlalchemy.Select
    """
    lobes, with_, near = draft.one(nodes.OfLobes), draft.one(nodes.With), draft.one(nodes.Near)
    feature = draft.one(nodes.OfFeature)
    if lobes:
        _of_lobes(draft, lobes.lobes)
    if feature:
        _within_its_sae(draft, feature.feature)
        draft.restrict("feature", [feature.feature.number])
    elif with_:
        _with(draft, with_)
    elif near:
        _near(draft, near)
    elif draft.listed is not None:
        draft.restrict("sae", (sae.id for sae in draft.listed))
    for name in ("recording", "corpus") if lobes else ("run", "recording", "corpus"):
        meant.keep_to(draft, name)
    if draft.query.where is not None:
        draft.conditions.append(condition(draft, draft.query.where, refused(draft)))
    return draft.select()


def _of_lobes(draft: Draft, node: nodes.Lobes) -> None:
    """Keep to the newest lobes of this affinity and k, and to the newest run that judged them."""
    said = draft.number("run")
    run = said.number if said else None
    found = meant.clusterings(draft, node, draft.listed or draft.named, run)
    draft.restrict("clustering", (one.id for one in found))
    if draft.kind is not BY_SUBSET:
        return
    ids = {one.id for one in found}
    judged = [one for one in draft.names.judged if one.clustering in ids]
    judged = [one for one in judged if one.run == run] or judged
    best = {one.clustering: one.run for one in judged}
    if not best:
        raise draft.wrong(
            node.at, "These lobes were not held against document types yet.",
            hint=f"Run `saeatlas analyze subsets --lobes {found[0].run}`.",
        )  # fmt: skip
    draft.restrict("run", best.values())
    draft.notes.append(f"judged by run {', '.join(map(str, sorted(set(best.values()))))}")


def _with(draft: Draft, node: nodes.With) -> None:
    """Keep to the crystals that have a feature at a corner."""
    if node.measure:
        raise draft.wrong(node.measure.at, "A crystal has no measure of affinity.",
                          hint="Write `crystals with 12:4821`.")  # fmt: skip
    _within_its_sae(draft, node.feature)
    corners = [draft.columns[corner] for corner in "abcd"]
    draft.conditions.append(whole(node.feature.number).in_(corners))


def _within_its_sae(draft: Draft, node: nodes.Feature) -> None:
    """Keep to the SAE of a feature named."""
    sae = draft.feature(node)
    if draft.among and sae not in (draft.listed or []):
        raise draft.wrong(draft.among[0].at, "The feature is of another SAE.",
                          available=f"It is of {sae}.")  # fmt: skip
    draft.restrict("sae", [sae.id])


def _near(draft: Draft, near: nodes.Near) -> None:
    """Order function vectors by their cosine with a sum of decoder vectors."""
    saes = vectors.resolved(draft, near)
    look = vectors.where_to_look(draft, near, saes[0])
    draft.restrict("sae", (sae.id for sae in look))
    distance = vectors.distance(draft.view.c.direction, near, saes)
    draft.columns[COSINE.name] = vectors.cosine(distance)
    draft.fields[COSINE.name] = COSINE
    draft.order = [distance, *draft.order]
    draft.limit = NEAREST
