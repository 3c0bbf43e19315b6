-- blocks where 12:4095 or 12:4821 >= 1 order by peak desc limit 3
-- activations are of recording 1: sae 1 (gemma-scope/layer_12), 300 blocks, maxima above 0
SELECT blocks.corpus, blocks.corpus_name, blocks.block, blocks.document, blocks.position, blocks.subset, blocks.metadata, blocks.n_tokens, blocks.text, activation.recording, coalesce(activation.peaks[array_position(activation.features, 4095)], 0) AS peak 
FROM atlas.blocks AS blocks
JOIN atlas.activation AS activation ON activation.recording = 1 AND activation.block = blocks.block 
WHERE blocks.corpus = 1 AND (4095 = ANY (activation.features) OR coalesce(activation.peaks[array_position(activation.features, 4821)], 0) >= 1)
ORDER BY coalesce(activation.peaks[array_position(activation.features, 4095)], 0) DESC NULLS LAST, blocks.corpus, blocks.block 
 LIMIT 3
