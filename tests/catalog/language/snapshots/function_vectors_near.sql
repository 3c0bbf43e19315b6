-- function vectors near 12:4821
SELECT function_vectors.run, function_vectors.function_vector, function_vectors.sae, function_vectors.release, function_vectors.sae_id, function_vectors.layer, function_vectors.site, function_vectors.space, function_vectors.relation, function_vectors.n_pairs, function_vectors.coherence, function_vectors.coherence_before, function_vectors.n_trials, function_vectors.null_mean, function_vectors.null_sd, function_vectors.z, function_vectors.p, 1 - nullif(function_vectors.direction <=> (SELECT l2_normalize((SELECT features.decoder 
FROM atlas.features AS features 
WHERE features.sae = 1 AND features.feature = 4821)) AS target), 'NaN') AS cosine 
FROM atlas.function_vectors AS function_vectors 
WHERE function_vectors.sae = 1
ORDER BY function_vectors.direction <=> (SELECT l2_normalize((SELECT features.decoder 
FROM atlas.features AS features 
WHERE features.sae = 1 AND features.feature = 4821)) AS target), function_vectors.run, function_vectors.function_vector 
 LIMIT 10
