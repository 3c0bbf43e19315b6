-- Each block that a table names, once. Used by stage.py, after the rows have come in.
insert into incoming_block (document, block)
select distinct document, block from incoming
