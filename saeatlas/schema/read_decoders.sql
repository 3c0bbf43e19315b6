-- The decoder vectors of an SAE, as pgvector's own bytes.
-- Literal: sae (sae.id). Used by decoders.py.
copy (select feature, decoder from atlas.feature where sae = {sae}) to stdout (format binary)
