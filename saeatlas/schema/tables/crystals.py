"""The tables of crystals: function vectors, the pairs that follow them, what was projected out."""

import sqlalchemy as sa
from pgvector.sqlalchemy import VECTOR
from sqlalchemy import CheckConstraint, Column
from sqlalchemy.dialects.postgresql import DOUBLE_PRECISION

from saeatlas.schema.tables.base import (
    id_column,
    key,
    measure,
    metadata,
)
from saeatlas.schema.tables.runs import run


def share(name: str, comment: str) -> Column[float]:
    """Make a column of a number that is always known."""
    return Column(name, DOUBLE_PRECISION, nullable=False, comment=comment)


function_vector = sa.Table(
    "function_vector",
    metadata,
    id_column(),
    Column("run", sa.Integer, sa.ForeignKey(run.c.id, ondelete="CASCADE"), nullable=False,
           comment="Run that made it: crystals or relations."),
    Column("number", sa.Integer, nullable=False, comment="Number within the run, from 0: the one "
           "that most pairs follow."),
    Column("relation", sa.Text, comment="Relation of the word pairs. NULL if it was found."),
    Column("n_pairs", sa.Integer, nullable=False, comment="Pairs that follow it."),
    measure("coherence", "Mean cosine of a pair's difference with that of each other pair, after "
            "distractors were projected out; in [-1, 1]. NULL for one pair."),
    measure("coherence_before", "The same before distractors were projected out."),
    Column("n_trials", sa.Integer, nullable=False, comment="Times that partners were shuffled. 0 "
           "for features: their pairs were chosen for being parallel."),
    measure("null_mean", "Mean coherence of the same pairs with partners shuffled. NULL if they "
             "were not."),
    measure("null_sd", "Its standard deviation."),
    measure("z", "(coherence - null_mean) / null_sd. NULL without them."),
    measure("p", "(r + 1) / (n_trials + 1), r of the shuffles being at least as coherent; in (0, "
            "1]."),
    Column("direction", VECTOR, nullable=False, comment="Unit vector along the mean of the "
           "pairs' differences, each scaled to length 1. In the space of the vectors before "
           "projection."),
    sa.UniqueConstraint("run", "number"),
    comment="A direction that several differences b - a follow: a relation between vectors.",
)  # fmt: skip

function_vector_member = sa.Table(
    "function_vector_member",
    metadata,
    key(function_vector, "Function vector."),
    Column("rank", sa.Integer, primary_key=True, comment="From 1: the one that follows it best."),
    Column("a", sa.Integer, comment="Feature where the difference begins. NULL for words."),
    Column("b", sa.Integer, comment="Feature where it ends. NULL for words."),
    Column("input", sa.Text, comment="Word where it begins. NULL for features."),
    Column("output", sa.Text, comment="Word where it ends. NULL for features."),
    measure("cosine", "Cosine of b - a with the mean of the other differences, after distractors "
            "were projected out. NULL where there is no other."),
    sa.Index(None, "a"),
    sa.Index(None, "b"),
    CheckConstraint("(a is null) = (b is null) and (a is null) = (input is not null) and "
                    "(input is null) = (output is null)", name="ends"),
    comment="Pairs whose difference follows a function vector.",
)  # fmt: skip

crystal = sa.Table(
    "crystal",
    metadata,
    key(run, "Run that found it."),
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
    share("quality_before", "As quality_after, before distractors were projected out."),
    share("quality_after", "The smaller of two cosines, after distractors were projected out: "
          "of the sides b - a and d - c, and of c - a and d - b minus their components along "
          "these sides. 1 for a perfect crystal."),
    share("length_ratio", "Length of the shorter side over the longer; in (0, 1]."),
    share("p", "p-value: probability that four vectors of a Gaussian of the same covariance form "
          "a crystal at least as good; in [0, 1]."),
    share("q", "False discovery rate: expected share of false findings among the crystals that "
          "are at least as good; in [0, 1]."),
    *(sa.Index(None, "run", corner) for corner in "abcd"),
    CheckConstraint("kind in ('parallelogram', 'trapezoid')", name="kind"),
    comment="Four features with b - a parallel to d - c. A parallelogram has one row: for the "
    "pair of sides whose function vector has more pairs.",
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
    measure("within_share", "Share of what pairs of one function vector differ by that lies "
             "along it; in [0, 1]. NULL for attributes."),
    Column("direction", VECTOR, nullable=False, comment="Unit vector u: the projection takes (x "
           "- mean) u from each vector x, in the space of the vectors before projection."),
    sa.UniqueConstraint("run", "number"),
    CheckConstraint("origin in ('attribute', 'lda')", name="origin"),
    comment="Directions that were projected out before pairs were compared.",
)  # fmt: skip

distractor_attribute = sa.Table(
    "distractor_attribute",
    metadata,
    key(distractor, "Direction."),
    Column("attribute", sa.Text, primary_key=True, comment="What was measured of each feature "
           "or word, such as log_density or last_token_length."),
    Column("n", sa.Integer, nullable=False, comment="Features or pairs of words that have it."),
    share("r2", "Share of the variance along the direction that it explains; in [0, 1]."),
    share("r2_low", "Lower end of its 95% interval."),
    share("r2_high", "Upper end of it."),
    comment="Which measured attribute a direction follows that was projected out.",
)  # fmt: skip

separation = sa.Table(
    "separation",
    metadata,
    key(run, "Run."),
    Column("components", sa.Integer, primary_key=True, comment="Number of linear discriminants "
           "(LDA) that the differences of word pairs were projected on. 0: not projected."),
    share("silhouette", "Silhouette of the relations among the differences, in [-1, 1]. Too "
          "optimistic: the discriminants were fitted to the same differences."),
    share("held_out", "The same of held-out differences, by cross-validation. With 0 components "
          "equal to silhouette."),
    Column("n_trials", sa.Integer, nullable=False, comment="Times that relations were shuffled "
           "among pairs."),
    measure("null_mean", "Mean of held_out with relations shuffled."),
    measure("null_sd", "Its standard deviation."),
    measure("z", "(held_out - null_mean) / null_sd. NULL where null_sd is 0."),
    measure("p", "(r + 1) / (n_trials + 1), r of them being at least as large; in (0, 1]."),
    comment="How far relations of word pairs are apart, before and after linear discriminant "
    "analysis.",
)  # fmt: skip
