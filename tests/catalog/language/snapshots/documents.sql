-- documents where n_blocks >= 3 and problem is null limit 3
SELECT documents.corpus, documents.corpus_name, documents.document, documents.subset, documents.metadata, documents.n_tokens, documents.n_blocks, documents.problem 
FROM atlas.documents AS documents 
WHERE documents.n_blocks >= 3 AND documents.problem IS NULL
ORDER BY documents.corpus, documents.document 
 LIMIT 3
