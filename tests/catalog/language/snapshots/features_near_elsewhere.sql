-- features near 12:4821 in layer 20                  # one concept
-- left out 1 SAE of another model or length of vectors, such as sae 3 (other/one/layer_20)
SELECT nearest.release, nearest.sae_id, nearest.layer, nearest.site, nearest.sae, nearest.feature, nearest.decoder_norm, nearest.threshold, nearest.neuronpedia_url, 1 - nullif(nearest.distance, 'NaN') AS cosine 
FROM (SELECT features.release AS release, features.sae_id AS sae_id, features.layer AS layer, features.site AS site, features.sae AS sae, features.feature AS feature, features.decoder_norm AS decoder_norm, features.threshold AS threshold, features.neuronpedia_url AS neuronpedia_url, features.decoder <=> (SELECT l2_normalize((SELECT features.decoder 
FROM atlas.features AS features 
WHERE features.sae = 1 AND features.feature = 4821)) AS target) AS distance 
FROM atlas.features AS features 
WHERE features.sae = 2
ORDER BY distance, features.sae, features.feature 
 LIMIT 10) AS nearest
ORDER BY nearest.distance, nearest.sae, nearest.feature
