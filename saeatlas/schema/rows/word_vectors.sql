-- name: read_words
-- The words that some relations name, in one space: vectors as pgvector's own bytes, attributes.
-- Parameters: space (word_space.id), relations (relation.id).
select word, vector_send(vector), n_characters, n_tokens, last_token_length, log_frequency
from atlas.word_vector
where
    space = %(space)s
    and word in (
        select input from atlas.word_pair where relation = any(%(relations)s)
        union
        select output from atlas.word_pair where relation = any(%(relations)s)
    )
order by word collate "C"

-- name: read_word_pairs
-- The pairs of some relations, each with the place of its relation among them, from 0. Parameters:
-- relations (relation.id, in order).
select array_position(%(relations)s::int[], relation) - 1 as label, input, output
from atlas.word_pair
where relation = any(%(relations)s)
order by label, rank
