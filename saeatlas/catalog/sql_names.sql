-- What SQL can name in the catalog: views, their columns, functions. Used by commands/shell.py.
with views as (
    select oid, relname from pg_class where relnamespace = 'atlas'::regnamespace and relkind = 'v'
)
select relname as name from views
union
select attname from pg_attribute join views on views.oid = attrelid where attnum > 0
union
select proname from pg_proc where pronamespace = 'atlas'::regnamespace
order by name
