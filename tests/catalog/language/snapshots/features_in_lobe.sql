-- features where lobe = 2 of phi k 3 and fires in "Github" > 0.2
-- lobes of phi k 3 are those of run 3
-- counts are of runs 1, 6: of each SAE the newest over most blocks; none of SAE 3
SELECT features.release, features.sae_id, features.layer, features.site, features.sae, features.feature, features.decoder_norm, features.threshold, features.neuronpedia_url 
FROM atlas.features AS features 
WHERE (features.sae, features.feature) IN (SELECT lobe_features.sae, lobe_features.feature 
FROM atlas.lobe_features AS lobe_features 
WHERE lobe_features.clustering = 2 AND lobe_features.lobe = 2) AND (features.sae = 1 AND features.feature IN (SELECT shares.feature 
FROM atlas.subset_shares(1, 'Github') AS shares 
WHERE shares.share > 0.2) OR features.sae = 2 AND features.feature IN (SELECT shares.feature 
FROM atlas.subset_shares(6, 'Github') AS shares 
WHERE shares.share > 0.2))
ORDER BY features.sae, features.feature
