-- Write the blocks of a new corpus. A document of one block has all its tokens in that block.
-- Parameters: corpus (corpus.id). Used by corpus.py.
insert into block (corpus, block, document, position, n_tokens)
select %(corpus)s, place.number, place.catalog, place.position, named.n_tokens
from place join incoming_document as named using (document)
order by place.number
