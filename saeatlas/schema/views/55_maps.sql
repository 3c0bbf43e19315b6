-- Maps of features with the names of their SAE, and the points on them.
-- Used by everyone who writes SQL.

create view atlas.maps as
select
    run.id as run, sae.release, sae.sae_id, sae.layer, run.sae,
    run.params ->> 'method' as method, run.params ->> 'source' as source,
    run.params ->> 'features_where' as features_where,
    (run.params ->> 'dimensions')::integer as dimensions,
    (run.params ->> 'perplexity')::double precision as perplexity,
    (run.quality ->> 'n_features')::integer as n_features,
    (run.quality ->> 'neighbours_kept')::double precision as neighbours_kept,
    (run.quality ->> 'neighbours_chance')::double precision as neighbours_chance,
    (run.quality ->> 'distances_kept')::double precision as distances_kept,
    (run.quality ->> 'variance_share')::double precision as variance_share,
    run.finished_at
from atlas.run
join atlas.sae on sae.id = run.sae
where run.analysis = 'maps';
comment on view atlas.maps is
    'Maps with their neighbourhood preservation: neighbours_kept, the share of a feature''s ten nearest '
    'that are among its ten nearest on the map, beside that of a random map (neighbours_chance); '
    'distances_kept, Spearman''s correlation of distances; variance_share, of PCA.';

create view atlas.coordinates as
select
    coordinate.run, sae.release, sae.sae_id, sae.layer, run.sae,
    run.params ->> 'method' as method, run.params ->> 'source' as source,
    coordinate.feature, coordinate.x, coordinate.y, coordinate.z
from atlas.coordinate
join atlas.run on run.id = coordinate.run
join atlas.sae on sae.id = run.sae;
comment on view atlas.coordinates is
    'Coordinates of features on maps; join lobes, labels and densities by sae and feature.';
