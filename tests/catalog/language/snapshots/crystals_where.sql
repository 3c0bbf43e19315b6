-- crystals of layer 12 where kind = trapezoid and quality_after > 0.5 order by q
SELECT crystals.run, crystals.crystal, crystals.function_vector, crystals.sae, crystals.release, crystals.sae_id, crystals.layer, crystals.site, crystals.kind, crystals.a, crystals.b, crystals.c, crystals.d, crystals.quality_before, crystals.quality_after, crystals.length_ratio, crystals.p, crystals.q 
FROM atlas.crystals AS crystals 
WHERE crystals.sae = 1 AND crystals.kind = 'trapezoid' AND crystals.quality_after > 0.5
ORDER BY crystals.q ASC NULLS LAST, crystals.run, crystals.crystal
