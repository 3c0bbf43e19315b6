-- The words that some relations name, in one space: vectors as pgvector's own bytes, attributes.
-- Parameters: space (word_space.id), relations (relation.id). Used by word_vectors.py.
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
