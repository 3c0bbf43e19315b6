-- Index of the signs of decoder vectors, for more dimensions than pgvector indexes otherwise.
-- Placeholders: index, table (a partition of feature), d (its dimensions). Used by nearest.py.
create index {index} on {table} using hnsw ((binary_quantize(decoder)::bit({d})) bit_hamming_ops)
with (m = 24, ef_construction = 128)
