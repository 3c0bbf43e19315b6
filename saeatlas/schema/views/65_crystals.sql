-- Crystals: function vectors, pairs that follow them, parallelograms and trapezoids.
-- Used by everyone who writes SQL.

create view atlas.function_vectors as
select
    function_vector.run, function_vector.number as function_vector, run.sae, sae.release,
    sae.sae_id, coalesce(sae.layer, word_space.layer) as layer, sae.site,
    word_space.name as space, function_vector.relation,
    function_vector.n_pairs, function_vector.coherence, function_vector.coherence_before,
    function_vector.n_trials, function_vector.null_mean, function_vector.null_sd, function_vector.z,
    function_vector.p, function_vector.direction
from atlas.function_vector
join atlas.run on run.id = function_vector.run
left join atlas.sae on sae.id = run.sae
left join atlas.word_space on word_space.id = run.word_space;
comment on view atlas.function_vectors is
    'Function vectors, by number within their run, with the names of the SAE or of the words'' space.';

create view atlas.function_vector_pairs as
select
    function_vector.run, function_vector.number as function_vector, run.sae,
    function_vector.relation, member.rank, member.a, member.b, member.input, member.output,
    member.cosine
from atlas.function_vector_member as member
join atlas.function_vector on function_vector.id = member.function_vector
join atlas.run on run.id = function_vector.run;
comment on view atlas.function_vector_pairs is
    'Pairs whose difference b - a, or output - input, follows a function vector; best first by rank.';

create view atlas.crystals as
select
    crystal.run, crystal.crystal, function_vector.number as function_vector, run.sae, sae.release,
    sae.sae_id, sae.layer, sae.site, crystal.kind, crystal.a, crystal.b, crystal.c, crystal.d,
    crystal.quality_before, crystal.quality_after, crystal.length_ratio, crystal.p, crystal.q
from atlas.crystal
join atlas.run on run.id = crystal.run
join atlas.sae on sae.id = run.sae
left join atlas.function_vector on function_vector.id = crystal.function_vector;
comment on view atlas.crystals is
    'Parallelograms and trapezoids of features: b - a is parallel to d - c. function_vector: its '
    'number within the run; NULL where the sides follow two.';

create view atlas.distractors as
select
    distractor.run, run.sae, word_space.name as space,
    coalesce(sae.layer, word_space.layer) as layer, distractor.number as distractor,
    distractor.origin, distractor.within_share, attribute.attribute, attribute.n, attribute.r2,
    attribute.r2_low, attribute.r2_high
from atlas.distractor
join atlas.run on run.id = distractor.run
left join atlas.sae on sae.id = run.sae
left join atlas.word_space on word_space.id = run.word_space
left join atlas.distractor_attribute as attribute on attribute.distractor = distractor.id;
comment on view atlas.distractors is
    'Directions projected out before pairs were compared, one row for each measured attribute.';

create view atlas.separations as
select
    separation.run, word_space.name as space, word_space.layer, separation.components,
    separation.silhouette, separation.held_out, separation.n_trials, separation.null_mean,
    separation.null_sd, separation.z, separation.p
from atlas.separation
join atlas.run on run.id = separation.run
join atlas.word_space on word_space.id = run.word_space;
comment on view atlas.separations is
    'Silhouette of the relations of word pairs, by number of linear discriminants.';

create function atlas.analogy(
    sae integer, a integer, b integer, c integer, k integer default 10
)
returns table (feature integer, cosine double precision)
language sql stable parallel safe
begin atomic
    with goal as materialized (
        select atlas.direction(
            ends.decoder - starts.decoder + others.decoder,
            greatest(ends.decoder_norm, starts.decoder_norm, others.decoder_norm)
        ) as vector
        from atlas.feature as starts
        join atlas.feature as ends on ends.sae = starts.sae and ends.feature = analogy.b
        join atlas.feature as others on others.sae = starts.sae and others.feature = analogy.c
        where starts.sae = analogy.sae and starts.feature = analogy.a
    )
    select candidate.feature, 1 - (candidate.decoder <=> goal.vector)
    from goal
    join atlas.feature as candidate on candidate.sae = analogy.sae
    where candidate.feature not in (analogy.a, analogy.b, analogy.c) and candidate.decoder_norm > 0
    order by candidate.decoder <=> goal.vector, candidate.feature
    limit analogy.k;
end;
comment on function atlas.analogy(integer, integer, integer, integer, integer) is
    'a is to b as c is to which feature: the k features nearest to b - a + c by cosine, a, b and c '
    'excluded; an exact scan.';

create function atlas.crystals_with(sae integer, feature integer)
returns setof atlas.crystals
language sql stable parallel safe
begin atomic
    select crystals.*
    from atlas.crystals
    where crystals.sae = crystals_with.sae
        and crystals_with.feature in (crystals.a, crystals.b, crystals.c, crystals.d)
    order by crystals.run desc, crystals.crystal;
end;
comment on function atlas.crystals_with(integer, integer) is
    'Crystals with this feature at a corner, those of the newest run first.';

create function atlas.function_vectors_near(sae integer, feature integer, k integer default 10)
returns table (
    run integer, function_vector integer, relation text, n_pairs integer, cosine double precision
)
language sql stable parallel safe
begin atomic
    with self as materialized (
        select feature.sae, atlas.direction(feature.decoder, feature.decoder_norm) as decoder
        from atlas.feature
        where feature.sae = function_vectors_near.sae
            and feature.feature = function_vectors_near.feature
    )
    select
        near.run, near.function_vector, near.relation, near.n_pairs,
        1 - (near.direction <=> self.decoder)
    from self
    join atlas.function_vectors as near
        on (near.sae = self.sae or near.sae is null)
            and vector_dims(near.direction) = vector_dims(self.decoder)
    order by abs(1 - (near.direction <=> self.decoder)) desc, near.run, near.function_vector
    limit function_vectors_near.k;
end;
comment on function atlas.function_vectors_near(integer, integer, integer) is
    'The k function vectors, of the SAE and of words in as many dimensions, whose direction is '
    'nearest to a feature''s decoder vector, or to its opposite.';
