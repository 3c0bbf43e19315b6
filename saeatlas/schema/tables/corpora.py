"""The tables of texts: corpora, their documents, and the blocks that documents are split into."""

import sqlalchemy as sa
from sqlalchemy import CheckConstraint, Column, ForeignKeyConstraint, Index
from sqlalchemy.dialects.postgresql import JSONB

from saeatlas.schema.tables.base import id_column, metadata, sha256_column, time_column

corpus = sa.Table(
    "corpus",
    metadata,
    id_column(),
    Column(
        "name",
        sa.Text,
        nullable=False,
        comment="Hub id or file name. Several corpora may share it: the same documents, split "
        "differently.",
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
        "tokenizer_sha256", "Hash of the tokenizer. NULL if tokenised elsewhere.", nullable=True
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
        comment="Length in tokens of the shortest last block that is stored: block_length drops "
        "every partial one, 1 drops none. NULL if tokenised elsewhere.",
    ),
    Column(
        "prepend_bos",
        sa.Boolean,
        comment="Whether BOS is put before each document; it is in no block. NULL if tokenised "
        "elsewhere.",
    ),
    Column("text_field", sa.Text, comment="Field read as text. NULL if tokenised elsewhere."),
    Column("subset_field", sa.Text, comment="Field read as subset. NULL if there is none."),
    Column(
        "n_documents",
        sa.Integer,
        nullable=False,
        server_default="0",
        comment="Documents read so far.",
    ),
    Column(
        "n_blocks", sa.Integer, nullable=False, server_default="0", comment="Blocks made so far."
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
    comment="Documents, tokenised and split into blocks. All SAEs recorded on a corpus share its "
    "blocks.",
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
        "NULL if tokenised elsewhere and not known.",
    ),
    Column(
        "n_blocks", sa.Integer, nullable=False, comment="Blocks that it was split into; may be 0."
    ),
    Column("problem", sa.Text, comment="Why it was left out. NULL for a good document."),
    sha256_column(
        "text_sha256",
        "Hash of the text in UTF-8; of the tokens, as int64, if tokenised elsewhere. NULL if "
        "unreadable or not known.",
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
    Column("document", sa.Integer, nullable=False, comment="Document that it is a part of."),
    Column("position", sa.Integer, nullable=False, comment="Place in its document, from 0."),
    Column(
        "n_tokens",
        sa.Integer,
        comment="Tokens in the block. NULL if tokenised elsewhere and not known.",
    ),
    Column(
        "text",
        sa.Text,
        comment="Decoded text; U+FFFD stands for NUL, which PostgreSQL cannot store. NULL if "
        "ingested without --text.",
    ),
    ForeignKeyConstraint(
        ["corpus", "document"], ["document.corpus", "document.document"], ondelete="CASCADE"
    ),
    sa.UniqueConstraint("corpus", "document", "position"),
    CheckConstraint("n_tokens > 0", name="n_tokens"),
    comment="A run of consecutive tokens of one document; the unit of co-occurrence.",
)
