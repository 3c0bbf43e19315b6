"""The tables of the catalog, and the one place where their columns are explained.

Tables are singular nouns in the schema ``atlas``. The comments feed the schema page.
"""

from datetime import datetime

import sqlalchemy as sa
from pgvector.sqlalchemy import VECTOR
from sqlalchemy import CheckConstraint, Column, ForeignKeyConstraint, Index, text
from sqlalchemy.dialects.postgresql import ARRAY, BYTEA, JSONB, REAL, TIMESTAMP

SCHEMA = "atlas"

metadata = sa.MetaData(
    schema=SCHEMA,
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "ck": "ck_%(table_name)s_%(constraint_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s_%(referred_table_name)s",
        "pk": "pk_%(table_name)s",
    },
)


def id_column() -> Column[int]:
    """Make the column of a row's number."""
    return Column(
        "id", sa.Integer, sa.Identity(always=True), primary_key=True, comment="Number of the row."
    )


def time_column(name: str, comment: str) -> Column[datetime]:
    """Make a column of a time, by default that of the transaction."""
    return Column(
        name,
        TIMESTAMP(timezone=True),
        server_default=text("now()"),
        nullable=False,
        comment=comment,
    )


def sha256_column(name: str, comment: str, *, nullable: bool = False) -> Column[bytes]:
    """Make a column of a hash."""
    return Column(name, BYTEA, nullable=nullable, comment=f"{comment} 32 bytes.")


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
        comment="transformers' model_type, as gemma2. NULL until the model was run here.",
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
        comment="Model that the SAE was trained on. NULL if its files do not say.",
    ),
    Column(
        "hook_name",
        sa.Text,
        comment="Where it listens, in TransformerLens' names. NULL for a bare decoder.",
    ),
    Column("layer", sa.Integer, comment="Decoder layer it listens to, from 0. NULL if unknown."),
    Column(
        "site",
        sa.Text,
        comment="resid (residual stream), mlp or att (attention). NULL if unknown or another.",
    ),
    Column(
        "d_in",
        sa.Integer,
        nullable=False,
        comment="Width of a decoder vector; of what is listened to, transcoders apart.",
    ),
    Column("d_sae", sa.Integer, nullable=False, comment="Number of features."),
    Column(
        "architecture",
        sa.Text,
        comment="sae-lens' name, as jumprelu, topk. NULL for a bare decoder.",
    ),
    Column(
        "l0",
        REAL,
        comment="Published mean number of active features a token. NULL if not published; "
        "measured values stand in recording.l0.",
    ),
    Column(
        "explained_variance",
        REAL,
        comment="Published share of variance explained, at most 1. NULL if not published; "
        "measured values stand in recording.explained_variance.",
    ),
    Column("neuronpedia_id", sa.Text, comment="model/source on Neuronpedia. NULL if it has none."),
    Column(
        "prepend_bos",
        sa.Boolean,
        comment="Whether it was trained on text that begins with BOS. NULL if unknown.",
    ),
    Column("config", JSONB, nullable=False, comment="The whole configuration as sae-lens read it."),
    Column("source", sa.Text, nullable=False, comment="Repository or folder it was read from."),
    sha256_column("weights_sha256", "Hash of all weights and of what changes their meaning."),
    time_column("created_at", "When the SAE was ingested."),
    sa.UniqueConstraint("release", "sae_id"),
    CheckConstraint("d_in > 0 and d_sae > 0", name="widths"),
    CheckConstraint("site in ('resid', 'mlp', 'att')", name="site"),
    CheckConstraint("length(weights_sha256) = 32", name="sha256"),
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
        nullable=False,
        comment="Decoder vector, row of W_dec as stored in the weights, not normalised; d_in long.",
    ),
    Column("decoder_norm", REAL, nullable=False, comment="Euclidean length of decoder."),
    Column(
        "threshold",
        REAL,
        comment="JumpReLU threshold, in units of activation. NULL for other architectures.",
    ),
    CheckConstraint("decoder_norm >= 0", name="norm"),
    postgresql_partition_by="LIST (sae)",
    comment="A feature of an SAE. One partition an SAE: its own width, index and lifetime.",
)

corpus = sa.Table(
    "corpus",
    metadata,
    id_column(),
    Column(
        "name",
        sa.Text,
        nullable=False,
        comment="Hub id or file name; several corpora may share it, cut differently.",
    ),
    Column(
        "source", sa.Text, nullable=False, comment="What was opened: path, or hub id and split."
    ),
    Column(
        "tokenizer",
        sa.Text,
        comment="Hub id or folder of the tokenizer. NULL if not known.",
    ),
    sha256_column(
        "tokenizer_sha256", "Hash of the tokenizer. NULL if cut elsewhere.", nullable=True
    ),
    Column(
        "context_length",
        sa.Integer,
        comment="Tokens read of each document, BOS included. NULL if not known.",
    ),
    Column("block_length", sa.Integer, comment="Tokens in a full block. NULL if not known."),
    Column(
        "min_tokens",
        sa.Integer,
        comment="Shortest last block kept, in tokens: block_length drops every partial one, "
        "1 keeps all. NULL if cut elsewhere.",
    ),
    Column(
        "prepend_bos",
        sa.Boolean,
        comment="Whether BOS stands before each document; it is in no block. "
        "NULL if cut elsewhere.",
    ),
    Column("text_field", sa.Text, comment="Field read as text. NULL if cut elsewhere."),
    Column("subset_field", sa.Text, comment="Field read as subset. NULL if there is none."),
    Column(
        "n_documents",
        sa.Integer,
        nullable=False,
        server_default="0",
        comment="Documents read so far.",
    ),
    Column(
        "n_blocks", sa.Integer, nullable=False, server_default="0", comment="Blocks cut so far."
    ),
    time_column("created_at", "When the row was written."),
    sa.UniqueConstraint(
        "source",
        "tokenizer_sha256",
        "context_length",
        "block_length",
        "min_tokens",
        "prepend_bos",
        "text_field",
        "subset_field",
        name="uq_corpus_source",
        postgresql_nulls_not_distinct=True,
    ),
    CheckConstraint("0 < min_tokens and min_tokens <= block_length", name="min_tokens"),
    comment="Documents as tokenised and cut in blocks. All SAEs that listen share them.",
)

