-- Wait until no other transaction brings in this file; held until this one ends.
-- Parameters: source (absolute path). Used by job.py.
select pg_advisory_xact_lock(hashtext('saeatlas table'), hashtext(%(source)s))
