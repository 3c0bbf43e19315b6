-- Role atlas_reader reads everything in the schema atlas and changes nothing. Without the right
-- to make roles (a managed server) the catalog works all the same. Used by `saeatlas sql`.
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
$$
