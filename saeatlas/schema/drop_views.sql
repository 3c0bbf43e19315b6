-- Views and functions are made anew at each upgrade; what is in the tables stays.
-- Partitions, extension members and whatever users made in other schemas are not touched.
-- Used by upgrade.py.
do $$
declare
    item record;
begin
    for item in
        select format('drop view if exists atlas.%I cascade', relname) as command
        from pg_catalog.pg_class
        where relnamespace = 'atlas'::regnamespace and relkind = 'v'
        union all
        select format('drop routine if exists %s cascade', oid::regprocedure)
        from pg_catalog.pg_proc
        where pronamespace = 'atlas'::regnamespace
    loop
        execute item.command;
    end loop;
end
$$
