"""``features``: by their fields, near or with another, about something."""

from collections.abc import Hashable

import sqlalchemy as sa

from saeatlas.catalog.language import meant, nodes, vectors
from saeatlas.catalog.language.build import MOST
from saeatlas.catalog.language.conditions import compared, condition, test
from saeatlas.catalog.language.draft import Draft, Expression, among, view, whole
from saeatlas.catalog.language.fields import COSINE, COUNTS, LABEL, LOBE, PARTNER
from saeatlas.catalog.language.kind import Kind
from saeatlas.catalog.language.names import Count, Names, Sae
from saeatlas.catalog.language.nodes import Place, Word
from saeatlas.schema.tables import MEASURES

_BY_INDEX = 50
"""Features, at most, that are searched with an index: it gives 200."""

_WIDER = 4
"""Candidates of an index that are compared exactly, for each feature that is shown."""

NEAREST = 10
"""Features that ``near`` and ``with`` show, unless the query says how many."""


class Features(Draft):
    """A select of features; counts and lobes are joined when they are named."""

    _saes: list[Sae] | None = None
    _counts: list[Count] | None = None

    def __init__(self, query: nodes.Query, kind: Kind, names: Names) -> None:
        super().__init__(query, kind, names)
        self._joined: dict[tuple[str, Hashable], sa.FromClause] = {}

    @property
    def saes(self) -> list[Sae]:
        """The SAEs whose features are wanted."""
        if self._saes is None:
            self._saes = self.listed or self.named
        return self._saes

    def look_in(self, saes: list[Sae]) -> None:
        """Keep to the features of some SAEs.

        Parameters
        ----------
        saes : list of Sae
        """
        self._saes = saes
        self.restrict("sae", (sae.id for sae in saes))

    def counts(self, at: Place) -> list[Count]:
        """Choose counts, once.

        Parameters
        ----------
        at : Place
            What needs them.

        Returns
        -------
        list of Count
        """
        if self._counts is None:
            self._counts = meant.counts(self, self.saes, at)
        return self._counts

    def find(self, word: Word) -> tuple[Expression, object]:  # type: ignore[override]
        """Find a field; fields of counts bring their view."""
        if word.text == LOBE.name:
            raise self.wrong(
                word.at, "A feature has a lobe of each clustering.",
                available=f"There is: {meant.known(self, self.saes)}.",
                hint="Say of which: `lobe = 2 of phi k 3`.",
            )  # fmt: skip
        if word.text not in self.fields and word.text in {field.name for field in COUNTS}:
            self._count(word.at)
        return super().find(word)

    def _count(self, at: Place) -> None:
        names = ("run", "sae", "feature", *(field.name for field in COUNTS))
        counts = view("feature_counts", *names)
        runs = (count.run for count in self.counts(at))
        self._join(("feature_counts", None), counts, among(counts.c.run, runs))
        self.add(COUNTS, counts)

    def special(self, node: nodes.InLobe | nodes.Fires | nodes.Active) -> Expression:
        """Compile what only features have: lobes and document types.

        Parameters
        ----------
        node : InLobe, Fires or Active

        Returns
        -------
        expression
        """
        if isinstance(node, nodes.InLobe):
            return self._in_lobe(node)
        if isinstance(node, nodes.Fires):
            return compared(self._share(node), node.comparison, node.number)
        raise self.wrong(
            node.at, "A feature is not active in a feature.",
            hint="`blocks where 12:4821` finds the blocks; `features with 12:4821` its partners.",
        )  # fmt: skip

    def _in_lobe(self, node: nodes.InLobe) -> Expression:
        if node.test.name.text != LOBE.name:
            raise self.wrong(node.lobes.at, "No lobe is said before these lobes.",
                             hint="Write `lobe = 2 of phi k 3`.")  # fmt: skip
        found = meant.clusterings(self, node.lobes, self.saes, node.run)
        numbers = tuple(one.id for one in found)
        key = ("lobe_features", numbers)
        if key not in self._joined:
            names = ("sae", "clustering", "lobe", "feature")
            members = view("lobe_features", *names, called=self._called("lobe_features"))
            self._join(key, members, among(members.c.clustering, numbers))
        return test(self, node.test, self._joined[key].c.lobe, LOBE)

    def _share(self, node: nodes.Fires) -> Expression:
        """Join the shares of a document type's blocks in which features are active."""
        subset = node.subset.text
        counts = [count for count in self.counts(node.at) if count.recording is not None]
        known = self.names.subsets(count.recording for count in counts if count.recording)
        if subset not in known:
            raise self.wrong(node.subset.at, f"No document was of type {subset!r}.",
                             name=subset, known=known,
                             hint="`saeatlas query documents` shows them.")  # fmt: skip
        key = ("firing", subset)
        if key not in self._joined:
            parts = []
            for count in counts:
                call = sa.func.atlas.subset_shares(whole(count.run), sa.literal(subset, sa.Text))
                shares = call.table_valued("feature", "share").alias("shares")
                sae = whole(count.sae).label("sae")
                parts.append(sa.select(sae, shares.c.feature, shares.c.share))
            self._join(key, sa.union_all(*parts).alias(self._called("firing")), sa.true())
        share: Expression = self._joined[key].c.share
        return share

    def _called(self, name: str) -> str:
        """Name what is joined, also a second time."""
        others = sum(joined == name for joined, _ in self._joined)
        return f"{name}_{others + 1}" if others else name

    def _join(self, key: tuple[str, Hashable], rows: sa.FromClause, which: Expression) -> None:
        """Join what is known of features; of the others it is NULL, and so is its negation."""
        own = self.view.c
        self.source = self.source.outerjoin(
            rows, which & (rows.c.sae == own.sae) & (rows.c.feature == own.feature)
        )
        self._joined[key] = rows


