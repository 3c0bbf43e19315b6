-- maps of layer 12 where method = pca
SELECT maps.run, maps.release, maps.sae_id, maps.layer, maps.sae, maps.method, maps.source, maps.features_where, maps.dimensions, maps.perplexity, maps.n_features, maps.neighbours_kept, maps.neighbours_chance, maps.distances_kept, maps.variance_share, maps.finished_at 
FROM atlas.maps AS maps 
WHERE maps.sae = 1 AND maps.method = 'pca'
ORDER BY maps.layer, maps.sae, maps.run
