"""Clouds: encoder vectors, and mean and covariance of what SAEs hear."""

import sqlalchemy as sa
from alembic import op
from pgvector.sqlalchemy import VECTOR
from sqlalchemy.dialects import postgresql

revision = "0004"
down_revision = "0003"


def upgrade() -> None:
    """Change the tables."""
    op.create_table(
        "encoder",
        sa.Column("sae", sa.Integer(), nullable=False, comment="SAE the feature belongs to."),
        sa.Column("feature", sa.Integer(), nullable=False, comment="Column of W_enc, from 0."),
        sa.Column(
            "encoder",
            VECTOR(),
            nullable=False,
            comment="Encoder vector, column of W_enc as stored in the weights, not normalised; as long as what the SAE hears is wide: of a transcoder not as long as decoder.",
        ),
        sa.Column(
            "encoder_norm", sa.REAL(), nullable=False, comment="Euclidean length of encoder."
        ),
        sa.CheckConstraint("encoder_norm >= 0", name=op.f("ck_encoder_norm")),
        sa.PrimaryKeyConstraint("sae", "feature", name=op.f("pk_encoder")),
        schema="atlas",
        comment="Encoder vectors of the SAEs ingested with --encoder. One partition an SAE.",
        postgresql_partition_by="LIST (sae)",
    )
    op.create_table(
        "activation_covariance",
        sa.Column(
            "recording",
            sa.Integer(),
            autoincrement=False,
            nullable=False,
            comment="Recording begun with --covariance.",
        ),
        sa.Column(
            "n_tokens",
            sa.BigInteger(),
            server_default="0",
            nullable=False,
            comment="Tokens summed up: those of its documents that lie in a block and count for the block's maxima.",
        ),
        sa.Column("d", sa.Integer(), nullable=False, comment="Width of what the SAE hears."),
        sa.Column(
            "mean",
            postgresql.BYTEA(),
            nullable=True,
            comment="Mean vector: d little-endian float64. NULL before the first token.",
        ),
        sa.Column(
            "products",
            postgresql.BYTEA(),
            nullable=True,
            comment="Sum over tokens of (x - mean)(x - mean)': d (d + 1) / 2 little-endian float64, the upper triangle row by row. Over n_tokens - 1 it is the covariance. NULL where mean is.",
        ),
        sa.CheckConstraint("n_tokens >= 0 and d > 0", name=op.f("ck_activation_covariance_size")),
        sa.CheckConstraint(
            "(n_tokens = 0) = (mean is null) and (mean is null) = (products is null)",
            name=op.f("ck_activation_covariance_known"),
        ),
        sa.CheckConstraint(
            "length(mean) = 8 * d and length(products) = 4 * d * (d + 1)",
            name=op.f("ck_activation_covariance_length"),
        ),
        sa.ForeignKeyConstraint(
            ["recording"],
            ["atlas.recording.id"],
            name=op.f("fk_activation_covariance_recording_recording"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("recording", name=op.f("pk_activation_covariance")),
        schema="atlas",
        comment="Mean and covariance of what an SAE hears, updated with each chunk of documents. covariances.read makes a matrix of it.",
    )
    op.execute("alter table atlas.activation_covariance alter column products set storage external")
    op.execute(
        "alter table atlas.activation_covariance set (toast.autovacuum_vacuum_scale_factor = 0, toast.autovacuum_vacuum_threshold = 10000, toast.autovacuum_vacuum_cost_delay = 0)"
    )
