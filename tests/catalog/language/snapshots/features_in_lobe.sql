-- features where lobe = 2 of phi k 3 and fires in "Github" > 0.2
-- lobes of phi k 3 are those of run 3
-- counts are of runs 1, 6: of each SAE the newest over most blocks; none of SAE 3
SELECT features.release, features.sae_id, features.layer, features.site, features.sae, features.feature, features.decoder_norm, features.threshold, features.neuronpedia_url 
FROM atlas.features AS features
LEFT JOIN atlas.lobe_features AS lobe_features ON lobe_features.clustering = 2 AND lobe_features.sae = features.sae AND lobe_features.feature = features.feature
LEFT JOIN (SELECT 1 AS sae, shares.feature AS feature, shares.share AS share 
FROM atlas.subset_shares(1, 'Github') AS shares UNION ALL SELECT 2 AS sae, shares.feature AS feature, shares.share AS share 
FROM atlas.subset_shares(6, 'Github') AS shares) AS firing ON firing.sae = features.sae AND firing.feature = features.feature 
WHERE lobe_features.lobe = 2 AND firing.share > 0.2
ORDER BY features.sae, features.feature
