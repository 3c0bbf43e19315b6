-- name: indexing_memory
-- An index of vectors is built several times faster if it fits in memory.
set local maintenance_work_mem = '2GB'

-- name: create_index
-- Index of decoder vectors in half precision, each made unit long first: half precision holds
-- nothing above 65,504 and nothing below 6e-8. More links than pgvector's 16, and a wider search
-- while building: with the defaults a tenth of the nearest are missed if vectors point in all directions.
-- Placeholders: index, table (a partition of feature), d (its dimensions).
create index {index} on {table} using hnsw ((l2_normalize(decoder)::halfvec({d})) halfvec_cosine_ops)
with (m = 24, ef_construction = 128)

-- name: drop_index
-- Placeholders: index (schema and index).
drop index {index}

-- name: indexed_saes
-- Names of the indices of decoder vectors, feature_SAE_near.
select class.relname::text
from pg_catalog.pg_class as class
where class.relnamespace = 'atlas'::regnamespace
    and class.relkind = 'i'
    and class.relname ~ '^feature_[0-9]+_near$'
