-- The check that spared the scan is of no more use once the table is attached.
-- Identifiers: partition. Used by partitions.py.
alter table {partition} drop constraint partition_key
