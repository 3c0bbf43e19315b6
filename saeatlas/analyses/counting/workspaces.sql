-- name: workspaces
-- Numbers of the runs to come whose working tables are there: those of counts that run now, and of
-- counts whose process was killed.
select distinct substring(relname from '\d+')::integer
from pg_catalog.pg_class
where relnamespace = 'atlas'::regnamespace and relkind = 'r' and not relispartition
    and relname ~ '^(counting|cooccurrence)_\d+(_mask)?$'

-- name: next_run
-- Reserve the number of a run to come.
select nextval('atlas.run_id_seq')
