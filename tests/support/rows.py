"""Rows of tables as they are stored."""

from typing import Any

import sqlalchemy as sa

from saeatlas.schema import tables


def rows_of(engine: sa.Engine, table: sa.Table) -> list[Any]:
    """All rows of a table, in the order of its primary key."""
    with engine.connect() as connection:
        query = sa.select(table).order_by(*table.primary_key.columns)
        return list(connection.execute(query).all())


def versions(engine: sa.Engine, *more: sa.Table) -> list[Any]:
    """Every row's version in the tables of SAEs: an update shows, even one that changes nothing."""
    with engine.connect() as connection:
        return [
            connection.execute(
                sa.select(sa.func.array_agg(sa.text("xmin::text"))).select_from(table)
            ).scalar_one()
            for table in (tables.sae, tables.feature, tables.model, *more)
        ]
