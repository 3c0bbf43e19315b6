-- features of layer 12 about "captial" where density > 0 and score > 0.1 limit 3
-- counts are of run 1: sae 1 (gemma-scope/layer_12), 300 blocks, active above 0
SELECT features.release, features.sae_id, features.layer, features.site, features.sae, features.feature, features.decoder_norm, features.threshold, features.neuronpedia_url, about.text, about.source, about.method, about.score, feature_counts.n_active, feature_counts.n_blocks, feature_counts.density 
FROM atlas.features AS features
JOIN atlas.about('captial', 2147483647, 1) WITH ORDINALITY AS about ON about.sae = features.sae AND about.feature = features.feature
LEFT JOIN atlas.feature_counts AS feature_counts ON feature_counts.run = 1 AND feature_counts.sae = features.sae AND feature_counts.feature = features.feature 
WHERE features.sae = 1 AND feature_counts.density > 0 AND about.score > 0.1
ORDER BY about.ordinality 
 LIMIT 3
