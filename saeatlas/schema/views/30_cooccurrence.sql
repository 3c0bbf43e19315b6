-- Co-occurrence of features: counts of blocks, and affinities computed from them. n is the number of blocks
-- counted, n_i and n_j those with one feature active, n_ij those with both. Undefined is NULL.
-- Used by everyone who writes SQL.

create function atlas.simple_matching(n integer, n_i integer, n_j integer, n_ij integer)
returns double precision language sql immutable parallel safe
return (n::float8 - n_i - n_j + n_ij + n_ij) / nullif(n, 0);
comment on function atlas.simple_matching(integer, integer, integer, integer) is
    'Share of blocks in which both features are active or neither is; in [0, 1].';

create function atlas.jaccard(n integer, n_i integer, n_j integer, n_ij integer)
returns double precision language sql immutable parallel safe
return n_ij / nullif(n_i::float8 + n_j - n_ij, 0);
comment on function atlas.jaccard(integer, integer, integer, integer) is
    'Blocks with both over blocks with either; in [0, 1].';

create function atlas.dice(n integer, n_i integer, n_j integer, n_ij integer)
returns double precision language sql immutable parallel safe
return 2.0::float8 * n_ij / nullif(n_i::float8 + n_j, 0);
comment on function atlas.dice(integer, integer, integer, integer) is
    'Blocks with both over the mean of the blocks with each; in [0, 1].';

create function atlas.overlap(n integer, n_i integer, n_j integer, n_ij integer)
returns double precision language sql immutable parallel safe
return n_ij::float8 / nullif(least(n_i, n_j), 0);
comment on function atlas.overlap(integer, integer, integer, integer) is
    'Share of the rarer feature''s blocks in which the other is active too; in [0, 1].';

create function atlas.phi(n integer, n_i integer, n_j integer, n_ij integer)
returns double precision language sql immutable parallel safe
return (n::float8 * n_ij - n_i::float8 * n_j)
    / nullif(sqrt(n_i::float8 * (n - n_i)) * sqrt(n_j::float8 * (n - n_j)), 0);
comment on function atlas.phi(integer, integer, integer, integer) is
    'Pearson correlation of the two features'' activity over blocks; in [-1, 1]. NULL where one is '
    'active in every block or in none.';

create function atlas.lift(n integer, n_i integer, n_j integer, n_ij integer)
returns double precision language sql immutable parallel safe
return n::float8 * n_ij / nullif(n_i::float8 * n_j, 0);
comment on function atlas.lift(integer, integer, integer, integer) is
    'Blocks with both over those expected of independent features; 1 for independence.';

create function atlas.pmi(n integer, n_i integer, n_j integer, n_ij integer)
returns double precision language sql immutable parallel safe
return ln(nullif(n::float8 * n_ij / nullif(n_i::float8 * n_j, 0), 0));
comment on function atlas.pmi(integer, integer, integer, integer) is
    'Pointwise mutual information in nats, the logarithm of lift. NULL where no block has both.';

create function atlas.unknown_measure(measure text)
returns double precision language plpgsql immutable parallel safe
as $$
begin
    raise exception '% is no measure of affinity', quote_nullable(measure) using
        errcode = 'invalid_parameter_value',
        hint = 'Known: phi, jaccard, dice, overlap, simple_matching, lift, pmi.';
end
$$;
comment on function atlas.unknown_measure(text) is 'Raises an error that lists the known measures.';

create function atlas.affinity(measure text, n integer, n_i integer, n_j integer, n_ij integer)
returns double precision language sql immutable parallel safe
return case measure
    when 'phi' then atlas.phi(n, n_i, n_j, n_ij)
    when 'jaccard' then atlas.jaccard(n, n_i, n_j, n_ij)
    when 'dice' then atlas.dice(n, n_i, n_j, n_ij)
    when 'overlap' then atlas.overlap(n, n_i, n_j, n_ij)
    when 'simple_matching' then atlas.simple_matching(n, n_i, n_j, n_ij)
    when 'lift' then atlas.lift(n, n_i, n_j, n_ij)
    when 'pmi' then atlas.pmi(n, n_i, n_j, n_ij)
    else atlas.unknown_measure(measure)
end;
comment on function atlas.affinity(text, integer, integer, integer, integer) is
    'One of phi, jaccard, dice, overlap, simple_matching, lift and pmi by its name; another name is '
    'an error.';

create aggregate atlas.bits_concatenated(bit varying) (sfunc = bitcat, stype = bit varying);
comment on aggregate atlas.bits_concatenated(bit varying) is
    'Bit strings one after the other, in the order given.';

create aggregate atlas.integers_concatenated(integer[]) (sfunc = array_cat, stype = integer[]);
comment on aggregate atlas.integers_concatenated(integer[]) is
    'Arrays of integers one after the other, in the order given.';

create view atlas.cooccurrence_runs as
select
    run.id as run, sae.release, sae.sae_id, sae.layer, run.sae, run.recording,
    run.params, (run.quality ->> 'n_blocks')::integer as n_blocks,
    (run.quality ->> 'n_features')::integer as n_features, run.started_at, run.finished_at
from atlas.run join atlas.sae on sae.id = run.sae
where run.analysis = 'cooccurrence';
comment on view atlas.cooccurrence_runs is 'Runs that counted co-occurrence: the SAE, the recording and the number of blocks.';

create view atlas.pairs as
select
    runs.run, runs.release, runs.layer, runs.sae, self.feature, other.feature as other,
    cell.n_both, self.n as n_feature, other.n as n_other, runs.n_blocks
from atlas.cooccurrence_runs as runs
join atlas.cooccurrence_feature as self on self.run = runs.run
join lateral (
    select tile_column * {tile} + i - 1 as place, n_both
    from atlas.cooccurrence, unnest(counts[self.place % {tile} + 1 : self.place % {tile} + 1][:])
        with ordinality as line (n_both, i)
    where run = runs.run and tile_row = self.place / {tile}
    union all
    select tile_row * {tile} + i - 1, n_both
    from atlas.cooccurrence, unnest(counts[:][self.place % {tile} + 1 : self.place % {tile} + 1])
        with ordinality as line (n_both, i)
    where run = runs.run and tile_column = self.place / {tile} and tile_row > tile_column
) as cell on cell.place <> self.place
join atlas.cooccurrence_feature as other on other.run = runs.run and other.place = cell.place;
comment on view atlas.pairs is
    'Each pair of counted features twice, once for either as the first. Quick for a given run and '
    'feature; without them every pair is read.';

create function atlas.partners(
    run integer, feature integer, measure text default 'phi', k integer default 10
)
returns table (other integer, value double precision, n_both integer, n_feature integer, n_other integer)
language sql stable parallel safe
begin atomic
    select found.other, found.value, found.n_both, found.n_feature, found.n_other
    from (
        select
            pairs.other, pairs.n_both, pairs.n_feature, pairs.n_other,
            atlas.affinity(
                partners.measure, pairs.n_blocks, pairs.n_feature, pairs.n_other, pairs.n_both
            ) as value
        from atlas.pairs
        where pairs.run = partners.run and pairs.feature = partners.feature
        offset 0 -- or the formula is computed again to compare and to order
    ) as found
    where found.value is not null
    order by found.value desc, found.other
    limit partners.k;
end;
comment on function atlas.partners(integer, integer, text, integer) is
    'The k features of the largest affinity with one: phi, jaccard, dice, overlap, simple_matching, '
    'lift or pmi. Strongest first; ties by number.';
