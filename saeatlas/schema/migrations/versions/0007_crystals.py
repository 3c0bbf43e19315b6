"""Crystals: function vectors and their pairs, parallelograms and trapezoids, distractors."""

import sqlalchemy as sa
from alembic import op
from pgvector.sqlalchemy import VECTOR

revision = "0007"
down_revision = "0006"


def upgrade() -> None:
    """Change the tables."""
    op.create_table(
        "distractor",
        sa.Column(
            "id",
            sa.Integer(),
            sa.Identity(always=True),
            nullable=False,
            comment="Number of the row.",
        ),
        sa.Column("run", sa.Integer(), nullable=False, comment="Run that projected it out."),
        sa.Column(
            "number",
            sa.Integer(),
            nullable=False,
            comment="Number within the run, from 1: the one along which pairs of one function vector differ most.",
        ),
        sa.Column(
            "origin",
            sa.Text(),
            nullable=False,
            comment="attribute: it follows a measured one; lda: pairs of one function vector differ along it.",
        ),
        sa.Column(
            "within_share",
            sa.DOUBLE_PRECISION(),
            nullable=True,
            comment="Share of what pairs of one function vector differ by that lies along it; in [0, 1]. NULL for attributes.",
        ),
        sa.Column(
            "direction",
            VECTOR(),
            nullable=False,
            comment="Unit vector such that vectors less their mean, times it, are what was taken away, in the space of the vectors as they are.",
        ),
        sa.CheckConstraint("origin in ('attribute', 'lda')", name=op.f("ck_distractor_origin")),
        sa.ForeignKeyConstraint(
            ["run"], ["atlas.run.id"], name=op.f("fk_distractor_run_run"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_distractor")),
        sa.UniqueConstraint("run", "number", name=op.f("uq_distractor_run_number")),
        schema="atlas",
        comment="Directions that were projected out before pairs were compared.",
    )
    op.create_table(
        "function_vector",
        sa.Column(
            "id",
            sa.Integer(),
            sa.Identity(always=True),
            nullable=False,
            comment="Number of the row.",
        ),
        sa.Column("run", sa.Integer(), nullable=False, comment="Run that made it: crystals."),
        sa.Column(
            "number",
            sa.Integer(),
            nullable=False,
            comment="Number within the run, from 0: the one that most pairs follow.",
        ),
        sa.Column(
            "relation",
            sa.Text(),
            nullable=True,
            comment="Relation of the word pairs. NULL if it was found.",
        ),
        sa.Column("n_pairs", sa.Integer(), nullable=False, comment="Pairs that follow it."),
        sa.Column(
            "coherence",
            sa.DOUBLE_PRECISION(),
            nullable=True,
            comment="Mean cosine of a pair's difference with that of each other pair, after what distracts was projected out; in [-1, 1]. NULL of one pair.",
        ),
        sa.Column(
            "coherence_before",
            sa.DOUBLE_PRECISION(),
            nullable=True,
            comment="The same of the vectors as they are.",
        ),
        sa.Column(
            "n_trials",
            sa.Integer(),
            nullable=False,
            comment="Times that partners were shuffled. 0 of features: their pairs were gathered for being parallel.",
        ),
        sa.Column(
            "null_mean",
            sa.DOUBLE_PRECISION(),
            nullable=True,
            comment="Mean coherence of the same pairs with partners shuffled. NULL if they were not.",
        ),
        sa.Column(
            "null_sd", sa.DOUBLE_PRECISION(), nullable=True, comment="Its standard deviation."
        ),
        sa.Column(
            "z",
            sa.DOUBLE_PRECISION(),
            nullable=True,
            comment="(coherence - null_mean) / null_sd. NULL without them.",
        ),
        sa.Column(
            "p",
            sa.DOUBLE_PRECISION(),
            nullable=True,
            comment="(r + 1) / (n_trials + 1), r of them being at least as coherent; in (0, 1].",
        ),
        sa.Column(
            "direction",
            VECTOR(),
            nullable=False,
            comment="Mean of the differences made unit vectors, made one: in the space of the vectors as they are.",
        ),
        sa.ForeignKeyConstraint(
            ["run"], ["atlas.run.id"], name=op.f("fk_function_vector_run_run"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_function_vector")),
        sa.UniqueConstraint("run", "number", name=op.f("uq_function_vector_run_number")),
        schema="atlas",
        comment="A direction that several differences b - a follow: a relation between vectors.",
    )
    op.create_table(
        "separation",
        sa.Column("run", sa.Integer(), nullable=False, comment="Run."),
        sa.Column(
            "components",
            sa.Integer(),
            nullable=False,
            comment="Discriminants (LDA) that the differences of word pairs were seen in. 0: the differences as they are.",
        ),
        sa.Column(
            "silhouette",
            sa.DOUBLE_PRECISION(),
            nullable=False,
            comment="Silhouette of the relations among the differences, in [-1, 1]; the discriminants know the same differences: too good.",
        ),
        sa.Column(
            "held_out",
            sa.DOUBLE_PRECISION(),
            nullable=False,
            comment="The same of differences that the discriminants do not know: cross-validated. With 0 components as silhouette.",
        ),
        sa.Column(
            "n_trials",
            sa.Integer(),
            nullable=False,
            comment="Times that relations were shuffled among pairs.",
        ),
        sa.Column(
            "null_mean",
            sa.DOUBLE_PRECISION(),
            nullable=True,
            comment="Mean of held_out with relations shuffled.",
        ),
        sa.Column(
            "null_sd", sa.DOUBLE_PRECISION(), nullable=True, comment="Its standard deviation."
        ),
        sa.Column(
            "z",
            sa.DOUBLE_PRECISION(),
            nullable=True,
            comment="(held_out - null_mean) / null_sd. NULL where null_sd is 0.",
        ),
        sa.Column(
            "p",
            sa.DOUBLE_PRECISION(),
            nullable=True,
            comment="(r + 1) / (n_trials + 1), r of them being at least as large; in (0, 1].",
        ),
        sa.ForeignKeyConstraint(
            ["run"], ["atlas.run.id"], name=op.f("fk_separation_run_run"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("run", "components", name=op.f("pk_separation")),
        schema="atlas",
        comment="How far relations of word pairs are apart, before and after linear discriminant analysis.",
    )
    op.create_table(
        "crystal",
        sa.Column("run", sa.Integer(), nullable=False, comment="Run that found it."),
        sa.Column(
            "crystal",
            sa.Integer(),
            nullable=False,
            comment="Number within the run, from 0: the best.",
        ),
        sa.Column(
            "function_vector",
            sa.Integer(),
            nullable=True,
            comment="Function vector that its sides b - a and d - c follow. NULL if they follow two.",
        ),
        sa.Column(
            "kind",
            sa.Text(),
            nullable=False,
            comment="parallelogram: the sides are about as long, length_ratio at least 0.9; trapezoid: they are not.",
        ),
        sa.Column("a", sa.Integer(), nullable=False, comment="Feature at the corner a."),
        sa.Column("b", sa.Integer(), nullable=False, comment="Feature at the corner b."),
        sa.Column("c", sa.Integer(), nullable=False, comment="Feature at the corner c."),
        sa.Column("d", sa.Integer(), nullable=False, comment="Feature at the corner d."),
        sa.Column(
            "quality_before",
            sa.DOUBLE_PRECISION(),
            nullable=False,
            comment="As quality_after, of the vectors as they are.",
        ),
        sa.Column(
            "quality_after",
            sa.DOUBLE_PRECISION(),
            nullable=False,
            comment="The smaller of two cosines, after what distracts was projected out: of the sides b - a and d - c, and of c - a and d - b less what is along the sides. 1 for a perfect crystal.",
        ),
        sa.Column(
            "length_ratio",
            sa.DOUBLE_PRECISION(),
            nullable=False,
            comment="Length of the shorter side over the longer; in (0, 1].",
        ),
        sa.Column(
            "p",
            sa.DOUBLE_PRECISION(),
            nullable=False,
            comment="Chance that four vectors of a Gaussian cloud of the same covariance make as good a crystal.",
        ),
        sa.Column(
            "q",
            sa.DOUBLE_PRECISION(),
            nullable=False,
            comment="False discovery rate: share of chance findings to expect among the crystals that are at least as good, in [0, 1].",
        ),
        sa.CheckConstraint("kind in ('parallelogram', 'trapezoid')", name=op.f("ck_crystal_kind")),
        sa.ForeignKeyConstraint(
            ["function_vector"],
            ["atlas.function_vector.id"],
            name=op.f("fk_crystal_function_vector_function_vector"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["run"], ["atlas.run.id"], name=op.f("fk_crystal_run_run"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("run", "crystal", name=op.f("pk_crystal")),
        schema="atlas",
        comment="Four features with b - a parallel to d - c. A parallelogram stands here once, by the pair of its sides that more others follow.",
    )
    op.create_index(op.f("ix_crystal_run_a"), "crystal", ["run", "a"], unique=False, schema="atlas")
    op.create_index(op.f("ix_crystal_run_b"), "crystal", ["run", "b"], unique=False, schema="atlas")
    op.create_index(op.f("ix_crystal_run_c"), "crystal", ["run", "c"], unique=False, schema="atlas")
    op.create_index(op.f("ix_crystal_run_d"), "crystal", ["run", "d"], unique=False, schema="atlas")
    op.create_table(
        "distractor_attribute",
        sa.Column("distractor", sa.Integer(), nullable=False, comment="Direction."),
        sa.Column(
            "attribute",
            sa.Text(),
            nullable=False,
            comment="What was measured of each feature or word, as log_density or last_token_length.",
        ),
        sa.Column(
            "n", sa.Integer(), nullable=False, comment="Features or pairs of words that have it."
        ),
        sa.Column(
            "r2",
            sa.DOUBLE_PRECISION(),
            nullable=False,
            comment="Share of the variance along the direction that it explains; in [0, 1].",
        ),
        sa.Column(
            "r2_low",
            sa.DOUBLE_PRECISION(),
            nullable=False,
            comment="Lower end of its 95% interval.",
        ),
        sa.Column("r2_high", sa.DOUBLE_PRECISION(), nullable=False, comment="Upper end of it."),
        sa.ForeignKeyConstraint(
            ["distractor"],
            ["atlas.distractor.id"],
            name=op.f("fk_distractor_attribute_distractor_distractor"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("distractor", "attribute", name=op.f("pk_distractor_attribute")),
        schema="atlas",
        comment="Which measured attribute a direction follows that was projected out.",
    )
    op.create_table(
        "function_vector_member",
        sa.Column("function_vector", sa.Integer(), nullable=False, comment="Function vector."),
        sa.Column(
            "rank", sa.Integer(), nullable=False, comment="From 1: the one that follows it best."
        ),
        sa.Column(
            "a",
            sa.Integer(),
            nullable=True,
            comment="Feature where the difference begins. NULL of words.",
        ),
        sa.Column(
            "b", sa.Integer(), nullable=True, comment="Feature where it ends. NULL of words."
        ),
        sa.Column(
            "input", sa.Text(), nullable=True, comment="Word where it begins. NULL of features."
        ),
        sa.Column(
            "output", sa.Text(), nullable=True, comment="Word where it ends. NULL of features."
        ),
        sa.Column(
            "cosine",
            sa.DOUBLE_PRECISION(),
            nullable=True,
            comment="Cosine of b - a with the mean of the others, after what distracts was projected out. NULL where there is no other.",
        ),
        sa.CheckConstraint(
            "(a is null) = (b is null) and (a is null) = (input is not null) and (input is null) = (output is null)",
            name=op.f("ck_function_vector_member_ends"),
        ),
        sa.ForeignKeyConstraint(
            ["function_vector"],
            ["atlas.function_vector.id"],
            name=op.f("fk_function_vector_member_function_vector_function_vector"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("function_vector", "rank", name=op.f("pk_function_vector_member")),
        schema="atlas",
        comment="Pairs whose difference follows a function vector.",
    )
    op.create_index(
        op.f("ix_function_vector_member_a"),
        "function_vector_member",
        ["a"],
        unique=False,
        schema="atlas",
    )
    op.create_index(
        op.f("ix_function_vector_member_b"),
        "function_vector_member",
        ["b"],
        unique=False,
        schema="atlas",
    )
    op.add_column(
        "run",
        sa.Column(
            "word_space",
            sa.Integer(),
            nullable=True,
            comment="Space of words that was analysed. NULL if none.",
        ),
        schema="atlas",
    )
    op.create_foreign_key(
        op.f("fk_run_word_space_word_space"),
        "run",
        "word_space",
        ["word_space"],
        ["id"],
        source_schema="atlas",
        referent_schema="atlas",
        ondelete="CASCADE",
    )
