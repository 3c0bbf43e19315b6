"""Whitened space in which differences are compared, without distractors."""

from dataclasses import dataclass, replace

import numpy as np

from saeatlas import errors
from saeatlas.analyses.arrays import Bool, Float32, Float64, Floats
from saeatlas.analyses.stats import pca

_PER_AXIS = 4
"""Vectors for each axis, at least: with fewer, whitening removes all structure."""

_ROUNDING = 1e-6
"""Rounding error of centred float32 vectors, relative to the length of the mean."""

_DOUBT = 0.001
"""p-value below which an attribute counts as a distractor."""


@dataclass(frozen=True)
class Space:
    """Vectors in coordinates in which the cosines of unrelated differences are known.

    Parameters
    ----------
    points : ndarray of shape (n, r), float32
    dimensions : float
        Effective number of dimensions: cosines of unrelated differences have variance
        1 / dimensions.
    basis : ndarray of shape (d, r), float64
        Matrix from centred vectors to points, before any direction was removed.
    removed : ndarray of shape (r, k), float64
        Directions that were projected out; orthonormal.
    """

    points: Float32
    dimensions: float
    basis: Float64
    removed: Float64

    def project_out(self, directions: Float64) -> "Space":
        """Project directions out.

        Parameters
        ----------
        directions : ndarray of shape (r, k)
            Orthonormal, and orthogonal to those already removed.

        Returns
        -------
        Space
        """
        flat = directions.astype(np.float32)
        points = self.points - (self.points @ flat) @ flat.T
        return replace(
            self,
            points=points.astype(np.float32, copy=False),
            dimensions=self.dimensions - directions.shape[1],
            removed=np.column_stack([self.removed, directions]),
        )

    def transform_differences(self, differences: Float32) -> Float32:
        """Transform differences of other vectors into the space.

        Parameters
        ----------
        differences : ndarray of shape (m, d)

        Returns
        -------
        ndarray of shape (m, r), float32
        """
        rows = differences @ self.basis
        rest: Float32 = (rows - (rows @ self.removed) @ self.removed.T).astype(np.float32)
        return rest

    def removed_axis(self, number: int) -> Float64:
        """Return a removed direction as a unit vector of the original space.

        Parameters
        ----------
        number : int
            From 0.

        Returns
        -------
        ndarray of shape (d,), float64
            The products of centred vectors with it are proportional to what was removed.
        """
        axis: Float64 = self.basis @ self.removed[:, number]
        axis /= np.linalg.norm(axis)
        return axis


def whiten(vectors: Float32) -> Space:
    """Whiten vectors: their variance becomes 1 in all directions.

    Parameters
    ----------
    vectors : ndarray of shape (n, d), float32

    Returns
    -------
    Space
        With the leading min(d, n / 4) dimensions.

    Raises
    ------
    InputError
        There are fewer than eight vectors, or all are the same.

    Notes
    -----
    This is linear discriminant analysis with all differences in one class: all variance counts as
    noise. A linear map preserves exact parallelism; it changes the angles of nearly parallel
    differences, and makes differences of unrelated Gaussian vectors isotropic, so that the
    distribution of their cosines is known.
    """
    n = len(vectors)
    if n < 2 * _PER_AXIS:
        raise errors.InputError(
            f"A search for crystals needs {2 * _PER_AXIS} vectors or more; there are {n}.",
            hint="Choose more features.",
        )
    values, axes, mean = pca.decompose(vectors)
    r = min(len(values), n // _PER_AXIS)
    basis = axes[:, :r] / np.sqrt(values[:r])
    points = (vectors - mean.astype(np.float32)) @ basis.astype(np.float32)
    return Space(points, float(r), basis, np.empty((r, 0)))


def centre(vectors: Float32) -> Space:
    """Subtract the mean of vectors, without whitening.

    Parameters
    ----------
    vectors : ndarray of shape (n, d), float32

    Returns
    -------
    Space

    Notes
    -----
    The effective number of dimensions is the participation ratio of the eigenvalues of the
    covariance. It gives the variance of cosines, not their distribution: far from isotropic,
    p-values are approximate.
    """
    n, d = vectors.shape
    mean = vectors.mean(axis=0, dtype=np.float64)
    points = vectors - mean.astype(np.float32)
    # the covariance and the smaller matrix of products have the same sum of squares
    products = points.T @ points if d < n else points @ points.T
    total = float(np.trace(products, dtype=np.float64))
    squares = float(np.einsum("ij,ij->", products, products, dtype=np.float64))
    _require_spread(total / n, mean)
    return Space(points, total**2 / squares, np.eye(d), np.empty((d, 0)))


def attribute_directions(space: Space, attributes: Float64) -> tuple[Float64, Bool]:
    """Find the directions along which measured attributes vary.

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
        Attributes with a p-value below 0.001.

    Notes
    -----
    The direction of an attribute is that of its covariance with the points, which have the same
    variance in all directions. For an unrelated attribute, n times the squared length of its
    correlations has a chi-squared distribution with as many degrees of freedom as dimensions.
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


def _require_spread(variance: float, mean: Floats) -> None:
    if variance <= (_ROUNDING * np.linalg.norm(mean)) ** 2:
        raise errors.InputError("All vectors are the same: there are no crystals among them.")
