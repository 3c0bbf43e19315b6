-- name: session
-- Every session of SAE Atlas begins so: names are found without their schema, times are in UTC, and
-- nothing is compiled just in time, which costs more than our statements take.
set search_path to atlas, public;
set timezone to 'UTC';
set jit to off

-- name: database_exists
-- Whether the server has a database of this name. Parameters: name (text). Used by connect.py for
-- the embedded server.
select exists (select 1 from pg_catalog.pg_database where datname = %(name)s)

-- name: create_database
-- Make the database that the catalog lives in. Identifiers: database. Used by connect.py for the
-- embedded server.
create database {database} encoding 'UTF8' template template0

-- name: read_only
-- A user's query reads and nothing else: the transaction is read-only, and where the catalog could
-- make the role atlas_reader, that role has no right to write either. Used by catalog/sql.py and
-- analyses/conditions.py.
set transaction read only;
-- an index of vectors looks at so many before it answers
set local hnsw.ef_search = 300;
do $$
begin
    set local role atlas_reader;
exception
    when undefined_object or invalid_parameter_value or insufficient_privilege then null;
end
$$

-- name: statement_timeout
-- No statement of this transaction takes longer. Literal: milliseconds, 0 for no limit. Used by
-- catalog/sql.py.
set local statement_timeout = {milliseconds}
