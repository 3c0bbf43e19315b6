-- blocks where 12:4095 > 1 and not 12:77 and subset = "ArXiv"
-- activations are of recording 1: sae 1 (gemma-scope/layer_12), 300 blocks, maxima above 0
SELECT blocks.corpus, blocks.corpus_name, blocks.block, blocks.document, blocks.position, blocks.subset, blocks.metadata, blocks.n_tokens, blocks.text, activation.recording, coalesce(activation.peaks[array_position(activation.features, 4095)], 0) AS peak 
FROM atlas.blocks AS blocks
JOIN atlas.activation AS activation ON activation.recording = 1 AND activation.block = blocks.block 
WHERE blocks.corpus = 1 AND coalesce(activation.peaks[array_position(activation.features, 4095)], 0) > 1 AND NOT (77 = ANY (activation.features)) AND blocks.subset = 'ArXiv'
ORDER BY blocks.corpus, blocks.block
