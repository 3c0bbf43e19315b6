-- The demo's questions. Each begins with its title; all run as they stand on the demo's catalog.
-- Used by tour.py, and executed by a test.

-- ? What was read?
select subset, count(*) as documents, sum(n_blocks) as blocks, sum(n_tokens) as tokens
from documents
group by subset
order by subset

-- ? How busy is each layer? A block of 256 tokens wakes a small share of the features.
select
    recordings.layer, saes.d_sae as features, round(recordings.l0::numeric, 1) as active_a_token,
    round(recordings.n_activations::numeric / recordings.n_blocks, 1) as active_a_block,
    round(100.0 * recordings.n_activations / recordings.n_blocks / saes.d_sae, 1) as percent,
    round(recordings.explained_variance::numeric, 3) as explained_variance
from recordings join saes using (sae)
where saes.release = 'saeatlas-demo'
order by recordings.layer

-- ? Which feature of layer 3 belongs to which type of document?
with size as (
    select subset, count(*)::float as blocks
    from block_activations
    where release = 'saeatlas-demo' and layer = 3
    group by subset
),
fired as (
    select subset, feature, count(*) as n
    from activations
    where release = 'saeatlas-demo' and layer = 3
    group by subset, feature
),
rate as (
    select
        subset, feature, n / blocks as share,
        (sum(n) over (partition by feature) - n) / ((select sum(blocks) from size) - blocks)
            as share_elsewhere
    from fired join size using (subset)
)
select distinct on (subset)
    subset, feature, round(share::numeric, 2) as share_here,
    round(share_elsewhere::numeric, 2) as share_elsewhere
from rate
order by subset, share - share_elsewhere desc

-- ? Which features of layer 3 fire in the same blocks as feature 688, by phi?
select
    partner.other, round(partner.value::numeric, 3) as phi, partner.n_both, partner.n_feature,
    partner.n_other
from cooccurrence_runs, partners(run, 688, 'phi', 5) as partner
where release = 'saeatlas-demo' and layer = 3 and params ->> 'documents_where' is null

-- ? Three lobes of layer 3, made from half of the documents: which types does each prefer in the rest?
select
    lobe, subset, n_blocks, n_top, round(top_share::numeric, 2) as top_share,
    round(enrichment::numeric, 2) as enrichment, round(enrichment_low::numeric, 2) as at_least,
    round(enrichment_high::numeric, 2) as at_most
from lobe_subsets
where release = 'saeatlas-demo' and affinity = 'phi' and k = 3 and enrichment > 1
order by lobe, enrichment desc, subset

-- ? Are these lobes spatial? Against lobes shuffled, and shuffled among equally frequent features.
select
    k, statistic, null_model, round(value::numeric, 3) as value, round(mean::numeric, 3) as mean,
    round(z::numeric, 1) as z, round(p::numeric, 4) as p, round(p_adjusted::numeric, 4) as p_adjusted
from lobe_tests
where release = 'saeatlas-demo' and affinity = 'phi'
order by k, statistic, null_model

-- ? Which features of layer 3 point the way feature 0 does?
select neighbor, round(cosine::numeric, 3) as cosine
from saes, neighbours(saes.sae, 0, 5)
where release = 'saeatlas-demo' and layer = 3

-- ? Where do the features of layer 5 have their largest activations, and what is the text there?
select
    feature, round(peak::numeric, 1) as peak, top.subset,
    left(regexp_replace(text, '\s+', ' ', 'g'), 60) as text
from (
    select * from activations
    where release = 'saeatlas-demo' and layer = 5
    order by peak desc, block
    limit 5
) as top
join blocks using (corpus, block)
order by top.peak desc, block

-- ? How do the decoder vectors of each layer spread, and do they cluster? 0 would be none.
select
    layer, round(l0::numeric, 1) as l0, round(slope::numeric, 3) as slope,
    round(slope_population::numeric, 3) as population, round(slope_low::numeric, 3) as at_least,
    round(slope_high::numeric, 3) as at_most, round(participation_ratio::numeric, 1) as effective_rank,
    round(excess_directions::numeric, 2) as excess_entropy,
    round(excess_directions_low::numeric, 2) as entropy_at_least,
    round(excess_directions_high::numeric, 2) as entropy_at_most
from spectra_by_layer
where release = 'saeatlas-demo'
order by layer

-- ? Which words follow their relation? Partners shuffled are the null; z is how far beyond.
select
    layer, relation, n_pairs, round(coherence_before::numeric, 3) as before,
    round(coherence::numeric, 3) as coherence, round(null_mean::numeric, 3) as shuffled,
    round(z::numeric, 1) as z, p
from function_vectors
where space is not null
order by layer, relation

-- ? What do pairs of one relation differ by most? At the first layer by how long their last tokens are.
select
    layer, distractor, round(within_share::numeric, 3) as share, attribute,
    round(r2::numeric, 2) as r2, round(r2_low::numeric, 2) as at_least,
    round(r2_high::numeric, 2) as at_most
from distractors
where space is not null and distractor = 1
order by layer, r2 desc

-- ? Which four features make the best crystals? b is to a as d is to c; with what each promotes.
select
    crystals.layer, kind, round(quality_after::numeric, 2) as quality,
    string_agg(corner.feature || ' ' || quote_literal(token), ', ' order by corner.place)
        as "a, b, c, d"
from crystals
cross join lateral unnest(array[a, b, c, d]) with ordinality as corner (feature, place)
join feature_tokens using (sae, feature)
where feature_tokens.rank = 1
group by crystals.layer, crystals.run, crystal, kind, quality_after
order by quality_after desc
limit 8
