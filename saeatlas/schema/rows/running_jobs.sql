-- name: keep_open
-- A server may end sessions whose transaction is idle. That of a job waits while the job computes.
set idle_in_transaction_session_timeout = 0
