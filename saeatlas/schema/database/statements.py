"""SQL statements live in files of their own, ``<job>.sql`` beside ``<job>.py``; this reads them."""

import re
from functools import cache
from importlib.resources import files
from typing import Any, LiteralString

import psycopg
from psycopg import sql

_HEADING = re.compile(r"^-- name: (\w+)\n", re.MULTILINE)


def statement(module: str, name: str) -> LiteralString:
    """Read a statement from the ``.sql`` file beside a module.

    Parameters
    ----------
    module : str
        The module's ``__name__``: the statements of ``jobs/count.py`` are in ``jobs/count.sql``.
    name : str
        The statement is below the line ``-- name: NAME``, down to the next such line.

    Returns
    -------
    str
        Text with parameters as ``%(name)s`` and identifiers as ``{name}``.
    """
    return _sections(module)[name]


@cache
def _sections(module: str) -> dict[str, LiteralString]:
    package, _, stem = module.rpartition(".")
    text = files(package).joinpath(f"{stem}.sql").read_text("utf-8")
    _, *parts = _HEADING.split(text)
    return dict(zip(parts[::2], parts[1::2], strict=True))


def run_ddl(
    connection: psycopg.Connection[Any], text: LiteralString, **parts: sql.Composable
) -> None:
    """Run a statement whose identifiers are filled in, safely quoted.

    Parameters
    ----------
    connection : psycopg.Connection
    text : str
        From `statement`.
    **parts : psycopg.sql.Composable
        Identifiers and literals by placeholder.
    """
    connection.execute(sql.SQL(text).format(**parts))
