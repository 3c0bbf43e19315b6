-- Role atlas_reader reads everything in the schema atlas and changes nothing. Without the right
-- to make roles (a managed server) the catalog works all the same. On the embedded server, which
-- accepts no network connections, it may log in. Used by `saeatlas sql` and `saeatlas query`.
do $$
begin
    create role atlas_reader nologin;
exception
    when duplicate_object or unique_violation or insufficient_privilege then null;
end
$$;
do $$
begin
    grant usage on schema atlas to atlas_reader;
    grant select on all tables in schema atlas to atlas_reader;
    grant execute on all functions in schema atlas to atlas_reader;
    alter default privileges in schema atlas grant select on tables to atlas_reader;
exception
    when undefined_object or insufficient_privilege then null;
end
$$;
do $$
begin
    if current_setting('listen_addresses') = '' and exists (
        select from pg_catalog.pg_roles where rolname = 'atlas_reader' and not rolcanlogin
    ) then
        alter role atlas_reader login;
    end if;
exception
    when insufficient_privilege or internal_error then null; -- or another catalog does it just now
end
$$
