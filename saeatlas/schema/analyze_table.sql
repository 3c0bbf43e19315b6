-- Refresh the planner's statistics after a bulk load.
-- Identifiers: table, columns. Used by statistics.py.
analyze {table} ({columns})