def compile_features(draft: Features) -> sa.Select[tuple[object, ...]]:
    """Make the statement of ``features``.

    Parameters
    ----------
    draft : Features

    Returns
    -------
    sqlalchemy.Select
    """
    near, with_, about = draft.one(nodes.Near), draft.one(nodes.With), draft.one(nodes.About)
    given = sorted((one for one in (near, with_, about) if one), key=lambda one: one.at)
    if len(given) > 1:
        raise draft.wrong(given[1].at, "near, with and about do not go together.")
    if with_:
        _with(draft, with_)
    elif about:
        _about(draft, about)
    elif not near and draft.listed is not None:
        draft.look_in(draft.saes)
    terms = _near(draft, near) if near else []
    run = draft.number("run")
    if run:
        counted = {count.sae for count in draft.counts(run.at)}
        saes = [sae for sae in draft.saes if sae.id in counted]
        if saes != draft.saes:
            draft.look_in(saes)
    if draft.query.where is not None:
        draft.conditions.append(condition(draft, draft.query.where, draft.special))
    exactly = draft.one(nodes.Exactly)
    if exactly and not near:
        raise draft.wrong(exactly.at, "Only what is near is searched with an index, or exactly.")
    if near and not draft.query.order:
        if not exactly:
            _candidates(draft, near, terms)
        return _nearest(draft, near, terms)
    return draft.select()


