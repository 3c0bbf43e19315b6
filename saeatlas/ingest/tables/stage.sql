-- name: settings
-- Room for one sort of many millions of rows; what does not fit goes to the server's disk. Used by
-- stage.py, for one transaction.
set local work_mem = '256MB'

-- name: pairs
-- Each block that a table names, once. Used by stage.py, after the rows were copied.
insert into incoming_block (document, block)
select distinct document, block from incoming
