-- Hold a recording for this session; false if another session holds it.
-- Parameters: recording (recording.id). Used by recordings.py.
select pg_try_advisory_lock(hashtext('saeatlas recording'), %(recording)s)
