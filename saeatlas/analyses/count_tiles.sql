-- Count the pairs of a tile's width of features (inner) with these and all that follow (outer).
-- `|| B''` fetches a value out of line once and not once a pair; `offset 0` keeps it so. The inner
-- bitmaps stay in the processor's cache, and no row with a bitmap is ever sorted.
-- Identifiers: work, tiles; literals: run, tile, first (place of the first). Used by workspace.py.
insert into {tiles} (run, tile_row, tile_column, counts)
with inner_side as materialized (
    select n, bits || B'' as bits
    from {work}
    where place >= {first} and place < {first} + {tile}
    order by place
),
outer_side as (
    select place, n, bits || B'' as bits
    from {work}
    where place >= {first}
    order by place
    offset 0
),
line as (
    select place, (
        select array_agg(
            (outer_side.n + inner_side.n - (outer_side.bits <~> inner_side.bits)::integer) / 2
        )
        from inner_side
    ) as counts
    from outer_side
    offset 0
)
select {run}, place / {tile}, {first} / {tile}, array_agg(counts order by place)
from line
group by place / {tile}
