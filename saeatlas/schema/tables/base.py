"""What all tables share: the schema's metadata and the columns that many of them have.

Tables are singular nouns in the schema ``atlas``. The comments feed the schema page.
"""

from datetime import datetime
from typing import Any

import sqlalchemy as sa
from sqlalchemy import Column, text
from sqlalchemy.dialects.postgresql import BYTEA, DOUBLE_PRECISION, TIMESTAMP

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


def key(table: sa.Table, comment: str) -> Column[int]:
    """Make a column of the primary key that refers to another table's row."""
    target = sa.ForeignKey(table.c.id, ondelete="CASCADE")
    return Column(table.name, sa.Integer, target, primary_key=True, comment=comment)


def measure(name: str, comment: str) -> Column[float]:
    """Make a column of a measured number, NULL where it is undefined."""
    return Column(name, DOUBLE_PRECISION, comment=comment)


def scores() -> list[Column[Any]]:
    """Make the columns of a statistic against draws from a null."""
    return [
        Column("n_trials", sa.Integer, nullable=False, comment="Draws from the null."),
        Column("value", DOUBLE_PRECISION, nullable=False, comment="The statistic itself."),
        Column("mean", DOUBLE_PRECISION, nullable=False, comment="Its mean under the null."),
        Column("sd", DOUBLE_PRECISION, nullable=False, comment="Its standard deviation there."),
        measure("z", "(value - mean) / sd. NULL where sd is 0."),
        Column(
            "p",
            DOUBLE_PRECISION,
            nullable=False,
            comment="(r + 1) / (n_trials + 1), r draws being at least as large as the value; in "
            "(0, 1].",
        ),
    ]
