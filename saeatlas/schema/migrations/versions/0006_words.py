"""Words: pairs with a known relation, vectors of words, tokens of features."""

import sqlalchemy as sa
from alembic import op
from pgvector.sqlalchemy import VECTOR
from sqlalchemy.dialects import postgresql

revision = "0006"
down_revision = "0005"


def upgrade() -> None:
    """Change the tables."""
    op.create_table(
        "relation",
        sa.Column(
            "id",
            sa.Integer(),
            sa.Identity(always=True),
            nullable=False,
            comment="Number of the row.",
        ),
        sa.Column("name", sa.Text(), nullable=False, comment="Stem of the file it came from."),
        sa.Column("n_pairs", sa.Integer(), nullable=False, comment="Pairs, each once."),
        sa.Column(
            "n_same",
            sa.Integer(),
            nullable=False,
            comment="Pairs whose output is their input: they have no difference.",
        ),
        sa.Column(
            "n_repeated",
            sa.Integer(),
            nullable=False,
            comment="Pairs whose input an earlier pair has with another output.",
        ),
        sa.Column(
            "n_duplicates",
            sa.Integer(),
            nullable=False,
            comment="Pairs of the file left out, each being equal to an earlier one.",
        ),
        sa.Column(
            "sha256",
            postgresql.BYTEA(),
            nullable=False,
            comment="Hash of the pairs in their order. 32 bytes.",
        ),
        sa.Column(
            "created_at",
            postgresql.TIMESTAMP(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When the relation was ingested.",
        ),
        sa.CheckConstraint("length(sha256) = 32", name=op.f("ck_relation_sha256")),
        sa.CheckConstraint("n_pairs > 0", name=op.f("ck_relation_n_pairs")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_relation")),
        sa.UniqueConstraint("name", name=op.f("uq_relation_name")),
        schema="atlas",
        comment="A relation between words, as of a country and its capital.",
    )
    op.create_table(
        "word_pair",
        sa.Column("relation", sa.Integer(), nullable=False, comment="Relation."),
        sa.Column("rank", sa.Integer(), nullable=False, comment="Place in the relation, from 1."),
        sa.Column("input", sa.Text(), nullable=False, comment="Word, or words, as Austria."),
        sa.Column(
            "output",
            sa.Text(),
            nullable=False,
            comment="What the relation makes of it, as Vienna; may be equal to input.",
        ),
        sa.ForeignKeyConstraint(
            ["relation"],
            ["atlas.relation.id"],
            name=op.f("fk_word_pair_relation_relation"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("relation", "rank", name=op.f("pk_word_pair")),
        schema="atlas",
        comment="Two words with a known relation.",
    )
    op.create_table(
        "word_space",
        sa.Column(
            "id",
            sa.Integer(),
            sa.Identity(always=True),
            nullable=False,
            comment="Number of the row.",
        ),
        sa.Column(
            "name",
            sa.Text(),
            nullable=False,
            comment="As gemma-2-2b/12/resid_post; of ready vectors the name of their file, if no other was given.",
        ),
        sa.Column(
            "model",
            sa.Integer(),
            nullable=True,
            comment="Model that read the words. NULL for ready vectors.",
        ),
        sa.Column(
            "layer",
            sa.Integer(),
            nullable=True,
            comment="Its decoder layer, from 0. NULL for ready vectors.",
        ),
        sa.Column(
            "site",
            sa.Text(),
            nullable=True,
            comment="resid_post: the residual stream after that layer; resid_pre: before it. NULL for ready vectors.",
        ),
        sa.Column("d", sa.Integer(), nullable=False, comment="Width of a vector."),
        sa.Column(
            "source",
            sa.Text(),
            nullable=False,
            comment="Hub id or folder of the model, or the file of vectors.",
        ),
        sa.Column(
            "facts",
            postgresql.JSONB(),
            nullable=False,
            comment="All that decides what a word's vector and attributes are, hashes as hexadecimal: only words read the same way are added.",
        ),
        sa.Column(
            "n_words", sa.Integer(), server_default="0", nullable=False, comment="Words in it."
        ),
        sa.Column(
            "created_at",
            postgresql.TIMESTAMP(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When the row was written.",
        ),
        sa.CheckConstraint("site in ('resid_pre', 'resid_post')", name=op.f("ck_word_space_site")),
        sa.CheckConstraint("d > 0", name=op.f("ck_word_space_d")),
        sa.ForeignKeyConstraint(
            ["model"], ["atlas.model.id"], name=op.f("fk_word_space_model_model")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_word_space")),
        sa.UniqueConstraint("name", name=op.f("uq_word_space_name")),
        schema="atlas",
        comment="Vectors of words that can be compared: one model and layer, or one file.",
    )
    op.create_table(
        "word_vector",
        sa.Column("space", sa.Integer(), nullable=False, comment="Space it belongs to."),
        sa.Column(
            "word", sa.Text(), nullable=False, comment="The word, or words, as its pairs have it."
        ),
        sa.Column(
            "vector",
            VECTOR(),
            nullable=False,
            comment="What the model has at its last token, or the ready vector; as long as d of its space, not normalised.",
        ),
        sa.Column(
            "n_characters",
            sa.Integer(),
            nullable=False,
            comment="Length in characters (code points), spaces within it counted.",
        ),
        sa.Column(
            "n_tokens",
            sa.Integer(),
            nullable=True,
            comment="Tokens of the word, BOS not counted. NULL for ready vectors.",
        ),
        sa.Column(
            "last_token",
            sa.Text(),
            nullable=True,
            comment="Text of its last token, a leading space included. NULL for ready vectors.",
        ),
        sa.Column(
            "last_token_length",
            sa.Integer(),
            nullable=True,
            comment="Its length in characters without a leading space. NULL for ready vectors.",
        ),
        sa.Column(
            "log_frequency",
            sa.DOUBLE_PRECISION(),
            nullable=True,
            comment="Natural logarithm of its count in the file of frequencies; without one, of a file of vectors whose words stand in order of frequency, minus that of its rank. NULL if unknown.",
        ),
        sa.CheckConstraint("n_characters > 0", name=op.f("ck_word_vector_n_characters")),
        sa.ForeignKeyConstraint(
            ["space"],
            ["atlas.word_space.id"],
            name=op.f("fk_word_vector_space_word_space"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("space", "word", name=op.f("pk_word_vector")),
        schema="atlas",
        comment="A word in a space, with what may decide its vector besides its meaning.",
    )
    op.create_table(
        "feature_token",
        sa.Column(
            "sae", sa.Integer(), nullable=False, comment="SAE; it has the tokens of one run."
        ),
        sa.Column(
            "feature",
            sa.Integer(),
            nullable=False,
            comment="Feature of it. One whose decoder vector is all zero has no rows.",
        ),
        sa.Column(
            "rank",
            sa.Integer(),
            nullable=False,
            comment="From 1, the most promoted first; ties by token_id.",
        ),
        sa.Column(
            "run",
            sa.Integer(),
            nullable=False,
            comment="Run that made it: tokens. It names the model.",
        ),
        sa.Column(
            "token_id", sa.Integer(), nullable=False, comment="Token of the model's vocabulary."
        ),
        sa.Column(
            "token",
            sa.Text(),
            nullable=False,
            comment="Its text, a leading space included; U+FFFD where it is no whole character or PostgreSQL takes no NUL.",
        ),
        sa.Column(
            "logit",
            sa.REAL(),
            nullable=False,
            comment="Direct effect on the token's logit: unembedding times decoder vector, the final norm's scale folded in, its division left out.",
        ),
        sa.Column(
            "n_characters",
            sa.Integer(),
            nullable=False,
            comment="Length of the token in characters without a leading space.",
        ),
        sa.ForeignKeyConstraint(
            ["run"], ["atlas.run.id"], name=op.f("fk_feature_token_run_run"), ondelete="CASCADE"
        ),
        sa.ForeignKeyConstraint(
            ["sae"], ["atlas.sae.id"], name=op.f("fk_feature_token_sae_sae"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("sae", "feature", "rank", name=op.f("pk_feature_token")),
        schema="atlas",
        comment="The tokens that a feature promotes most: what its decoder vector says by itself.",
    )
    op.create_index(
        op.f("ix_feature_token_run"), "feature_token", ["run"], unique=False, schema="atlas"
    )
