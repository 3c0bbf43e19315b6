"""Create the catalog's tables, views and roles, and upgrade them."""

from pathlib import Path
from typing import Any, cast

import psycopg
import sqlalchemy as sa

from saeatlas import errors
from saeatlas.schema import tables
from saeatlas.schema.database import server
from saeatlas.schema.database.statements import statement

SCHEMA_FOLDER = Path(__file__).parents[1]


def head() -> str:
    """Return the newest revision that this version of SAE Atlas knows.

    Returns
    -------
    str
        As ``0001``: the number that opens the migration's file name.
    """
    return max(path.name[:4] for path in (SCHEMA_FOLDER / "migrations/versions").glob("[0-9]*.py"))


def bring_up(connection: sa.Connection, *, migrate: bool) -> None:
    """Create the catalog if there is none; upgrade an older one if allowed.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        Its transaction is left for the caller to commit.
    migrate : bool
        Whether an older catalog may be changed.

    Raises
    ------
    CatalogTooNew
        Written by a later version.
    CatalogOutdated
        Written by an earlier version, and `migrate` is false.
    """
    current = revision(connection)
    if current == head():
        return
    if current is not None and current > head():
        raise errors.CatalogTooNew(
            f"The catalog's tables are at version {current}, newer than this program's {head()}.",
            hint="Install a newer saeatlas: `pip install --upgrade saeatlas`.",
        )
    if current is not None and not migrate:
        raise errors.CatalogOutdated(
            f"The catalog's tables are at version {current}; this program needs {head()}.",
            hint="Run `saeatlas db upgrade` (other users of this server must upgrade too).",
        )
    apply(connection)


def revision(connection: sa.Connection) -> str | None:
    """Return the version of the catalog's tables.

    Parameters
    ----------
    connection : sqlalchemy.Connection

    Returns
    -------
    str or None
        None where there is no catalog.
    """
    if not server.inspect(connection).has_catalog:
        return None
    query = statement(__name__, "catalog_revision")
    return cast("str | None", connection.exec_driver_sql(query).scalar_one_or_none())


def apply(connection: sa.Connection) -> None:
    """Run the missing migrations, and create all views, functions and roles again.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        Everything happens in its transaction. Other upgrades of the same catalog wait for it.

    Raises
    ------
    PgvectorMissing
        The extension is there but this user may not create it.
    """
    migrate(connection)
    driver = _raw(connection)
    for view in sorted((SCHEMA_FOLDER / "views").glob("*.sql")):
        text = view.read_text("utf-8").replace("{tile}", str(tables.TILE))
        driver.execute(text.encode())


def migrate(connection: sa.Connection, target: str = "head") -> None:
    """Drop all views and functions, and bring the tables to a revision.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        Everything happens in its transaction.
    target : str, default="head"
        Revision, as ``0009``. The tables' own must not be later.

    Raises
    ------
    PgvectorMissing
        The extension is there but this user may not create it.
    """
    from alembic import command
    from alembic.config import Config

    if not connection.in_transaction():
        connection.begin()  # or Alembic begins one of its own, and commits it
    driver = _raw(connection)
    try:
        driver.execute(statement(__name__, "prepare_catalog"))
    except psycopg.errors.InsufficientPrivilege as error:
        raise errors.PgvectorMissing(
            "This user may not set up the catalog: " + str(error).splitlines()[0],
            hint="Ask the server's owner to run `create extension vector` in this database "
            "and to grant you `create` on it.",
        ) from error
    driver.execute(statement(__name__, "drop_views"))
    config = Config()
    config.set_main_option("script_location", str(SCHEMA_FOLDER / "migrations"))
    config.attributes["connection"] = connection
    command.upgrade(config, target)


def _raw(connection: sa.Connection) -> psycopg.Connection[Any]:
    driver = connection.connection.dbapi_connection
    assert isinstance(driver, psycopg.Connection)
    return driver
