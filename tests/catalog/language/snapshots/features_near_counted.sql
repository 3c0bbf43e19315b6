-- features near 12:3 where density > 0.1 limit 4
-- counts are of run 1: sae 1 (gemma-scope/layer_12), 300 blocks, active above 0
SELECT nearest.release, nearest.sae_id, nearest.layer, nearest.site, nearest.sae, nearest.feature, nearest.decoder_norm, nearest.threshold, nearest.neuronpedia_url, nearest.n_active, nearest.n_blocks, nearest.density, 1 - nullif(nearest.distance, 'NaN') AS cosine 
FROM (SELECT features.release AS release, features.sae_id AS sae_id, features.layer AS layer, features.site AS site, features.sae AS sae, features.feature AS feature, features.decoder_norm AS decoder_norm, features.threshold AS threshold, features.neuronpedia_url AS neuronpedia_url, feature_counts.n_active AS n_active, feature_counts.n_blocks AS n_blocks, feature_counts.density AS density, features.decoder <=> (SELECT l2_normalize((SELECT features.decoder 
FROM atlas.features AS features 
WHERE features.sae = 1 AND features.feature = 3)) AS target) AS distance 
FROM atlas.features AS features
LEFT JOIN atlas.feature_counts AS feature_counts ON feature_counts.run = 1 AND feature_counts.sae = features.sae AND feature_counts.feature = features.feature 
WHERE features.sae = 1 AND NOT (features.sae = 1 AND features.feature = 3) AND feature_counts.density > 0.1
ORDER BY distance, features.sae, features.feature 
 LIMIT 4) AS nearest
ORDER BY nearest.distance, nearest.sae, nearest.feature
