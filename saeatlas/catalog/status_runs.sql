-- One row a run of an analysis. Used by status.py.
select
    run.id as run, run.analysis, sae.release, sae.sae_id, run.recording,
    run.params ->> 'threshold' as threshold,
    coalesce(nullif(run.params -> 'subsets', '[]'::jsonb) #>> '{}', run.params ->> 'documents_where')
        as documents,
    run.quality ->> 'n_blocks' as blocks, run.quality ->> 'n_features' as features, run.finished_at
from run left join sae on sae.id = run.sae
order by run.id
