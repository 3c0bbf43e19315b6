-- Find the blocks of an existing corpus by the names that a table has for documents and blocks.
-- Documents cut elsewhere go by metadata's document and blocks, where they are kept; all others
-- by their number in the corpus and the block's position.
-- Parameters: corpus (corpus.id). Used by corpus.py.
insert into place (number, catalog, position, document, block)
select
    block.block, block.document, block.position, named.document,
    coalesce((known.metadata -> 'blocks' ->> block.position)::bigint, block.position)
from (
    select
        document.document as catalog,
        case when corpus.tokenizer_sha256 is null then document.metadata end as metadata
    from corpus join document on document.corpus = corpus.id
    where corpus.id = %(corpus)s
) as known
join incoming_document as named
    on named.name = coalesce(known.metadata -> 'document', to_jsonb(known.catalog))
join block on block.corpus = %(corpus)s and block.document = known.catalog
order by block.block
