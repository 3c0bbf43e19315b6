-- Refresh the planner's statistics after a bulk load.
-- Identifiers: table, columns. Used by partitions.py.
analyze {table} ({columns})
