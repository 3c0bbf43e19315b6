-- recordings of sae 1 where state = complete
SELECT recordings.recording, recordings.sae, recordings.release, recordings.sae_id, recordings.layer, recordings.site, recordings.corpus, recordings.corpus_name, recordings.model, recordings.state, recordings.n_documents, recordings.n_blocks, recordings.n_activations, recordings.keep_above, recordings.explained_variance, recordings.l0, recordings.preset, recordings.dtype, recordings.context_length, recordings.block_length, recordings.prepend_bos, recordings.started_at, recordings.finished_at, recordings.covariance_tokens 
FROM atlas.recordings AS recordings 
WHERE recordings.sae = 1 AND recordings.state = 'complete'
ORDER BY recordings.recording
