-- function vectors where relation is null and n_pairs >= 2
SELECT function_vectors.run, function_vectors.function_vector, function_vectors.sae, function_vectors.release, function_vectors.sae_id, function_vectors.layer, function_vectors.site, function_vectors.space, function_vectors.relation, function_vectors.n_pairs, function_vectors.coherence, function_vectors.coherence_before, function_vectors.n_trials, function_vectors.null_mean, function_vectors.null_sd, function_vectors.z, function_vectors.p 
FROM atlas.function_vectors AS function_vectors 
WHERE function_vectors.relation IS NULL AND function_vectors.n_pairs >= 2
ORDER BY function_vectors.run, function_vectors.function_vector
