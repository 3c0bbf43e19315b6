-- blocks in corpus 1 where subset is not null limit 2
SELECT blocks.corpus, blocks.corpus_name, blocks.block, blocks.document, blocks.position, blocks.subset, blocks.metadata, blocks.n_tokens, blocks.text 
FROM atlas.blocks AS blocks 
WHERE blocks.corpus = 1 AND blocks.subset IS NOT NULL
ORDER BY blocks.corpus, blocks.block 
 LIMIT 2
