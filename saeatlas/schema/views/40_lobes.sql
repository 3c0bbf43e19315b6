-- Lobes with the names of their SAE, where they are active, and how they overlap across layers.
-- Used by everyone who writes SQL.

create view atlas.lobe_names as
select clustering, lobe, string_agg(subset, ', ' order by enrichment desc, subset) as name
from (
    select *, row_number() over (
        partition by clustering, lobe order by enrichment desc, subset
    ) as rank
    from (
        select subset_lobe.*, max(run.id) over (partition by clustering) as newest
        from atlas.subset_lobe join atlas.run on run.id = subset_lobe.run
        where run.preset = 'default' and run.params ->> 'documents' = 'held-out'
    ) as evaluated
    where run = newest and enrichment_low > 1
) as preferred
where rank <= 3
group by clustering, lobe;
comment on view atlas.lobe_names is
    'Name of each lobe: the up to three document types of the largest enrichment, among those whose '
    '95% interval lies above 1 in the newest run that evaluated it on held-out documents. A lobe '
    'without such a type has no row.';

create view atlas.lobes as
select
    run.id as run, run.analysis, sae.release, sae.layer, run.sae, clustering.affinity, clustering.k,
    lobe.clustering, lobe.lobe,
    coalesce(lobe.name, names.name) as name, lobe.n_features, lobe.modularity, lobe.silhouette,
    lobe.parent, lobe.parent_share
from atlas.lobe
join atlas.clustering on clustering.id = lobe.clustering
join atlas.run on run.id = clustering.run
join atlas.sae on sae.id = run.sae
left join atlas.lobe_names as names
    on names.clustering = lobe.clustering and names.lobe = lobe.lobe;
comment on view atlas.lobes is 'Lobes with their name, size and quality, and their parent: the lobe of the next smaller k.';

create view atlas.clusterings as
select
    run.id as run, run.analysis, sae.release, sae.layer, run.sae, run.recording, run.input_run,
    run.preset, clustering.id as clustering, clustering.affinity, clustering.k, clustering.n_lobes,
    clustering.n_features, clustering.ncut, clustering.modularity, clustering.silhouette,
    clustering.seed_stability, clustering.half_stability, run.finished_at
from atlas.clustering
join atlas.run on run.id = clustering.run
join atlas.sae on sae.id = run.sae;
comment on view atlas.clusterings is 'Each clustering of features into lobes, with measures of its quality.';

create view atlas.lobe_features as
select
    clustering.run, sae.release, sae.layer, run.sae, clustering.affinity, clustering.k,
    member.clustering, member.lobe, lobe.name, member.feature
from atlas.lobe_member as member
left join atlas.lobe on lobe.clustering = member.clustering and lobe.lobe = member.lobe
join atlas.clustering on clustering.id = member.clustering
join atlas.run on run.id = clustering.run
join atlas.sae on sae.id = run.sae;
comment on view atlas.lobe_features is 'Which lobe each feature lies in; name: of published clusters.';

create view atlas.lobe_tests as
select
    test.run, sae.release, sae.layer, run.sae, clustering.run as lobe_run, clustering.affinity,
    clustering.k, test.clustering, test.statistic, test.null_model, test.n, test.n_trials,
    test.value, test.mean, test.sd, test.z, test.p, test.p_adjusted
from atlas.lobe_test as test
join atlas.clustering on clustering.id = test.clustering
join atlas.run on run.id = test.run
join atlas.sae on sae.id = run.sae;
comment on view atlas.lobe_tests is 'Tests of whether lobes are spatial: each statistic against each null.';

create view atlas.agreements as
select
    agreement.run, sae.release, sae.layer, run.sae, agreement.clustering, own.run as lobe_run,
    own.affinity, own.k, agreement.other, far.run as other_run, far.affinity as other_affinity,
    far.k as other_k, agreement.n, agreement.ami
