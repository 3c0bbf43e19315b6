"""The tables of lobes: clusterings of features, members, tests, and where they are active."""

import sqlalchemy as sa
from sqlalchemy import CheckConstraint, Column
from sqlalchemy.dialects.postgresql import ARRAY, DOUBLE_PRECISION, REAL

from saeatlas.schema.tables.base import (
    id_column,
    key,
    measure,
    metadata,
    scores,
)
from saeatlas.schema.tables.runs import run

clustering = sa.Table(
    "clustering",
    metadata,
    id_column(),
    Column(
        "run",
        sa.Integer,
        sa.ForeignKey(run.c.id, ondelete="CASCADE"),
        nullable=False,
        comment="Run that made it: lobes or geometry; lobes for a published clustering too.",
    ),
    Column(
        "affinity",
        sa.Text,
        nullable=False,
        comment="What was clustered: phi, jaccard, dice, overlap, simple_matching; angular for "
        "decoder vectors. Of a published clustering: the name of the level in its file.",
    ),
    Column("k", sa.Integer, nullable=False, comment="Number of lobes requested; of a published "
           "clustering, that of its clusters."),
    Column("n_lobes", sa.Integer, nullable=False, comment="Number of lobes found; at most k."),
    Column("n_features", sa.Integer, nullable=False, comment="Features that were clustered."),
    Column(
        "ncut",
        DOUBLE_PRECISION,
        comment="Normalised cut: the sum over lobes of the share of their affinity that leaves "
        "them; in [0, n_lobes]. NULL if published.",
    ),
    Column(
        "modularity",
        DOUBLE_PRECISION,
        comment="Modularity: share of affinity within lobes minus the share expected from the "
        "features' sums of affinity. NULL if published.",
    ),
    measure("silhouette", "Mean silhouette of features, distance 1 - affinity; in [-1, 1]. NULL "
             "for one lobe, and if published."),
    measure("seed_stability", "Mean adjusted mutual information with the clusterings of other "
             "seeds. NULL if not measured."),
    measure("half_stability", "Adjusted mutual information of the clusterings of two halves of "
             "the documents. NULL if not measured."),
    sa.UniqueConstraint("run", "affinity", "k"),
    CheckConstraint("k > 0 and n_lobes between 1 and k", name="k"),
    comment="A clustering of features into lobes, by one affinity and one k.",
)  # fmt: skip

lobe = sa.Table(
    "lobe",
    metadata,
    key(clustering, "Clustering it belongs to."),
    Column("lobe", sa.Integer, primary_key=True, comment="Number, from 0: the largest first, ties "
           "by lowest member. Of a published clustering: the file's own numbers, if these are 0 to "
           "k - 1."),
    Column("n_features", sa.Integer, nullable=False, comment="Features in it."),
    Column("modularity", DOUBLE_PRECISION, comment="Its part of the modularity. NULL if "
           "published."),
    measure("silhouette", "Mean silhouette of its features. NULL if it is the only lobe, and if "
            "published."),
    Column("parent", sa.Integer, comment="Lobe of the next smaller k of the same affinity and "
           "run that contains most of its features; the lowest number if several do. NULL for "
           "the smallest k, and if published."),
    Column("parent_share", REAL, comment="Share of its features that lie there; in (0, 1]."),
    Column("name", sa.Text, comment="Of a published clustering: what its file calls the cluster. "
           "NULL otherwise."),
    comment="A lobe: a cluster of features that are active together.",
)  # fmt: skip

lobe_member = sa.Table(
    "lobe_member",
    metadata,
    key(clustering, "Clustering."),
    Column("feature", sa.Integer, primary_key=True, comment="Feature of the run's SAE."),
    Column("lobe", sa.Integer, nullable=False, comment="Lobe it lies in."),
    comment="Which lobe a feature lies in. A feature that was left out, such as a dead one, has "
    "no row.",
)

