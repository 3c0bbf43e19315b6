-- name: settings
-- Room for one sort of many millions of rows; what does not fit goes to the server's disk. Used by
-- stage.py, for one transaction.
set local work_mem = '256MB'

-- name: pairs
-- Each block that a table names, once. Used by stage.py, after the rows have come in.
insert into incoming_block (document, block)
select distinct document, block from incoming

-- name: copy
-- Take rows in, as stage.py lays them out.
copy incoming (document, block, feature, activation) from stdin (format binary)
