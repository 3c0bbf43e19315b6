-- Whether the server has a database of this name.
-- Parameters: name (text). Used by connect.py for the embedded server.
select exists (select 1 from pg_catalog.pg_database where datname = %(name)s)
