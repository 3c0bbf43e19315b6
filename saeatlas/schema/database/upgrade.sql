-- name: server_facts
-- What decides whether a server can hold the catalog. Used by upgrade.py. revision is NULL where
-- there is no catalog yet, which catalog_revision answers: a table that is not there cannot be named
-- here.
select
    current_setting('server_version_num')::int as server_version,
    current_setting('server_version') as server_version_text,
    current_database() as database,
    (select extversion from pg_catalog.pg_extension where extname = 'vector') as vector_installed,
    (select default_version from pg_catalog.pg_available_extensions where name = 'vector')
        as vector_available,
    to_regclass('atlas.alembic_version') is not null as has_catalog

-- name: prepare_catalog
-- Before the first migration: one process at a time, pgvector, a schema.
select pg_advisory_xact_lock(hashtext('saeatlas upgrade'));
create extension if not exists vector;
create schema if not exists atlas;
comment on schema atlas is 'SAE Atlas: features of sparse autoencoders'

-- name: catalog_revision
-- Version of the catalog's tables.
select version_num from atlas.alembic_version

-- name: drop_views
-- Views and functions are made anew at each upgrade; what is in the tables stays. Partitions,
-- extension members and whatever users made in other schemas are not touched. All names are read
-- before the first is dropped: what is dropped takes others with it.
do $$
declare
    commands text[] := array(
        select format('drop view if exists atlas.%I cascade', relname)
        from pg_catalog.pg_class
        where relnamespace = 'atlas'::regnamespace and relkind = 'v'
        union all
        select format('drop routine if exists %s cascade', oid::regprocedure)
        from pg_catalog.pg_proc
        where pronamespace = 'atlas'::regnamespace
    );
    command text;
begin
    foreach command in array commands
    loop
        execute command;
    end loop;
end
$$
