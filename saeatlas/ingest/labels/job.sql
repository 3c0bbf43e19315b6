-- name: store
-- Make the labels of each feature, source and method that incoming_label speaks of what it says they
-- are; say by SAE and source how many features it speaks of and how many of its labels are new,
-- changed, unchanged, and how many that were there are no longer. All parts see the labels as they
-- were before.
with said as materialized (
    select *, row_number() over (
        partition by sae, feature, source, method order by text collate "C"
    ) - 1 as place
    from (
        select distinct on (sae, feature, source, method, text) *
        from incoming_label
        order by sae, feature, source, method, text, score desc nulls last, url
    ) as each
),
compared as materialized (
    select
        said.*, label.id is null as new,
        (said.text, said.score, said.url) is distinct from (label.text, label.score, label.url)
            as differs
    from said left join label on label.sae = said.sae and label.feature = said.feature
        and label.source = said.source and label.method is not distinct from said.method
        and label.place = said.place
),
written as (
    insert into label (sae, feature, source, method, place, text, score, url)
    select sae, feature, source, method, place, text, score, url
    from compared where differs
    order by sae, feature, source, method, place
    on conflict (sae, feature, source, method, place) do update
    set text = excluded.text, score = excluded.score, url = excluded.url, created_at = now()
),
dropped as (
    delete from label
    using (
        select sae, feature, source, method, max(place) as last
        from said group by sae, feature, source, method
    ) as kept
    where label.sae = kept.sae and label.feature = kept.feature and label.source = kept.source
        and label.method is not distinct from kept.method and label.place > kept.last
    returning label.sae, label.source
),
gone as (select sae, source, count(*) as n from dropped group by sae, source)
select
    sae, source, count(distinct feature), count(*) filter (where new),
    count(*) filter (where differs and not new), count(*) filter (where not differs),
    coalesce(max(gone.n), 0)
from compared left join gone using (sae, source)
group by sae, source
order by sae, source
