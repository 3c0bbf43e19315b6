-- Index of decoder vectors in half precision. More links than pgvector's 16, and a wider search while
-- building: with those, of vectors that point everywhere a tenth of the nearest are lost.
-- Placeholders: index, table (a partition of feature), d (its dimensions). Used by nearest.py.
create index {index} on {table} using hnsw ((decoder::halfvec({d})) halfvec_cosine_ops)
with (m = 24, ef_construction = 128)
