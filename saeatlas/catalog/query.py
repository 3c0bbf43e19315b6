"""Ask in the query language."""

from collections.abc import Iterator
from contextlib import contextmanager

import sqlalchemy as sa

from saeatlas import errors, ranges
from saeatlas.catalog import sql
from saeatlas.catalog.answers import Answer
from saeatlas.catalog.carets import caret
from saeatlas.catalog.language import nodes
from saeatlas.catalog.language import parse as parsing
from saeatlas.catalog.language.compile import Compiled, compile_query
from saeatlas.catalog.language.names import Names
from saeatlas.catalog.language.query_errors import QueryError


def parse(text: str) -> nodes.Query:
    """Read a query without a catalog.

    Parameters
    ----------
    text : str

    Returns
    -------
    Query

    Raises
    ------
    BadQuery
        It is not of the language; the message shows where.
    """
    with _located(text):
        return parsing.parse(text)


def answer(
    engine: sa.Engine, text: str, *, timeout: float = sql.TIMEOUT, limit: int | None = None
) -> Answer:
    """Run a query.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    text : str
        A query, such as ``features where layer = 12``.
    timeout : float, default=60
        Time limit in seconds; 0 for none.
    limit : int, optional
        Most rows to fetch, whatever the query says. Default: all.

    Returns
    -------
    Answer

    Raises
    ------
    BadQuery
        It is not of the language, or a name in it means nothing, or several things.
    QueryFailed
        The database does not run it, as when it takes too long.
    """
    ranges.require_whole("--limit", limit)
    parsed = parse(text)
    with sql.reading(engine, timeout) as connection:
        made = _compiled(connection, text, parsed)
        most = made if limit is None else made.limited(limit + 1)
        found = sql.run(connection, *most.bound)
    more = limit is not None and len(found) > limit
    return Answer(found.columns, found.rows[:limit], found.integers, more, made.notes)


def compiled(engine: sa.Engine, text: str) -> Compiled:
    """Compile a query without running it.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    text : str

    Returns
    -------
    Compiled

    Raises
    ------
    BadQuery
    """
    parsed = parse(text)
    with sql.reading(engine) as connection:
        return _compiled(connection, text, parsed)


def explain(engine: sa.Engine, text: str) -> str:
    """Say how the database would run a query.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    text : str

    Returns
    -------
    str
        PostgreSQL's plan.

    Raises
    ------
    BadQuery
    """
    parsed = parse(text)
    with sql.reading(engine) as connection:
        statement, params = _compiled(connection, text, parsed).bound
        plan = sql.run(connection, f"explain {statement}", params)
    return "\n".join(line for (line,) in plan.rows)


def _compiled(connection: sa.Connection, text: str, parsed: nodes.Query) -> Compiled:
    with _located(text):
        return compile_query(parsed, Names(connection))


@contextmanager
def _located(text: str) -> Iterator[None]:
    """Show the position of an error in the text: the language's errors have only the position."""
    try:
        yield
    except QueryError as error:
        place = caret(text, *error.at) if error.at else None
        available = "\n".join(part for part in (place, error.available) if part)
        raise errors.BadQuery(
            error.wrong, available=available or None, hint=error.hint
        ) from error.__cause__
