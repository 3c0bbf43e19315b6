-- Count the pairs of these features (columns) with all that follow (rows), a row of tiles at a time.
-- Columns are held in strips: a row of {strip} features side by side, whose bitmaps stay in the
-- processor's cache while the tile's rows pass; the pairs of a row with a strip are one expression.
-- `|| B''` fetches a value out of line once and not once a pair; `offset 0` keeps strips outermost.
-- Identifiers: work, tiles; literals: run, tile, strip, first and stop (places of the columns), live
-- (places in all); members, counts: a strip's columns and the expression, which workspace.py repeats.
-- Used by workspace.py.
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
