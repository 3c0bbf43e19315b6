-- Refresh the planner's statistics after a bulk load.
-- Identifiers: table. Used by partitions.py.
analyze {table}
