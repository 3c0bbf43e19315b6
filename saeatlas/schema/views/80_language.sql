-- Views that the query language reads beside those of each subject. Used by catalog/language and
-- by everyone who writes SQL.

create view atlas.runs as
select
    run.id as run, run.analysis, sae.release, sae.sae_id, sae.layer, run.sae, run.recording,
    run.input_run, run.preset, run.seed, run.params, run.quality, run.code_version,
    run.started_at, run.finished_at
from atlas.run left join atlas.sae on sae.id = run.sae;
comment on view atlas.runs is 'Analyses with the names of their SAE.';

create view atlas.feature_counts as
select
    runs.run, runs.release, runs.sae_id, runs.layer, runs.sae, counted.feature,
    counted.n as n_active, runs.n_blocks, counted.n::float8 / nullif(runs.n_blocks, 0) as density
from atlas.cooccurrence_feature as counted
join atlas.cooccurrence_runs as runs on runs.run = counted.run;
comment on view atlas.feature_counts is
    'Number and share of the counted blocks in which each feature is active.';

create function atlas.subset_shares(run integer, subset text)
returns table (feature integer, n_active integer, n_blocks integer, share double precision)
language sql stable parallel safe
begin atomic
    with bitmap as (
        select bitmap.id, recording.corpus
        from atlas.run
        join atlas.recording on recording.id = run.recording
        join atlas.bitmap
            on bitmap.recording = recording.id
            and bitmap.relative = ((run.params ->> 'threshold') like 'theta%')
            and bitmap.threshold = replace(run.params ->> 'threshold', 'theta', '')::real
        where run.id = subset_shares.run
    ),
    -- bits of the blocks of this type, laid out as those of the features: zeros to whole words
    mask as materialized (
        select
            chunk.bitmap, chunk.chunk, count(*) filter (where document.subset = subset_shares.subset) as n,
            rpad(
                string_agg(
                    case when document.subset = subset_shares.subset then '1' else '0' end, ''
                    order by block.block
                ),
                (chunk.n_blocks + 63) / 64 * 64, '0'
            )::bit varying as bits
        from bitmap
        join atlas.bitmap_chunk as chunk on chunk.bitmap = bitmap.id
        join atlas.block
            on block.corpus = bitmap.corpus and block.block >= chunk.first_block
            and block.block < chunk.first_block + chunk.n_blocks
        join atlas.document
            on document.corpus = bitmap.corpus and document.document = block.document
        group by chunk.bitmap, chunk.chunk, chunk.n_blocks
    ),
    active as (
        select bits.feature, sum(bit_count(bits.bits & mask.bits))::integer as n
        from mask
        join atlas.feature_bitmap as bits on bits.bitmap = mask.bitmap and bits.chunk = mask.chunk
        where mask.n > 0
        group by bits.feature
    ),
    total as (select sum(mask.n)::integer as n from mask)
    select
        counted.feature, coalesce(active.n, 0), total.n,
        coalesce(active.n, 0)::float8 / nullif(total.n, 0)
    from total
    join atlas.cooccurrence_feature as counted on counted.run = subset_shares.run
    left join active on active.feature = counted.feature
    where total.n is not null;
end;
comment on function atlas.subset_shares(integer, text) is
    'Share of a document type''s blocks in which each feature is active, at the threshold of a run of '
    'co-occurrence, over all blocks of its bitmap, even if the run counted only some. No rows for '
    'counts that were ingested from a file.';
