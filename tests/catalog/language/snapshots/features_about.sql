-- features about "capital cities"                    # labels
SELECT features.release, features.sae_id, features.layer, features.site, features.sae, features.feature, features.decoder_norm, features.threshold, features.neuronpedia_url, about.text, about.source, about.method, about.score 
FROM atlas.features AS features
JOIN atlas.about('capital cities', 10, NULL) WITH ORDINALITY AS about ON about.sae = features.sae AND about.feature = features.feature
ORDER BY about.ordinality 
 LIMIT 10
