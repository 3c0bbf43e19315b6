-- A user's query reads and nothing else: the transaction is read-only, and where the catalog
-- could make the role atlas_reader, that role has no right to write either. Used by catalog/sql.py and
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
