"""Attributes of features: written to their tables, and read as columns."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import sqlalchemy as sa

from saeatlas.schema import tables
from saeatlas.schema.database import statistics


@dataclass(frozen=True)
class Attribute:
    """An attribute with its values.

    Parameters
    ----------
    name : str
    type : {'number', 'text'}
    values : mapping of int to float or str
        By feature.
    """

    name: str
    type: Literal["number", "text"]
    values: Mapping[int, Any]


class Known(NamedTuple):
    """An attribute in the catalog."""

    id: int
    run: int
    sae: int
    name: str
    type: str


def write(connection: sa.Connection, run: int, attributes: Sequence[Attribute]) -> None:
    """Write ``attribute`` and ``attribute_value``, in the transaction that writes the run.

    Parameters
    ----------
    connection : sqlalchemy.Connection
    run : int
        ``run.id``.
    attributes : sequence of Attribute
    """
    from saeatlas.schema.database.copy import copy_rows  # with numpy, which queries do without

    table = tables.attribute
    for one in attributes:
        row = {"run": run, "name": one.name, "type": one.type, "n_features": len(one.values)}
        new = sa.insert(table).values(row).returning(table.c.id)
        number = connection.execute(new).scalar_one()
        rows = ((number, feature, value) for feature, value in sorted(one.values.items()))
        copy_rows(connection, tables.attribute_value, ["attribute", "feature", one.type], rows)
    statistics.refresh(connection, tables.attribute_value)


def known(connection: sa.Connection) -> list[Known]:
    """List all attributes, the newest last.

    Parameters
    ----------
    connection : sqlalchemy.Connection

    Returns
    -------
    list of Known
    """
    c, run = tables.attribute.c, tables.run.c
    query = (
        sa.select(c.id, c.run, run.sae, c.name, c.type)
        .join(tables.run, run.id == c.run)
        .order_by(c.run, c.id)
    )
    return [Known._make(row) for row in connection.execute(query)]


def read(connection: sa.Connection, attribute: int) -> dict[int, Any]:
    """Read the values of an attribute.

    Parameters
    ----------
    connection : sqlalchemy.Connection
    attribute : int
        ``attribute.id``.

    Returns
    -------
    dict of int to float or str
        By feature.
    """
    c = tables.attribute_value.c
    query = sa.select(c.feature, c.number, c.text)
    rows = connection.execute(query.where(c.attribute == attribute).order_by(c.feature))
    return {feature: text if number is None else number for feature, number, text in rows}
