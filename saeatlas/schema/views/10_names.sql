-- Views carry names (release, layer, corpus, subset) so that no user has to join numbers.
-- Tables are singular, views plural. Used by everyone who writes SQL.

create view atlas.saes as
select
    sae.id as sae, sae.release, sae.sae_id, model.name as model, sae.layer, sae.site,
    sae.hook_name, sae.architecture, sae.d_in, sae.d_sae, sae.l0, sae.explained_variance,
    'https://www.neuronpedia.org/' || sae.neuronpedia_id as neuronpedia_url, sae.created_at,
    exists (select from atlas.encoder where encoder.sae = sae.id) as has_encoder,
    sae.weights_sha256 is not null as has_weights
from atlas.sae left join atlas.model on model.id = sae.model;
comment on view atlas.saes is
    'SAEs with the name of their model; has_encoder: whether their encoder vectors are stored; '
    'has_weights: whether any vectors are.';

create view atlas.features as
select
    sae.release, sae.sae_id, sae.layer, sae.site, feature.sae, feature.feature,
    feature.decoder_norm, feature.threshold, feature.decoder,
    'https://www.neuronpedia.org/' || sae.neuronpedia_id || '/' || feature.feature
        as neuronpedia_url
from atlas.feature join atlas.sae on sae.id = feature.sae;
comment on view atlas.features is
    'Features with the names of their SAE and their page on Neuronpedia, NULL if there is none.';

create view atlas.encoders as
select
    sae.release, sae.sae_id, sae.layer, sae.site, encoder.sae, encoder.feature,
    encoder.encoder_norm, encoder.encoder
from atlas.encoder join atlas.sae on sae.id = encoder.sae;
comment on view atlas.encoders is
    'Encoder vectors with the names of their SAE, of SAEs ingested with --encoder.';

create view atlas.recordings as
select
    recording.id as recording, recording.sae, sae.release, sae.sae_id, sae.layer, sae.site,
    recording.corpus, corpus.name as corpus_name, coalesce(model.name, recording.source) as model,
    recording.state, recording.n_documents, recording.n_blocks, recording.n_activations,
    recording.keep_above, recording.explained_variance, recording.l0, recording.preset,
    recording.dtype, corpus.context_length, corpus.block_length, corpus.prepend_bos,
    recording.started_at, recording.finished_at, covariance.n_tokens as covariance_tokens
from atlas.recording
join atlas.sae on sae.id = recording.sae
join atlas.corpus on corpus.id = recording.corpus
left join atlas.model on model.id = recording.model
left join atlas.activation_covariance as covariance on covariance.recording = recording.id;
comment on view atlas.recordings is
    'Recordings with the names of SAE, corpus and model; model is the file''s name if the activations '
    'came from a file. covariance_tokens: tokens in the covariance of the SAE''s input activations; '
    'NULL if recorded without --covariance.';

create view atlas.documents as
select
    document.corpus, corpus.name as corpus_name, document.document, document.subset,
    document.metadata, document.n_tokens, document.n_blocks, document.problem
from atlas.document join atlas.corpus on corpus.id = document.corpus;
comment on view atlas.documents is 'Documents with the name of their corpus.';

create view atlas.blocks as
select
    block.corpus, corpus.name as corpus_name, block.block, block.document, block.position,
    document.subset, document.metadata, block.n_tokens, block.text
from atlas.block
join atlas.corpus on corpus.id = block.corpus
join atlas.document on document.corpus = block.corpus and document.document = block.document;
comment on view atlas.blocks is 'Blocks with the type and metadata of their document.';

create view atlas.block_activations as
select
    activation.recording, recording.sae, sae.release, sae.layer, sae.site, recording.corpus,
    activation.block, block.document, block.position, document.subset, block.n_tokens,
    activation.n_active, activation.features, activation.peaks
from atlas.activation
join atlas.recording on recording.id = activation.recording
join atlas.sae on sae.id = recording.sae
join atlas.block on block.corpus = recording.corpus and block.block = activation.block
join atlas.document on document.corpus = block.corpus and document.document = block.document;
comment on view atlas.block_activations is 'One row for each block and recording: all active features.';

create view atlas.activations as
select
    block_activations.recording, block_activations.sae, block_activations.release,
    block_activations.layer, block_activations.site, block_activations.corpus,
    block_activations.block, block_activations.document, block_activations.position,
    block_activations.subset, active.feature, active.peak
from atlas.block_activations,
    unnest(block_activations.features, block_activations.peaks) as active (feature, peak);
comment on view atlas.activations is 'One row for each block, recording and active feature.';
