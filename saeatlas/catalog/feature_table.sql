-- name: feature_table
-- The features of an SAE, with a count of co-occurrence and the best label of each: of the highest
-- score, labels without any last; ties by source, method and text. Parameters: sae (sae.id), run
-- (run.id of the count, NULL for none).
select
    feature.release, feature.sae_id, feature.layer, feature.feature, feature.decoder_norm,
    feature.threshold, counted.n_active, counted.n_blocks, counted.density, best.text as label,
    best.source as label_source, best.score as label_score, feature.neuronpedia_url
from atlas.features as feature
left join atlas.feature_counts as counted
    on counted.run = %(run)s and counted.sae = feature.sae and counted.feature = feature.feature
left join (
    select distinct on (labels.feature) labels.feature, labels.text, labels.source, labels.score
    from atlas.labels
    where labels.sae = %(sae)s
    order by labels.feature, labels.score desc nulls last, labels.source, labels.method, labels.text
) as best on best.feature = feature.feature
where feature.sae = %(sae)s
order by feature.feature
