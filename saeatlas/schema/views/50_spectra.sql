-- Spectra with the names of their SAE, against layer, and beside published figures.
-- Used by everyone who writes SQL.

create view atlas.spectra as
select
    spectrum.run, spectrum.id as spectrum, sae.release, sae.sae_id, sae.layer, run.sae,
    run.recording, spectrum.source, run.preset, run.params ->> 'features_where' as features_where,
    spectrum.clustering, clustering.affinity, clustering.k, spectrum.lobe,
    coalesce(recording.l0, sae.l0, newest.l0) as l0, spectrum.n, spectrum.d, spectrum.n_zero,
    spectrum.n_duplicates, spectrum.n_eigenvalues, spectrum.variance, spectrum.rank_first,
    spectrum.rank_last, spectrum.slope, spectrum.slope_population, spectrum.slope_low,
    spectrum.slope_high, spectrum.slope_least, spectrum.slope_most, spectrum.r2,
    spectrum.alternative, spectrum.aic_difference, spectrum.log_volume,
    spectrum.log_volume_population, spectrum.log_volume_low, spectrum.log_volume_high,
    spectrum.log_volume_fitted, spectrum.participation_ratio, spectrum.entropy_rank,
    spectrum.edge_low, spectrum.edge_high, spectrum.n_above
from atlas.spectrum
join atlas.run on run.id = spectrum.run
join atlas.sae on sae.id = run.sae
left join atlas.clustering on clustering.id = spectrum.clustering
left join atlas.recording on recording.id = run.recording
left join lateral (
    select other.l0 from atlas.recording as other where other.sae = sae.id order by other.id desc limit 1
) as newest on true;
comment on view atlas.spectra is
    'Spectra with the names of their SAE and lobe. l0 is that of the recording, the SAE''s own, or '
    'that of its newest recording.';

create view atlas.eigenvalues as
select
    spectra.run, spectra.release, spectra.layer, spectra.sae, spectra.source, spectra.clustering,
    spectra.lobe, eigenvalue.spectrum, eigenvalue.rank, eigenvalue.value, eigenvalue.null_low,
    eigenvalue.null_high
from atlas.eigenvalue
join atlas.spectra on spectra.spectrum = eigenvalue.spectrum;
comment on view atlas.eigenvalues is
    'Eigenvalues by rank, with the 95% band of an isotropic Gaussian null.';

create view atlas.spectrum_tests as
select
    spectra.run, spectra.release, spectra.layer, spectra.sae, spectra.source, spectra.clustering,
    spectra.lobe, test.spectrum, test.statistic, test.null_model, test.n_trials, test.value,
    test.mean, test.sd, test.z, test.p
from atlas.spectrum_test as test
join atlas.spectra on spectra.spectrum = test.spectrum;
comment on view atlas.spectrum_tests is 'Tests of spectra against random sets of vectors of the same size.';

create view atlas.cluster_entropies as
select
    spectra.run, spectra.release, spectra.layer, spectra.sae, spectra.source, spectra.preset,
    spectra.clustering, spectra.lobe, entropy.spectrum, entropy.components, entropy.neighbour,
    entropy.n, entropy.negentropy, entropy.negentropy_low, entropy.negentropy_high,
    entropy.n_draws, entropy.gaussian, entropy.excess_gaussian, entropy.excess_gaussian_low,
    entropy.excess_gaussian_high, entropy.z_gaussian, entropy.directions,
    entropy.excess_directions, entropy.excess_directions_low, entropy.excess_directions_high,
    entropy.z_directions
from atlas.cluster_entropy as entropy
join atlas.spectra on spectra.spectrum = entropy.spectrum;
comment on view atlas.cluster_entropies is
    'Negentropy of each set of vectors, how far it is from a single Gaussian, by components and '
    'neighbour.';

create view atlas.published_spectra as
select
    'gemma-scope-2b-pt-res' as release, 65536 as d_sae, layer, -exponent::float8 as slope,
    volume::float8 as log_volume_fitted, negentropy::float8
from (values
    (0, 0.2383, -972.5, 354.7), (1, 0.2673, null, 355.8), (2, 0.2668, null, 356.7),
    (3, 0.2702, null, 360.3), (4, 0.3161, null, 361.2), (5, 0.3372, null, 363.2),
    (6, 0.3404, null, 362.1), (7, 0.3467, -907.4, 364.8), (8, 0.3512, null, 364.4),
    (9, 0.3640, null, 365.3), (10, 0.3647, null, 364.6), (11, 0.4631, null, 368.6),
    (12, 0.4684, null, 366.4), (13, 0.4858, null, 364.8), (14, 0.4809, null, 365.4),
    (15, 0.3739, null, 364.0), (16, 0.3622, null, 360.2), (17, 0.3594, null, 362.0),
    (18, 0.3415, null, 361.1), (19, 0.3109, null, 361.8), (20, 0.2822, null, 361.9),
    (21, 0.2762, null, 360.4), (22, 0.2474, null, 358.3), (23, 0.2321, -983.7, 356.0),
    (24, 0.2545, null, 358.9), (25, 0.3235, null, 362.0)
) as published (layer, exponent, volume, negentropy);
comment on view atlas.published_spectra is
    'Figures of "The Geometry of Concepts" (Entropy 27(4):344, 2025) for the SAEs of width 65k: '
    'slope and volume over ranks 11 to 150, clustering entropy by the published procedure.';

create view atlas.spectra_by_layer as
select
    spectra.release, spectra.layer, spectra.sae, spectra.sae_id, spectra.source, spectra.run,
    spectra.spectrum, spectra.l0, spectra.n, spectra.d, spectra.slope, spectra.slope_population,
    spectra.slope_low, spectra.slope_high, spectra.log_volume, spectra.log_volume_population,
    spectra.log_volume_low, spectra.log_volume_high, spectra.log_volume_fitted,
    spectra.participation_ratio, entropy.negentropy, entropy.negentropy_low,
    entropy.negentropy_high, entropy.excess_gaussian, entropy.excess_gaussian_low,
    entropy.excess_gaussian_high, entropy.excess_directions, entropy.excess_directions_low,
    entropy.excess_directions_high, paper.negentropy as negentropy_paper,
    published.slope as slope_published, published.log_volume_fitted as log_volume_published,
    published.negentropy as negentropy_published
from (
    select *, row_number() over (partition by sae, source order by run desc) as newest
    from atlas.spectra
    where preset = 'default' and lobe is null and features_where is null
) as spectra
join atlas.sae on sae.id = spectra.sae
left join atlas.cluster_entropy as entropy
    on entropy.spectrum = spectra.spectrum and entropy.components = 100 and entropy.neighbour = 1
left join lateral (
    select other.negentropy
    from atlas.cluster_entropies as other
    where other.sae = spectra.sae and other.source = spectra.source and other.preset = 'paper'
        and other.lobe is null
    order by other.run desc
    limit 1
) as paper on true
left join atlas.published_spectra as published
    on spectra.release in (published.release, published.release || '-canonical')
    and published.d_sae = sae.d_sae and published.layer = spectra.layer and spectra.source = 'decoder'
where spectra.newest = 1;
comment on view atlas.spectra_by_layer is
    'One row for each SAE, to be plotted against layer: slope, volume and clustering entropy (100 '
    'components, nearest neighbour) of the newest run on all its features, with intervals; beside '
    'them the published figures of the same SAEs. l0 differs between layers and may explain differences.';
