"""The first catalog."""

import pgvector.sqlalchemy
import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None


def upgrade() -> None:
    """Change the tables."""
    op.create_table(
        "activation",
        sa.Column("recording", sa.Integer(), nullable=False, comment="Recording it belongs to."),
        sa.Column(
            "block", sa.Integer(), nullable=False, comment="Block of the recording's corpus."
        ),
        sa.Column(
            "features",
            postgresql.ARRAY(sa.Integer(), dimensions=1),
            nullable=False,
            comment="Features active at some token of the block, ascending; empty if none is.",
        ),
        sa.Column(
            "peaks",
            postgresql.ARRAY(sa.REAL(), dimensions=1),
            nullable=False,
            comment="Maximum activation of each of them in the block; as long as features.",
        ),
        sa.Column(
            "n_active",
            sa.Integer(),
            nullable=False,
            comment="Number of active features; the length of features and peaks.",
        ),
        sa.PrimaryKeyConstraint("recording", "block", name=op.f("pk_activation")),
        schema="atlas",
        comment="What one block activates: the sparse row. One partition a recording.",
        postgresql_partition_by="LIST (recording)",
    )
    op.create_table(
        "corpus",
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
            comment="Hub id or file name; several corpora may share it, cut differently.",
        ),
        sa.Column(
            "source",
            sa.Text(),
            nullable=False,
            comment="What was opened: path, or hub id and split.",
        ),
        sa.Column(
            "tokenizer",
            sa.Text(),
            nullable=True,
            comment="Hub id or folder of the tokenizer. NULL if not known.",
        ),
        sa.Column(
            "tokenizer_sha256",
            postgresql.BYTEA(),
            nullable=True,
            comment="Hash of the tokenizer. NULL if cut elsewhere. 32 bytes.",
        ),
        sa.Column(
            "context_length",
            sa.Integer(),
            nullable=True,
            comment="Tokens read of each document, BOS included. NULL if not known.",
        ),
        sa.Column(
            "block_length",
            sa.Integer(),
            nullable=True,
            comment="Tokens in a full block. NULL if not known.",
        ),
        sa.Column(
            "min_tokens",
            sa.Integer(),
            nullable=True,
            comment="Shortest last block kept, in tokens: block_length drops every partial one, 1 keeps all. NULL if cut elsewhere.",
        ),
        sa.Column(
            "prepend_bos",
            sa.Boolean(),
            nullable=True,
            comment="Whether BOS stands before each document; it is in no block. NULL if cut elsewhere.",
        ),
        sa.Column(
            "text_field",
            sa.Text(),
            nullable=True,
            comment="Field read as text. NULL if cut elsewhere.",
        ),
        sa.Column(
            "subset_field",
            sa.Text(),
            nullable=True,
            comment="Field read as subset. NULL if there is none.",
        ),
        sa.Column(
            "n_documents",
            sa.Integer(),
            server_default="0",
            nullable=False,
            comment="Documents read so far.",
        ),
        sa.Column(
            "n_blocks",
            sa.Integer(),
            server_default="0",
            nullable=False,
            comment="Blocks cut so far.",
        ),
        sa.Column(
            "created_at",
            postgresql.TIMESTAMP(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When the row was written.",
        ),
        sa.CheckConstraint(
            "0 < min_tokens and min_tokens <= block_length", name=op.f("ck_corpus_min_tokens")
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_corpus")),
        sa.UniqueConstraint(
            "source",
            "tokenizer_sha256",
            "context_length",
            "block_length",
            "min_tokens",
            "prepend_bos",
            "text_field",
            "subset_field",
            name="uq_corpus_cut",
            postgresql_nulls_not_distinct=True,
        ),
        schema="atlas",
        comment="Documents as tokenised and cut in blocks. All SAEs that listen share them.",
    )
    op.create_table(
        "feature",
        sa.Column("sae", sa.Integer(), nullable=False, comment="SAE the feature belongs to."),
        sa.Column("feature", sa.Integer(), nullable=False, comment="Row of W_dec, from 0."),
        sa.Column(
            "decoder",
            pgvector.sqlalchemy.vector.VECTOR(),
            nullable=False,
            comment="Decoder vector, row of W_dec as stored in the weights, not normalised; d_in long.",
        ),
        sa.Column(
            "decoder_norm", sa.REAL(), nullable=False, comment="Euclidean length of decoder."
        ),
        sa.Column(
            "threshold",
            sa.REAL(),
            nullable=True,
            comment="JumpReLU threshold, in units of activation. NULL for other architectures.",
        ),
        sa.CheckConstraint("decoder_norm >= 0", name=op.f("ck_feature_norm")),
        sa.PrimaryKeyConstraint("sae", "feature", name=op.f("pk_feature")),
        schema="atlas",
        comment="A feature of an SAE. One partition an SAE: its own width, index and lifetime.",
        postgresql_partition_by="LIST (sae)",
    )
    op.create_table(
        "model",
        sa.Column(
            "id",
            sa.Integer(),
            sa.Identity(always=True),
            nullable=False,
            comment="Number of the row.",
        ),
        sa.Column(
            "name", sa.Text(), nullable=False, comment="Hub id, or the folder it was read from."
        ),
        sa.Column(
            "architecture",
            sa.Text(),
            nullable=True,
            comment="transformers' model_type, as gemma2. NULL until the model was run here.",
        ),
        sa.Column(
            "n_layers",
            sa.Integer(),
            nullable=True,
            comment="Decoder layers of the whole model. NULL until the model was run here.",
        ),
        sa.Column(
            "d_model",
            sa.Integer(),
            nullable=True,
            comment="Width of the residual stream. NULL until the model was run here.",
        ),
        sa.Column(
            "created_at",
            postgresql.TIMESTAMP(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When the row was written.",
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_model")),
        sa.UniqueConstraint("name", name=op.f("uq_model_name")),
        schema="atlas",
        comment="A language model that SAEs were trained on or that was run here.",
    )
    op.create_table(
        "document",
        sa.Column("corpus", sa.Integer(), nullable=False, comment="Corpus it belongs to."),
        sa.Column(
            "document", sa.Integer(), nullable=False, comment="Place in the corpus as read, from 0."
        ),
        sa.Column(
            "subset",
            sa.Text(),
            nullable=True,
            comment="Document type (the Pile's pile_set_name). NULL if the corpus has none.",
        ),
        sa.Column(
            "metadata",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="All other fields of the document.",
        ),
        sa.Column(
            "n_tokens",
            sa.Integer(),
            nullable=True,
            comment="Tokens read, BOS not counted; at most the context. 0 if empty or unreadable. NULL if cut elsewhere and not known.",
        ),
        sa.Column(
            "n_blocks", sa.Integer(), nullable=False, comment="Blocks cut from it; may be 0."
        ),
        sa.Column(
            "problem",
            sa.Text(),
            nullable=True,
            comment="Why it was left out. NULL for a good document.",
        ),
        sa.Column(
            "text_sha256",
            postgresql.BYTEA(),
            nullable=True,
            comment="Hash of the text in UTF-8; of the tokens, as int64, if cut elsewhere. NULL if unreadable or not known. 32 bytes.",
        ),
        sa.ForeignKeyConstraint(
            ["corpus"],
            ["atlas.corpus.id"],
            name=op.f("fk_document_corpus_corpus"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("corpus", "document", name=op.f("pk_document")),
        schema="atlas",
        comment="A document of a corpus.",
    )
    op.create_index(
        op.f("ix_document_subset_corpus"),
        "document",
        ["subset", "corpus"],
        unique=False,
        schema="atlas",
    )
    op.create_table(
        "sae",
        sa.Column(
            "id",
            sa.Integer(),
            sa.Identity(always=True),
            nullable=False,
            comment="Number of the row.",
        ),
        sa.Column(
            "release",
            sa.Text(),
            nullable=False,
            comment="sae-lens release, hub repository, or the name given to a local SAE.",
        ),
        sa.Column(
            "sae_id", sa.Text(), nullable=False, comment="Name of the SAE within its release."
        ),
        sa.Column(
            "model",
            sa.Integer(),
            nullable=True,
            comment="Model that the SAE was trained on. NULL if its files do not say.",
        ),
        sa.Column(
            "hook_name",
            sa.Text(),
            nullable=True,
            comment="Where it listens, in TransformerLens' names. NULL for a bare decoder.",
        ),
        sa.Column(
            "layer",
            sa.Integer(),
            nullable=True,
            comment="Decoder layer it listens to, from 0. NULL if unknown.",
        ),
        sa.Column(
            "site",
            sa.Text(),
            nullable=True,
            comment="resid (residual stream), mlp or att (attention). NULL if unknown or another.",
        ),
        sa.Column(
            "d_in",
            sa.Integer(),
            nullable=False,
            comment="Width of a decoder vector; of what is listened to, transcoders apart.",
        ),
        sa.Column("d_sae", sa.Integer(), nullable=False, comment="Number of features."),
        sa.Column(
            "architecture",
            sa.Text(),
            nullable=True,
            comment="sae-lens' name, as jumprelu, topk. NULL for a bare decoder.",
        ),
        sa.Column(
            "l0",
            sa.REAL(),
            nullable=True,
            comment="Published mean number of active features a token. NULL if not published; measured values stand in recording.l0.",
        ),
        sa.Column(
            "explained_variance",
            sa.REAL(),
            nullable=True,
            comment="Published share of variance explained, at most 1. NULL if not published; measured values stand in recording.explained_variance.",
        ),
        sa.Column(
            "neuronpedia_id",
            sa.Text(),
            nullable=True,
            comment="model/source on Neuronpedia. NULL if it has none.",
        ),
        sa.Column(
            "prepend_bos",
            sa.Boolean(),
            nullable=True,
            comment="Whether it was trained on text that begins with BOS. NULL if unknown.",
        ),
        sa.Column(
            "config",
            postgresql.JSONB(astext_type=sa.Text()),
            nullable=False,
            comment="The whole configuration as sae-lens read it.",
        ),
        sa.Column(
            "source", sa.Text(), nullable=False, comment="Repository or folder it was read from."
        ),
        sa.Column(
            "weights_sha256",
            postgresql.BYTEA(),
            nullable=False,
            comment="Hash of all weights and of what changes their meaning. 32 bytes.",
        ),
        sa.Column(
            "created_at",
            postgresql.TIMESTAMP(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When the SAE was ingested.",
        ),
        sa.CheckConstraint("site in ('resid', 'mlp', 'att')", name=op.f("ck_sae_site")),
        sa.CheckConstraint("d_in > 0 and d_sae > 0", name=op.f("ck_sae_widths")),
        sa.CheckConstraint("length(weights_sha256) = 32", name=op.f("ck_sae_sha256")),
        sa.ForeignKeyConstraint(["model"], ["atlas.model.id"], name=op.f("fk_sae_model_model")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_sae")),
        sa.UniqueConstraint("release", "sae_id", name=op.f("uq_sae_release_sae_id")),
        schema="atlas",
        comment="A sparse autoencoder.",
    )
    op.create_table(
        "block",
        sa.Column("corpus", sa.Integer(), nullable=False, comment="Corpus it belongs to."),
        sa.Column(
            "block",
            sa.Integer(),
            nullable=False,
            comment="Number within the corpus, from 0, in document order without gaps.",
        ),
        sa.Column("document", sa.Integer(), nullable=False, comment="Document it was cut from."),
        sa.Column(
            "position", sa.Integer(), nullable=False, comment="Place in its document, from 0."
        ),
        sa.Column(
            "n_tokens",
            sa.Integer(),
            nullable=True,
            comment="Tokens in the block. NULL if cut elsewhere and not known.",
        ),
        sa.Column(
            "text",
            sa.Text(),
            nullable=True,
            comment="Decoded text, U+FFFD where PostgreSQL takes no NUL. NULL unless asked for.",
        ),
        sa.CheckConstraint("n_tokens > 0", name=op.f("ck_block_n_tokens")),
        sa.ForeignKeyConstraint(
            ["corpus", "document"],
            ["atlas.document.corpus", "atlas.document.document"],
            name=op.f("fk_block_corpus_document_document"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("corpus", "block", name=op.f("pk_block")),
        sa.UniqueConstraint(
            "corpus", "document", "position", name=op.f("uq_block_corpus_document_position")
        ),
        schema="atlas",
        comment="A run of consecutive tokens of one document; the unit of co-occurrence.",
    )
    op.create_table(
        "recording",
        sa.Column(
            "id",
            sa.Integer(),
            sa.Identity(always=True),
            nullable=False,
            comment="Number of the row.",
        ),
        sa.Column("sae", sa.Integer(), nullable=False, comment="SAE that listened."),
        sa.Column("corpus", sa.Integer(), nullable=False, comment="Corpus that was read."),
        sa.Column(
            "model",
            sa.Integer(),
            nullable=True,
            comment="Model that was run. NULL if recorded elsewhere and not known.",
        ),
        sa.Column(
            "model_sha256",
            postgresql.BYTEA(),
            nullable=True,
            comment="Fingerprint of the model's files. NULL if recorded elsewhere. 32 bytes.",
        ),
        sa.Column(
            "source",
            sa.Text(),
            nullable=True,
            comment="File that the activations came from. NULL if recorded by SAE Atlas.",
        ),
        sa.Column(
            "source_sha256",
            postgresql.BYTEA(),
            nullable=True,
            comment="Hash of that file, or of the files in that folder. NULL if recorded by SAE Atlas. 32 bytes.",
        ),
        sa.Column(
            "preset",
            sa.Text(),
            nullable=True,
            comment="paper or default. NULL if recorded elsewhere.",
        ),
        sa.Column(
            "keep_above",
            sa.REAL(),
            nullable=False,
            comment="Only maxima above this were stored, in units of activation.",
        ),
        sa.Column(
            "special_tokens",
            sa.Boolean(),
            nullable=True,
            comment="Whether special tokens other than BOS count. NULL if recorded elsewhere.",
        ),
        sa.Column(
            "dtype",
            sa.Text(),
            nullable=True,
            comment="Precision of model and SAE, as float32. NULL if unknown.",
        ),
        sa.Column(
            "device",
            sa.Text(),
            nullable=True,
            comment="Where it last ran, as cpu. NULL if unknown.",
        ),
        sa.Column(
            "forced",
            sa.Boolean(),
            server_default=sa.text("false"),
            nullable=False,
            comment="Whether a poor fit was overruled.",
        ),
        sa.Column(
            "explained_variance",
            sa.REAL(),
            nullable=True,
            comment="Share of the model's variance that the SAE explains, first documents, at most 1. NULL if not measured.",
        ),
        sa.Column(
            "l0",
            sa.REAL(),
            nullable=True,
            comment="Mean number of active features a token, first documents. NULL if not measured.",
        ),
        sa.Column(
            "n_documents",
            sa.Integer(),
            server_default="0",
            nullable=False,
            comment="Documents listened to; where an interrupted recording goes on.",
        ),
        sa.Column(
            "n_blocks",
            sa.Integer(),
            server_default="0",
            nullable=False,
            comment="Blocks listened to: 0 to n_blocks - 1 of the corpus.",
        ),
        sa.Column(
            "n_activations",
            sa.BigInteger(),
            server_default="0",
            nullable=False,
            comment="Pairs of block and feature stored.",
        ),
        sa.Column(
            "documents_wanted",
            sa.Integer(),
            nullable=True,
            comment="Documents asked for. NULL for the whole corpus.",
        ),
        sa.Column(
            "state",
            sa.Text(),
            server_default="running",
            nullable=False,
            comment="running, or complete. An interrupted recording stays running; the same command continues it.",
        ),
        sa.Column("code_version", sa.Text(), nullable=False, comment="Version of SAE Atlas."),
        sa.Column(
            "started_at",
            postgresql.TIMESTAMP(timezone=True),
            server_default=sa.text("now()"),
            nullable=False,
            comment="When the recording began.",
        ),
        sa.Column(
            "finished_at",
            postgresql.TIMESTAMP(timezone=True),
            nullable=True,
            comment="When it was last completed. NULL while it runs.",
        ),
        sa.CheckConstraint("preset in ('paper', 'default')", name=op.f("ck_recording_preset")),
        sa.CheckConstraint("state in ('running', 'complete')", name=op.f("ck_recording_state")),
        sa.ForeignKeyConstraint(
            ["corpus"], ["atlas.corpus.id"], name=op.f("fk_recording_corpus_corpus")
        ),
        sa.ForeignKeyConstraint(
            ["model"], ["atlas.model.id"], name=op.f("fk_recording_model_model")
        ),
        sa.ForeignKeyConstraint(["sae"], ["atlas.sae.id"], name=op.f("fk_recording_sae_sae")),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_recording")),
        sa.UniqueConstraint(
            "sae",
            "corpus",
            "model_sha256",
            "source",
            "keep_above",
            "special_tokens",
            "dtype",
            name="uq_recording_terms",
            postgresql_nulls_not_distinct=True,
        ),
        schema="atlas",
        comment="One SAE listening to one corpus; what a resumable ingest works on.",
    )
    op.execute(
        "alter table atlas.activation alter column features set storage external, "
        "alter column peaks set storage external"
    )
