"""The tables of encoder vectors, and of mean and covariance of an SAE's input activations."""

import sqlalchemy as sa
from pgvector.sqlalchemy import VECTOR
from sqlalchemy import CheckConstraint, Column
from sqlalchemy.dialects.postgresql import BYTEA, REAL

from saeatlas.schema.tables.base import SCHEMA, metadata
from saeatlas.schema.tables.recordings import recording

encoder = sa.Table(
    "encoder",
    metadata,
    Column("sae", sa.Integer, primary_key=True, comment="SAE the feature belongs to."),
    Column("feature", sa.Integer, primary_key=True, comment="Column of W_enc, from 0."),
    Column(
        "encoder",
        VECTOR(),
        nullable=False,
        comment="Encoder vector, column of W_enc as stored in the weights, not normalised; as "
        "long as the SAE's input is wide, which differs from decoder for a transcoder.",
    ),
    Column("encoder_norm", REAL, nullable=False, comment="Euclidean length of encoder."),
    CheckConstraint("encoder_norm >= 0", name="norm"),
    postgresql_partition_by="LIST (sae)",
    comment="Encoder vectors of the SAEs ingested with --encoder. One partition per SAE.",
)

activation_covariance = sa.Table(
    "activation_covariance",
    metadata,
    Column(
        "recording",
        sa.Integer,
        sa.ForeignKey(recording.c.id, ondelete="CASCADE"),
        primary_key=True,
        autoincrement=False,
        comment="Recording begun with --covariance.",
    ),
    Column(
        "n_tokens",
        sa.BigInteger,
        nullable=False,
        server_default="0",
        comment="Tokens summed up: those that lie in a block and are not excluded from its maxima.",
    ),
    Column("d", sa.Integer, nullable=False, comment="Width of the SAE's input."),
    Column(
        "mean",
        BYTEA,
        comment="Mean vector: d little-endian float64. NULL before the first token.",
    ),
    Column(
        "products",
        BYTEA,
        comment="Sum over tokens of (x - mean)(x - mean)': d (d + 1) / 2 little-endian float64, "
        "the upper triangle row by row. Over n_tokens - 1 it is the covariance. NULL where mean "
        "is.",
    ),
    CheckConstraint("n_tokens >= 0 and d > 0", name="size"),
    CheckConstraint(
        "(n_tokens = 0) = (mean is null) and (mean is null) = (products is null)", name="known"
    ),
    CheckConstraint("length(mean) = 8 * d and length(products) = 4 * d * (d + 1)", name="length"),
    comment="Mean and covariance of an SAE's input activations, updated with each chunk of "
    "documents. covariances.read returns it as a matrix.",
)

# Floats do not shrink under pglz. Each update leaves a whole matrix behind, which must be cleared
# away as quickly as it is written: 21 MB for 2,304 dimensions.
MATRICES_AS_THEY_ARE = (
    f"alter table {SCHEMA}.activation_covariance alter column products set storage external",
    f"alter table {SCHEMA}.activation_covariance set (toast.autovacuum_vacuum_scale_factor = 0, "
    "toast.autovacuum_vacuum_threshold = 10000, toast.autovacuum_vacuum_cost_delay = 0)",
)
for _ddl in MATRICES_AS_THEY_ARE:
    sa.event.listen(activation_covariance, "after_create", sa.DDL(_ddl))  # type: ignore[no-untyped-call]
