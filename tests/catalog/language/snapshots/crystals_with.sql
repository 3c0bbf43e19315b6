-- crystals with 12:4821
SELECT crystals.run, crystals.crystal, crystals.function_vector, crystals.sae, crystals.release, crystals.sae_id, crystals.layer, crystals.site, crystals.kind, crystals.a, crystals.b, crystals.c, crystals.d, crystals.quality_before, crystals.quality_after, crystals.length_ratio, crystals.p, crystals.q 
FROM atlas.crystals AS crystals 
WHERE crystals.sae = 1 AND 4821 IN (crystals.a, crystals.b, crystals.c, crystals.d)
ORDER BY crystals.run, crystals.crystal
