-- Make one partition's table. It is attached when it is filled: attaching locks the parent only
-- for a moment, creating it as a partition would lock readers out until the transaction ends.
-- Identifiers: partition, parent, column; literal: key. Used by partitions.py.
create table {partition} (
    like {parent} including defaults including storage including constraints including indexes,
    constraint partition_key check ({column} = {key})
)
