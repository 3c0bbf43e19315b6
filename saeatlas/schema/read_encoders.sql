-- The encoder vectors of an SAE, as pgvector's own bytes.
-- Literal: sae (sae.id). Used by decoders.py.
copy (select feature, encoder from atlas.encoder where sae = {sae}) to stdout (format binary)
