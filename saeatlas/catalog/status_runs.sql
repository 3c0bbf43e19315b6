-- One row a run of an analysis, with what it made: lobes of which affinities and k, a map by which
-- method, of which vectors. Used by status.py.
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
