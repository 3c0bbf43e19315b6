"""What a kind of rows is, and what a field of it is: the declaration that everything reads.

Parser, completion, compiler, pages and tests read `Kind`: a kind of rows is declared in one place,
its module in kinds/.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from dataclasses import field as dataclass_field
from typing import TYPE_CHECKING, Any, Literal

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import JSONB, REAL, TIMESTAMP

if TYPE_CHECKING:
    from saeatlas.catalog.language.select_builder import SelectBuilder

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
class Brought:
    """Fields that rows have only where a query says something.

    Parameters
    ----------
    clause : str
        What it says, as it is written: ``near``, or an example, as ``where 12:4821``.
    fields : tuple of Field
    """

    clause: str
    fields: tuple[Field, ...]

    def is_in(self, words: Sequence[str]) -> bool:
        """Tell whether a query says it.

        Parameters
        ----------
        words : sequence of str
            The words of the query, as far as it is written.

        Returns
        -------
        bool
        """
        return all(
            any(":" in each for each in words) if ":" in word else word in words
            for word in self.clause.split()
        )


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of rows, and all that is particular to it.

    Parameters
    ----------
    name : str
        The words that a query begins with.
    view : str
        The view in the schema atlas whose columns the rows have.
    fields : tuple of Field
        Those columns but vectors, in their order.
    order : tuple of str
        Columns that order the rows unless asked otherwise; a minus puts the largest first. Their
        end tells any two rows apart.
    clauses : tuple of str
        Names of the clauses that it takes: `nodes.Clause`.
    compile : callable
        Makes the statement from a `SelectBuilder`: `views.select_rows`, or a function of its own
        if it has clauses of its own.
    more : tuple of Field
        Fields of other tables, joined where a query names them.
    brought : tuple of Brought
        Fields that some clauses bring.
    conditions : tuple of str
        Words that begin conditions which only this kind has.
    condition_fields : tuple of Field
        Fields that only such a condition compares.
    variants : dict of str to Kind
        Other rows that it means with a clause, by the clause's name.
    vector : str or None
        The view's column of vectors, which is compared and not shown.
    """

    name: str
    view: str
    fields: tuple[Field, ...]
    order: tuple[str, ...]
    clauses: tuple[str, ...]
    compile: "Callable[[SelectBuilder], sa.Select[Any]]"
    more: tuple[Field, ...] = ()
    brought: tuple[Brought, ...] = ()
    conditions: tuple[str, ...] = ()
    condition_fields: tuple[Field, ...] = ()
    variants: "dict[str, Kind]" = dataclass_field(default_factory=dict)
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


def columns(table: sa.Table, *names: str) -> Iterator[Field]:
    """Make fields of columns of a table, with their comments.

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
