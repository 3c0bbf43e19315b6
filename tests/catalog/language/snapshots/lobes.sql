-- lobes of phi k 2
-- lobes of phi k 2 are those of run 3
SELECT lobes.run, lobes.analysis, lobes.release, lobes.layer, lobes.sae, lobes.affinity, lobes.k, lobes.clustering, lobes.lobe, lobes.name, lobes.n_features, lobes.modularity, lobes.silhouette, lobes.parent, lobes.parent_share 
FROM atlas.lobes AS lobes 
WHERE lobes.clustering = 1
ORDER BY lobes.clustering, lobes.lobe
