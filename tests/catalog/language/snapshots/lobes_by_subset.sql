-- lobes by subset of phi k 3                         # the dashboard's join
-- lobes of phi k 3 are those of run 3
-- document types are those of run 4 of subsets
SELECT lobe_subsets.run, lobe_subsets.release, lobe_subsets.layer, lobe_subsets.sae, lobe_subsets.lobe_run, lobe_subsets.affinity, lobe_subsets.k, lobe_subsets.clustering, lobe_subsets.lobe, lobe_subsets.subset, lobe_subsets.n_blocks, lobe_subsets.n_top, lobe_subsets.top_share, lobe_subsets.mean_share, lobe_subsets.enrichment, lobe_subsets.enrichment_low, lobe_subsets.enrichment_high 
FROM atlas.lobe_subsets AS lobe_subsets 
WHERE lobe_subsets.clustering = 2 AND lobe_subsets.run = 4
ORDER BY lobe_subsets.run, lobe_subsets.clustering, lobe_subsets.lobe, lobe_subsets.enrichment DESC NULLS LAST, lobe_subsets.subset
