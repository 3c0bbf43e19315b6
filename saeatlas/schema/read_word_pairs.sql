-- The pairs of some relations, each with the place of its relation among them, from 0.
-- Parameters: relations (relation.id, in order). Used by word_vectors.py.
select array_position(%(relations)s::int[], relation) - 1 as label, input, output
from atlas.word_pair
where relation = any(%(relations)s)
order by label, rank