document = sa.Table(
    "document",
    metadata,
    Column(
        "corpus",
        sa.Integer,
        sa.ForeignKey("corpus.id", ondelete="CASCADE"),
        primary_key=True,
        comment="Corpus it belongs to.",
    ),
    Column(
        "document", sa.Integer, primary_key=True, comment="Place in the corpus as read, from 0."
    ),
    Column(
        "subset",
        sa.Text,
        comment="Document type (the Pile's pile_set_name). NULL if the corpus has none.",
    ),
    Column("metadata", JSONB, nullable=False, comment="All other fields of the document."),
    Column(
        "n_tokens",
        sa.Integer,
        comment="Tokens read, BOS not counted; at most the context. 0 if empty or unreadable. "
        "NULL if cut elsewhere and not known.",
    ),
    Column("n_blocks", sa.Integer, nullable=False, comment="Blocks cut from it; may be 0."),
    Column("problem", sa.Text, comment="Why it was left out. NULL for a good document."),
    sha256_column(
        "text_sha256",
        "Hash of the text in UTF-8; of the tokens, as int64, if cut elsewhere. "
        "NULL if unreadable or not known.",
        nullable=True,
    ),
    # serves selection by document type; corpus first, foreign keys' checks might take it for theirs
    Index(None, "subset", "corpus"),
    comment="A document of a corpus.",
)

block = sa.Table(
    "block",
    metadata,
    Column("corpus", sa.Integer, primary_key=True, comment="Corpus it belongs to."),
    Column(
        "block",
        sa.Integer,
        primary_key=True,
        comment="Number within the corpus, from 0, in document order without gaps.",
    ),
    Column("document", sa.Integer, nullable=False, comment="Document it was cut from."),
    Column("position", sa.Integer, nullable=False, comment="Place in its document, from 0."),
    Column(
        "n_tokens",
        sa.Integer,
        comment="Tokens in the block. NULL if cut elsewhere and not known.",
    ),
    Column(
        "text",
        sa.Text,
        comment="Decoded text, U+FFFD where PostgreSQL takes no NUL. NULL unless asked for.",
    ),
    ForeignKeyConstraint(
        ["corpus", "document"], ["document.corpus", "document.document"], ondelete="CASCADE"
    ),
    sa.UniqueConstraint("corpus", "document", "position"),
    CheckConstraint("n_tokens > 0", name="n_tokens"),
    comment="A run of consecutive tokens of one document; the unit of co-occurrence.",
)

recording = sa.Table(
    "recording",
    metadata,
    id_column(),
    Column(
        "sae", sa.Integer, sa.ForeignKey("sae.id"), nullable=False, comment="SAE that listened."
    ),
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
        comment="Only maxima above this were stored, in units of activation.",
    ),
    Column(
        "special_tokens",
        sa.Boolean,
        comment="Whether special tokens other than BOS count. NULL if recorded elsewhere.",
    ),
    Column("dtype", sa.Text, comment="Precision of model and SAE, as float32. NULL if unknown."),
    Column("device", sa.Text, comment="Where it last ran, as cpu. NULL if unknown."),
    Column(
        "forced",
        sa.Boolean,
        nullable=False,
        server_default=text("false"),
        comment="Whether a poor fit was overruled.",
    ),
    Column(
        "explained_variance",
        REAL,
        comment="Share of the model's variance that the SAE explains, first documents, at most 1. "
        "NULL if not measured.",
    ),
    Column(
        "l0",
        REAL,
        comment="Mean number of active features a token, first documents. NULL if not measured.",
    ),
    Column(
        "n_documents",
        sa.Integer,
        nullable=False,
        server_default="0",
        comment="Documents listened to; where an interrupted recording goes on.",
    ),
    Column(
        "n_blocks",
        sa.Integer,
        nullable=False,
        server_default="0",
        comment="Blocks listened to: 0 to n_blocks - 1 of the corpus.",
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
        comment="Documents asked for. NULL for the whole corpus.",
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
    comment="One SAE listening to one corpus; what a resumable ingest works on.",
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
    comment="What one block activates: the sparse row. One partition a recording.",
)

# neither integers nor floats shrink under pglz, and trying costs more than writing them
ARRAYS_AS_THEY_ARE = (
    "alter table atlas.activation alter column features set storage external, "
    "alter column peaks set storage external"
)
sa.event.listen(activation, "after_create", sa.DDL(ARRAYS_AS_THEY_ARE))  # type: ignore[no-untyped-call]
