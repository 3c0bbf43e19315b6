"""The tables of words: pairs with a known relation, their vectors; and the tokens of features."""

import sqlalchemy as sa
from pgvector.sqlalchemy import VECTOR
from sqlalchemy import CheckConstraint, Column
from sqlalchemy.dialects.postgresql import DOUBLE_PRECISION, JSONB, REAL

from saeatlas.schema.tables.base import id_column, metadata, sha256_column, time_column
from saeatlas.schema.tables.models_and_saes import model, sae
from saeatlas.schema.tables.runs import run

relation = sa.Table(
    "relation",
    metadata,
    id_column(),
    Column("name", sa.Text, nullable=False, unique=True, comment="Stem of the file it came from."),
    Column("n_pairs", sa.Integer, nullable=False, comment="Pairs, each once."),
    Column("n_same", sa.Integer, nullable=False, comment="Pairs whose output is their input: they "
           "have no difference."),
    Column("n_repeated", sa.Integer, nullable=False, comment="Pairs whose input an earlier pair "
           "has with another output."),
    Column("n_duplicates", sa.Integer, nullable=False, comment="Pairs of the file left out, each "
           "being equal to an earlier one."),
    sha256_column("sha256", "Hash of the pairs in their order."),
    time_column("created_at", "When the relation was ingested."),
    CheckConstraint("n_pairs > 0", name="n_pairs"),
    CheckConstraint("length(sha256) = 32", name="sha256"),
    comment="A relation between words, such as that of a country and its capital.",
)  # fmt: skip

word_pair = sa.Table(
    "word_pair",
    metadata,
    Column("relation", sa.Integer, sa.ForeignKey(relation.c.id, ondelete="CASCADE"),
           primary_key=True, comment="Relation."),
    Column("rank", sa.Integer, primary_key=True, comment="Place in the relation, from 1."),
    Column("input", sa.Text, nullable=False, comment="Word, or words, such as Austria."),
    Column("output", sa.Text, nullable=False, comment="The related word or words, such as "
           "Vienna; may be equal to input."),
    comment="Two words with a known relation.",
)  # fmt: skip

word_space = sa.Table(
    "word_space",
    metadata,
    id_column(),
    Column("name", sa.Text, nullable=False, unique=True, comment="As gemma-2-2b/12/resid_post; of "
           "ready vectors the name of their file, if no other was given."),
    Column("model", sa.Integer, sa.ForeignKey(model.c.id), comment="Model that was run on the "
           "words. NULL for ready vectors."),
    Column("layer", sa.Integer, comment="Its decoder layer, from 0. NULL for ready vectors."),
    Column("site", sa.Text, comment="resid_post: the residual stream after that layer; resid_pre: "
           "before it. NULL for ready vectors."),
    Column("d", sa.Integer, nullable=False, comment="Width of a vector."),
    Column("source", sa.Text, nullable=False, comment="Hub id or folder of the model, or the file "
           "of vectors."),
    Column("facts", JSONB, nullable=False, comment="All parameters that decide a word's vector "
           "and attributes, hashes as hexadecimal: only words read with the same ones are added."),
    Column("n_words", sa.Integer, nullable=False, server_default="0", comment="Words in it."),
    time_column("created_at", "When the row was written."),
    CheckConstraint("site in ('resid_pre', 'resid_post')", name="site"),
    CheckConstraint("d > 0", name="d"),
    comment="Vectors of words that can be compared: one model and layer, or one file.",
)  # fmt: skip

word_vector = sa.Table(
    "word_vector",
    metadata,
    Column("space", sa.Integer, sa.ForeignKey(word_space.c.id, ondelete="CASCADE"),
           primary_key=True, comment="Space it belongs to."),
    Column("word", sa.Text, primary_key=True, comment="The word, or words, as written in its "
           "pairs."),
    Column("vector", VECTOR(), nullable=False, comment="Residual stream at its last token, or "
           "the ready vector; as long as d of its space, not normalised."),
    Column("n_characters", sa.Integer, nullable=False, comment="Length in characters (code "
           "points), spaces within it counted."),
    Column("n_tokens", sa.Integer, comment="Tokens of the word, BOS not counted. NULL for ready "
           "vectors."),
    Column("last_token", sa.Text, comment="Text of its last token, a leading space included. NULL "
           "for ready vectors."),
    Column("last_token_length", sa.Integer, comment="Its length in characters without a leading "
           "space. NULL for ready vectors."),
    Column("log_frequency", DOUBLE_PRECISION, comment="Natural logarithm of its count in the file "
           "of frequencies; without one, of a file of vectors whose words stand in order of "
           "frequency, minus that of its rank. NULL if unknown."),
    CheckConstraint("n_characters > 0", name="n_characters"),
    comment="A word in a space, with what may decide its vector besides its meaning.",
)  # fmt: skip

feature_token = sa.Table(
    "feature_token",
    metadata,
    Column("sae", sa.Integer, sa.ForeignKey(sae.c.id, ondelete="CASCADE"), primary_key=True,
           comment="SAE; it has the tokens of one run."),
    Column("feature", sa.Integer, primary_key=True, comment="Feature of it. One whose decoder "
           "vector is all zero has no rows."),
    Column("rank", sa.Integer, primary_key=True, comment="From 1, the most promoted first; ties by "
           "token_id."),
    Column("run", sa.Integer, sa.ForeignKey(run.c.id, ondelete="CASCADE"), nullable=False,
           index=True, comment="Run that made it: tokens. It names the model."),
    Column("token_id", sa.Integer, nullable=False, comment="Token of the model's vocabulary."),
    Column("token", sa.Text, nullable=False, comment="Its text, a leading space included; U+FFFD "
           "where it is no whole character or PostgreSQL takes no NUL."),
    Column("logit", REAL, nullable=False, comment="Direct effect on the token's logit: "
           "unembedding times decoder vector, with the final norm's scale and without its "
           "division."),
    Column("n_characters", sa.Integer, nullable=False, comment="Length of the token in characters "
           "without a leading space."),
    comment="The tokens that a feature promotes most, computed from its decoder vector alone.",
)  # fmt: skip
