-- One row a corpus, with its document types, most frequent first. Used by status.py.
select
    corpus.id as corpus, corpus.name, corpus.context_length as context,
    corpus.block_length as block, corpus.n_documents as documents, corpus.n_blocks as blocks,
    (
        select string_agg(format('%s (%s)', coalesce(subset, 'none'), n), ', ' order by n desc, subset)
        from (
            select subset, count(*) as n from document where corpus = corpus.id group by subset
        ) as counted
    ) as subsets
from corpus
order by corpus.id
