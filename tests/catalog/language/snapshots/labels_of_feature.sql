-- labels of 12:4821
SELECT labels.label, labels.release, labels.sae_id, labels.layer, labels.sae, labels.feature, labels.text, labels.source, labels.method, labels.score, labels.url, labels.neuronpedia_url 
FROM atlas.labels AS labels 
WHERE labels.sae = 1 AND labels.feature = 4821
ORDER BY labels.sae, labels.feature, labels.label