lobe_test = sa.Table(
    "lobe_test",
    metadata,
    key(run, "Run that tested: spatiality."),
    key(clustering, "Clustering whose lobes were tested."),
    Column("statistic", sa.Text, primary_key=True, comment="ami: adjusted mutual information with "
           "clusters of the decoder vectors; accuracy: balanced accuracy of logistic regression "
           "from decoder vector to lobe, on held-out features."),
    Column("null_model", sa.Text, primary_key=True, comment="permuted: lobes shuffled; "
           "frequency: shuffled among features of about the same frequency; directions: random "
           "unit vectors; covariance: Gaussian vectors with the decoder's covariance."),
    Column("n", sa.Integer, nullable=False, comment="Features tested."),
    *scores(),
    measure("p_adjusted", "The same for the largest z over all lobes tested with this statistic "
             "and null: corrected for having tried many. NULL where z is."),
    CheckConstraint("p > 0 and p <= 1", name="p"),
    comment="Tests of whether lobes are spatial: a statistic against a null, one-sided.",
)  # fmt: skip

agreement = sa.Table(
    "agreement",
    metadata,
    key(run, "Run that compared: agreement."),
    key(clustering, "A clustering."),
    Column("other", sa.Integer, sa.ForeignKey(clustering.c.id, ondelete="CASCADE"),
           primary_key=True, comment="Clustering that it was compared with."),
    Column("n", sa.Integer, nullable=False, comment="Features that have a lobe in both."),
    measure("ami", "Adjusted mutual information of the lobes of these features: 1 for the same "
            "partition, 0 on average for unrelated ones. NULL without a feature in common."),
    comment="How far two clusterings of the same features agree.",
)  # fmt: skip

block_lobe = sa.Table(
    "block_lobe",
    metadata,
    Column("run", sa.Integer, primary_key=True, comment="Run that made it: subsets."),
    Column("clustering", sa.Integer, primary_key=True, comment="Clustering whose lobes these are."),
    Column("block", sa.Integer, primary_key=True, comment="Block of the recording's corpus."),
    Column("shares", ARRAY(REAL), nullable=False, comment="Share of each lobe's features that are "
           "active in the block, in the order of lobes; in [0, 1]."),
    Column("lobe", sa.Integer, comment="The top lobe. Default: the one whose number of active "
           "features exceeds most the number expected from their frequencies, in standard "
           "deviations. Preset paper: the one of the largest share. NULL for a tie and for a block "
           "without active features."),
    postgresql_partition_by="LIST (run)",
    comment="How active each lobe is in a block, and its top lobe. One partition per run.",
)  # fmt: skip

subset_lobe = sa.Table(
    "subset_lobe",
    metadata,
    key(run, "Run that made it: subsets."),
    key(clustering, "Clustering whose lobes these are."),
    Column("lobe", sa.Integer, primary_key=True, comment="Lobe."),
    Column("subset", sa.Text, primary_key=True, comment="Document type."),
    Column("n_blocks", sa.Integer, nullable=False, comment="Blocks of the type that "
           "were evaluated."),
    Column("n_top", sa.Integer, nullable=False, comment="Those of them whose top lobe it is."),
    Column("top_share", DOUBLE_PRECISION, nullable=False, comment="n_top / n_blocks; in [0, 1]."),
    Column("mean_share", DOUBLE_PRECISION, nullable=False, comment="Mean share of the lobe's "
           "features that are active in these blocks; in [0, 1]."),
    measure("enrichment", "top_share over the same share of all blocks; 1 for no preference. NULL "
             "if it is the top lobe of no block."),
    measure("enrichment_low", "Lower end of its 95% interval, documents resampled. NULL where "
             "enrichment is, or with fewer than two documents of the type."),
    measure("enrichment_high", "Upper end of it."),
    comment="Lobes by document type: the share of blocks whose top lobe each is.",
)  # fmt: skip