def _with(draft: Features, node: nodes.With) -> None:
    sae = draft.feature(node.feature)
    if draft.among and sae not in (draft.listed or []):
        raise draft.wrong(draft.among[0].at, "Co-occurrence is counted within one SAE.",
                          available=f"The feature is of {sae}.")  # fmt: skip
    measure = node.measure.text if node.measure else MEASURES[0]
    if node.measure and measure not in MEASURES:
        raise draft.wrong(node.measure.at, f"{measure!r} is no measure of affinity.",
                          name=measure, known=MEASURES)  # fmt: skip
    draft.look_in([sae])
    count = draft.counts(node.feature.at)[0]
    bounded = node.comparison is not None
    draft.limit = None if bounded else NEAREST
    narrowed = bounded or draft.query.where is not None or draft.query.order
    most = sa.null() if narrowed or draft.most is None else whole(draft.most)
    call = sa.func.atlas.partners(
        whole(count.run), whole(node.feature.number), sa.literal(measure, sa.Text), most
    )
    names = ("other", *(field.name for field in PARTNER))
    partners = call.table_valued(*names).alias("partners")
    draft.source = draft.source.join(partners, partners.c.other == draft.view.c.feature)
    draft.add(PARTNER, partners)
    draft.order = [partners.c.value.desc(), draft.view.c.feature]
    if node.comparison and node.number:
        draft.conditions.append(compared(partners.c.value, node.comparison, node.number))


def _about(draft: Features, node: nodes.About) -> None:
    saes = draft.listed
    several = saes is not None and len(saes) > 1
    one = sa.null() if saes is None or several else whole(saes[0].id)
    draft.limit = NEAREST
    query = draft.query
    narrowed = query.where is not None or query.order or draft.number("run") or several
    most = MOST if narrowed or draft.most is None else draft.most
    call = sa.func.atlas.about(sa.literal(node.text, sa.Text), whole(most), one)
    names = ("sae", "feature", *(field.name for field in LABEL))
    found = call.table_valued(*names, with_ordinality="ordinality").alias("about")
    same = (found.c.sae == draft.view.c.sae) & (found.c.feature == draft.view.c.feature)
    draft.source = draft.source.join(found, same)
    if saes is not None:
        draft.look_in(saes)
    draft.add(LABEL, found)
    draft.order = [found.c.ordinality]


def _near(draft: Features, near: nodes.Near) -> list[Sae]:
    """Limit the query to where it looks, without the features named."""
    saes = vectors.resolved(draft, near)
    look = vectors.where_to_look(draft, near, saes[0])
    draft.look_in(look)
    for sae in look:
        named = [node.number for own, (_, node) in zip(saes, near.terms, strict=True) if own == sae]
        if named:
            draft.conditions.append(
                sa.not_((draft.view.c.sae == whole(sae.id)) & among(draft.view.c.feature, named))
            )
    distance = vectors.distance(draft.view.c.decoder, near, saes)
    draft.columns[COSINE.name] = vectors.cosine(distance)
    draft.fields[COSINE.name] = COSINE
    draft.limit = NEAREST
    return saes


def _candidates(draft: Features, near: nodes.Near, saes: list[Sae]) -> None:
    """Compare only what an index finds, where there is one and all it finds may be shown."""
    wanted = draft.most
    if (
        draft.query.where is not None
        or draft.number("run")
        or wanted is None
        or wanted > _BY_INDEX
        or any(sae.id not in draft.names.indexed for sae in draft.saes)
    ):
        return
    found = [vectors.candidates(sae, near, saes, _WIDER * wanted) for sae in draft.saes]
    pairs = sa.tuple_(draft.view.c.sae, draft.view.c.feature)
    draft.conditions.append(sa.or_(*(pairs.in_(one) for one in found)))
    draft.notes.append("searched with an index, which may miss some; `exactly` compares all")


def _nearest(draft: Features, near: nodes.Near, saes: list[Sae]) -> sa.Select[tuple[object, ...]]:
    """Order by the distance and measure it once: an index can serve this."""
    del draft.columns[COSINE.name]
    distance = vectors.distance(draft.view.c.decoder, near, saes).label("distance")
    draft.order = [distance, draft.view.c.sae, draft.view.c.feature]
    nearest = draft.select().add_columns(distance).subquery("nearest")
    columns = [column for column in nearest.c if column.name != "distance"]
    cosine = vectors.cosine(nearest.c.distance).label(COSINE.name)
    order = (nearest.c.distance, nearest.c.sae, nearest.c.feature)
    return sa.select(*columns, cosine).order_by(*order)
