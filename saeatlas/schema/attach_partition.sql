-- Make a filled table a partition; its check spares the scan.
-- Identifiers: partition, parent; literal: key. Used by partitions.py.
alter table {parent} attach partition {partition} for values in ({key})
