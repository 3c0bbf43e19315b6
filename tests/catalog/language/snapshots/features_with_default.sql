-- features with gemma-scope/12:1008 in run 2 where n_both > 3
-- counts are of run 2: sae 1 (gemma-scope/layer_12), 132 blocks, active above 0
SELECT features.release, features.sae_id, features.layer, features.site, features.sae, features.feature, features.decoder_norm, features.threshold, features.neuronpedia_url, partners.value, partners.n_both, partners.n_feature, partners.n_other 
FROM atlas.features AS features
JOIN atlas.partners(2, 1008, 'phi', NULL) AS partners ON partners.other = features.feature 
WHERE features.sae = 1 AND partners.n_both > 3
ORDER BY partners.value DESC, features.feature 
 LIMIT 10
