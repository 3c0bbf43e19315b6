-- Views and functions are made anew at each upgrade; what is in the tables stays.
-- Partitions, extension members and whatever users made in other schemas are not touched.
-- All names are read before the first is dropped: what is dropped takes others with it.
-- Used by upgrade.py.
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
