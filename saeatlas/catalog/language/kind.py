"""What a kind of rows and a field of it are; fields are taken from tables, with their comments."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB, REAL, TIMESTAMP

Type = Literal["integer", "number", "text", "boolean", "time", "json"]


@dataclass(frozen=True)
class Field:
    """A column of a view.

    Parameters
    ----------
    name : str
    type : {'integer', 'number', 'text', 'boolean', 'time', 'json'}
        json is shown, and cannot be compared.
    comment : str
        Its unit, its range, what NULL means.
    single : bool, default=False
        Whether a number is stored in single precision.
    """

    name: str
    type: Type
    comment: str
    single: bool = False


@dataclass(frozen=True)
class Kind:
    """A kind of rows.

    Parameters
    ----------
    name : str
        As a query begins.
    view : str
        The view in the schema atlas whose columns the rows have.
    fields : tuple of Field
        Those columns but vectors, in their order.
    order : tuple of str
        Columns that order the rows unless asked otherwise; a minus puts the largest first. Their
        end tells any two rows apart.
    more : tuple of Field
        What can be asked for beside them: it is looked up where it is named.
    vector : str or None
        The view's column of vectors, which is compared and not shown.
    """

    name: str
    view: str
    fields: tuple[Field, ...]
    order: tuple[str, ...]
    more: tuple[Field, ...] = ()
    vector: str | None = None


def _type(column: sa.Column[object]) -> Type:
    kind = column.type
    if isinstance(kind, sa.Integer):
        return "integer"
    if isinstance(kind, sa.Float):
        return "number"
    if isinstance(kind, sa.Boolean):
        return "boolean"
    if isinstance(kind, TIMESTAMP):
        return "time"
    if isinstance(kind, sa.Text):
        return "text"
    assert isinstance(kind, JSONB)
    return "json"


def of(table: sa.Table, *names: str) -> Iterator[Field]:
    """Take columns of a table over, with their comments.

    Parameters
    ----------
    table : sqlalchemy.Table
    *names : str
        ``id=run`` takes id as run.

    Yields
    ------
    Field
    """
    for each in names:
        name, _, called = each.partition("=")
        column = table.c[name]
        assert column.comment is not None
        single = isinstance(column.type, REAL)
        yield Field(called or name, _type(column), column.comment, single)
