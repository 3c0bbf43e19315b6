"""The tables of spectra: eigenvalues of sets of vectors, their shape, and tests of clustering."""

import sqlalchemy as sa
from sqlalchemy import CheckConstraint, Column
from sqlalchemy.dialects.postgresql import DOUBLE_PRECISION

from saeatlas.schema.tables.base import (
    id_column,
    key,
    measure,
    metadata,
    scores,
)
from saeatlas.schema.tables.lobes import clustering
from saeatlas.schema.tables.runs import run

spectrum = sa.Table(
    "spectrum",
    metadata,
    id_column(),
    Column("run", sa.Integer, sa.ForeignKey(run.c.id, ondelete="CASCADE"), nullable=False,
           comment="Run that made it: spectra."),
    Column("source", sa.Text, nullable=False, comment="decoder or encoder: a unit vector for "
           "each feature; activations: the SAE's input activations, a vector for each token."),
    Column("clustering", sa.Integer, sa.ForeignKey(clustering.c.id, ondelete="CASCADE"),
           comment="Clustering whose lobe it is limited to. NULL if to none."),
    Column("lobe", sa.Integer, comment="That lobe. NULL if to none."),
    Column("n", sa.BigInteger, nullable=False, comment="Vectors."),
    Column("d", sa.Integer, nullable=False, comment="Their dimensions."),
    Column("n_zero", sa.Integer, nullable=False, comment="Zero vectors, which were left out."),
    Column("n_duplicates", sa.Integer, nullable=False, comment="Vectors left out because they "
           "equal one that is counted."),
    Column("n_eigenvalues", sa.Integer, nullable=False, comment="Eigenvalues of the covariance "
           "above 0: its rank."),
    measure("variance", "Sum of the eigenvalues; 1 minus the squared length of the mean, for "
             "unit vectors."),
    Column("rank_first", sa.Integer, comment="First rank that was fitted, from 1. NULL with too "
           "few eigenvalues to fit."),
    Column("rank_last", sa.Integer, comment="Last rank that was fitted. NULL where rank_first is."),
    measure("slope", "Slope of log eigenvalue over log rank, least squares over the ranks "
             "fitted; NULL where rank_first is."),
    measure("slope_population", "Slope of the distribution that the vectors were drawn from: "
             "slope minus what n draws in d dimensions add. NULL where not estimated."),
    measure("slope_low", "Lower end of the 95% interval of slope_population."),
    measure("slope_high", "Upper end of it."),
    measure("slope_least", "Least slope over other choices of ranks."),
    measure("slope_most", "Largest slope over them."),
    measure("r2", "Share of the variance of log eigenvalues that the line explains; in [0, 1]."),
    Column("alternative", sa.Text, comment="Curve that fits the same ranks better than the line: "
           "exponential or lognormal. NULL if neither does."),
    measure("aic_difference", "AIC of the line minus that of the best alternative; above 0 if "
             "that fits better. NULL where rank_first is."),
    measure("log_volume", "Sum of the natural logarithms of all eigenvalues above 0."),
    measure("log_volume_population", "The same of the distribution drawn from. NULL unless n > d "
             "and all d eigenvalues are above 0."),
    measure("log_volume_low", "Lower end of its 95% interval."),
    measure("log_volume_high", "Upper end of it."),
    measure("log_volume_fitted", "Sum of natural logarithms over the ranks fitted."),
    measure("participation_ratio", "Effective rank: (sum of eigenvalues)^2 / sum of squares; in "
             "[1, n_eigenvalues]."),
    measure("entropy_rank", "Effective rank: exp of the entropy of the eigenvalues' shares; in "
             "[1, n_eigenvalues]."),
    measure("edge_low", "Lower Marchenko-Pastur edge: smallest eigenvalue expected of n "
             "isotropic Gaussian vectors of the same variance."),
    measure("edge_high", "Upper edge."),
    Column("n_above", sa.Integer, nullable=False, comment="Eigenvalues above the upper edge."),
    sa.Index(None, "run"),
    CheckConstraint("source in ('decoder', 'encoder', 'activations')", name="source"),
    CheckConstraint("(clustering is null) = (lobe is null)", name="lobe"),
    comment="The covariance of a set of vectors: how its variance is spread over directions.",
)  # fmt: skip

eigenvalue = sa.Table(
    "eigenvalue",
    metadata,
    key(spectrum, "Spectrum."),
    Column("rank", sa.Integer, primary_key=True, comment="From 1, the largest first."),
    Column("value", DOUBLE_PRECISION, nullable=False, comment="Variance along its axis; above 0."),
    measure("null_low", "Lower end of the 95% band of this rank for Gaussian vectors of the same "
             "number, dimensions and variance, the same in all directions."),
    measure("null_high", "Upper end of it."),
    comment="Eigenvalues of the covariance of a set of vectors.",
)  # fmt: skip

spectrum_test = sa.Table(
    "spectrum_test",
    metadata,
    key(spectrum, "Spectrum."),
    Column("statistic", sa.Text, primary_key=True, comment="steepness: minus the slope; "
           "log_volume: minus the logarithm of the volume. A larger value is further from an "
           "isotropic Gaussian."),
    Column("null_model", sa.Text, primary_key=True, comment="gaussian: isotropic Gaussian "
           "vectors; directions: random unit vectors; covariance: Gaussian vectors with the "
           "estimated covariance."),
    *scores(),
    CheckConstraint("p > 0 and p <= 1", name="p"),
    comment="A spectrum against random sets of the same number of vectors and dimensions.",
)  # fmt: skip

cluster_entropy = sa.Table(
    "cluster_entropy",
    metadata,
    key(spectrum, "Spectrum."),
    Column("components", sa.Integer, primary_key=True, comment="Number of leading principal "
           "components that the vectors were projected on."),
    Column("neighbour", sa.Integer, primary_key=True, comment="Which nearest neighbour's distance "
           "was taken, from 1."),
    Column("n", sa.Integer, nullable=False, comment="Vectors compared: all in 100 components, in "
           "others at most 4,096 of them drawn at random."),
    Column("negentropy", DOUBLE_PRECISION, nullable=False, comment="Entropy of a Gaussian of "
           "the same covariance minus the entropy of the vectors, in nats. The estimate is "
           "biased in many dimensions: use the excesses. Preset paper: as published."),
    measure("negentropy_low", "Lower end of its 95% interval, not corrected for bias."),
    measure("negentropy_high", "Upper end of it."),
    Column("n_draws", sa.Integer, comment="Random sets drawn of each reference. NULL without "
           "references."),
    *(
        column
        for name, what in (
            ("gaussian", "sets of as many Gaussian vectors of the same covariance"),
            ("directions", "such sets, each vector scaled to length 1"),
        )
        for column in (
            measure(name, f"Mean negentropy of {what}. NULL without them."),
            measure(f"excess_{name}", f"negentropy - {name}: 0 without clusters."),
            measure(f"excess_{name}_low", "Lower end of its 95% interval."),
            measure(f"excess_{name}_high", "Upper end of it."),
            measure(f"z_{name}", "The excess over its standard error."),
        )
    ),
    comment="How far a set of vectors is from a single Gaussian: negentropy, estimated from "
    "nearest neighbours.",
)  # fmt: skip
