"""The tables of recordings: an SAE run on a corpus, and the activations of each block."""

import sqlalchemy as sa
from sqlalchemy import CheckConstraint, Column, text
from sqlalchemy.dialects.postgresql import ARRAY, REAL, TIMESTAMP

from saeatlas.schema.tables.base import id_column, metadata, sha256_column, time_column

recording = sa.Table(
    "recording",
    metadata,
    id_column(),
    Column("sae", sa.Integer, sa.ForeignKey("sae.id"), nullable=False, comment="SAE that was run."),
    Column(
        "corpus",
        sa.Integer,
        sa.ForeignKey("corpus.id"),
        nullable=False,
        comment="Corpus that was read.",
    ),
    Column(
        "model",
        sa.Integer,
        sa.ForeignKey("model.id"),
        comment="Model that was run. NULL if recorded elsewhere and not known.",
    ),
    sha256_column(
        "model_sha256",
        "Fingerprint of the model's files. NULL if recorded elsewhere.",
        nullable=True,
    ),
    Column(
        "source",
        sa.Text,
        comment="File that the activations came from. NULL if recorded by SAE Atlas.",
    ),
    sha256_column(
        "source_sha256",
        "Hash of that file, or of the files in that folder. NULL if recorded by SAE Atlas.",
        nullable=True,
    ),
    Column("preset", sa.Text, comment="paper or default. NULL if recorded elsewhere."),
    Column(
        "keep_above",
        REAL,
        nullable=False,
        comment="Activation floor: only maximum activations above it were stored, in units of "
        "activation.",
    ),
    Column(
        "special_tokens",
        sa.Boolean,
        comment="Whether special tokens other than BOS count. NULL if recorded elsewhere.",
    ),
    Column(
        "dtype", sa.Text, comment="Precision of model and SAE, such as float32. NULL if unknown."
    ),
    Column("device", sa.Text, comment="Where it last ran, such as cpu. NULL if unknown."),
    Column(
        "forced",
        sa.Boolean,
        nullable=False,
        server_default=text("false"),
        comment="Whether it was recorded although the SAE fits the model poorly (--force).",
    ),
    Column(
        "explained_variance",
        REAL,
        comment="Share of the model's variance that the SAE explains on the first documents; at "
        "most 1. NULL if not measured.",
    ),
    Column(
        "l0",
        REAL,
        comment="Mean number of active features per token, on the first documents. NULL if not "
        "measured.",
    ),
    Column(
        "n_documents",
        sa.Integer,
        nullable=False,
        server_default="0",
        comment="Documents recorded; an interrupted recording continues from here.",
    ),
    Column(
        "n_blocks",
        sa.Integer,
        nullable=False,
        server_default="0",
        comment="Blocks recorded: 0 to n_blocks - 1 of the corpus.",
    ),
    Column(
        "n_activations",
        sa.BigInteger,
        nullable=False,
        server_default="0",
        comment="Pairs of block and feature stored.",
    ),
    Column(
        "documents_wanted",
        sa.Integer,
        comment="Documents requested. NULL for the whole corpus.",
    ),
    Column(
        "state",
        sa.Text,
        nullable=False,
        server_default="running",
        comment="running, or complete. An interrupted recording stays running; "
        "the same command continues it.",
    ),
    Column("code_version", sa.Text, nullable=False, comment="Version of SAE Atlas."),
    time_column("started_at", "When the recording began."),
    Column(
        "finished_at",
        TIMESTAMP(timezone=True),
        comment="When it was last completed. NULL while it runs.",
    ),
    sa.UniqueConstraint(
        "sae",
        "corpus",
        "model_sha256",
        "source",
        "keep_above",
        "special_tokens",
        "dtype",
        name="uq_recording_params",
        postgresql_nulls_not_distinct=True,
    ),
    CheckConstraint("state in ('running', 'complete')", name="state"),
    CheckConstraint("preset in ('paper', 'default')", name="preset"),
    comment="One SAE run on one corpus. An interrupted recording can be continued.",
)

activation = sa.Table(
    "activation",
    metadata,
    Column("recording", sa.Integer, primary_key=True, comment="Recording it belongs to."),
    Column("block", sa.Integer, primary_key=True, comment="Block of the recording's corpus."),
    Column(
        "features",
        ARRAY(sa.Integer, dimensions=1),
        nullable=False,
        comment="Features active at some token of the block, ascending; empty if none is.",
    ),
    Column(
        "peaks",
        ARRAY(REAL, dimensions=1),
        nullable=False,
        comment="Maximum activation of each of them in the block; as long as features.",
    ),
    Column(
        "n_active",
        sa.Integer,
        nullable=False,
        comment="Number of active features; the length of features and peaks.",
    ),
    postgresql_partition_by="LIST (recording)",
    comment="The active features of one block and their maximum activations: a sparse row. One "
    "partition per recording.",
)

# neither integers nor floats shrink under pglz, and trying costs more than writing them
ARRAYS_AS_THEY_ARE = (
    "alter table atlas.activation alter column features set storage external, "
    "alter column peaks set storage external"
)
sa.event.listen(activation, "after_create", sa.DDL(ARRAYS_AS_THEY_ARE))  # type: ignore[no-untyped-call]
