-- The bits of each feature over all selected chunks in one string, placed in the order given.
-- Identifiers: mask, work; parameters: bitmap (bitmap.id), features, counts (integer[], a feature
-- and its blocks each). Used by workspace.py.
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
