"""Conditions of a query as expressions of SQL: a function a node."""

import operator
import struct
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any

import sqlalchemy as sa

from saeatlas.catalog.language import nodes, operands
from saeatlas.catalog.language.field_types import Field
from saeatlas.catalog.language.query_errors import QueryError
from saeatlas.catalog.language.select_builder import Expression, SelectBuilder, whole

COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}

Special = Callable[[nodes.InLobe | nodes.Fires | nodes.Active], Expression]
"""Compiles the conditions that not every kind of rows has. What is unknown must be NULL, not false:
a ``not`` may stand before it."""

_TYPES = {
    "integer": "a number", "number": "a number", "text": "a text", "boolean": "true or false",
    "time": "a time in quotes, as \"2026-01-31 12:00\"",
}  # fmt: skip


def condition(builder: SelectBuilder, node: nodes.Condition, special: Special) -> Expression:
    """Compile a condition.

    Parameters
    ----------
    builder : SelectBuilder
    node : Condition
    special : callable
        Compiles lobes, document types and features; it raises for what the kind of rows lacks.

    Returns
    -------
    expression

    Raises
    ------
    QueryError
    """
    if isinstance(node, nodes.Any):
        return sa.or_(*(condition(builder, part, special) for part in node.parts))
    if isinstance(node, nodes.All):
        return sa.and_(*(condition(builder, part, special) for part in node.parts))
    if isinstance(node, nodes.Not):
        return sa.not_(condition(builder, node.part, special))
    if isinstance(node, nodes.Comparison):
        return test(builder, node, *builder.find(node.name))
    return special(node)


def test(
    builder: SelectBuilder, node: nodes.Comparison, column: Expression, field: Field
) -> Expression:
    """Compare a field.

    Parameters
    ----------
    builder : SelectBuilder
    node : Test
    column : expression
    field : Field

    Returns
    -------
    expression

    Raises
    ------
    QueryError
        The field cannot be compared so.
    """
    if node.operator in ("null", "known"):
        return column.is_(None) if node.operator == "null" else column.is_not(None)
    if field.type == "json":
        raise QueryError(node.name.at, f"{field.name} cannot be compared.",
                          hint="`saeatlas sql` can look into it.")  # fmt: skip
    if node.operator == "like" and field.type != "text":
        raise QueryError(node.name.at, f"{field.name} is no text.",
                          hint="like is for texts.")  # fmt: skip
    values = [literal(builder, field, value) for value in node.values]
    if node.operator == "between":
        return column.between(values[0], values[1])
    if node.operator == "in":
        return column.in_(values)
    if node.operator == "like":
        _check_pattern(builder, node.values[0])
        return column.like(values[0])
    compared: Expression = COMPARISONS[node.operator](column, values[0])
    return compared


def literal(builder: SelectBuilder, field: Field, value: operands.Value) -> Expression:
    """Bind a value as a field's type.

    Parameters
    ----------
    builder : SelectBuilder
    field : Field
    value : Value

    Returns
    -------
    expression

    Raises
    ------
    QueryError
        It is of another type.
    """
    given = value.value
    if isinstance(given, int | float):
        if field.type in ("integer", "number"):
            return number(value, single=field.single)
    elif field.type == "text" and not (given == "null" and not value.quoted):
        return sa.literal(given, sa.Text)
    elif field.type == "boolean" and given in ("true", "false"):
        return sa.literal(given == "true", sa.Boolean)
    elif field.type == "time":
        moment = _moment(given)
        if moment is not None:
            return sa.literal(moment, sa.TIMESTAMP(timezone=True))
    hint = (
        "Write it in quotes." if field.type == "text" else f"Compare it with {_TYPES[field.type]}."
    )
    if given == "null":
        hint = f"Write `{field.name} is null`."
    raise QueryError(value.at, f"{field.name} is {_TYPES[field.type]}.", available=field.comment,
                      hint=hint)  # fmt: skip


def as_stored(given: float) -> float:
    """Round a number as single precision does, in which 0.1 is stored as another than in double.

    Parameters
    ----------
    given : float

    Returns
    -------
    float
        Itself if single precision has none so large.
    """
    try:
        return float(struct.unpack("f", struct.pack("f", given))[0])
    except OverflowError:
        return given


def number(value: operands.Value, *, single: bool = False) -> Expression:
    """Bind a number.

    Parameters
    ----------
    value : Value
    single : bool, default=False
        Whether it is compared with numbers in single precision.

    Returns
    -------
    expression
    """
    given = value.value
    assert not isinstance(given, str)
    if isinstance(given, int):
        return whole(given)
    return sa.literal(as_stored(given) if single else given, sa.Double)


def compared(
    left: Expression, comparison: str, value: operands.Value, *, single: bool = False
) -> Expression:
    """Compare with a number.

    Parameters
    ----------
    left : expression
    comparison : str
    value : Value
    single : bool, default=False
        Whether the left is in single precision.

    Returns
    -------
    expression
    """
    made: Expression = COMPARISONS[comparison](left, number(value, single=single))
    return made


def _check_pattern(builder: SelectBuilder, value: operands.Value) -> None:
    text = str(value.value)
    if (len(text) - len(text.rstrip("\\"))) % 2:
        raise QueryError(value.at, "Nothing follows the \\ at the end.",
                          hint="\\% is a % itself, \\_ a _, and \\\\ a \\.")  # fmt: skip


def _moment(text: str) -> datetime | None:
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    return moment if moment.tzinfo else moment.replace(tzinfo=UTC)
