-- name: read_decoders
-- The decoder vectors of an SAE, as pgvector's own bytes. Literal: sae (sae.id).
copy (select feature, decoder from atlas.feature where sae = {sae}) to stdout (format binary)

-- name: read_encoders
-- The encoder vectors of an SAE, as pgvector's own bytes. Literal: sae (sae.id).
copy (select feature, encoder from atlas.encoder where sae = {sae}) to stdout (format binary)
