-- features near 12:10 in release gemma-scope where cosine > 0.4 and feature != 3 order by layer desc, cosine desc limit 5
SELECT features.release, features.sae_id, features.layer, features.site, features.sae, features.feature, features.decoder_norm, features.threshold, features.neuronpedia_url, 1 - nullif(features.decoder <=> (SELECT l2_normalize((SELECT features.decoder 
FROM atlas.features AS features 
WHERE features.sae = 1 AND features.feature = 10)) AS target), 'NaN') AS cosine 
FROM atlas.features AS features 
WHERE features.sae IN (1, 2) AND NOT (features.sae = 1 AND features.feature = 10) AND 1 - nullif(features.decoder <=> (SELECT l2_normalize((SELECT features.decoder 
FROM atlas.features AS features 
WHERE features.sae = 1 AND features.feature = 10)) AS target), 'NaN') > 0.4 AND features.feature != 3
ORDER BY features.layer DESC NULLS LAST, 1 - nullif(features.decoder <=> (SELECT l2_normalize((SELECT features.decoder 
FROM atlas.features AS features 
WHERE features.sae = 1 AND features.feature = 10)) AS target), 'NaN') DESC NULLS LAST, features.sae, features.feature 
 LIMIT 5
