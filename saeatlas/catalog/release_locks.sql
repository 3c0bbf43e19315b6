-- Let go of what a user's query locked by pg_advisory_lock: such locks outlive their transaction, and
-- would stop others as long as the session is kept. Used by sql.py.
select pg_advisory_unlock_all()
