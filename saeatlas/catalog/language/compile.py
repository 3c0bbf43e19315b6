"""From nodes and names to a statement; values are bound, never pasted."""

from dataclasses import dataclass
from functools import cache, cached_property
from typing import Any

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql.psycopg import PGCompiler_psycopg, PGDialect_psycopg

from saeatlas import errors
from saeatlas.catalog.language import nodes
from saeatlas.catalog.language.blocks import compile_blocks
from saeatlas.catalog.language.draft import Draft
from saeatlas.catalog.language.features import Features, compile_features
from saeatlas.catalog.language.fields import BY_SUBSET, KINDS
from saeatlas.catalog.language.mistakes import mistake
from saeatlas.catalog.language.names import Names
from saeatlas.catalog.language.others import compile_rows

CLAUSES: dict[str, str] = {
    "features": "of, in, in run, near, exactly, with, about",
    "blocks": "of, in recording, in corpus",
    "lobes": "of, in, in run, of lobes, by subset",
    "spectra": "of, in, in run, in recording",
    "maps": "of, in, in run",
    "crystals": "of, in, in run, with",
    "function vectors": "of, in, in run, near",
    "runs": "of, in, in recording",
    "saes": "of, in",
    "recordings": "of, in, in corpus",
    "documents": "in corpus",
    "labels": "of, in, of feature",
}
"""The clauses that each kind of rows takes."""

MOST_VALUES = 65_535
"""Values of a statement, at most: their number goes to the server in 16 bits."""

_CLAUSE_NAMES: dict[type[nodes.Clause], str] = {
    nodes.OfLobes: "of lobes", nodes.OfFeature: "of feature", nodes.BySubset: "by subset",
}  # fmt: skip


@dataclass(frozen=True)
class Compiled:
    """A query as SQL.

    Parameters
    ----------
    statement : sqlalchemy.Select
    limit : int or None
        Rows at most, as the query says or its kind does.
    notes : tuple of str
        What was meant where the query left it open: the run, the recording.
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
    BadQuery
        A name in it means nothing, or several things.
    """
    _check_clauses(query)
    kind = KINDS[query.kind.text]
    try:
        if kind.name == "features":
            draft: Draft = (features := Features(query, kind, names))
            statement = compile_features(features)
        elif kind.name == "blocks":
            statement = compile_blocks(draft := Draft(query, kind, names))
        else:
            by_subset = any(isinstance(clause, nodes.BySubset) for clause in query.clauses)
            statement = compile_rows(draft := Draft(query, BY_SUBSET if by_subset else kind, names))
        compiled = Compiled(statement, draft.most, tuple(dict.fromkeys(draft.notes)))
        n = len(compiled.bound[1])  # here, where a depth that is too much is caught
    except RecursionError as error:
        raise errors.BadQuery(
            "The query's conditions are nested too deeply, or its vectors are too many."
        ) from error
    if n > MOST_VALUES:
        raise errors.BadQuery(f"The query holds {n:,} values.",
                              available=f"PostgreSQL takes up to {MOST_VALUES:,}.",
                              hint="Ask several times, for a part of them each.")  # fmt: skip
    return compiled


def _check_clauses(query: nodes.Query) -> None:
    taken = CLAUSES[query.kind.text]
    for clause in query.clauses:
        name = _clause_name(clause)
        if name not in taken.split(", "):
            raise mistake(
                query.text, clause.at, f"{query.kind.text.capitalize()} have no `{name}`.",
                available=f"They have: {taken}.",
            )  # fmt: skip


def _clause_name(clause: nodes.Clause) -> str:
    if isinstance(clause, nodes.InNumber):
        return f"in {clause.of}"
    return _CLAUSE_NAMES.get(type(clause), type(clause).__name__.lower())


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
