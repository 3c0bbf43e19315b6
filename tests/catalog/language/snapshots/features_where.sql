-- features where layer = 12 and density between 0.001 and 0.01 order by density desc limit 20
-- counts are of runs 1, 6: of each SAE the newest over most blocks; none of SAE 3
SELECT features.release, features.sae_id, features.layer, features.site, features.sae, features.feature, features.decoder_norm, features.threshold, features.neuronpedia_url, feature_counts.n_active, feature_counts.n_blocks, feature_counts.density 
FROM atlas.features AS features
LEFT JOIN atlas.feature_counts AS feature_counts ON feature_counts.run IN (1, 6) AND feature_counts.sae = features.sae AND feature_counts.feature = features.feature 
WHERE features.layer = 12 AND feature_counts.density BETWEEN 0.001 AND 0.01
ORDER BY feature_counts.density DESC NULLS LAST, features.sae, features.feature 
 LIMIT 20
