-- name: feature_attributes
-- In how many blocks of a part of a recording each feature is active, and where in their documents
-- these are on average, in blocks from 0. Parameters: recording (recording.id), step (every so many
-- blocks one is looked at).
select active.feature, count(*) as n, avg(active.position)::double precision as position
from (
    select unnest(activation.features) as feature, block.position
    from activation
    join recording on recording.id = activation.recording
    join block on block.corpus = recording.corpus and block.block = activation.block
    where activation.recording = %(recording)s and activation.block %% %(step)s = 0
) as active
group by active.feature
