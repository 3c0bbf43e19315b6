-- name: keep_open
-- A server may end sessions whose transaction is idle. The session of a job is idle while the job computes.
set idle_in_transaction_session_timeout = 0
