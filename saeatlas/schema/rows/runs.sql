-- name: try_lock
-- Take a lock that lasts as long as the session; false where another session has it. Parameters:
-- key, 64 bits.
select pg_try_advisory_lock(%(key)s)
