-- Turn rows of (block, feature, activation), in any order and with repeats, into sparse rows: the
-- maximum of each feature in a block, features ascending. Every block of the table's documents
-- gets a row, with empty arrays if nothing in it is above keep_above.
-- Identifiers: partition; parameters: recording (recording.id), keep_above (units of activation).
-- Used by job.py.
with peak as (
    select place.number, incoming.feature, max(incoming.activation) as peak
    from incoming join place using (document, block)
    where incoming.activation > %(keep_above)s::real
    group by place.number, incoming.feature
),
active as (
    select
        number, array_agg(feature order by feature) as features,
        array_agg(peak order by feature) as peaks
    from peak
    group by number
)
insert into {partition} (recording, block, features, peaks, n_active)
select
    %(recording)s, place.number,
    coalesce(active.features, array[]::integer[]), coalesce(active.peaks, array[]::real[]),
    coalesce(cardinality(active.features), 0)
from place left join active using (number)
order by place.number
