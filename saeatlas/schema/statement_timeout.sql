-- No statement of this transaction takes longer. Literal: milliseconds, 0 for no limit.
-- Used by catalog/sql.py.
set local statement_timeout = {milliseconds}
