-- features where not lobe in (0, 1) of angular k 3 in run 5 or not fires in "ArXiv" <= 0.5 limit 5
-- lobes of angular k 3 are those of run 5
-- counts are of runs 1, 6: of each SAE the newest over most blocks; none of SAE 3
SELECT features.release, features.sae_id, features.layer, features.site, features.sae, features.feature, features.decoder_norm, features.threshold, features.neuronpedia_url 
FROM atlas.features AS features
LEFT JOIN atlas.lobe_features AS lobe_features ON lobe_features.clustering = 3 AND lobe_features.sae = features.sae AND lobe_features.feature = features.feature
LEFT JOIN (SELECT 1 AS sae, shares.feature AS feature, shares.share AS share 
FROM atlas.subset_shares(1, 'ArXiv') AS shares UNION ALL SELECT 2 AS sae, shares.feature AS feature, shares.share AS share 
FROM atlas.subset_shares(6, 'ArXiv') AS shares) AS firing ON firing.sae = features.sae AND firing.feature = features.feature 
WHERE (lobe_features.lobe NOT IN (0, 1)) OR firing.share > 0.5
ORDER BY features.sae, features.feature 
 LIMIT 5
