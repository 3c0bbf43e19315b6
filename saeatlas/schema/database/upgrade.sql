-- name: prepare_catalog
-- Before the first migration: pgvector and the schema, then a lock, so that upgrades of a catalog
-- run one after the other. Of two that create it, the second waits for the first at the name of the
-- extension or schema. The lock lets others read; a login that may only read cannot take it.
do $$
begin
    create extension if not exists vector;
exception
    when unique_violation or duplicate_object then null; -- another process has just created it
end
$$;
do $$
begin
    create schema if not exists atlas;
exception
    when unique_violation or duplicate_schema then null;
end
$$;
do $$
begin
    if to_regclass('atlas.alembic_version') is not null then
        lock table atlas.alembic_version in share row exclusive mode;
    end if;
end
$$;
comment on schema atlas is 'SAE Atlas: features of sparse autoencoders'

-- name: catalog_revision
-- Version of the catalog's tables.
select version_num from atlas.alembic_version

-- name: drop_views
-- Drop all views and functions: each upgrade creates them again. Tables, extensions and the objects
-- of other schemas stay. All names are read before the first is dropped, because a dropped view
-- takes those that depend on it along.
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
