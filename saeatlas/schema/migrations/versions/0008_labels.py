"""Labels: what features are said to be about, and the words that are said."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0008"
down_revision = "0007"


def upgrade() -> None:
    """Change the tables."""
    op.create_table(
        "label",
        sa.Column(
            "id",
            sa.Integer(),
            sa.Identity(always=True),
            nullable=False,
            comment="Number of the row.",
        ),
        sa.Column("sae", sa.Integer(), nullable=False, comment="SAE the feature belongs to."),
        sa.Column("feature", sa.Integer(), nullable=False, comment="Feature of it."),
        sa.Column(
            "source",
            sa.Text(),
            nullable=False,
            comment="Where the label comes from: neuronpedia, delphi, or what a CSV file says; if it says nothing, its name.",
        ),
        sa.Column(
            "method",
            sa.Text(),
            nullable=True,
            comment="How it was made, as the kind of explanation and the explaining model. NULL if not said.",
        ),
        sa.Column(
            "place",
            sa.Integer(),
            nullable=False,
            comment="Number among the labels of the same feature, source and method, from 0, in the order of their texts; mostly 0.",
        ),
        sa.Column(
            "text",
            sa.Text(),
            nullable=False,
            comment="What the feature is said to be about.",
        ),
        sa.Column(
            "score",
            sa.DOUBLE_PRECISION(),
            nullable=True,
            comment="How good its source says it is, on that source's own scale; Delphi's are in [0, 1]. NULL if it was not judged.",
        ),
        sa.Column(
            "url",
            sa.Text(),
            nullable=True,
            comment="Page it was published on, if that is not the feature's own page on Neuronpedia. NULL if not known.",
        ),
        sa.Column(
            "created_at",
            postgresql.TIMESTAMP(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When it was ingested, or last changed.",
        ),
        sa.Column(
            "lexemes",
            postgresql.TSVECTOR(),
            sa.Computed(
                "to_tsvector('english'::regconfig, regexp_replace(text, '[^[:alnum:]]+', ' ', 'g'))",
                persisted=True,
            ),
            nullable=True,
            comment="Its words as full-text search takes them: English stems, no stop words.",
        ),
        sa.CheckConstraint("feature >= 0 and place >= 0", name=op.f("ck_label_numbers")),
        sa.ForeignKeyConstraint(
            ["sae"], ["atlas.sae.id"], name=op.f("fk_label_sae_sae"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_label")),
        sa.UniqueConstraint(
            "sae",
            "feature",
            "source",
            "method",
            "place",
            name=op.f("uq_label_sae_feature_source_method_place"),
            postgresql_nulls_not_distinct=True,
        ),
        schema="atlas",
        comment="What a feature is said to be about, mostly by a model. Several a feature.",
    )
    op.create_index(
        op.f("ix_label_lexemes"),
        "label",
        ["lexemes"],
        schema="atlas",
        postgresql_using="gin",
        postgresql_with={"fastupdate": "off"},
    )
    op.create_table(
        "label_word",
        sa.Column(
            "word", sa.Text(), nullable=False, comment="A word of some label, in lower case."
        ),
        sa.Column("lexeme", sa.Text(), nullable=False, comment="Its stem, as in label.lexemes."),
        sa.Column(
            "pairs",
            postgresql.ARRAY(sa.Text(), dimensions=1),
            nullable=False,
            comment="Its pairs of letters that are next to each other or have one between them, as letter_pairs makes them: mistyped words share most of theirs.",
        ),
        sa.PrimaryKeyConstraint("word", name=op.f("pk_label_word")),
        schema="atlas",
        comment="The words of all labels, stop words left out: what a mistyped word may have meant.",
    )
    op.create_index(op.f("ix_label_word_lexeme"), "label_word", ["lexeme"], schema="atlas")
    op.create_index(
        op.f("ix_label_word_pairs"),
        "label_word",
        ["pairs"],
        schema="atlas",
        postgresql_using="gin",
        postgresql_with={"fastupdate": "off"},
    )
