-- Versions of the server and the catalog's size in bytes. Used by status.py.
select
    format('PostgreSQL %s, pgvector %s', current_setting('server_version'), extversion),
    (
        select sum(pg_total_relation_size(oid))::bigint
        from pg_catalog.pg_class
        where relnamespace = 'atlas'::regnamespace and relkind in ('r', 'p')
    )
from pg_catalog.pg_extension
where extname = 'vector'
