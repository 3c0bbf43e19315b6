-- Remove a partition with all its rows at once.
-- Identifiers: partition. Used by partitions.py.
drop table if exists {partition}
