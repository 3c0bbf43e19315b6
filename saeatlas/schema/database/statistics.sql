-- name: analyze_table
-- Refresh the planner's statistics after a bulk load. Identifiers: table, columns.
analyze {table} ({columns})
