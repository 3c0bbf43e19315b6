"""SQL statements live in files of their own; this reads them."""

from functools import cache
from importlib.resources import files
from typing import Any, LiteralString

import psycopg
from psycopg import sql


@cache
def statement(name: str, package: str = "saeatlas.schema") -> LiteralString:
    """Read a statement from the ``.sql`` file of this name.

    Parameters
    ----------
    name : str
        File name without ``.sql``.
    package : str, default='saeatlas.schema'
        Package that holds the file.

    Returns
    -------
    str
        Text with parameters as ``%(name)s`` and identifiers as ``{name}``.
    """
    text: LiteralString = files(package).joinpath(f"{name}.sql").read_text("utf-8")
    return text


def run_ddl(connection: psycopg.Connection[Any], name: str, **parts: sql.Composable) -> None:
    """Run a statement whose identifiers are filled in, safely quoted.

    Parameters
    ----------
    connection : psycopg.Connection
    name : str
        File name without ``.sql``.
    **parts : psycopg.sql.Composable
        Identifiers and literals by placeholder.
    """
    connection.execute(sql.SQL(statement(name)).format(**parts))
