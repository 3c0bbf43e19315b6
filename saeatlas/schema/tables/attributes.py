"""The tables of attributes: numbers and texts a feature that were computed elsewhere."""

import sqlalchemy as sa
from sqlalchemy import CheckConstraint, Column
from sqlalchemy.dialects.postgresql import DOUBLE_PRECISION

from saeatlas.schema.tables.base import id_column, key, metadata
from saeatlas.schema.tables.runs import run

attribute = sa.Table(
    "attribute",
    metadata,
    id_column(),
    Column("run", sa.Integer, sa.ForeignKey(run.c.id, ondelete="CASCADE"), nullable=False,
           comment="Run that it came with: attributes."),
    Column("name", sa.Text, nullable=False, comment="Its name in the file."),
    Column("type", sa.Text, nullable=False, comment="number or text."),
    Column("n_features", sa.Integer, nullable=False, comment="Features that have a value."),
    sa.UniqueConstraint("run", "name"),
    CheckConstraint("type in ('number', 'text')", name="type"),
    comment="What is known of each feature from elsewhere, such as a score: one column of a file.",
)  # fmt: skip

attribute_value = sa.Table(
    "attribute_value",
    metadata,
    key(attribute, "Attribute."),
    Column("feature", sa.Integer, primary_key=True, comment="Feature of the run's SAE. One without "
           "a value has no row."),
    Column("number", DOUBLE_PRECISION, comment="The value, in the unit of the file. NULL for "
           "texts."),
    Column("text", sa.Text, comment="The value. NULL for numbers."),
    CheckConstraint("num_nonnulls(number, text) = 1", name="value"),
    comment="The value of an attribute for each feature.",
)  # fmt: skip
