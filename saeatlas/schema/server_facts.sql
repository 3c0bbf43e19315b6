-- What decides whether a server can hold the catalog.
-- Used by upgrade.py. revision is NULL where there is no catalog yet, which catalog_revision
-- answers: a table that is not there cannot be named here.
select
    current_setting('server_version_num')::int as server_version,
    current_setting('server_version') as server_version_text,
    current_database() as database,
    (select extversion from pg_catalog.pg_extension where extname = 'vector') as vector_installed,
    (select default_version from pg_catalog.pg_available_extensions where name = 'vector')
        as vector_available,
    to_regclass('atlas.alembic_version') is not null as has_catalog
