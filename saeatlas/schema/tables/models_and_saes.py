"""The tables of language models, sparse autoencoders and their features."""

import sqlalchemy as sa
from pgvector.sqlalchemy import VECTOR
from sqlalchemy import CheckConstraint, Column
from sqlalchemy.dialects.postgresql import JSONB, REAL

from saeatlas.schema.tables.base import id_column, metadata, sha256_column, time_column

model = sa.Table(
    "model",
    metadata,
    id_column(),
    Column(
        "name",
        sa.Text,
        nullable=False,
        unique=True,
        comment="Hub id, or the folder it was read from.",
    ),
    Column(
        "architecture",
        sa.Text,
        comment="transformers' model_type, such as gemma2. NULL until the model was run here.",
    ),
    Column(
        "n_layers",
        sa.Integer,
        comment="Decoder layers of the whole model. NULL until the model was run here.",
    ),
    Column(
        "d_model",
        sa.Integer,
        comment="Width of the residual stream. NULL until the model was run here.",
    ),
    time_column("created_at", "When the row was written."),
    comment="A language model that SAEs were trained on or that was run here.",
)

sae = sa.Table(
    "sae",
    metadata,
    id_column(),
    Column(
        "release",
        sa.Text,
        nullable=False,
        comment="sae-lens release, hub repository, or the name given to a local SAE.",
    ),
    Column("sae_id", sa.Text, nullable=False, comment="Name of the SAE within its release."),
    Column(
        "model",
        sa.Integer,
        sa.ForeignKey("model.id"),
        comment="Model that the SAE was trained on. NULL if its files do not name it.",
    ),
    Column(
        "hook_name",
        sa.Text,
        comment="Input site in the model, by its TransformerLens name. NULL for a bare decoder.",
    ),
    Column(
        "layer", sa.Integer, comment="Decoder layer of its input site, from 0. NULL if unknown."
    ),
    Column(
        "site",
        sa.Text,
        comment="resid (residual stream), mlp or att (attention). NULL if unknown or another.",
    ),
    Column(
        "d_in",
        sa.Integer,
        comment="Width of a decoder vector; also of the SAE's input, except for transcoders. NULL "
        "if it was ingested without weights.",
    ),
    Column("d_sae", sa.Integer, nullable=False, comment="Number of features."),
    Column(
        "architecture",
        sa.Text,
        comment="sae-lens' name, such as jumprelu or topk, or its trainer's, such as groupmax. "
        "NULL for a bare decoder and without weights.",
    ),
    Column(
        "l0",
        REAL,
        comment="Published mean number of active features per token. NULL if not published; "
        "measured values are in recording.l0.",
    ),
    Column(
        "explained_variance",
        REAL,
        comment="Published share of variance explained, at most 1. NULL if not published; "
        "measured values are in recording.explained_variance.",
    ),
    Column("neuronpedia_id", sa.Text, comment="model/source on Neuronpedia. NULL if it has none."),
    Column(
        "prepend_bos",
        sa.Boolean,
        comment="Whether it was trained on text that begins with BOS. NULL if unknown.",
    ),
    Column("config", JSONB, nullable=False, comment="The whole configuration as sae-lens read it."),
    Column(
        "source",
        sa.Text,
        nullable=False,
        comment="Repository or folder it was read from; `without weights` if it was not.",
    ),
    sha256_column(
        "weights_sha256",
        "Hash of all weights and of what changes their meaning. NULL if it was ingested without "
        "weights.",
        nullable=True,
    ),
    time_column("created_at", "When the SAE was ingested."),
    sa.UniqueConstraint("release", "sae_id"),
    CheckConstraint("d_in > 0 and d_sae > 0", name="widths"),
    CheckConstraint("site in ('resid', 'mlp', 'att')", name="site"),
    CheckConstraint("length(weights_sha256) = 32", name="sha256"),
    CheckConstraint("(d_in is null) = (weights_sha256 is null)", name="weights"),
    comment="A sparse autoencoder.",
)

feature = sa.Table(
    "feature",
    metadata,
    Column("sae", sa.Integer, primary_key=True, comment="SAE the feature belongs to."),
    Column("feature", sa.Integer, primary_key=True, comment="Row of W_dec, from 0."),
    Column(
        "decoder",
        VECTOR(),
        comment="Decoder vector, row of W_dec as stored in the weights, not normalised; d_in long. "
        "NULL if the SAE was ingested without weights.",
    ),
    Column("decoder_norm", REAL, comment="Euclidean length of decoder. NULL where that is."),
    Column(
        "threshold",
        REAL,
        comment="JumpReLU threshold, in units of activation. NULL for other architectures.",
    ),
    CheckConstraint("decoder_norm >= 0", name="norm"),
    postgresql_partition_by="LIST (sae)",
    comment="A feature of an SAE. One partition per SAE: its own width, index and lifetime.",
)
