"""Vectors without structure, and p-values and z-scores against draws from a null."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_SAME = 1e-9
"""Values this close are equal: the same counts, added in another order."""


@dataclass(frozen=True)
class Score:
    """A statistic against its null, one-sided.

    The columns of ``lobe_test`` and, but for the last, of ``spectrum_test``.

    Parameters
    ----------
    n_trials : int
        Draws.
    value, mean, sd : float
        The statistic; mean and standard deviation of the draws.
    z : float or None
        (value - mean) / sd. None where sd is 0.
    p : float
        (r + 1) / (n_trials + 1), r draws being at least as large.
    p_adjusted : float or None
        The same for the largest of several statistics. None where z is.
    """

    n_trials: int
    value: float
    mean: float
    sd: float
    z: float | None
    p: float
    p_adjusted: float | None


def scores(values: npt.NDArray[np.float64], draws: npt.NDArray[np.float64]) -> list[Score]:
    """Score several statistics against joint draws from one null.

    Parameters
    ----------
    values : ndarray of shape (t,), float64
        What was observed.
    draws : ndarray of shape (m, t), float64
        What the null gives; a row is one draw for all statistics together, m >= 2.

    Returns
    -------
    list of Score
        One a statistic.

    Notes
    -----
    p counts the observed value among the draws, so that it is never 0 and holds its level exactly
    for any m. p_adjusted compares the observed z with the largest z of each draw over all t
    statistics (max-T): the chance, if the null holds for all, that any of them is so large. For
    this z is taken with mean and standard deviation over the observed value and the draws: with
    those of the draws alone the observed value, which is not among them, would stand out too
    often when m is small and t is large. The z that is reported is that of the draws alone; with
    19 draws it is a rough number.

    References
    ----------
    .. [PhipsonSmyth2010] p-values from permutations.
    .. [WestfallYoung1993] The adjusted p.
    """
    m = len(draws)
    mean, sd = draws.mean(axis=0), draws.std(axis=0, ddof=1)
    varies = sd > _SAME
    p = (1 + (draws >= values - _SAME).sum(axis=0)) / (m + 1)
    pooled = np.vstack([values, draws])
    spread = np.where(varies, pooled.std(axis=0), np.inf)  # what never varies is never the largest
    z = (pooled - pooled.mean(axis=0)) / spread
    largest = z[1:, varies].max(axis=1, initial=-np.inf)
    adjusted = (1 + (largest[:, None] >= z[0] - _SAME).sum(axis=0)) / (m + 1)
    return [
        Score(
            m,
            float(values[i]),
            float(mean[i]),
            float(sd[i]) if varies[i] else 0.0,
            float((values[i] - mean[i]) / sd[i]) if varies[i] else None,
            float(p[i]),
            float(adjusted[i]) if varies[i] else None,
        )
        for i in range(len(values))
    ]


def random_directions(rng: np.random.Generator, n: int, d: int) -> npt.NDArray[np.float32]:
    """Draw unit vectors, uniform on the sphere.

    Parameters
    ----------
    rng : numpy.random.Generator
    n, d : int

    Returns
    -------
    ndarray of shape (n, d), float32
    """
    return _unit(rng.standard_normal((n, d), np.float32))


class GaussianNull:
    """Gaussian vectors with the mean and covariance of given ones, normalised to unit length.

    Parameters
    ----------
    vectors : ndarray of shape (n, d), float32

    Notes
    -----
    It has the directions in which the vectors spread and none of their clusters. Normalising
    changes the covariance a little, most where few directions have most of it.
    """

    def __init__(self, vectors: npt.NDArray[np.float32]) -> None:
        self.mean = vectors.mean(axis=0)
        covariance = np.atleast_2d(np.cov(vectors, rowvar=False))
        sizes, axes = np.linalg.eigh(covariance)
        self.root = (axes * np.sqrt(sizes.clip(0))).T.astype(np.float32)

    def draw(self, rng: np.random.Generator, n: int) -> npt.NDArray[np.float32]:
        """Draw vectors.

        Parameters
        ----------
        rng : numpy.random.Generator
        n : int

        Returns
        -------
        ndarray of shape (n, d), float32
        """
        return _unit(rng.standard_normal((n, len(self.root)), np.float32) @ self.root + self.mean)


def _unit(vectors: npt.NDArray[np.float32]) -> npt.NDArray[np.float32]:
    unit: npt.NDArray[np.float32] = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return unit
