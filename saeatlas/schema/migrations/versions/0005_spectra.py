"""Spectra: eigenvalues of clouds of vectors, tests, clustering entropies."""

import sqlalchemy as sa
from alembic import op

revision = "0005"
down_revision = "0004"


def upgrade() -> None:
    """Change the tables."""
    op.create_table(
        "spectrum",
        sa.Column(
            "id",
            sa.Integer(),
            sa.Identity(always=True),
            nullable=False,
            comment="Number of the row.",
        ),
        sa.Column("run", sa.Integer(), nullable=False, comment="Run that made it: spectra."),
        sa.Column(
            "source",
            sa.Text(),
            nullable=False,
            comment="decoder or encoder: a unit vector a feature; activations: what the SAE hears, a vector a token.",
        ),
        sa.Column(
            "clustering",
            sa.Integer(),
            nullable=True,
            comment="Clustering whose lobe it is limited to. NULL if to none.",
        ),
        sa.Column("lobe", sa.Integer(), nullable=True, comment="That lobe. NULL if to none."),
        sa.Column("n", sa.BigInteger(), nullable=False, comment="Vectors."),
        sa.Column("d", sa.Integer(), nullable=False, comment="Their dimensions."),
        sa.Column(
            "n_zero", sa.Integer(), nullable=False, comment="Vectors left out, having no direction."
        ),
        sa.Column(
            "n_duplicates",
            sa.Integer(),
            nullable=False,
            comment="Vectors left out, each being equal to one that is counted.",
        ),
        sa.Column(
            "n_eigenvalues",
            sa.Integer(),
            nullable=False,
            comment="Eigenvalues of the covariance above 0: its rank.",
        ),
        sa.Column(
            "variance",
            sa.DOUBLE_PRECISION(),
            nullable=True,
            comment="Sum of the eigenvalues; 1 less the squared length of the mean, for unit vectors.",
        ),
        sa.Column(
            "rank_first",
            sa.Integer(),
            nullable=True,
            comment="First rank that was fitted, from 1. NULL with too few eigenvalues to fit.",
        ),
        sa.Column(
            "rank_last",
            sa.Integer(),
            nullable=True,
            comment="Last rank that was fitted. NULL where rank_first is.",
        ),
        sa.Column(
            "slope",
            sa.DOUBLE_PRECISION(),
            nullable=True,
            comment="Slope of log eigenvalue over log rank, least squares over the ranks fitted; NULL where rank_first is.",
        ),
        sa.Column(
            "slope_population",
            sa.DOUBLE_PRECISION(),
            nullable=True,
            comment="Slope of the distribution that the vectors were drawn from: slope less what n draws in d dimensions add. NULL where not estimated.",
        ),
        sa.Column(
            "slope_low",
            sa.DOUBLE_PRECISION(),
            nullable=True,
            comment="Lower end of the 95% interval of slope_population.",
        ),
        sa.Column("slope_high", sa.DOUBLE_PRECISION(), nullable=True, comment="Upper end of it."),
        sa.Column(
            "slope_least",
            sa.DOUBLE_PRECISION(),
            nullable=True,
            comment="Least slope over other choices of ranks.",
        ),
        sa.Column(
            "slope_most", sa.DOUBLE_PRECISION(), nullable=True, comment="Largest slope over them."
        ),
        sa.Column(
            "r2",
            sa.DOUBLE_PRECISION(),
            nullable=True,
            comment="Share of the variance of log eigenvalues that the line explains; in [0, 1].",
        ),
        sa.Column(
            "alternative",
            sa.Text(),
            nullable=True,
            comment="Curve that fits the same ranks better than the line: exponential or lognormal. NULL if neither does.",
        ),
        sa.Column(
            "aic_difference",
            sa.DOUBLE_PRECISION(),
            nullable=True,
            comment="AIC of the line less that of the best alternative; above 0 if that fits better. NULL where rank_first is.",
        ),
        sa.Column(
            "log_volume",
            sa.DOUBLE_PRECISION(),
            nullable=True,
            comment="Sum of the natural logarithms of all eigenvalues above 0.",
        ),
        sa.Column(
            "log_volume_population",
            sa.DOUBLE_PRECISION(),
            nullable=True,
            comment="The same of the distribution drawn from. NULL unless n > d and all d eigenvalues are above 0.",
        ),
        sa.Column(
            "log_volume_low",
            sa.DOUBLE_PRECISION(),
            nullable=True,
            comment="Lower end of its 95% interval.",
        ),
        sa.Column(
            "log_volume_high", sa.DOUBLE_PRECISION(), nullable=True, comment="Upper end of it."
        ),
        sa.Column(
            "log_volume_fitted",
            sa.DOUBLE_PRECISION(),
            nullable=True,
            comment="Sum of natural logarithms over the ranks fitted.",
        ),
        sa.Column(
            "participation_ratio",
            sa.DOUBLE_PRECISION(),
            nullable=True,
            comment="Effective rank: (sum of eigenvalues)^2 / sum of squares; in [1, n_eigenvalues].",
        ),
        sa.Column(
            "entropy_rank",
            sa.DOUBLE_PRECISION(),
            nullable=True,
            comment="Effective rank: exp of the entropy of the eigenvalues' shares; in [1, n_eigenvalues].",
        ),
        sa.Column(
            "edge_low",
            sa.DOUBLE_PRECISION(),
            nullable=True,
            comment="Lower Marchenko-Pastur edge: least eigenvalue to expect of as many Gaussian vectors of the same variance, the same in all directions.",
        ),
        sa.Column("edge_high", sa.DOUBLE_PRECISION(), nullable=True, comment="Upper edge."),
        sa.Column(
            "n_above", sa.Integer(), nullable=False, comment="Eigenvalues above the upper edge."
        ),
        sa.CheckConstraint(
            "source in ('decoder', 'encoder', 'activations')", name=op.f("ck_spectrum_source")
        ),
        sa.CheckConstraint("(clustering is null) = (lobe is null)", name=op.f("ck_spectrum_lobe")),
        sa.ForeignKeyConstraint(
            ["clustering"],
            ["atlas.clustering.id"],
            name=op.f("fk_spectrum_clustering_clustering"),
            ondelete="CASCADE",
        ),
        sa.ForeignKeyConstraint(
            ["run"], ["atlas.run.id"], name=op.f("fk_spectrum_run_run"), ondelete="CASCADE"
        ),
        sa.PrimaryKeyConstraint("id", name=op.f("pk_spectrum")),
        schema="atlas",
        comment="The covariance of a cloud of vectors: how its variance is spread over directions.",
    )
    op.create_index(op.f("ix_spectrum_run"), "spectrum", ["run"], unique=False, schema="atlas")
    op.create_table(
        "cluster_entropy",
        sa.Column("spectrum", sa.Integer(), nullable=False, comment="Spectrum."),
        sa.Column(
            "components",
            sa.Integer(),
            nullable=False,
            comment="Leading principal components that the cloud was seen in.",
        ),
        sa.Column(
            "neighbour",
            sa.Integer(),
            nullable=False,
            comment="Which nearest neighbour's distance was taken, from 1.",
        ),
        sa.Column(
            "n",
            sa.Integer(),
            nullable=False,
            comment="Vectors compared: all in 100 components, in others at most 4,096 of them drawn at random.",
        ),
        sa.Column(
            "negentropy",
            sa.DOUBLE_PRECISION(),
            nullable=False,
            comment="Entropy of a Gaussian of the same covariance less that of the cloud, in nats. The estimate is biased in many dimensions, so see the excesses; preset paper: as published.",
        ),
        sa.Column(
            "negentropy_low",
            sa.DOUBLE_PRECISION(),
            nullable=True,
            comment="Lower end of its 95% interval, its bias left aside.",
        ),
        sa.Column(
            "negentropy_high", sa.DOUBLE_PRECISION(), nullable=True, comment="Upper end of it."
        ),
        sa.Column(
            "n_draws",
            sa.Integer(),
            nullable=True,
            comment="Clouds drawn of each reference. NULL for none.",
        ),
        sa.Column(
            "gaussian",
            sa.DOUBLE_PRECISION(),
            nullable=True,
            comment="Mean negentropy of Gaussian clouds of the same number and covariance. NULL without them.",
        ),
        sa.Column(
            "excess_gaussian",
            sa.DOUBLE_PRECISION(),
            nullable=True,
            comment="negentropy less that: 0 for a cloud without clusters.",
        ),
        sa.Column(
            "excess_gaussian_low",
            sa.DOUBLE_PRECISION(),
            nullable=True,
            comment="Lower end of its 95% interval.",
        ),
        sa.Column(
            "excess_gaussian_high", sa.DOUBLE_PRECISION(), nullable=True, comment="Upper end of it."
        ),
        sa.Column(
            "z_gaussian",
            sa.DOUBLE_PRECISION(),
            nullable=True,
            comment="The excess over its standard error.",
        ),
        sa.Column(
            "directions",
            sa.DOUBLE_PRECISION(),
            nullable=True,
            comment="Mean negentropy of unit vectors in directions of such Gaussian clouds. NULL without them.",
        ),
        sa.Column(
            "excess_directions",
            sa.DOUBLE_PRECISION(),
            nullable=True,
            comment="negentropy less that: 0 for a cloud without clusters.",
        ),
        sa.Column(
            "excess_directions_low",
            sa.DOUBLE_PRECISION(),
            nullable=True,
            comment="Lower end of its 95% interval.",
        ),
        sa.Column(
            "excess_directions_high",
            sa.DOUBLE_PRECISION(),
            nullable=True,
            comment="Upper end of it.",
        ),
        sa.Column(
            "z_directions",
            sa.DOUBLE_PRECISION(),
            nullable=True,
            comment="The excess over its standard error.",
        ),
        sa.ForeignKeyConstraint(
            ["spectrum"],
            ["atlas.spectrum.id"],
            name=op.f("fk_cluster_entropy_spectrum_spectrum"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "spectrum", "components", "neighbour", name=op.f("pk_cluster_entropy")
        ),
        schema="atlas",
        comment="How far a cloud is from a single Gaussian one: negentropy by nearest neighbours.",
    )
    op.create_table(
        "eigenvalue",
        sa.Column("spectrum", sa.Integer(), nullable=False, comment="Spectrum."),
        sa.Column("rank", sa.Integer(), nullable=False, comment="From 1, the largest first."),
        sa.Column(
            "value",
            sa.DOUBLE_PRECISION(),
            nullable=False,
            comment="Variance along its axis; above 0.",
        ),
        sa.Column(
            "null_low",
            sa.DOUBLE_PRECISION(),
            nullable=True,
            comment="Lower end of the 95% band of this rank for Gaussian vectors of the same number, dimensions and variance, the same in all directions.",
        ),
        sa.Column("null_high", sa.DOUBLE_PRECISION(), nullable=True, comment="Upper end of it."),
        sa.ForeignKeyConstraint(
            ["spectrum"],
            ["atlas.spectrum.id"],
            name=op.f("fk_eigenvalue_spectrum_spectrum"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint("spectrum", "rank", name=op.f("pk_eigenvalue")),
        schema="atlas",
        comment="Eigenvalues of a cloud's covariance.",
    )
    op.create_table(
        "spectrum_test",
        sa.Column("spectrum", sa.Integer(), nullable=False, comment="Spectrum."),
        sa.Column(
            "statistic",
            sa.Text(),
            nullable=False,
            comment="steepness: the slope, sign turned; log_volume: sign turned too. Larger is further from a ball.",
        ),
        sa.Column(
            "null_model",
            sa.Text(),
            nullable=False,
            comment="gaussian: Gaussian vectors, all directions alike; directions: random unit vectors; covariance: Gaussian vectors whose covariance is the one estimated.",
        ),
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
        sa.CheckConstraint("p > 0 and p <= 1", name=op.f("ck_spectrum_test_p")),
        sa.ForeignKeyConstraint(
            ["spectrum"],
            ["atlas.spectrum.id"],
            name=op.f("fk_spectrum_test_spectrum_spectrum"),
            ondelete="CASCADE",
        ),
        sa.PrimaryKeyConstraint(
            "spectrum", "statistic", "null_model", name=op.f("pk_spectrum_test")
        ),
        schema="atlas",
        comment="A spectrum against clouds of the same number of vectors and dimensions.",
    )
