-- spectra where layer between 0 and 25
SELECT spectra.run, spectra.spectrum, spectra.release, spectra.sae_id, spectra.layer, spectra.sae, spectra.recording, spectra.source, spectra.preset, spectra.features_where, spectra.clustering, spectra.affinity, spectra.k, spectra.lobe, spectra.l0, spectra.n, spectra.d, spectra.n_zero, spectra.n_duplicates, spectra.n_eigenvalues, spectra.variance, spectra.rank_first, spectra.rank_last, spectra.slope, spectra.slope_population, spectra.slope_low, spectra.slope_high, spectra.slope_least, spectra.slope_most, spectra.r2, spectra.alternative, spectra.aic_difference, spectra.log_volume, spectra.log_volume_population, spectra.log_volume_low, spectra.log_volume_high, spectra.log_volume_fitted, spectra.participation_ratio, spectra.entropy_rank, spectra.edge_low, spectra.edge_high, spectra.n_above 
FROM atlas.spectra AS spectra 
WHERE spectra.layer BETWEEN 0 AND 25
ORDER BY spectra.layer, spectra.sae, spectra.spectrum
