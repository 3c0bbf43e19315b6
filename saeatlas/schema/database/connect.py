"""Connections to the catalog, which is created or upgraded on the way."""

from contextlib import suppress
from typing import Any
from urllib.parse import urlsplit
from weakref import WeakKeyDictionary

import psycopg
import sqlalchemy as sa
from psycopg import sql
from sqlalchemy.engine import URL, make_url

from saeatlas import errors, settings
from saeatlas.schema.database import embedded, failures, server, upgrade
from saeatlas.schema.database.statements import run_ddl, statement


def open_catalog(url: str | None = None, *, migrate: bool = False) -> sa.Engine:
    """Connect to the catalog; create it if there is none.

    Parameters
    ----------
    url : str, optional
        ``postgresql://...``. Default: ``SAEATLAS_DATABASE_URL``, else the embedded server, which
        is started if it does not run.
    migrate : bool, default=False
        Bring an older catalog up to date. The embedded server's always is.

    Returns
    -------
    sqlalchemy.Engine
        Sessions look names up in the schemas ``atlas`` and ``public``, in UTC, without JIT.

    Raises
    ------
    ServerUnreachable, LoginRefused
        No connection.
    ServerTooOld, PgvectorMissing
        A server that cannot hold the catalog.
    CatalogOutdated, CatalogTooNew
        Tables of another version.
    """
    given = url or settings.load().database_url
    engine = _engine(parse_url(given) if given else _embedded())
    try:
        with engine.connect() as connection:
            server.require(server.inspect(connection))
            upgrade.bring_up(connection, migrate=migrate or given is None)
            connection.commit()
    except BaseException:
        engine.dispose()
        raise
    return engine


_readers: WeakKeyDictionary[sa.Engine, sa.Engine] = WeakKeyDictionary()


def reader(engine: sa.Engine) -> sa.Engine:
    """Return an engine for users' queries.

    Parameters
    ----------
    engine : sqlalchemy.Engine

    Returns
    -------
    sqlalchemy.Engine
        Of the embedded server one that logs in as ``atlas_reader``: a session that is the owner's
        could leave that role again. Another server's own login decides; there it is `engine`.
    """
    if not str(engine.url.query.get("host", "")).startswith("/") or engine.url.password:
        return engine
    if engine not in _readers:
        other = _engine(engine.url.set(username="atlas_reader"))
        try:
            other.connect().close()
        except errors.DatabaseError:  # a server of someone's own on a socket, or an older catalog
            other.dispose()
            other = engine
        _readers[engine] = other
    return _readers[engine]


def close(engine: sa.Engine) -> None:
    """Close all connections of an engine and of its `reader`; opens none.

    Parameters
    ----------
    engine : sqlalchemy.Engine
        Usable afterwards: it opens new connections.
    """
    _readers.pop(engine, engine).dispose()
    engine.dispose()


def shown(url: str | URL) -> str:
    """Return a URL without its password, for messages.

    Parameters
    ----------
    url : str or sqlalchemy.engine.URL

    Returns
    -------
    str
    """
    return make_url(url).set(drivername="postgresql").render_as_string(hide_password=True)


def raw(connection: sa.Connection) -> psycopg.Connection[Any]:
    """Return the psycopg connection below a SQLAlchemy one, for COPY and binary reads.

    Parameters
    ----------
    connection : sqlalchemy.Connection

    Returns
    -------
    psycopg.Connection
    """
    driver = connection.connection.dbapi_connection
    assert isinstance(driver, psycopg.Connection)
    return driver


def read_only(driver: psycopg.Connection[Any]) -> None:
    """Let the transaction that begins with this only read, as the role ``atlas_reader``.

    Parameters
    ----------
    driver : psycopg.Connection
        Not in a transaction.
    """
    driver.execute(statement(__name__, "read_only"))


def limit_time(driver: psycopg.Connection[Any], milliseconds: int) -> None:
    """Let no statement of this transaction run longer.

    Parameters
    ----------
    driver : psycopg.Connection
    milliseconds : int
        0 for no limit.
    """
    run_ddl(
        driver, statement(__name__, "statement_timeout"), milliseconds=sql.Literal(milliseconds)
    )


def parse_url(url: str) -> URL:
    """Read the address of a database, which psycopg will connect to.

    Parameters
    ----------
    url : str
        ``postgresql://user:password@host:port/database``.

    Returns
    -------
    sqlalchemy.URL

    Raises
    ------
    ServerUnreachable
        It is no address of a PostgreSQL database.
    """
    scheme = urlsplit(url).scheme
    if scheme not in {"postgresql", "postgres", "postgresql+psycopg"}:
        raise errors.ServerUnreachable(
            f"The database URL begins with {scheme!r}: not a PostgreSQL server.",
            available="Expected postgresql://user:password@host:port/database",
            hint="Unless it was given, it is that of SAEATLAS_DATABASE_URL; unset, there is the "
            "embedded server.",
        )
    try:
        return make_url("postgresql+psycopg" + url[len(scheme) :])
    except (sa.exc.ArgumentError, ValueError) as error:
        raise errors.ServerUnreachable(
            "The database URL cannot be read.",
            available="Expected postgresql://user:password@host:port/database",
            hint="Characters such as @ or / in a password are written as %40, %2F.",
        ) from error


def _embedded() -> URL:
    base = parse_url(embedded.url())
    _create_database(base)
    return base.set(database=embedded.DATABASE)


def _create_database(base: URL) -> None:
    dsn = base.set(drivername="postgresql").render_as_string(hide_password=False)
    with failures.translated(), psycopg.connect(dsn, autocommit=True) as driver:
        found = driver.execute(
            statement(__name__, "database_exists"), {"name": embedded.DATABASE}
        ).fetchone()
        if found == (True,):
            return
        with suppress(psycopg.errors.DuplicateDatabase, psycopg.errors.UniqueViolation):
            # another process may make it at this very moment
            run_ddl(
                driver,
                statement(__name__, "create_database"),
                database=sql.Identifier(embedded.DATABASE),
            )


def _engine(url: URL) -> sa.Engine:
    engine = sa.create_engine(url)
    sa.event.listen(engine, "connect", _session)
    sa.event.listen(engine, "handle_error", failures.on_error)
    return engine


def _session(driver: psycopg.Connection[Any], _record: Any) -> None:
    driver.execute(statement(__name__, "session"))
    driver.commit()
