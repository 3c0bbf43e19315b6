-- name: server_facts
-- Versions of the server and of pgvector, and whether there is a catalog. Used by server.py.
select
    current_setting('server_version_num')::int as version,
    current_setting('server_version') as version_text,
    current_database() as database,
    (select extversion from pg_catalog.pg_extension where extname = 'vector') as vector_installed,
    (select default_version from pg_catalog.pg_available_extensions where name = 'vector')
        as vector_available,
    to_regclass('atlas.alembic_version') is not null as has_catalog
