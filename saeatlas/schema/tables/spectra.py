"""The tables of spectra: eigenvalues of clouds of vectors, their shape, and how they cluster."""

import sqlalchemy as sa
from sqlalchemy import CheckConstraint, Column
from sqlalchemy.dialects.postgresql import DOUBLE_PRECISION

from saeatlas.schema.tables.core import id_column, metadata
from saeatlas.schema.tables.lobes import _key, _measure, _score, clustering
from saeatlas.schema.tables.runs import run

spectrum = sa.Table(
    "spectrum",
    metadata,
    id_column(),
    Column("run", sa.Integer, sa.ForeignKey(run.c.id, ondelete="CASCADE"), nullable=False,
           comment="Run that made it: spectra."),
    Column("source", sa.Text, nullable=False, comment="decoder or encoder: a unit vector a "
           "feature; activations: what the SAE hears, a vector a token."),
    Column("clustering", sa.Integer, sa.ForeignKey(clustering.c.id, ondelete="CASCADE"),
           comment="Clustering whose lobe it is limited to. NULL if to none."),
    Column("lobe", sa.Integer, comment="That lobe. NULL if to none."),
    Column("n", sa.BigInteger, nullable=False, comment="Vectors."),
    Column("d", sa.Integer, nullable=False, comment="Their dimensions."),
    Column("n_zero", sa.Integer, nullable=False, comment="Vectors left out, having no direction."),
    Column("n_duplicates", sa.Integer, nullable=False, comment="Vectors left out, each being equal "
           "to one that is counted."),
    Column("n_eigenvalues", sa.Integer, nullable=False, comment="Eigenvalues of the covariance "
           "above 0: its rank."),
    _measure("variance", "Sum of the eigenvalues; 1 less the squared length of the mean, for unit "
             "vectors."),
    Column("rank_first", sa.Integer, comment="First rank that was fitted, from 1. NULL with too "
           "few eigenvalues to fit."),
    Column("rank_last", sa.Integer, comment="Last rank that was fitted. NULL where rank_first is."),
    _measure("slope", "Slope of log eigenvalue over log rank, least squares over the ranks "
             "fitted; NULL where rank_first is."),
    _measure("slope_population", "Slope of the distribution that the vectors were drawn from: "
             "slope less what n draws in d dimensions add. NULL where not estimated."),
    _measure("slope_low", "Lower end of the 95% interval of slope_population."),
    _measure("slope_high", "Upper end of it."),
    _measure("slope_least", "Least slope over other choices of ranks."),
    _measure("slope_most", "Largest slope over them."),
    _measure("r2", "Share of the variance of log eigenvalues that the line explains; in [0, 1]."),
    Column("alternative", sa.Text, comment="Curve that fits the same ranks better than the line: "
           "exponential or lognormal. NULL if neither does."),
    _measure("aic_difference", "AIC of the line less that of the best alternative; above 0 if "
             "that fits better. NULL where rank_first is."),
    _measure("log_volume", "Sum of the natural logarithms of all eigenvalues above 0."),
    _measure("log_volume_population", "The same of the distribution drawn from. NULL unless n > d "
             "and all d eigenvalues are above 0."),
    _measure("log_volume_low", "Lower end of its 95% interval."),
    _measure("log_volume_high", "Upper end of it."),
    _measure("log_volume_fitted", "Sum of natural logarithms over the ranks fitted."),
    _measure("participation_ratio", "Effective rank: (sum of eigenvalues)^2 / sum of squares; in "
             "[1, n_eigenvalues]."),
    _measure("entropy_rank", "Effective rank: exp of the entropy of the eigenvalues' shares; in "
             "[1, n_eigenvalues]."),
    _measure("edge_low", "Lower Marchenko-Pastur edge: least eigenvalue to expect of as many "
             "Gaussian vectors of the same variance, the same in all directions."),
    _measure("edge_high", "Upper edge."),
    Column("n_above", sa.Integer, nullable=False, comment="Eigenvalues above the upper edge."),
    sa.Index(None, "run"),
    CheckConstraint("source in ('decoder', 'encoder', 'activations')", name="source"),
    CheckConstraint("(clustering is null) = (lobe is null)", name="lobe"),
    comment="The covariance of a cloud of vectors: how its variance is spread over directions.",
)  # fmt: skip

eigenvalue = sa.Table(
    "eigenvalue",
    metadata,
    _key(spectrum, "Spectrum."),
    Column("rank", sa.Integer, primary_key=True, comment="From 1, the largest first."),
    Column("value", DOUBLE_PRECISION, nullable=False, comment="Variance along its axis; above 0."),
    _measure("null_low", "Lower end of the 95% band of this rank for Gaussian vectors of the same "
             "number, dimensions and variance, the same in all directions."),
    _measure("null_high", "Upper end of it."),
    comment="Eigenvalues of a cloud's covariance.",
)  # fmt: skip

spectrum_test = sa.Table(
    "spectrum_test",
    metadata,
    _key(spectrum, "Spectrum."),
    Column("statistic", sa.Text, primary_key=True, comment="steepness: the slope, sign turned; "
           "log_volume: sign turned too. Larger is further from a ball."),
    Column("null_model", sa.Text, primary_key=True, comment="gaussian: Gaussian vectors, all "
           "directions alike; directions: random unit vectors; covariance: Gaussian vectors whose "
           "covariance is the one estimated."),
    *_score(),
    CheckConstraint("p > 0 and p <= 1", name="p"),
    comment="A spectrum against clouds of the same number of vectors and dimensions.",
)  # fmt: skip

cluster_entropy = sa.Table(
    "cluster_entropy",
    metadata,
    _key(spectrum, "Spectrum."),
    Column("components", sa.Integer, primary_key=True, comment="Leading principal components that "
           "the cloud was seen in."),
    Column("neighbour", sa.Integer, primary_key=True, comment="Which nearest neighbour's distance "
           "was taken, from 1."),
    Column("n", sa.Integer, nullable=False, comment="Vectors compared: all in 100 components, in "
           "others at most 4,096 of them drawn at random."),
    Column("negentropy", DOUBLE_PRECISION, nullable=False, comment="Entropy of a Gaussian of the "
           "same covariance less that of the cloud, in nats. The estimate is biased in many "
           "dimensions, so see the excesses; preset paper: as published."),
    _measure("negentropy_low", "Lower end of its 95% interval, its bias left aside."),
    _measure("negentropy_high", "Upper end of it."),
    Column("n_draws", sa.Integer, comment="Clouds drawn of each reference. NULL for none."),
    *(
        column
        for name, what in (
            ("gaussian", "Gaussian clouds of the same number and covariance"),
            ("directions", "unit vectors in directions of such Gaussian clouds"),
        )
        for column in (
            _measure(name, f"Mean negentropy of {what}. NULL without them."),
            _measure(f"excess_{name}", "negentropy less that: 0 for a cloud without clusters."),
            _measure(f"excess_{name}_low", "Lower end of its 95% interval."),
            _measure(f"excess_{name}_high", "Upper end of it."),
            _measure(f"z_{name}", "The excess over its standard error."),
        )
    ),
    comment="How far a cloud is from a single Gaussian one: negentropy by nearest neighbours.",
)  # fmt: skip
