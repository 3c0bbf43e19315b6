"""What is joined to features where a query names it: counts, lobes, shares of document types."""

from collections.abc import Hashable
from typing import Any

import sqlalchemy as sa

from saeatlas.catalog.language import defaults, nodes
from saeatlas.catalog.language.conditions import compared, test
from saeatlas.catalog.language.field_types import Field
from saeatlas.catalog.language.names import Count, Sae
from saeatlas.catalog.language.operands import Place, Word
from saeatlas.catalog.language.query_errors import QueryError
from saeatlas.catalog.language.select_builder import Expression, SelectBuilder, among, view, whole

COUNTS = (
    Field("n_active", "integer", "Blocks of the count in which the feature is active."),
    Field("n_blocks", "integer", "Blocks of the count."),
    Field("density", "number", "n_active / n_blocks; in [0, 1]. NULL if never counted."),
)
"""Fields of a feature that come from a count of co-occurrence."""

ATTRIBUTE = "attribute."
"""What the name of a field begins with that is an attribute."""

LOBE = Field("lobe", "integer", "Number of a lobe, from 0: `lobe = 2 of phi k 3`.")
"""A feature has one lobe in each clustering: name the clustering."""


class FeatureJoins:
    """Joins counts, lobes and document types to features where the query names them.

    Parameters
    ----------
    builder : SelectBuilder
    """

    def __init__(self, builder: SelectBuilder) -> None:
        self.builder = builder
        self._saes: list[Sae] | None = None
        self._counts: list[Count] | None = None
        self._joined: dict[tuple[str, Hashable], sa.FromClause] = {}
        builder.before_find = self._before_find

    @property
    def saes(self) -> list[Sae]:
        """The SAEs whose features are wanted."""
        if self._saes is None:
            self._saes = self.builder.listed or self.builder.named
        return self._saes

    def look_in(self, saes: list[Sae]) -> None:
        """Keep to the features of some SAEs.

        Parameters
        ----------
        saes : list of Sae
        """
        self._saes = saes
        self.builder.restrict("sae", (sae.id for sae in saes))

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
            self._counts = defaults.counts(self.builder, self.saes, at)
        return self._counts

    def _before_find(self, word: Word) -> None:
        """Join the counts that a field is of; a lobe is of a clustering that must be named."""
        if word.text == LOBE.name:
            raise QueryError(
                word.at, "A feature has one lobe in each clustering: name the clustering.",
                available=f"Available: {defaults.known(self.builder, self.saes)}.",
                hint="Say of which: `lobe = 2 of phi k 3`.",
            )  # fmt: skip
        if word.text in self.builder.fields:
            return
        if word.text in {one.name for one in COUNTS}:
            self._count(word.at)
        elif word.text.startswith(ATTRIBUTE):
            self._attribute(word)

    def _attribute(self, word: Word) -> None:
        """Join an attribute: of each SAE the newest of this name."""
        name = word.text.removeprefix(ATTRIBUTE)
        found = defaults.attributes(self.builder, word, name, self.saes)
        called = self._called("attribute_values")
        values = view("attribute_values", "sae", "attribute", "feature", "number", "text",
                      called=called)  # fmt: skip
        numbers = tuple(one.id for one in found)
        self._join(("attribute_values", numbers), values, among(values.c.attribute, numbers))
        kind: Any = found[0].type
        self.builder.columns[word.text] = values.c[kind]
        self.builder.fields[word.text] = Field(word.text, kind, f"The attribute {name}.")

    def _count(self, at: Place) -> None:
        names = ("run", "sae", "feature", *(field.name for field in COUNTS))
        counts = view("feature_counts", *names)
        runs = (count.run for count in self.counts(at))
        self._join(("feature_counts", None), counts, among(counts.c.run, runs))
        self.builder.add(COUNTS, counts)

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
        raise QueryError(
            node.at, "`features` cannot be filtered by another feature.",
            hint="`blocks where 12:4821` finds the blocks; `features with 12:4821` its partners.",
        )  # fmt: skip

    def _in_lobe(self, node: nodes.InLobe) -> Expression:
        if node.test.name.text != LOBE.name:
            raise QueryError(node.lobes.at, "A comparison with `lobe` is expected before `of`.",
                             hint="Write `lobe = 2 of phi k 3`.")  # fmt: skip
        found = defaults.clusterings(self.builder, node.lobes, self.saes, node.run)
        numbers = tuple(one.id for one in found)
        key = ("lobe_features", numbers)
        if key not in self._joined:
            names = ("sae", "clustering", "lobe", "feature")
            members = view("lobe_features", *names, called=self._called("lobe_features"))
            self._join(key, members, among(members.c.clustering, numbers))
        return test(self.builder, node.test, self._joined[key].c.lobe, LOBE)

    def _share(self, node: nodes.Fires) -> Expression:
        """Join the shares of a document type's blocks in which features are active."""
        subset = node.subset.text
        counts = [count for count in self.counts(node.at) if count.recording is not None]
        known = self.builder.names.subsets(count.recording for count in counts if count.recording)
        if subset not in known:
            raise QueryError(node.subset.at, f"No document was of type {subset!r}.",
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
        own = self.builder.view.c
        self.builder.source = self.builder.source.outerjoin(
            rows, which & (rows.c.sae == own.sae) & (rows.c.feature == own.feature)
        )
        self._joined[key] = rows
