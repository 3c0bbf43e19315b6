-- Where a table and an existing corpus disagree, the first place of each kind:
-- 'document', 'block': the corpus has no such document, or no such block in it;
-- 'tokens': the document has other tokens; 'left out': no row speaks of this document, though
-- there are rows for later ones.
-- Parameters: corpus (corpus.id). Used by corpus.py.
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
    select 'left out', to_jsonb(document.document), null
    from document
    where
        document.corpus = %(corpus)s and document.n_blocks > 0
        and document.document < (select max(catalog) from place)
        and not exists (select from place where place.catalog = document.document)
    order by document.document
    limit 1
)