from atlas.agreement
join atlas.clustering as own on own.id = agreement.clustering
join atlas.clustering as far on far.id = agreement.other
join atlas.run on run.id = agreement.run
join atlas.sae on sae.id = run.sae;
comment on view atlas.agreements is
    'How far two clusterings agree: adjusted mutual information over the n features that have a lobe '
    'in both.';

create view atlas.lobe_subsets as
select
    evaluated.run, sae.release, sae.layer, run.sae, clustering.run as lobe_run, clustering.affinity,
    clustering.k, evaluated.clustering, evaluated.lobe, evaluated.subset, evaluated.n_blocks, evaluated.n_top,
    evaluated.top_share, evaluated.mean_share, evaluated.enrichment, evaluated.enrichment_low,
    evaluated.enrichment_high
from atlas.subset_lobe as evaluated
join atlas.clustering on clustering.id = evaluated.clustering
join atlas.run on run.id = evaluated.run
join atlas.sae on sae.id = run.sae;
comment on view atlas.lobe_subsets is 'Lobes by document type: the share of its blocks whose top lobe each is.';

create view atlas.block_lobes as
select
    activity.run, sae.release, sae.layer, run.sae, clustering.run as lobe_run, clustering.affinity,
    clustering.k, activity.clustering, recording.corpus, activity.block, block.document,
    block.position, document.subset, activity.lobe, activity.shares
from atlas.block_lobe as activity
join atlas.run on run.id = activity.run
join atlas.sae on sae.id = run.sae
join atlas.recording on recording.id = run.recording
join atlas.clustering on clustering.id = activity.clustering
join atlas.block on block.corpus = recording.corpus and block.block = activity.block
join atlas.document on document.corpus = block.corpus and document.document = block.document;
comment on view atlas.block_lobes is 'One row a block that was assigned to a lobe: its top lobe, the shares of all, and its document.';

create function atlas.lobe_overlap(run integer, clustering integer, other_run integer, other_clustering integer)
returns table (
    lobe integer, other integer, n_both integer, n_lobe integer, n_other integer, n_blocks integer,
    jaccard double precision, phi double precision
)
language sql stable parallel safe
begin atomic
    with pair as materialized (
        select own.lobe, far.lobe as other
        from atlas.block_lobe as own
        join atlas.run as own_run on own_run.id = own.run
        join atlas.recording as own_recording on own_recording.id = own_run.recording
        join atlas.run as far_run on far_run.id = lobe_overlap.other_run
        join atlas.recording as far_recording
            on far_recording.id = far_run.recording and far_recording.corpus = own_recording.corpus
        join atlas.block_lobe as far
            on far.run = lobe_overlap.other_run and far.clustering = lobe_overlap.other_clustering
            and far.block = own.block
        where own.run = lobe_overlap.run and own.clustering = lobe_overlap.clustering
    ),
    total as (select count(*)::integer as n from pair),
    own as (select pair.lobe, count(*)::integer as n from pair where pair.lobe is not null group by 1),
    far as (select pair.other, count(*)::integer as n from pair where pair.other is not null group by 1),
    met as (select pair.lobe, pair.other, count(*)::integer as n from pair group by 1, 2)
    select
        own.lobe, far.other, coalesce(met.n, 0), own.n, far.n, total.n,
        atlas.jaccard(total.n, own.n, far.n, coalesce(met.n, 0)),
        atlas.phi(total.n, own.n, far.n, coalesce(met.n, 0))
    from own cross join far cross join total
    left join met on met.lobe = own.lobe and met.other = far.other
    order by own.lobe, 8 desc nulls last, far.other;
end;
comment on function atlas.lobe_overlap(integer, integer, integer, integer) is
    'Overlap of two clusterings'' lobes, as of two layers: the number of blocks whose top lobes both '
    'are, or either is, with Jaccard and phi of these. Takes a run of subsets and a clustering in it, '
    'twice.';
