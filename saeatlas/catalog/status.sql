-- name: server
-- Versions of the server and the catalog's size in bytes.
select
    format('PostgreSQL %s, pgvector %s', current_setting('server_version'), extversion),
    (
        select sum(pg_total_relation_size(oid))::bigint
        from pg_catalog.pg_class
        where relnamespace = 'atlas'::regnamespace and relkind in ('r', 'p')
    )
from pg_catalog.pg_extension
where extname = 'vector'

-- name: saes
-- One row an SAE, with the number of recordings made with it.
select
    saes.sae, saes.release, saes.sae_id, saes.model, saes.layer, saes.site, saes.architecture,
    saes.d_in, saes.d_sae, saes.l0,
    (select count(*) from recording where recording.sae = saes.sae) as recordings
from saes
order by saes.release, saes.layer, saes.sae

-- name: corpora
-- One row a corpus, with its document types, most frequent first.
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

-- name: recordings
-- One row per recording.
select
    recording, release, sae_id, layer, corpus_name as corpus, model, state,
    n_documents as documents, n_blocks as blocks, n_activations as activations,
    explained_variance, l0
from recordings
order by recording

-- name: words
-- One row a space of word vectors.
select space, name, model, layer, site, d, n_words
from word_spaces
order by space

-- name: runs
-- One row per run of an analysis, with what it made: lobes of which affinities and k, a map by which
-- method, of which vectors.
select
    run.id as run, run.analysis, coalesce(sae.release, space.name) as release, sae.sae_id,
    run.recording,
    concat_ws(
        ' ', run.params ->> 'method', run.params ->> 'source',
        (
            select string_agg(one #>> '{}', ', ')
            from jsonb_path_query(run.params, '$.affinities[*]') as one
        ),
        (
            select 'k ' || string_agg(one #>> '{}', ', ')
            from jsonb_path_query(run.params, '$.ks[*]') as one
        )
    ) as made,
    run.params ->> 'threshold' as threshold,
    coalesce(nullif(run.params -> 'subsets', '[]'::jsonb) #>> '{}', run.params ->> 'documents_where')
        as documents,
    run.quality ->> 'n_blocks' as blocks, run.quality ->> 'n_features' as features, run.finished_at
from run
left join sae on sae.id = run.sae
left join word_space as space on space.id = run.word_space
order by run.id
