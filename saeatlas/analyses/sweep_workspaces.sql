-- Remove the tables of counts whose process is gone. Used by workspace.py.
do $$
declare
    item record;
    number integer;
begin
    for item in
        select relname
        from pg_catalog.pg_class
        where relnamespace = 'atlas'::regnamespace and relkind = 'r' and not relispartition
            and relname ~ '^(counting|cooccurrence)_\d+(_mask)?$'
    loop
        number := substring(item.relname from '\d+')::integer;
        if pg_try_advisory_xact_lock(hashtext('saeatlas run'), number) then
            execute format('drop table if exists atlas.%I', item.relname);
        end if;
    end loop;
end
$$
