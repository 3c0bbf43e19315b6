-- One row a recording. Used by status.py.
select
    recording, release, sae_id, layer, corpus_name as corpus, heard_from, state,
    n_documents as documents, n_blocks as blocks, n_activations as activations,
    explained_variance, l0
from recordings
order by recording
