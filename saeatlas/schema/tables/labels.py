"""The tables of labels: descriptions of features, and the words in them."""

from typing import Any

import sqlalchemy as sa
from sqlalchemy import CheckConstraint, Column
from sqlalchemy.dialects.postgresql import ARRAY, DOUBLE_PRECISION, TSVECTOR

from saeatlas.schema.tables.base import id_column, metadata, time_column
from saeatlas.schema.tables.models_and_saes import sae

# written rarely and in bulk, so there is no list of pending rows that each search would read
_GIN: Any = {"postgresql_using": "gin", "postgresql_with": {"fastupdate": "off"}}

label = sa.Table(
    "label",
    metadata,
    id_column(),
    Column("sae", sa.Integer, sa.ForeignKey(sae.c.id, ondelete="CASCADE"), nullable=False,
           comment="SAE the feature belongs to."),
    Column("feature", sa.Integer, nullable=False, comment="Feature of it."),
    Column("source", sa.Text, nullable=False, comment="Where the label comes from: neuronpedia, "
           "delphi, or the source column of a CSV file; without one, the file's name."),
    Column("method", sa.Text, comment="Kind of explanation and the explaining model. NULL if not "
           "known."),
    Column("place", sa.Integer, nullable=False, comment="Number among the labels of the same "
           "feature, source and method, from 0, in the order of their texts; mostly 0."),
    Column("text", sa.Text, nullable=False, comment="Description of what activates the feature."),
    Column("score", DOUBLE_PRECISION, comment="Score given by the label's source, on that "
           "source's own scale; Delphi's are in [0, 1]. NULL if not scored."),
    Column("url", sa.Text, comment="Page it was published on, if that is not the feature's own "
           "page on Neuronpedia. NULL if not known."),
    time_column("created_at", "When it was ingested, or last changed."),
    # the parser takes main.py for a host and 3-4 for a negative number: letters and digits only
    Column(
        "lexemes",
        TSVECTOR,
        sa.Computed(
            "to_tsvector('english'::regconfig, regexp_replace(text, '[^[:alnum:]]+', ' ', 'g'))",
            persisted=True,
        ),
        comment="Its words as full-text search takes them: English stems, no stop words.",
    ),
    # serves look-ups by feature too
    sa.UniqueConstraint(
        "sae", "feature", "source", "method", "place", postgresql_nulls_not_distinct=True
    ),
    sa.Index(None, "lexemes", **_GIN),  # serves about()
    CheckConstraint("feature >= 0 and place >= 0", name="numbers"),
    comment="Descriptions of a feature, mostly written by a model. A feature may have several.",
)  # fmt: skip

label_word = sa.Table(
    "label_word",
    metadata,
    Column("word", sa.Text, primary_key=True, comment="A word of some label, in lower case."),
    Column("lexeme", sa.Text, nullable=False, comment="Its stem, as in label.lexemes."),
    Column("pairs", ARRAY(sa.Text, dimensions=1), nullable=False, comment="Its pairs of letters "
           "that are adjacent or have one letter between them, as computed by letter_pairs: a "
           "mistyped word shares most of them."),
    sa.Index(None, "lexeme"),  # serves whether any label has a word
    sa.Index(None, "pairs", **_GIN),  # serves the words near a mistyped one
    comment="The words of all labels without stop words: the candidates for a mistyped word of a "
    "query.",
)  # fmt: skip
