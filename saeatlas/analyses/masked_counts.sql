-- How many of the selected blocks each feature is active in.
-- Identifiers: mask; literal: bitmap (bitmap.id). Used by workspace.py.
select own.feature, sum(bit_count(own.bits & mask.bits))::bigint
from {mask} as mask
join atlas.feature_bitmap as own on own.bitmap = {bitmap} and own.chunk = mask.chunk
group by own.feature
