"""``features``: by their fields, near or with another, about something."""

from typing import Any

import sqlalchemy as sa

from saeatlas.catalog.language import nodes, vectors
from saeatlas.catalog.language.conditions import compared, condition
from saeatlas.catalog.language.feature_joins import COUNTS, LOBE, FeatureJoins
from saeatlas.catalog.language.field_types import Brought, Field, Kind, columns
from saeatlas.catalog.language.fields import COSINE, FEATURE_PAGE, SAE, sae_names
from saeatlas.catalog.language.names import Sae
from saeatlas.catalog.language.query_errors import QueryError
from saeatlas.catalog.language.select_builder import SelectBuilder, among, whole
from saeatlas.catalog.language.to_nodes import MAX_INTEGER
from saeatlas.schema import tables

_BY_INDEX = 50
"""Features, at most, that are searched with an index; it finds `_WIDER` times as many."""

_WIDER = 4
"""Candidates of an index that are compared exactly, for each feature that is shown."""

NEAREST = 10
"""Features that ``near`` and ``with`` show, unless the query says how many."""


PARTNER = (
    Field("value", "number", "The measure of affinity: phi unless another is named."),
    Field("n_both", "integer", "Blocks in which both are active."),
    Field("n_feature", "integer", "Blocks in which the feature named is active."),
    Field("n_other", "integer", "Blocks in which the feature of this row is active."),
)
LABEL = tuple(columns(tables.label, "text", "source", "method", "score"))
"""Of a feature's labels the one that fits best."""


def compile_features(builder: SelectBuilder) -> sa.Select[Any]:
    """Make the statement of ``features``.

    Parameters
    ----------
    builder : SelectBuilder

    Returns
    -------
    sqlalchemy.Select
    """
    features = FeatureJoins(builder)
    near, with_, about = builder.one(nodes.Near), builder.one(nodes.With), builder.one(nodes.About)
    given = sorted((one for one in (near, with_, about) if one), key=lambda one: one.at)
    if len(given) > 1:
        raise QueryError(given[1].at, "near, with and about do not go together.")
    if with_:
        _with(features, with_)
    elif about:
        _about(features, about)
    elif not near and builder.listed is not None:
        features.look_in(features.saes)
    terms = _near(features, near) if near else []
    run = builder.number("run")
    if run:
        counted = {count.sae for count in features.counts(run.at)}
        saes = [sae for sae in features.saes if sae.id in counted]
        if saes != features.saes:
            features.look_in(saes)
    if builder.query.where is not None:
        builder.conditions.append(condition(builder, builder.query.where, features.special))
    exactly = builder.one(nodes.Exactly)
    if exactly and not near:
        raise QueryError(exactly.at, "`exactly` needs `near`.")
    if near and not builder.query.order:
        if not exactly:
            _candidates(features, near, terms)
        return _nearest(features, near, terms)
    return builder.select()


def _with(features: FeatureJoins, node: nodes.With) -> None:
    builder = features.builder
    sae = builder.feature(node.feature)
    if builder.among and sae not in (builder.listed or []):
        raise QueryError(builder.among[0].at, "Co-occurrence is counted within one SAE.",
                          available=f"The feature is of {sae}.")  # fmt: skip
    measure = node.measure.text if node.measure else tables.MEASURES[0]
    if node.measure and measure not in tables.MEASURES:
        raise QueryError(node.measure.at, f"{measure!r} is no measure of affinity.",
                          name=measure, known=tables.MEASURES)  # fmt: skip
    features.look_in([sae])
    count = features.counts(node.feature.at)[0]
    bounded = node.comparison is not None
    builder.limit = None if bounded else NEAREST
    narrowed = bounded or builder.query.where is not None or builder.query.order
    most = sa.null() if narrowed or builder.most is None else whole(builder.most)
    call = sa.func.atlas.partners(
        whole(count.run), whole(node.feature.number), sa.literal(measure, sa.Text), most
    )
    names = ("other", *(field.name for field in PARTNER))
    partners = call.table_valued(*names).alias("partners")
    builder.source = builder.source.join(partners, partners.c.other == builder.view.c.feature)
    builder.add(PARTNER, partners)
    builder.order = [partners.c.value.desc(), builder.view.c.feature]
    if node.comparison and node.number:
        builder.conditions.append(compared(partners.c.value, node.comparison, node.number))


