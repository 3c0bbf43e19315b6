-- name: release_locks
-- Release what a user's query locked with pg_advisory_lock: such locks outlive their transaction,
-- and would stop others as long as the session is kept.
select pg_advisory_unlock_all()

-- name: sql_names
-- What SQL can name in the catalog: views, their columns, functions.
with views as (
    select oid, relname from pg_class where relnamespace = 'atlas'::regnamespace and relkind = 'v'
)
select relname as name from views
union
select attname from pg_attribute join views on views.oid = attrelid where attnum > 0
union
select proname from pg_proc where pronamespace = 'atlas'::regnamespace
order by name
