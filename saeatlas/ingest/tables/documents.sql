-- Write the documents of a new corpus. The file's own names for a document and its blocks are
-- kept where they are not simply their numbers.
-- Parameters: corpus (corpus.id). Used by corpus.py.
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
