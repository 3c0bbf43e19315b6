-- Words with the names of their relation and space, and features with the tokens they promote.
-- Used by everyone who writes SQL.

create view atlas.word_pairs as
select
    relation.name as relation, word_pair.rank, word_pair.input, word_pair.output,
    word_pair.input = word_pair.output as same
from atlas.word_pair join atlas.relation on relation.id = word_pair.relation;
comment on view atlas.word_pairs is
    'Pairs of words with the name of their relation. same: output equals input, so that their '
    'difference is zero.';

create view atlas.word_spaces as
select
    space.id as space, space.name, model.name as model, space.layer, space.site, space.d,
    space.n_words, space.source, space.facts, space.created_at
from atlas.word_space as space left join atlas.model on model.id = space.model;
comment on view atlas.word_spaces is 'Spaces of word vectors with the name of their model.';

create view atlas.words as
select
    spaces.space, spaces.name, spaces.model, spaces.layer, spaces.site, word.word,
    word.n_characters, word.n_tokens, word.last_token, word.last_token_length, word.log_frequency,
    word.vector
from atlas.word_vector as word join atlas.word_spaces as spaces on spaces.space = word.space;
comment on view atlas.words is 'Words and their vectors with the name and layer of their space.';

create view atlas.feature_tokens as
select
    sae.release, sae.sae_id, sae.layer, sae.site, token.sae, token.feature, token.rank, token.token,
    token.token_id, token.logit, token.n_characters, token.run
from atlas.feature_token as token join atlas.sae on sae.id = token.sae;
comment on view atlas.feature_tokens is
    'The tokens that features promote most, with the names of their SAE.';
