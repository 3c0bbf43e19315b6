"""Builds the SELECT of a query: what every kind of rows has in common."""

from collections.abc import Callable, Iterable, Sequence
from typing import Any, TypeVar

import sqlalchemy as sa

from saeatlas import errors
from saeatlas.catalog.language import named_saes, nodes, operands
from saeatlas.catalog.language.field_types import Field, Kind
from saeatlas.catalog.language.names import Names, Sae
from saeatlas.catalog.language.operands import Word
from saeatlas.catalog.language.query_errors import QueryError

Clause = TypeVar("Clause", bound=nodes.Clause)
Expression = sa.ColumnElement[Any]


class SelectBuilder:
    """Builds a SELECT, clause by clause.

    Parameters
    ----------
    query : Query
    kind : Kind
    names : Names

    Attributes
    ----------
    view : sqlalchemy.FromClause
        The view of the kind, called by its own name.
    source : sqlalchemy.FromClause
        The view with all that was joined to it.
    columns : dict of str to expression
        Result columns by name, in order.
    fields : dict of str to Field
        What may be compared and ordered by.
    conditions, order : list of expression
    limit : int or None
        Rows unless the query says how many, or orders them otherwise.
    notes : list of str
        Which run, recording or SAE was chosen where the query names none.
    before_find : callable
        Called with the name of each field before it is found: it may join what has the field.
    """

    def __init__(self, query: nodes.Query, kind: Kind, names: Names) -> None:
        self.query, self.kind, self.names = query, kind, names
        hidden = [kind.vector] if kind.vector else []
        self.view = view(kind.view, *(field.name for field in kind.fields), *hidden)
        self.source: sa.FromClause = self.view
        self.columns: dict[str, Expression] = {
            field.name: self.view.c[field.name] for field in kind.fields
        }
        self.fields = {field.name: field for field in kind.fields}
        self.conditions: list[Expression] = []
        self.order = [_sorted(self.columns, name) for name in kind.order]
        self.limit: int | None = None
        self.notes: list[str] = []
        self.before_find: Callable[[Word], object] = lambda _word: None
        self._of = [clause.saes for clause in self.all(nodes.Of)]
        self._among = [clause.saes for clause in self.all(nodes.In)]

    def all(self, kind: type[Clause]) -> list[Clause]:
        """Return the clauses of one kind.

        Parameters
        ----------
        kind : type

        Returns
        -------
        list of Clause
        """
        return [clause for clause in self.query.clauses if isinstance(clause, kind)]

    def one(self, kind: type[Clause]) -> Clause | None:
        """Return the clause of one kind, None if there is none.

        Parameters
        ----------
        kind : type

        Returns
        -------
        Clause or None

        Raises
        ------
        QueryError
            There are two.
        """
        found = self.all(kind)
        if len(found) > 1:
            raise QueryError(found[1].at, "This clause is given twice.")
        return found[0] if found else None

    def number(self, of: str) -> nodes.InNumber | None:
        """Return ``in run 5`` or the like.

        Parameters
        ----------
        of : {'run', 'recording', 'corpus'}

        Returns
        -------
        InNumber or None
        """
        found = [clause for clause in self.all(nodes.InNumber) if clause.of == of]
        if len(found) > 1:
            raise QueryError(found[1].at, "This clause is given twice.")
        return found[0] if found else None

    @property
    def named(self) -> list[Sae]:
        """SAEs that feature names may belong to."""
        return named_saes.chosen(self.names, self._of)

    @property
    def listed(self) -> list[Sae] | None:
        """SAEs whose rows are wanted; None if it is not said."""
        places = self._among or self._of
        return named_saes.chosen(self.names, places) if places else None

    @property
    def among(self) -> Sequence[operands.Saes]:
        """Where to look, as it was said."""
        return self._among

    def feature(self, node: operands.Feature) -> Sae:
        """Find the SAE of a feature named.

        Parameters
        ----------
        node : Feature

        Returns
        -------
        Sae
        """
        return named_saes.feature(self.names, node, self.named)

    def restrict(self, name: str, numbers: Iterable[int]) -> None:
        """Keep only rows of some SAEs, runs ...

        Parameters
        ----------
        name : str
            Column of the result.
        numbers : iterable of int
        """
        self.conditions.append(among(self.columns[name], numbers))

    def add(self, fields: Sequence[Field], source: Any) -> None:
        """Take columns of something joined into the result.

        Parameters
        ----------
        fields : sequence of Field
        source : sqlalchemy.FromClause
        """
        for field in fields:
            self.columns[field.name] = source.c[field.name]
            self.fields[field.name] = field

    def find(self, word: Word) -> tuple[Expression, Field]:
        """Find a field.

        Parameters
        ----------
        word : Word

        Returns
        -------
        (expression, Field)

        Raises
        ------
        QueryError
            This kind of rows has none of this name.
        """
        self.before_find(word)
        if word.text not in self.fields:
            raise self._no_field(word)
        return self.columns[word.text], self.fields[word.text]

    def _no_field(self, word: Word) -> QueryError:
        kind = self.kind
        wrong = f"{kind.name.capitalize()} have no field {word.text!r}"
        for brought in kind.brought:
            if word.text in {field.name for field in brought.fields}:
                hint = f"`{kind.name} {brought.clause}` have it."
                return QueryError(word.at, f"{wrong} here.", hint=hint)
        known = [*self.fields, *(field.name for field in kind.more)]
        return QueryError(word.at, f"{wrong}.", name=word.text, known=known,
                          hint=f"{errors.DOCS}/query.md lists the fields.")  # fmt: skip

    def sorting(self) -> list[Expression]:
        """Order as asked, ties and the rest as the kind does; NULL last."""
        asked = []
        for part in self.query.order:
            column, field = self.find(part.name)
            if field.type == "json":
                raise QueryError(part.name.at, f"{field.name} has no order.")
            asked.append((column.desc() if part.descending else column.asc()).nulls_last())
        return asked + self.order

    @property
    def most(self) -> int | None:
        """Rows at most: the first of another order are not the nearest, so then there are all."""
        if self.query.limit is None:
            return None if self.query.order else self.limit
        return self.query.limit

    def select(self) -> sa.Select[Any]:
        """Put the statement together.

        Returns
        -------
        sqlalchemy.Select
        """
        order = self.sorting()  # it may join what it names
        columns = [
            column if getattr(column, "name", None) == name else column.label(name)
            for name, column in self.columns.items()
        ]
        statement = sa.select(*columns).select_from(self.source).where(*self.conditions)
        return statement.order_by(*order).limit(self.most)


def view(name: str, *columns: str, called: str | None = None) -> sa.FromClause:
    """Name a view of the schema atlas.

    Parameters
    ----------
    name : str
    *columns : str
    called : str, optional
        Its name in the statement. Default: its own.

    Returns
    -------
    sqlalchemy.FromClause
    """
    parts: list[sa.ColumnClause[Any]] = [sa.column(column) for column in columns]
    return sa.table(name, *parts, schema="atlas").alias(called or name)


def among(column: Expression, numbers: Iterable[int]) -> Expression:
    """Say that a column is one of some numbers.

    Parameters
    ----------
    column : expression
    numbers : iterable of int

    Returns
    -------
    expression
    """
    listed = sorted(set(numbers))
    return column == whole(listed[0]) if len(listed) == 1 else column.in_(map(whole, listed))


def whole(number: int) -> Expression:
    """Bind a whole number.

    Parameters
    ----------
    number : int

    Returns
    -------
    expression
    """
    small = -(2**31) <= number < 2**31
    return sa.literal(number, sa.Integer if small else sa.BigInteger)


def _sorted(columns: dict[str, Expression], name: str) -> Expression:
    column = columns[name.lstrip("-")]
    return column.desc().nulls_last() if name.startswith("-") else column
