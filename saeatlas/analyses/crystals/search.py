"""The search for crystals among vectors: whiten, project out distractors, compare, repeat."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from saeatlas.analyses.arrays import Float32, Float64, Int64
from saeatlas.analyses.crystals import (
    comparison,
    pair_groups,
    parallelograms,
    whitening,
    within_class,
)
from saeatlas.analyses.crystals.comparison import Found
from saeatlas.analyses.crystals.parallelograms import unit_sides
from saeatlas.analyses.crystals.params import Params
from saeatlas.analyses.crystals.whitening import Space
from saeatlas.progress import Progress, Report, silent

ROUNDS = 3
"""Largest number of times that function vectors are found, with LDA in between."""


@dataclass(frozen=True)
class Relation:
    """Word pairs of one relation.

    Parameters
    ----------
    ends : ndarray of shape (m, 2), int64
        Input and output, as numbers of words.
    differences : ndarray of shape (m, d), float32
        Output minus input.
    """

    ends: Int64
    differences: Float32


@dataclass(frozen=True)
class Projected:
    """A space from which distractors were projected out.

    Parameters
    ----------
    space : Space
    origins : tuple of {'attribute', 'lda'}
        Why each direction was removed.
    shares : tuple of float or None
        Share of the within-class variance along each direction; None of attributes.
    unused : tuple of str
        Attributes that the points do not depend on.
    """

    space: Space
    origins: tuple[str, ...] = ()
    shares: tuple[float | None, ...] = ()
    unused: tuple[str, ...] = ()

    def project_out(
        self, axes: Float64, origin: str, shares: Sequence[float | None]
    ) -> "Projected":
        """Project out further directions.

        Parameters
        ----------
        axes : ndarray of shape (r, k), float64
        origin : {'attribute', 'lda'}
        shares : sequence of float or None, of length k

        Returns
        -------
        Projected
        """
        return replace(
            self,
            space=self.space.project_out(axes),
            origins=(*self.origins, *[origin] * len(shares)),
            shares=(*self.shares, *shares),
        )


@dataclass(frozen=True)
class Search:
    """The result of a search.

    Parameters
    ----------
    found : Found
        Crystals and function vectors.
    projected : Projected
        Space in which they were found.
    """

    found: Found
    projected: Projected


def search(
    vectors: Float32,
    params: Params,
    attributes: Mapping[str, Float64] | None = None,
    relations: Mapping[str, Relation] | None = None,
    report: Report = silent,
) -> Search:
    """Search for crystals among vectors.

    Parameters
    ----------
    vectors : ndarray of shape (n, d), float32
        Unit vectors, all different.
    params : Params
    attributes : mapping of str to ndarray of shape (n,), float64, optional
        Measured attributes of each; NaN where unknown.
    relations : mapping of str to Relation, optional
        Word pairs of known relations. Default: function vectors are found.
    report : callable, optional

    Returns
    -------
    Search

    Raises
    ------
    InputError
        There are fewer than eight vectors, or all are the same.

    Notes
    -----
    Vectors are whitened, and the directions of measured attributes are projected out. Then each
    vector is paired with its nearest neighbours, all pairs of pairs are compared, those that are
    parallel are gathered into function vectors, and the directions along which pairs of one
    function vector differ are projected out (`within_class.within_class_axes`). This repeats until
    nothing more is projected out. With known relations there is one round: discriminant analysis
    of their word pairs comes first, and only pairs that follow the mean difference of a relation
    are compared with each other. A pair follows it if its difference is parallel to it and its
    ends are similar apart from it: otherwise whatever lies far along a relation would follow it
    from any start.

    Crystals are missed if neither their sides nor their legs join near neighbours. Unit vectors of
    a parallelogram have, in one pair of sides or in both diagonals, a cosine of at least 1/3; those
    that are near along diagonals only are missed, and of trapezoids those with one wide side. More
    neighbours find more. The p-values hold for Gaussian vectors of the same covariance; vectors in
    many clusters are not Gaussian.
    """
    projected = _whiten_and_project(vectors, params, attributes or {}, relations)
    single = params.keep_distractors or relations is not None
    rounds = 1 if single else ROUNDS
    k = min(params.neighbours, len(vectors) - 1)
    for number in range(rounds):
        ends = parallelograms.neighbour_pairs(projected.space.points, k)
        report(Progress("crystals", 3 * number + 1, 3 * rounds))
        if relations is None:
            found = comparison.compare_all(projected.space, ends, params)
        else:
            words = _differences(projected.space, relations)
            found = comparison.compare_followers(projected.space, ends, words, params)
        report(Progress("crystals", 3 * number + 2, 3 * rounds))
        if number + 1 == rounds:
            break
        sides = [unit_sides(projected.space.points, pairs) for pairs in found.members]
        wider = _without_lda(
            projected, sides, [_families(pairs) for pairs in found.members], params
        )
        if wider is projected:
            break
        projected = wider
    report(Progress("crystals", 3 * rounds, 3 * rounds))
    return Search(found, projected)


def _whiten_and_project(
    vectors: Float32,
    params: Params,
    attributes: Mapping[str, Float64],
    relations: Mapping[str, Relation] | None,
) -> Projected:
    """Whiten, and project out known distractors."""
    if params.keep_distractors:
        return Projected(whitening.centre(vectors))
    projected = Projected(whitening.whiten(vectors))
    if attributes:
        table = np.column_stack(list(attributes.values()))
        axes, used = whitening.attribute_directions(projected.space, table)
        unused = tuple(name for name, one in zip(attributes, used, strict=True) if not one)
        projected = projected.project_out(axes, "attribute", [None] * axes.shape[1])
        projected = replace(projected, unused=unused)
    if relations is not None:
        words = list(_differences(projected.space, relations).values())
        related = [_families(one.ends) for one in relations.values()]
        projected = _without_lda(projected, words, related, params)
    return projected


def _without_lda(
    projected: Projected, units: Sequence[Float32], related: Sequence[Int64], params: Params
) -> Projected:
    """Project out along which pairs of one function vector differ; the same object if nothing."""
    axes, shares = within_class.within_class_axes(projected.space, units, related, seed=params.seed)
    return projected.project_out(axes, "lda", shares.tolist()) if len(shares) else projected


def _differences(space: Space, relations: Mapping[str, Relation]) -> dict[str, Float32]:
    """Return the differences of word pairs in the space, as unit vectors."""
    rows = {name: space.transform_differences(one.differences) for name, one in relations.items()}
    return {
        name: one / np.maximum(np.linalg.norm(one, axis=1), 1e-12)[:, None]
        for name, one in rows.items()
    }


def _families(pairs: Int64) -> Int64:
    """Return the number of its group for each pair; pairs of a group share points."""
    return pair_groups.connected_pairs(np.zeros(len(pairs), np.int64), *pairs.T)
