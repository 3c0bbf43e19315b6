-- Add the counts of an earlier run. Its tiles may be smaller at the edge, or missing: features that
-- were not active then. `|| '{{}}'` fetches a tile once and not once a line.
-- Identifiers: tiles; parameters: base (run.id). Used by workspace.py.
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
