"""``features``: by their fields, near or with another, about something."""

from collections.abc import Iterable

import sqlalchemy as sa

from saeatlas.catalog.language import meant, nodes, vectors
from saeatlas.catalog.language.build import MOST
from saeatlas.catalog.language.conditions import compared, condition, test
from saeatlas.catalog.language.draft import Draft, Expression, among, view, whole
from saeatlas.catalog.language.fields import COSINE, COUNTS, LABEL, LOBE, PARTNER
from saeatlas.catalog.language.names import Count, Sae
from saeatlas.catalog.language.nodes import Place, Word
from saeatlas.schema.lobes import MEASURES

_BY_INDEX = 50
"""Features, at most, that are searched with an index: it gives 200."""

_WIDER = 4
"""Candidates of an index that are compared exactly, for each feature that is shown."""

NEAREST = 10
"""Features that ``near`` and ``with`` show, unless the query says how many."""


class Features(Draft):
    """A select of features; counts are joined when a field of theirs is named."""

    _saes: list[Sae] | None = None
    _counts: list[Count] | None = None

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
                exists=f"There is: {meant.known(self, self.saes)}.",
                mend="Say of which: `lobe = 2 of phi k 3`.",
            )  # fmt: skip
        if word.text not in self.fields and word.text in {field.name for field in COUNTS}:
            self._count(word.at)
        return super().find(word)

    def _count(self, at: Place) -> None:
        found = self.counts(at)
        names = ("run", "sae", "feature", *(field.name for field in COUNTS))
        counts = view("feature_counts", *names)
        columns = self.view.c
        self.source = self.source.outerjoin(
            counts,
            among(counts.c.run, (count.run for count in found))
            & (counts.c.sae == columns.sae)
            & (counts.c.feature == columns.feature),
        )
        self.add(COUNTS, counts)

    def special(self, node: nodes.InLobe | nodes.Fires | nodes.Active, negated: bool) -> Expression:
        """Compile what only features have: lobes and document types.

        Parameters
        ----------
        node : InLobe, Fires or Active
        negated : bool
            Whether it stands in a ``not``.

        Returns
        -------
        expression
        """
        if isinstance(node, nodes.InLobe):
            return self._in_lobe(node, negated)
        if isinstance(node, nodes.Fires):
            return self._fires(node, negated)
        raise self.wrong(
            node.at, "A feature is not active in a feature.",
            mend="`blocks where 12:4821` finds the blocks; `features with 12:4821` its partners.",
        )  # fmt: skip

    def _in_lobe(self, node: nodes.InLobe, negated: bool) -> Expression:
        if node.test.name.text != LOBE.name or node.test.operator in ("null", "known", "like"):
            raise self.wrong(node.lobes.at, "No lobe is said before these lobes.",
                             mend="Write `lobe = 2 of phi k 3`.")  # fmt: skip
        found = meant.clusterings(self, node.lobes, self.saes)
        members = view("lobe_features", "sae", "clustering", "lobe", "feature")
        inside = sa.select(members.c.sae, members.c.feature).where(
            among(members.c.clustering, (one.id for one in found)),
            test(self, node.test, members.c.lobe, LOBE),
        )
        made = sa.tuple_(self.view.c.sae, self.view.c.feature).in_(inside)
        return self._where_known(made, (one.sae for one in found)) if negated else made

    def _where_known(self, made: Expression, saes: Iterable[int]) -> Expression:
        """Let it be NULL for SAEs that nothing is known of, so that its negation is too."""
        return sa.case((among(self.view.c.sae, saes), made))

    def _fires(self, node: nodes.Fires, negated: bool) -> Expression:
        found = self.counts(node.at)
        heard = [count for count in found if count.recording is not None]
        known = self.names.subsets(count.recording for count in heard if count.recording)
        if node.subset.text not in known:
            raise self.wrong(node.subset.at, f"No document was of type {node.subset.text!r}.",
                             name=node.subset.text, known=known,
                             mend="`saeatlas query documents` shows them.")  # fmt: skip
        parts = []
        for count in heard:
            call = sa.func.atlas.subset_shares(
                whole(count.run), sa.literal(node.subset.text, sa.Text)
            )
            shares = call.table_valued("feature", "share").alias("shares")
            firing = sa.select(shares.c.feature).where(
                compared(shares.c.share, node.comparison, node.number)
            )
            own = self.view.c.sae == whole(count.sae)
            parts.append(sa.and_(own, self.view.c.feature.in_(firing)))
        made = sa.or_(*parts)
        return self._where_known(made, (count.sae for count in heard)) if negated else made


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
                          exists=f"The feature is of {sae}.")  # fmt: skip
    measure = node.measure.text if node.measure else MEASURES[0]
    if node.measure and measure not in MEASURES:
        raise draft.wrong(node.measure.at, f"{measure!r} is no measure of affinity.",
                          name=measure, known=MEASURES)  # fmt: skip
    draft.look_in([sae])
    count = draft.counts(node.feature.at)[0]
    call = sa.func.atlas.partners(
        whole(count.run), whole(node.feature.number), sa.literal(measure, sa.Text), sa.null()
    )
    names = ("other", *(field.name for field in PARTNER))
    partners = call.table_valued(*names).alias("partners")
    draft.source = draft.source.join(partners, partners.c.other == draft.view.c.feature)
    draft.add(PARTNER, partners)
    draft.order = [partners.c.value.desc(), draft.view.c.feature]
    if node.comparison and node.number:
        draft.conditions.append(compared(partners.c.value, node.comparison, node.number))
    else:
        draft.limit = NEAREST


def _about(draft: Features, node: nodes.About) -> None:
    saes = draft.listed
    one = sa.null() if saes is None or len(saes) > 1 else whole(saes[0].id)
    draft.limit = NEAREST
    narrowed = draft.query.where is not None or draft.query.order or (saes and len(saes) > 1)
    most = MOST if narrowed else draft.limit if draft.query.limit is None else draft.query.limit
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
    draft.columns[COSINE.name] = 1 - vectors.distance(draft.view.c.decoder, near, saes)
    draft.fields[COSINE.name] = COSINE
    return saes


def _candidates(draft: Features, near: nodes.Near, saes: list[Sae]) -> None:
    """Compare only what an index finds, where there is one and all it finds may be shown."""
    wanted = NEAREST if draft.query.limit is None else draft.query.limit
    if (
        draft.query.where is not None
        or draft.number("run")
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
    draft.limit = NEAREST
    nearest = draft.select().add_columns(distance).subquery("nearest")
    columns = [column for column in nearest.c if column.name != "distance"]
    cosine = (1 - nearest.c.distance).label(COSINE.name)
    order = (nearest.c.distance, nearest.c.sae, nearest.c.feature)
    return sa.select(*columns, cosine).order_by(*order)
