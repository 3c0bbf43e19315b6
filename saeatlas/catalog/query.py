"""Ask in the query language."""

import sqlalchemy as sa

from saeatlas.catalog import sql
from saeatlas.catalog.answers import Answer
from saeatlas.catalog.language.compile import Compiled, compile_query
from saeatlas.catalog.language.names import Names
from saeatlas.catalog.language.parse import parse


def answer(
    engine: sa.Engine, text: str, *, timeout: float = sql.TIMEOUT, limit: int | None = None
) -> Answer:
    """Run a query.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    text : str
        As docs/query.md has it.
    timeout : float, default=60
        Seconds that it may take; 0 for as long as it likes.
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
        The database does not run it, as for want of time.
    """
    parsed = parse(text)
    with sql.reading(engine, timeout) as connection:
        made = compile_query(parsed, Names(connection))
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
        return compile_query(parsed, Names(connection))


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
        statement, params = compile_query(parsed, Names(connection)).bound
        plan = sql.run(connection, f"explain {statement}", params)
    return "\n".join(line for (line,) in plan.rows)
