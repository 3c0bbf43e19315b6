-- name: lock_recording
-- Hold a recording for this session; false if another session holds it. Parameters: recording
-- (recording.id).
select pg_try_advisory_lock(hashtext('saeatlas recording'), %(recording)s)
