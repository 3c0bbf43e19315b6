-- Count what a recording holds; documents without a block count where they stand.
-- Identifiers: partition; parameters: recording (recording.id). Used by job.py.
update recording
set
    n_blocks = stored.n_blocks, n_activations = stored.n_activations,
    n_documents = coalesce(
        (
            select min(block.document) from block
            where block.corpus = recording.corpus and block.block = stored.n_blocks
        ),
        corpus.n_documents
    )
from
    (select count(*) as n_blocks, coalesce(sum(n_active), 0) as n_activations from {partition})
        as stored,
    corpus
where recording.id = %(recording)s and corpus.id = recording.corpus
returning recording.n_documents, recording.n_blocks, recording.n_activations
