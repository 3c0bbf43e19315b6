"""Lobes: clusterings, members, tests, and where they are active."""

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0003"
down_revision = "0002"


def upgrade() -> None:
    """Change the tables."""
    op.create_table(
        "block_lobe",
        sa.Column("run", sa.Integer(), nullable=False, comment="Run that looked: subsets."),
        sa.Column("clustering", sa.Integer(), nullable=False, comment="Lobes."),
        sa.Column(
            "block", sa.Integer(), nullable=False, comment="Block of the recording's corpus."
        ),
        sa.Column(
            "shares",
            postgresql.ARRAY(sa.REAL()),
            nullable=False,
            comment="Share of each lobe's features that are active in the block, in the order of lobes; in [0, 1].",
        ),
        sa.Column(
            "lobe",
            sa.Integer(),
            nullable=True,
            comment="The winning lobe: by default that whose active features exceed most what their frequency makes expect, in standard deviations; preset paper: the largest share. NULL for a tie and for a block without active features.",
        ),
        sa.PrimaryKeyConstraint("run", "clustering", "block", name=op.f("pk_block_lobe")),
        schema="atlas",
        comment="How active each lobe is in a block, and which wins. One partition a run.",
        postgresql_partition_by="LIST (run)",
    )
    op.create_table(
        "clustering",
        sa.Column(
            "id",
            sa.Integer(),
            sa.Identity(always=True),
            nullable=False,
            comment="Number of the row.",
        ),
        sa.Column(
            "run", sa.Integer(), nullable=False, comment="Run that made it: lobes or geometry."
        ),
        sa.Column(
            "affinity",
            sa.Text(),
            nullable=False,
            comment="What was clustered: phi, jaccard, dice, overlap, simple_matching; angular for decoder vectors.",
        ),
        sa.Column("k", sa.Integer(), nullable=False, comment="Lobes asked for."),
        sa.Column("n_lobes", sa.Integer(), nullable=False, comment="Lobes there are; at most k."),
        sa.Column("n_features", sa.Integer(), nullable=False, comment="Features that have a lobe."),
        sa.Column(
            "ncut",
            sa.DOUBLE_PRECISION(),
            nullable=False,
            comment="Normalised cut: the sum over lobes of the share of their affinity that leaves them; in [0, n_lobes].",
        ),
        sa.Column(
            "modularity",
            sa.DOUBLE_PRECISION(),
            nullable=False,
            comment="Share of affinity within lobes less that expected of the features' sums.",
        ),
        sa.Column(
            "silhouette",
            sa.DOUBLE_PRECISION(),
            nullable=True,
            comment="Mean silhouette of features, distance 1 - affinity; in [-1, 1]. NULL for one lobe.",
        ),
        sa.Column(
            "seed_stability",
            sa.DOUBLE_PRECISION(),
            nullable=True,
            comment="Mean adjusted mutual information with the labels of other seeds. NULL if there was none.",
        ),
        sa.Column(
            "half_stability",
            sa.DOUBLE_PRECISION(),
            nullable=True,
            comment="Adjusted mutual information of the labels from either half of the documents. NULL if not asked for.",
        ),
        sa.CheckConstraint("k > 0 and n_lobes between 1 and k", name=op.f("ck_clustering_k")),
        sa.ForeignKeyConstraint(
            ["run"], ["atlas.run.id"], name=op.f("fk_clustering_run_run"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_clustering")),
        sa.UniqueConstraint("run", "affinity", "k", name=op.f("uq_clustering_run_affinity_k")),
        schema="atlas",
        comment="Features cut in lobes: one affinity, one k.",
    )
    op.create_table(
        "lobe",
        sa.Column("clustering", sa.Integer(), nullable=False, comment="Clustering it belongs to."),
        sa.Column(
            "lobe",
            sa.Integer(),
            nullable=False,
            comment="Number, from 0: the largest first, ties by lowest member.",
        ),
        sa.Column("n_features", sa.Integer(), nullable=False, comment="Features in it."),
        sa.Column(
            "modularity",
            sa.DOUBLE_PRECISION(),
            nullable=False,
            comment="Its part of the modularity.",
        ),
        sa.Column(
            "silhouette",
            sa.DOUBLE_PRECISION(),
            nullable=True,
            comment="Mean silhouette of its features. NULL if it is the only lobe.",
        ),
        sa.Column(
            "parent",
            sa.Integer(),
            nullable=True,
            comment="Lobe of the next smaller k of the same affinity and run that more of its features lie in than in any other; ties to the lowest. NULL for the smallest k.",
        ),
        sa.Column(
            "parent_share",
            sa.REAL(),
            nullable=True,
            comment="Share of its features that lie there; in (0, 1].",
        ),
        sa.ForeignKeyConstraint(
            ["clustering"],
            ["atlas.clustering.id"],
            name=op.f("fk_lobe_clustering_clustering"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("clustering", "lobe", name=op.f("pk_lobe")),
        schema="atlas",
        comment="A lobe: features that go together.",
    )
    op.create_table(
        "lobe_member",
        sa.Column("clustering", sa.Integer(), nullable=False, comment="Clustering."),
        sa.Column("feature", sa.Integer(), nullable=False, comment="Feature of the run's SAE."),
        sa.Column("lobe", sa.Integer(), nullable=False, comment="Lobe it lies in."),
        sa.ForeignKeyConstraint(
            ["clustering"],
            ["atlas.clustering.id"],
            name=op.f("fk_lobe_member_clustering_clustering"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("clustering", "feature", name=op.f("pk_lobe_member")),
        schema="atlas",
        comment="Which lobe a feature lies in. A feature that was left out, as a dead one, has no row.",
    )
    op.create_table(
        "lobe_test",
        sa.Column("run", sa.Integer(), nullable=False, comment="Run that tested: spatiality."),
        sa.Column("clustering", sa.Integer(), nullable=False, comment="Lobes that were tested."),
        sa.Column(
            "statistic",
            sa.Text(),
            nullable=False,
            comment="ami: adjusted mutual information with clusters of the decoder vectors; accuracy: balanced accuracy of logistic regression from decoder vector to lobe on features left out.",
        ),
        sa.Column(
            "null_model",
            sa.Text(),
            nullable=False,
            comment="permuted: lobes shuffled; frequency: shuffled among features of about the same frequency; directions: random unit vectors; covariance: Gaussian vectors with the decoder's covariance.",
        ),
        sa.Column("n", sa.Integer(), nullable=False, comment="Features tested."),
        sa.Column("n_trials", sa.Integer(), nullable=False, comment="Draws from the null."),
        sa.Column("value", sa.DOUBLE_PRECISION(), nullable=False, comment="The statistic itself."),
        sa.Column(
            "mean", sa.DOUBLE_PRECISION(), nullable=False, comment="Its mean under the null."
        ),
        sa.Column(
            "sd", sa.DOUBLE_PRECISION(), nullable=False, comment="Its standard deviation there."
        ),
        sa.Column(
            "z",
            sa.DOUBLE_PRECISION(),
            nullable=True,
            comment="(value - mean) / sd. NULL where sd is 0.",
        ),
        sa.Column(
            "p",
            sa.DOUBLE_PRECISION(),
            nullable=False,
            comment="(r + 1) / (n_trials + 1), r draws being at least as large as the value; in (0, 1].",
        ),
        sa.Column(
            "p_adjusted",
            sa.DOUBLE_PRECISION(),
            nullable=True,
            comment="The same for the largest z over all lobes tested with this statistic and null: corrected for having tried many. NULL where z is.",
        ),
        sa.CheckConstraint("p > 0 and p <= 1", name=op.f("ck_lobe_test_p")),
        sa.ForeignKeyConstraint(
            ["clustering"],
            ["atlas.clustering.id"],
            name=op.f("fk_lobe_test_clustering_clustering"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["run"], ["atlas.run.id"], name=op.f("fk_lobe_test_run_run"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint(
            "run", "clustering", "statistic", "null_model", name=op.f("pk_lobe_test")
        ),
        schema="atlas",
        comment="Are lobes spatial? A statistic against a null, one-sided.",
    )
    op.create_table(
        "subset_lobe",
        sa.Column("run", sa.Integer(), nullable=False, comment="Run that looked: subsets."),
        sa.Column("clustering", sa.Integer(), nullable=False, comment="Lobes."),
        sa.Column("lobe", sa.Integer(), nullable=False, comment="Lobe."),
        sa.Column("subset", sa.Text(), nullable=False, comment="Document type."),
        sa.Column(
            "n_blocks", sa.Integer(), nullable=False, comment="Blocks of the type that were judged."
        ),
        sa.Column("n_won", sa.Integer(), nullable=False, comment="Of these the lobe won so many."),
        sa.Column(
            "won_share",
            sa.DOUBLE_PRECISION(),
            nullable=False,
            comment="n_won / n_blocks; in [0, 1].",
        ),
        sa.Column(
            "mean_share",
            sa.DOUBLE_PRECISION(),
            nullable=False,
            comment="Mean share of the lobe's features that are active in these blocks; in [0, 1].",
        ),
        sa.Column(
            "enrichment",
            sa.DOUBLE_PRECISION(),
            nullable=True,
            comment="won_share over that of all blocks judged; 1 for no preference. NULL if the lobe won no block.",
        ),
        sa.Column(
            "enrichment_low",
            sa.DOUBLE_PRECISION(),
            nullable=True,
            comment="Lower end of its 95% interval, documents resampled. NULL where enrichment is, or with fewer than two documents of the type.",
        ),
        sa.Column(
            "enrichment_high", sa.DOUBLE_PRECISION(), nullable=True, comment="Upper end of it."
        ),
        sa.ForeignKeyConstraint(
            ["clustering"],
            ["atlas.clustering.id"],
            name=op.f("fk_subset_lobe_clustering_clustering"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["run"], ["atlas.run.id"], name=op.f("fk_subset_lobe_run_run"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("run", "clustering", "lobe", "subset", name=op.f("pk_subset_lobe")),
        schema="atlas",
        comment="Lobes by document type: how often a lobe wins there.",
    )
    op.add_column(
        "run",
        sa.Column(
            "input_run",
            sa.Integer(),
            nullable=True,
            comment="Run whose rows it read, as the counts that lobes come from. NULL if none, or if it was removed since.",
        ),
        schema="atlas",
    )
    op.create_foreign_key(
        op.f("fk_run_input_run_run"),
        "run",
        "run",
        ["input_run"],
        ["id"],
        source_schema="atlas",
        referent_schema="atlas",
        ondelete="SET NULL",
    )
