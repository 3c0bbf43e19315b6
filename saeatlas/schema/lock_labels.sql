-- Wait until no other transaction changes labels and their words; held until this one ends.
-- Used by vocabulary.py.
select pg_advisory_xact_lock(hashtext('saeatlas labels'))
