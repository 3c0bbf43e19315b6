-- The document and document type of each block, in block order.
-- Parameters: corpus (corpus.id), n_blocks (blocks from 0). Used by subsets.py.
select block.document, document.subset
from block join document using (corpus, document)
where block.corpus = %(corpus)s and block.block < %(n_blocks)s
order by block.block
