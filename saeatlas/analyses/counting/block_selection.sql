-- name: select_blocks
-- Numbers of the blocks whose documents are wanted. Parameters: corpus (corpus.id), n_blocks (blocks
-- from 0), subsets (text[]; empty for all); condition: SQL of the user's on the columns of view
-- documents. Used by block_selection.py, through sql_filters.py.
select block.block
from block
where block.corpus = %(corpus)s and block.block < %(n_blocks)s
    and block.document in (
        select document
        from documents
        where corpus = %(corpus)s
            and (%(subsets)s::text[] = '{{}}' or subset = any(%(subsets)s::text[]))
            and (
                {condition}
            )
    )
