-- features with 12:4821 by phi > 0.2                # by jaccard, lift ...
-- counts are of run 1: sae 1 (gemma-scope/layer_12), 300 blocks, active above 0
SELECT features.release, features.sae_id, features.layer, features.site, features.sae, features.feature, features.decoder_norm, features.threshold, features.neuronpedia_url, partners.value, partners.n_both, partners.n_feature, partners.n_other 
FROM atlas.features AS features
JOIN atlas.partners(1, 4821, 'phi', NULL) AS partners ON partners.other = features.feature 
WHERE features.sae = 1 AND partners.value > 0.2
ORDER BY partners.value DESC, features.feature
