-- Number the blocks of a new corpus: documents as they came, blocks by their number in the file.
-- Used by corpus.py.
insert into place (number, catalog, position, document, block)
select
    row_number() over (order by document, block) - 1,
    document,
    row_number() over (partition by document order by block) - 1,
    document,
    block
from incoming_block
order by document, block
