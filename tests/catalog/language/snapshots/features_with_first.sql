-- features with 12:4821 by lift limit 3
-- counts are of run 1: sae 1 (gemma-scope/layer_12), 300 blocks, active above 0
SELECT features.release, features.sae_id, features.layer, features.site, features.sae, features.feature, features.decoder_norm, features.threshold, features.neuronpedia_url, partners.value, partners.n_both, partners.n_feature, partners.n_other 
FROM atlas.features AS features
JOIN atlas.partners(1, 4821, 'lift', 3) AS partners ON partners.other = features.feature 
WHERE features.sae = 1
ORDER BY partners.value DESC, features.feature 
 LIMIT 3
