-- saes where has_encoder = false and release like "gemma%" or d_in < 9
SELECT saes.sae, saes.release, saes.sae_id, saes.model, saes.layer, saes.site, saes.hook_name, saes.architecture, saes.d_in, saes.d_sae, saes.l0, saes.explained_variance, saes.neuronpedia_url, saes.created_at, saes.has_encoder, saes.has_weights 
FROM atlas.saes AS saes 
WHERE saes.has_encoder = false AND saes.release LIKE 'gemma%' OR saes.d_in < 9
ORDER BY saes.sae
