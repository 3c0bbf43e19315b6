"""The tables of crystals: function vectors, the pairs that follow them, what was projected out."""

import sqlalchemy as sa
from pgvector.sqlalchemy import VECTOR
from sqlalchemy import CheckConstraint, Column
from sqlalchemy.dialects.postgresql import DOUBLE_PRECISION

from saeatlas.schema.tables.core import id_column, metadata
from saeatlas.schema.tables.lobes import _key, _measure
from saeatlas.schema.tables.runs import run


def _share(name: str, comment: str) -> Column[float]:
    return Column(name, DOUBLE_PRECISION, nullable=False, comment=comment)


function_vector = sa.Table(
    "function_vector",
    metadata,
    id_column(),
    Column("run", sa.Integer, sa.ForeignKey(run.c.id, ondelete="CASCADE"), nullable=False,
           comment="Run that made it: crystals."),
    Column("number", sa.Integer, nullable=False, comment="Number within the run, from 0: the one "
           "that most pairs follow."),
    Column("relation", sa.Text, comment="Relation of the word pairs. NULL if it was found."),
    Column("n_pairs", sa.Integer, nullable=False, comment="Pairs that follow it."),
    _measure("coherence", "Mean cosine of a pair's difference with that of each other pair, after "
             "what distracts was projected out; in [-1, 1]. NULL of one pair."),
    _measure("coherence_before", "The same of the vectors as they are."),
    Column("n_trials", sa.Integer, nullable=False, comment="Times that partners were "
           "shuffled. 0 of features: their pairs were gathered for being parallel."),
    _measure("null_mean", "Mean coherence of the same pairs with partners shuffled. NULL if they "
             "were not."),
    _measure("null_sd", "Its standard deviation."),
    _measure("z", "(coherence - null_mean) / null_sd. NULL without them."),
    _measure("p", "(r + 1) / (n_trials + 1), r of them being at least as coherent; in (0, 1]."),
    Column("direction", VECTOR, nullable=False, comment="Mean of the differences made unit "
           "vectors, made one: in the space of the vectors as they are."),
    sa.UniqueConstraint("run", "number"),
    comment="A direction that several differences b - a follow: a relation between vectors.",
)  # fmt: skip

function_vector_member = sa.Table(
    "function_vector_member",
    metadata,
    _key(function_vector, "Function vector."),
    Column("rank", sa.Integer, primary_key=True, comment="From 1: the one that follows it best."),
    Column("a", sa.Integer, comment="Feature where the difference begins. NULL of words."),
    Column("b", sa.Integer, comment="Feature where it ends. NULL of words."),
    Column("input", sa.Text, comment="Word where it begins. NULL of features."),
    Column("output", sa.Text, comment="Word where it ends. NULL of features."),
    _measure("cosine", "Cosine of b - a with the mean of the others, after what distracts was "
             "projected out. NULL where there is no other."),
    sa.Index(None, "a"),
    sa.Index(None, "b"),
    CheckConstraint("(a is null) = (b is null) and (a is null) = (input is not null) and "
                    "(input is null) = (output is null)", name="ends"),
    comment="Pairs whose difference follows a function vector.",
)  # fmt: skip

crystal = sa.Table(
    "crystal",
    metadata,
    _key(run, "Run that found it."),
    Column("crystal", sa.Integer, primary_key=True, comment="Number within the run, from 0: the "
           "best."),
    Column("function_vector", sa.Integer,
           sa.ForeignKey(function_vector.c.id, ondelete="CASCADE"),
           comment="Function vector that its sides b - a and d - c follow. NULL if they follow "
           "two."),
    Column("kind", sa.Text, nullable=False, comment="parallelogram: the sides are about as long, "
           "length_ratio at least 0.9; trapezoid: they are not."),
    *(
        Column(corner, sa.Integer, nullable=False, comment=f"Feature at the corner {corner}.")
        for corner in "abcd"
    ),
    _share("quality_before", "As quality_after, of the vectors as they are."),
    _share("quality_after", "The smaller of two cosines, after what distracts was projected out: "
           "of the sides b - a and d - c, and of c - a and d - b less what is along the sides. "
           "1 for a perfect crystal."),
    _share("length_ratio", "Length of the shorter side over the longer; in (0, 1]."),
    _share("p", "Chance that four vectors of a Gaussian cloud of the same covariance make as "
           "good a crystal."),
    _share("q", "False discovery rate: share of chance findings to expect among the crystals "
           "that are at least as good, in [0, 1]."),
    *(sa.Index(None, "run", corner) for corner in "abcd"),
    CheckConstraint("kind in ('parallelogram', 'trapezoid')", name="kind"),
    comment="Four features with b - a parallel to d - c. A parallelogram stands here once, by the "
    "pair of its sides that more others follow.",
)  # fmt: skip

distractor = sa.Table(
    "distractor",
    metadata,
    id_column(),
    Column("run", sa.Integer, sa.ForeignKey(run.c.id, ondelete="CASCADE"), nullable=False,
           comment="Run that projected it out."),
    Column("number", sa.Integer, nullable=False, comment="Number within the run, from 1: the "
           "one along which pairs of one function vector differ most."),
    Column("origin", sa.Text, nullable=False, comment="attribute: it follows a measured one; "
           "lda: pairs of one function vector differ along it."),
    _measure("within_share", "Share of what pairs of one function vector differ by that lies "
             "along it; in [0, 1]. NULL for attributes."),
    Column("direction", VECTOR, nullable=False, comment="Unit vector such that vectors less their "
           "mean, times it, are what was taken away, in the space of the vectors as they are."),
    sa.UniqueConstraint("run", "number"),
    CheckConstraint("origin in ('attribute', 'lda')", name="origin"),
    comment="Directions that were projected out before pairs were compared.",
)  # fmt: skip

distractor_attribute = sa.Table(
    "distractor_attribute",
    metadata,
    _key(distractor, "Direction."),
    Column("attribute", sa.Text, primary_key=True, comment="What was measured of each feature or "
           "word, as log_density or last_token_length."),
    Column("n", sa.Integer, nullable=False, comment="Features or pairs of words that have it."),
    _share("r2", "Share of the variance along the direction that it explains; in [0, 1]."),
    _share("r2_low", "Lower end of its 95% interval."),
    _share("r2_high", "Upper end of it."),
    comment="Which measured attribute a direction follows that was projected out.",
)  # fmt: skip

separation = sa.Table(
    "separation",
    metadata,
    _key(run, "Run."),
    Column("components", sa.Integer, primary_key=True, comment="Discriminants (LDA) that the "
           "differences of word pairs were seen in. 0: the differences as they are."),
    _share("silhouette", "Silhouette of the relations among the differences, in [-1, 1]; the "
           "discriminants know the same differences: too good."),
    _share("held_out", "The same of differences that the discriminants do not know: "
           "cross-validated. With 0 components as silhouette."),
    Column("n_trials", sa.Integer, nullable=False, comment="Times that relations were shuffled "
           "among pairs."),
    _measure("null_mean", "Mean of held_out with relations shuffled."),
    _measure("null_sd", "Its standard deviation."),
    _measure("z", "(held_out - null_mean) / null_sd. NULL where null_sd is 0."),
    _measure("p", "(r + 1) / (n_trials + 1), r of them being at least as large; in (0, 1]."),
    comment="How far relations of word pairs are apart, before and after linear discriminant "
    "analysis.",
)  # fmt: skip
