"""From nodes and names to a statement; values are bound, never pasted."""

from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql.psycopg import PGCompiler_psycopg, PGDialect_psycopg

from saeatlas.catalog.language import nodes
from saeatlas.catalog.language.field_types import Kind
from saeatlas.catalog.language.kinds import KINDS
from saeatlas.catalog.language.names import Names
from saeatlas.catalog.language.query_errors import QueryError
from saeatlas.catalog.language.select_builder import SelectBuilder

MOST_VALUES = 65_535
"""Values of a statement, at most: their number goes to the server in 16 bits."""


@dataclass(frozen=True)
class Compiled:
    """A query as SQL.

    Parameters
    ----------
    statement : sqlalchemy.Select
    limit : int or None
        Rows at most, as the query says or its kind does.
    notes : tuple of str
        Which run or recording was chosen where the query names none.
    """

    statement: sa.Select[Any]
    limit: int | None
    notes: tuple[str, ...]

    def limited(self, most: int) -> "Compiled":
        """Let it give no more rows than that.

        Parameters
        ----------
        most : int

        Returns
        -------
        Compiled
        """
        if self.limit is not None and self.limit <= most:
            return self
        return Compiled(self.statement.limit(most), most, self.notes)

    @cached_property
    def bound(self) -> tuple[str, dict[str, Any]]:
        """SQL with ``%(name)s`` for psycopg, and the values."""
        made = self.statement.compile(dialect=_bound(), compile_kwargs={"render_postcompile": True})
        return str(made), dict(made.params)

    def shown(self) -> str:
        """Write it to be read, and to be run with ``saeatlas sql``: values stand in it.

        Returns
        -------
        str
            SQL, below its notes as notes.
        """
        made = self.statement.compile(dialect=_shown(), compile_kwargs={"literal_binds": True})
        notes = (f"-- {' '.join(note.split())}" for note in self.notes)
        return "\n".join([*notes, str(made)])


def compile_query(query: nodes.Query, names: Names) -> Compiled:
    """Compile a query.

    Parameters
    ----------
    query : Query
    names : Names

    Returns
    -------
    Compiled

    Raises
    ------
    QueryError
        A name in it means nothing, or several things.
    """
    kind = KINDS[query.kind.text]
    _check_clauses(query, kind)
    for clause in query.clauses:
        kind = kind.variants.get(clause.name, kind)
    builder = SelectBuilder(query, kind, names)
    try:
        statement = kind.compile(builder)
        compiled = Compiled(statement, builder.most, tuple(dict.fromkeys(builder.notes)))
        n = len(compiled.bound[1])  # here, where a depth that is too much is caught
    except RecursionError as error:
        wrong = "The query's conditions are nested too deeply, or its vectors are too many."
        raise QueryError(None, wrong, hint=None) from error
    if n > MOST_VALUES:
        raise QueryError(None, f"The query holds {n:,} values.",
                         available=f"PostgreSQL takes up to {MOST_VALUES:,}.",
                         hint="Ask several times, for a part of them each.")  # fmt: skip
    return compiled


def _check_clauses(query: nodes.Query, kind: Kind) -> None:
    for clause in query.clauses:
        if clause.name not in kind.clauses:
            raise QueryError(
                clause.at, f"{kind.name.capitalize()} have no `{clause.name}`.",
                available=f"They have: {', '.join(kind.clauses)}.",
            )  # fmt: skip


class _Readable(PGCompiler_psycopg):
    """Begins a line at each join and before ORDER BY."""

    def visit_join(
        self, join: Any, asfrom: bool = False, from_linter: Any = None, **kwargs: Any
    ) -> str:
        left, right = (
            self.process(part, asfrom=True, **kwargs) for part in (join.left, join.right)
        )
        on = self.process(join.onclause, **kwargs)
        return f"{left}\n{'LEFT JOIN' if join.isouter else 'JOIN'} {right} ON {on}"

    def order_by_clause(self, select: Any, **kw: Any) -> str:
        clause = super().order_by_clause(select, **kw)  # type: ignore[no-untyped-call]
        return clause and f"\n{clause.lstrip()}"


@cache
def _bound() -> sa.Dialect:
    return PGDialect_psycopg()  # type: ignore[no-untyped-call]


@cache
def _shown() -> sa.Dialect:
    # a % stays one, and so does a backslash, as every server has it unless told otherwise
    dialect = PGDialect_psycopg(paramstyle="named")  # type: ignore[no-untyped-call]
    dialect._backslash_escapes = False
    dialect.statement_compiler = _Readable
    made: sa.Dialect = dialect
    return made
