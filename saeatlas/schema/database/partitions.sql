-- name: create_partition
-- Make one partition's table. It is attached when it is filled: attaching locks the parent only for
-- a moment, creating it as a partition would lock readers out until the transaction ends.
-- Identifiers: partition, parent, column; literal: key.
create table {partition} (
    like {parent} including defaults including storage including constraints including indexes,
    constraint partition_key check ({column} = {key})
)

-- name: attach_partition
-- Make a filled table a partition; its check spares the scan. Identifiers: partition, parent;
-- literal: key.
alter table {parent} attach partition {partition} for values in ({key})

-- name: drop_partition_check
-- The check that spared the scan is of no more use once the table is attached. Identifiers:
-- partition.
alter table {partition} drop constraint partition_key

-- name: drop_partition
-- Remove a partition with all its rows at once. Identifiers: partition.
drop table if exists {partition}
