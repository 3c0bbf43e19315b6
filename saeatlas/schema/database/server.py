"""What the server is: versions of PostgreSQL and pgvector, and which of them are refused."""

import re
from dataclasses import dataclass

import sqlalchemy as sa

from saeatlas import errors
from saeatlas.schema.database.statements import statement

MIN_SERVER = 160000
MIN_VECTOR = (0, 8)
MIN_VECTOR_INDEX = (0, 8, 2)
"""First pgvector whose parallel builds of HNSW indices stay within their memory (CVE-2026-3172)."""


@dataclass(frozen=True)
class Server:
    """What decides whether a server can hold the catalog.

    Parameters
    ----------
    version : int
        PostgreSQL's number, as 180001.
    version_text : str
        The same for people, as ``18.1``.
    database : str
    vector_installed, vector_available : str or None
        Version of pgvector in this database, and of the one that could be installed; None for none.
    has_catalog : bool
    """

    version: int
    version_text: str
    database: str
    vector_installed: str | None
    vector_available: str | None
    has_catalog: bool


def inspect(connection: sa.Connection) -> Server:
    """Ask the server for its versions.

    Parameters
    ----------
    connection : sqlalchemy.Connection

    Returns
    -------
    Server
    """
    row = connection.exec_driver_sql(statement(__name__, "server_facts")).mappings().one()
    return Server(**row)


def require(server: Server) -> None:
    """Refuse a server that cannot hold the catalog.

    Parameters
    ----------
    server : Server

    Raises
    ------
    ServerTooOld, PgvectorMissing
    """
    if server.version < MIN_SERVER:
        raise errors.ServerTooOld(
            f"The server is PostgreSQL {server.version_text}.",
            available=f"SAE Atlas needs PostgreSQL {MIN_SERVER // 10000} or later.",
            hint="Use a newer server, or unset SAEATLAS_DATABASE_URL for the embedded one.",
        )
    version = server.vector_installed or server.vector_available
    if version is None:
        raise errors.PgvectorMissing(
            f"The PostgreSQL server has no pgvector (database {server.database!r}).",
            hint="Install pgvector 0.8.2 or later on it, take the pgvector/pgvector image "
            "(`docker compose up -d`), or unset SAEATLAS_DATABASE_URL for the embedded server.",
        )
    if _numbers(version) < MIN_VECTOR:
        raise errors.ServerTooOld(
            f"The server's pgvector is {version}.",
            available="SAE Atlas needs pgvector 0.8 or later.",
            hint="Install a newer pgvector, then run `alter extension vector update`.",
        )


def require_safe_index(server: Server) -> None:
    """Refuse to build an HNSW index with a pgvector that may write past its memory.

    Parameters
    ----------
    server : Server

    Raises
    ------
    ServerTooOld
        pgvector is older than 0.8.2.
    """
    version = server.vector_installed
    if version is None or _numbers(version) < MIN_VECTOR_INDEX:
        raise errors.ServerTooOld(
            f"The server's pgvector is {version}: its parallel builds of HNSW indices can write "
            "past the end of a buffer (CVE-2026-3172).",
            available="Indices need pgvector 0.8.2 or later. Everything else works without.",
            hint="Install a newer pgvector on the server, then run `alter extension vector update` "
            "in this database.",
        )


def _numbers(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:3])
