-- name: create_workspace
-- Working tables of one count; nothing in them outlives it, so nothing of them is logged.
-- Identifiers: mask, work.
create unlogged table {mask} (chunk integer primary key, bits bit varying not null);
create unlogged table {work} (place integer primary key, n integer not null, bits bit varying not null);
alter table {work} alter column bits set storage external

-- name: masked_counts
-- How many of the selected blocks each feature is active in. Identifiers: mask; literal: bitmap
-- (bitmap.id).
select own.feature, sum(bit_count(own.bits & mask.bits))::bigint
from {mask} as mask
join atlas.feature_bitmap as own on own.bitmap = {bitmap} and own.chunk = mask.chunk
group by own.feature

-- name: assemble_bitmaps
-- The bits of each feature over all selected chunks in one string, placed in the order given.
-- Identifiers: mask, work; parameters: bitmap (bitmap.id), features, counts (integer[], a feature
-- and its blocks each).
insert into {work} (place, n, bits)
select live.place - 1, live.n, (
    select atlas.bits_concatenated(part.bits order by part.chunk)
    from (
        select mask.chunk, coalesce(own.bits & mask.bits, mask.bits # mask.bits) as bits
        from {mask} as mask
        left join atlas.feature_bitmap as own
            on own.bitmap = %(bitmap)s and own.chunk = mask.chunk and own.feature = live.feature
    ) as part
)
from unnest(%(features)s::integer[], %(counts)s::integer[]) with ordinality as live (feature, n, place)

-- name: counting_memory
-- Room for a tile's bitmaps and for the counts of one column of tiles, so that neither goes to disk;
-- for one transaction.
set local work_mem = '256MB'

-- name: count_tiles
-- Count the pairs of these features (columns) with all that follow (rows), a row of tiles at a time.
-- Columns are held in strips: a row of {strip} features side by side, whose bitmaps stay in the
-- processor's cache while the tile's rows pass; the pairs of a row with a strip are one expression.
-- `|| B''` fetches a value out of line once and not once a pair; `offset 0` keeps strips outermost.
-- Identifiers: work, tiles; literals: run, tile, strip, first and stop (places of the columns), live
-- (places in all); members, counts: a strip's columns and the expression, which sql_engine.py
-- repeats.
insert into {tiles} (run, tile_row, tile_column, counts)
with strip as materialized (
    select first, {members}
    from generate_series({first}, {stop} - 1, {strip}) as first
)
select {run}, tile_row, tile.tile_column, tile.counts
from generate_series({first} / {tile}, ({live} - 1) / {tile}) as tile_row
cross join lateral (
    with feature as materialized (
        select place, n, bits || B'' as bits
        from {work}
        where place >= tile_row * {tile} and place < (tile_row + 1) * {tile}
        order by place
    ),
    line as (
        select
            part.place, strip.first / {tile} as tile_column,
            array_remove(atlas.integers_concatenated(part.counts order by strip.first), null)
                as counts
        from strip
        cross join lateral (select place, array[{counts}] as counts from feature offset 0) as part
        where strip.first / {tile} <= tile_row
        group by part.place, strip.first / {tile}
    )
    select tile_column, array_agg(counts order by place) as counts
    from line
    group by tile_column
) as tile

-- name: read_work
-- The assembled bitmaps in the order of places, as PostgreSQL's own bytes. Identifiers: work.
copy (select bits from {work} order by place) to stdout (format binary)

-- name: add_tiles
-- Add the counts of an earlier run. Its tiles may be smaller at the edge, or missing: features that
-- were not active then. `|| '{{}}'` fetches a tile once and not once per line. Identifiers: tiles;
-- parameters: base (run.id).
update {tiles} as tiles
set counts = (
    select array_agg(line.counts order by line.i)
    from (
        select i, (
            select array_agg(new + coalesce(old, 0) order by j)
            from unnest(whole.new[i:i][:], whole.old[i:i][:]) with ordinality as cell (new, old, j)
        ) as counts
        from generate_series(1, array_length(whole.new, 1)) as i
    ) as line
)
from (
    select
        new.tile_row, new.tile_column,
        new.counts || '{{}}'::integer[] as new, old.counts || '{{}}'::integer[] as old
    from {tiles} as new
    join atlas.cooccurrence as old
        on old.run = %(base)s and old.tile_row = new.tile_row and old.tile_column = new.tile_column
    offset 0
) as whole
where tiles.tile_row = whole.tile_row and tiles.tile_column = whole.tile_column

-- name: drop_workspace
-- Remove the working tables of a count, and its tiles if they were not published. Identifiers: mask,
-- work, tiles; literal: run.
drop table if exists {mask}, {work};
do $$
begin
    if not exists (select from atlas.run where id = {run}) then
        drop table if exists {tiles};
    end if;
end
$$
