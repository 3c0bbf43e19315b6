-- labels of layer 12 where text like "%cities%" and score > 0.5
SELECT labels.label, labels.release, labels.sae_id, labels.layer, labels.sae, labels.feature, labels.text, labels.source, labels.method, labels.score, labels.url, labels.neuronpedia_url 
FROM atlas.labels AS labels 
WHERE labels.sae = 1 AND labels.text LIKE '%cities%' AND labels.score > 0.5
ORDER BY labels.sae, labels.feature, labels.label
