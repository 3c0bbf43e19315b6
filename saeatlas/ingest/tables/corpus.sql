-- name: place
-- Find the blocks of an existing corpus by the names that a table has for documents and blocks.
-- Documents split elsewhere go by metadata's document and blocks, where they are kept; all others by
-- their number in the corpus and the block's position. Parameters: corpus (corpus.id).
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

-- name: misfits
-- Where a table and an existing corpus disagree, the first place of each kind: 'document', 'block':
-- the corpus has no such document, or no such block in it; 'tokens': the document has other tokens;
-- 'several blocks': the table names no blocks, and the document has several here; 'left out': no
-- row speaks of this document, though there are rows for later ones. Parameters: corpus
-- (corpus.id), whole_documents (whether the table names no blocks).
(
    select
        case
            when exists (select from place where place.document = incoming_block.document)
            then 'block' else 'document'
        end as kind,
        named.name, incoming_block.block
    from incoming_block
    join incoming_document as named using (document)
    left join place using (document, block)
    where place.number is null
    order by incoming_block.document, incoming_block.block
    limit 1
)
union all
(
    select 'tokens', named.name, null
    from incoming_document as named
    join place using (document)
    join document on document.corpus = %(corpus)s and document.document = place.catalog
    where named.text_sha256 <> document.text_sha256
    order by place.catalog
    limit 1
)
union all
(
    select 'several blocks', named.name, null
    from incoming_document as named
    join place using (document)
    where %(whole_documents)s and place.position > 0
    order by place.catalog
    limit 1
)
union all
(
    select 'left out', to_jsonb(document.document), null
    from document
    where
        document.corpus = %(corpus)s and document.n_blocks > 0
        and document.document < (select max(catalog) from place)
        and not exists (select from place where place.catalog = document.document)
    order by document.document
    limit 1
)

-- name: number_blocks
-- Number the blocks of a new corpus: documents as they came, blocks by their number in the file.
insert into place (number, catalog, position, document, block)
select
    row_number() over (order by document, block) - 1,
    document,
    row_number() over (partition by document order by block) - 1,
    document,
    block
from incoming_block
order by document, block

-- name: documents
-- Write the documents of a new corpus. The file's own names for a document and its blocks are kept
-- where they are not simply their numbers. Parameters: corpus (corpus.id).
insert into document (corpus, document, subset, metadata, n_tokens, n_blocks, text_sha256)
select
    %(corpus)s, named.document, named.subset,
    jsonb_strip_nulls(jsonb_build_object(
        'document', case when named.name <> to_jsonb(named.document) then named.name end,
        'blocks', case when not counted.plain then to_jsonb(counted.blocks) end
    )),
    named.n_tokens, counted.n_blocks, named.text_sha256
from incoming_document as named
join (
    select
        document, count(*) as n_blocks, array_agg(block order by block) as blocks,
        bool_and(block = position) as plain
    from place
    group by document
) as counted using (document)
order by named.document

-- name: blocks
-- Write the blocks of a new corpus. A document of one block has all its tokens in that block.
-- Parameters: corpus (corpus.id).
insert into block (corpus, block, document, position, n_tokens)
select %(corpus)s, place.number, place.catalog, place.position, named.n_tokens
from place join incoming_document as named using (document)
order by place.number
