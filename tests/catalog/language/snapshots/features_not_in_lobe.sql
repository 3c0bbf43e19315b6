-- features where not lobe in (0, 1) of angular k 3 in run 5 or not fires in "ArXiv" <= 0.5 limit 5
-- lobes of angular k 3 are those of run 5
-- counts are of runs 1, 6: of each SAE the newest over most blocks; none of SAE 3
SELECT features.release, features.sae_id, features.layer, features.site, features.sae, features.feature, features.decoder_norm, features.threshold, features.neuronpedia_url 
FROM atlas.features AS features 
WHERE NOT CASE WHEN (features.sae = 1) THEN (features.sae, features.feature) IN (SELECT lobe_features.sae, lobe_features.feature 
FROM atlas.lobe_features AS lobe_features 
WHERE lobe_features.clustering = 3 AND lobe_features.lobe IN (0, 1)) END OR NOT CASE WHEN (features.sae IN (1, 2)) THEN features.sae = 1 AND features.feature IN (SELECT shares.feature 
FROM atlas.subset_shares(1, 'ArXiv') AS shares 
WHERE shares.share <= 0.5) OR features.sae = 2 AND features.feature IN (SELECT shares.feature 
FROM atlas.subset_shares(6, 'ArXiv') AS shares 
WHERE shares.share <= 0.5) END
ORDER BY features.sae, features.feature 
 LIMIT 5