def _about(features: FeatureJoins, node: nodes.About) -> None:
    builder = features.builder
    saes = builder.listed
    several = saes is not None and len(saes) > 1
    one = sa.null() if saes is None or several else whole(saes[0].id)
    builder.limit = NEAREST
    query = builder.query
    narrowed = query.where is not None or query.order or builder.number("run") or several
    most = MAX_INTEGER if narrowed or builder.most is None else builder.most
    call = sa.func.atlas.about(sa.literal(node.text, sa.Text), whole(most), one)
    names = ("sae", "feature", *(field.name for field in LABEL))
    found = call.table_valued(*names, with_ordinality="ordinality").alias("about")
    same = (found.c.sae == builder.view.c.sae) & (found.c.feature == builder.view.c.feature)
    builder.source = builder.source.join(found, same)
    if saes is not None:
        features.look_in(saes)
    builder.add(LABEL, found)
    builder.order = [found.c.ordinality]


def _near(features: FeatureJoins, near: nodes.Near) -> list[Sae]:
    """Limit the query to where it looks, without the features named."""
    builder = features.builder
    saes = vectors.resolved(builder, near)
    look = vectors.where_to_look(builder, near, saes[0])
    features.look_in(look)
    for sae in look:
        named = [node.number for own, (_, node) in zip(saes, near.terms, strict=True) if own == sae]
        if named:
            builder.conditions.append(
                sa.not_(
                    (builder.view.c.sae == whole(sae.id)) & among(builder.view.c.feature, named)
                )
            )
    distance = vectors.distance(builder.view.c.decoder, near, saes)
    builder.columns[COSINE.name] = vectors.cosine(distance)
    builder.fields[COSINE.name] = COSINE
    builder.limit = NEAREST
    return saes


def _candidates(features: FeatureJoins, near: nodes.Near, saes: list[Sae]) -> None:
    """Compare only what an index finds, where there is one and all it finds may be shown."""
    builder = features.builder
    wanted = builder.most
    if (
        builder.query.where is not None
        or builder.number("run")
        or wanted is None
        or wanted > _BY_INDEX
        or any(sae.id not in builder.names.indexed for sae in features.saes)
    ):
        return
    found = [vectors.candidates(sae, near, saes, _WIDER * wanted) for sae in features.saes]
    pairs = sa.tuple_(builder.view.c.sae, builder.view.c.feature)
    builder.conditions.append(sa.or_(*(pairs.in_(one) for one in found)))
    builder.notes.append("searched with an index, which may miss some; `exactly` compares all")


def _nearest(features: FeatureJoins, near: nodes.Near, saes: list[Sae]) -> sa.Select[Any]:
    """Order by the distance and measure it once: an index can serve this."""
    builder = features.builder
    del builder.columns[COSINE.name]
    distance = vectors.distance(builder.view.c.decoder, near, saes).label("distance")
    builder.order = [distance, builder.view.c.sae, builder.view.c.feature]
    nearest = builder.select().add_columns(distance).subquery("nearest")
    columns = [column for column in nearest.c if column.name != "distance"]
    cosine = vectors.cosine(nearest.c.distance).label(COSINE.name)
    order = (nearest.c.distance, nearest.c.sae, nearest.c.feature)
    return sa.select(*columns, cosine).order_by(*order)


FEATURES = Kind(
    name="features",
    view="features",
    fields=(
        *sae_names(site=True),
        SAE,
        *columns(tables.feature, "feature", "decoder_norm", "threshold"),
        FEATURE_PAGE,
    ),
    order=("sae", "feature"),
    clauses=("of", "in", "in run", "near", "exactly", "with", "about"),
    compile=compile_features,
    more=COUNTS,
    brought=(Brought("near", (COSINE,)), Brought("with", PARTNER), Brought("about", LABEL)),
    conditions=("lobe", "fires"),
    condition_fields=(LOBE,),
    vector="decoder",
)
