"""A space in which differences are compared: what distracts is projected out of it."""

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from saeatlas import errors
from saeatlas.analyses.stats import pca

Array = np.ndarray[Any, Any]

_PER_AXIS = 4
"""Vectors an axis, at least: of fewer, whitening makes all alike."""

_ROUNDING = 1e-6
"""What rounding to float32 leaves of vectors less their mean, in lengths of the mean, at most."""

_DOUBT = 0.001
"""Chance of an unrelated attribute to be taken for a distractor."""


@dataclass(frozen=True)
class Space:
    """Vectors in coordinates where parallel differences can be told from chance.

    Parameters
    ----------
    points : ndarray of shape (n, r), float32
    dimensions : float
        Effective dimensions: cosines of unrelated differences have variance 1 over this.
    basis : ndarray of shape (d, r), float64
        What takes vectors less their mean to points; as of before any removal.
    removed : ndarray of shape (r, k), float64
        Orthonormal directions that were projected out.
    """

    points: Array
    dimensions: float
    basis: Array
    removed: Array

    def project_out(self, directions: Array) -> "Space":
        """Project directions out.

        Parameters
        ----------
        directions : ndarray of shape (r, k)
            Orthonormal, and orthogonal to those removed before.

        Returns
        -------
        Space
        """
        flat = directions.astype(np.float32)
        return replace(
            self,
            points=self.points - (self.points @ flat) @ flat.T,
            dimensions=self.dimensions - directions.shape[1],
            removed=np.column_stack([self.removed, directions]),
        )

    def transform_differences(self, differences: Array) -> Array:
        """Bring differences of other vectors into the space.

        Parameters
        ----------
        differences : ndarray of shape (m, d)

        Returns
        -------
        ndarray of shape (m, r), float32
        """
        rows = differences @ self.basis
        rest: Array = (rows - (rows @ self.removed) @ self.removed.T).astype(np.float32)
        return rest

    def removed_axis(self, number: int) -> Array:
        """Return a removed direction as a unit vector among the vectors as they are.

        Parameters
        ----------
        number : int
            From 0.

        Returns
        -------
        ndarray of shape (d,), float64
            Vectors less their mean, times this, are what was taken away, but for a factor.
        """
        axis: Array = self.basis @ self.removed[:, number]
        axis /= np.linalg.norm(axis)
        return axis


def whiten(vectors: Array) -> Space:
    """Make the variance of vectors the same in all directions.

    Parameters
    ----------
    vectors : ndarray of shape (n, d), float32

    Returns
    -------
    Space
        Of min(d, n / 4) dimensions, the leading ones.

    Raises
    ------
    InputError
        Fewer than eight vectors, or all the same.

    Notes
    -----
    Linear discriminant analysis with all differences in one cluster: what any two vectors differ
    by counts as noise. What is parallel stays parallel, whichever way a space is stretched; what
    changes is how far off something is that is nearly parallel, and that differences of unrelated
    Gaussian vectors are the same in all directions, so that the distribution of their cosines is
    known.
    """
    n = len(vectors)
    if n < 2 * _PER_AXIS:
        raise errors.InputError(
            f"Crystals are sought among {2 * _PER_AXIS} vectors or more; there are {n}.",
            hint="Choose more features.",
        )
    values, axes, mean = pca.decompose(vectors)
    r = min(len(values), n // _PER_AXIS)
    basis = axes[:, :r] / np.sqrt(values[:r])
    points = (vectors - mean.astype(np.float32)) @ basis.astype(np.float32)
    return Space(points, float(r), basis, np.empty((r, 0)))


def centre(vectors: Array) -> Space:
    """Take vectors less their mean as they are.

    Parameters
    ----------
    vectors : ndarray of shape (n, d), float32

    Returns
    -------
    Space

    Notes
    -----
    Its effective dimensions are the participation ratio of the covariance's eigenvalues, which
    gives the variance of cosines, not their distribution: far from isotropic, p-values are rough.
    """
    n, d = vectors.shape
    mean = vectors.mean(axis=0, dtype=np.float64)
    points = vectors - mean.astype(np.float32)
    # the sum of squares of a covariance is that of the smaller matrix of products
    products = points.T @ points if d < n else points @ points.T
    total = float(np.trace(products, dtype=np.float64))
    squares = float(np.einsum("ij,ij->", products, products, dtype=np.float64))
    _require_spread(total / n, mean)
    return Space(points, total**2 / squares, np.eye(d), np.empty((d, 0)))


def attribute_directions(space: Space, attributes: Array) -> tuple[Array, Array]:
    """Find the directions that measured attributes follow.

    Parameters
    ----------
    space : Space
    attributes : ndarray of shape (n, q), float64
        NaN where unknown.

    Returns
    -------
    directions : ndarray of shape (r, k), float64
        Orthonormal.
    used : ndarray of shape (q,), bool
        Attributes that points follow more than chance explains.

    Notes
    -----
    An attribute's direction is that of its covariance with the points, which are as spread in all
    directions. Of an unrelated one, n times the squared length of its correlations has a
    chi-squared distribution with as many degrees of freedom as there are dimensions.
    """
    from scipy.stats import chi2

    columns, used = [], np.zeros(attributes.shape[1], bool)
    for i, values in enumerate(attributes.T):
        known = np.isfinite(values)
        spread = values[known].std() if known.any() else 0.0
        if spread > 0:
            scores = (values[known] - values[known].mean()) / spread
            column = scores @ space.points[known] / known.sum()
            used[i] = chi2.sf(known.sum() * column @ column, space.dimensions) < _DOUBT
            columns += [column] if used[i] else []
    if not columns:
        return np.empty((space.points.shape[1], 0)), used
    left, lengths, _ = np.linalg.svd(np.column_stack(columns), full_matrices=False)
    return left[:, lengths > 1e-6 * lengths[0]], used


def _require_spread(variance: float, mean: Array) -> None:
    if variance <= (_ROUNDING * np.linalg.norm(mean)) ** 2:
        raise errors.InputError("All vectors are the same: there are no crystals among them.")
