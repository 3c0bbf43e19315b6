"""The search for crystals among vectors: what is compared, in which space, how often."""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from saeatlas.analyses.crystals import (
    function_vectors,
    pair_groups,
    parallelograms,
    significance,
    whitening,
    within_class,
)
from saeatlas.analyses.crystals.parallelograms import Quads, unit_sides
from saeatlas.analyses.crystals.params import Terms
from saeatlas.analyses.crystals.whitening import Space

Array = np.ndarray[Any, Any]

ROUNDS = 3
"""Times that function vectors are found, at most, with discriminant analysis in between."""


@dataclass(frozen=True)
class Relation:
    """Word pairs of one relation.

    Parameters
    ----------
    ends : ndarray of shape (m, 2), int64
        Input and output, as numbers of words.
    differences : ndarray of shape (m, d), float32
        Output less input.
    """

    ends: Array
    differences: Array


@dataclass(frozen=True)
class Found:
    """Crystals, and what they follow.

    Parameters
    ----------
    quads : Quads
        The best first; sides turned along their function vector.
    of : ndarray of shape (n,), int64
        Function vector; -1 where the sides follow two.
    p, q : ndarray of shape (n,), float64
        Chance, and false discovery rate.
    members : tuple of ndarray of shape (m, 2), int64
        Pairs of each function vector.
    relations : tuple of str or None
        Names of the function vectors; None of those found.
    n_compared, n_parallel : int
        Pairs of pairs that were compared; those with a quality of at least `least`.
    """

    quads: Quads
    of: Array
    p: Array
    q: Array
    members: tuple[Array, ...]
    relations: tuple[str | None, ...]
    n_compared: int
    n_parallel: int


class Search:
    """The search for crystals among vectors.

    Parameters
    ----------
    vectors : ndarray of shape (n, d), float32
        Unit vectors, all different.
    terms : Terms
    attributes : mapping of str to ndarray of shape (n,), float64, optional
        What was measured of each; NaN where unknown.
    relations : mapping of str to Relation, optional
        Word pairs with a known relation. Default: function vectors are found.

    Attributes
    ----------
    found : Found
        After all steps.
    space : Space
        In which they were found.
    origins : list of {'attribute', 'lda'}
        Why each of the space's directions was removed.
    shares : list of float or None
        Share of what pairs of one function vector differed by; None of attributes.
    unused : list of str
        Attributes that no direction follows.
    n_steps : int
        At most.

    Notes
    -----
    Vectors are whitened, and the directions that measured attributes follow are projected out.
    Then: pair each vector with its nearest neighbours, compare all pairs of pairs, gather those
    that are parallel into function vectors, project out what pairs of one function vector differ
    by (`within.directions`), and again, until nothing more is projected out. With known
    relations there is one round: discriminant analysis of their word pairs first, and only pairs
    that follow their mean difference are compared with each other. A pair follows it if its
    difference does and its ends are alike but for that: else whatever is far along a relation
    would follow it from anywhere.

    What is missed: crystals of which neither sides nor legs join near neighbours. Unit vectors of
    a parallelogram have, in one pair of sides or in both diagonals, a cosine of at least 1/3; what
    is held together by opposite diagonals only is missed, and of trapezoids those with one side
    that is wider. More neighbours find more. A p-value supposes a Gaussian cloud of the same
    covariance; a cloud with many clusters is not one.
    """

    def __init__(
        self,
        vectors: Array,
        terms: Terms,
        attributes: Mapping[str, Array] | None = None,
        relations: Mapping[str, Relation] | None = None,
    ) -> None:
        self.vectors, self.terms = vectors, terms
        self.attributes, self.relations = attributes or {}, relations
        self.once = terms.keep_distractors or relations is not None
        self.n_steps = 3 if self.once else 3 * ROUNDS
        self.origins: list[str] = []
        self.shares: list[float | None] = []
        self.unused: list[str] = []
        self.space: Space
        self.found: Found

    def steps(self) -> Iterator[int]:
        """Search; yield how many steps are done."""
        self._begin()
        k = min(self.terms.neighbours, len(self.vectors) - 1)
        for done in range(0, self.n_steps, 3):
            ends = parallelograms.pairs(self.space.points, k)
            yield done + 1
            self.found = self._follow(ends) if self.relations is not None else self._find(ends)
            yield done + 2
            if (
                self.once
                or done + 3 == self.n_steps
                or not self._discriminate(
                    [unit_sides(self.space.points, pairs) for pairs in self.found.members],
                    [_families(pairs) for pairs in self.found.members],
                )
            ):
                break
            yield done + 3

    def _begin(self) -> None:
        """Whiten, and project out what is known to distract."""
        if self.terms.keep_distractors:
            self.space = whitening.as_they_are(self.vectors)
            return
        self.space = whitening.whiten(self.vectors)
        if self.attributes:
            table = np.column_stack(list(self.attributes.values()))
            directions, used = whitening.attribute_directions(self.space, table)
            self.unused = [name for name, one in zip(self.attributes, used, strict=True) if not one]
            self._remove(directions, "attribute", [None] * directions.shape[1])
        if self.relations is not None:
            related = [_families(one.ends) for one in self.relations.values()]
            self._discriminate(self._differences(), related)

    def _discriminate(self, units: list[Array], related: list[Array]) -> bool:
        """Project out what pairs of one function vector differ by; say if there is any."""
        directions, shares = within_class.directions(
            self.space, units, related, seed=self.terms.seed
        )
        self._remove(directions, "lda", shares.tolist())
        return len(shares) > 0

    def _remove(self, directions: Array, origin: str, shares: list[float | None]) -> None:
        self.space = self.space.without(directions)
        self.origins += [origin] * len(shares)
        self.shares += shares

    def _differences(self) -> list[Array]:
        """Return the differences of word pairs in the space, as unit vectors."""
        assert self.relations is not None
        rows = [self.space.take(one.differences) for one in self.relations.values()]
        return [one / np.maximum(np.linalg.norm(one, axis=1), 1e-12)[:, None] for one in rows]

    def _find(self, ends: Array) -> Found:
        """Compare all pairs of pairs, and gather those that are parallel."""
        quads = self._parallel(ends)
        n_compared = len(ends) * (len(ends) - 1) // 2
        p = significance.of_crystals(quads, self.space.dimensions)
        q = significance.discovery_rates(p, n_compared)
        n_parallel, sure = len(q), q <= self.terms.rate
        quads, p, q = quads[sure], p[sure], q[sure]
        groups = function_vectors.group(self.space.points, quads, self.terms.least)
        sizes = np.array([len(one) for one in groups.members] + [0])[groups.of]
        quads.corners[groups.turned] = quads.corners[groups.turned][:, [1, 0, 3, 2]]
        once = _once(quads, p, sizes)
        used, of = np.unique(np.append(groups.of[once], -1), return_inverse=True)
        members = tuple(groups.members[i] for i in used[1:])
        return Found(
            quads[once], of[:-1] - 1, p[once], q[once], members, (None,) * len(members),
            n_compared, n_parallel,
        )  # fmt: skip

    def _follow(self, ends: Array) -> Found:
        """Find the pairs that follow known relations, and compare those of the same."""
        assert self.relations is not None
        means = np.array([one.sum(axis=0) for one in self._differences()])  # (relations, r)
        means /= np.maximum(np.linalg.norm(means, axis=1), 1e-12)[:, None]
        cosines = unit_sides(self.space.points, ends) @ means.T  # (pairs, relations)
        p = np.maximum(
            significance.of_cosines(cosines.ravel(), self.space.dimensions),
            significance.of_alike(_rest(self.space.points, ends, means), self.space.dimensions - 1),
        )
        n = len(self.vectors)
        rates = significance.discovery_rates(p, n * (n - 1) // 2 * len(means))
        sure = (rates <= self.terms.rate).reshape(cosines.shape)
        members: list[Array] = []
        quads: list[Quads] = []
        of: list[int] = []
        names: list[str] = []
        n_compared = 0
        for i, name in enumerate(self.relations):
            own, back = ends[sure[:, i]], cosines[sure[:, i], i] < 0
            own[back] = own[back, ::-1]
            if len(own):
                found = self._parallel(own)
                quads.append(found)
                of += [len(members)] * len(found.sides)
                members.append(own)
                names.append(name)
                n_compared += len(own) * (len(own) - 1) // 2
        everything = parallelograms.together(quads)
        p = significance.of_crystals(everything, self.space.dimensions)
        q = significance.discovery_rates(p, max(n_compared, 1))
        once = _once(everything, p, np.zeros(len(p)))
        once = once[q[once] <= self.terms.rate]
        return Found(
            everything[once], np.array(of, int)[once], p[once], q[once], tuple(members),
            tuple(names), n_compared, len(q),
        )  # fmt: skip

    def _parallel(self, ends: Array) -> Quads:
        return parallelograms.search(
            self.space.points, ends, self.terms.least, seed=self.terms.seed
        )


def _rest(points: Array, ends: Array, means: Array) -> Array:
    """Return the cosine of both ends less what is along each relation; (pairs relations,)."""
    along = points @ means.T  # (n, relations)
    squares = np.einsum("ij,ij->i", points, points)[:, None] - along**2
    products = np.empty((len(ends), len(means)))
    for first in range(0, len(ends), 4096):
        part = ends[first : first + 4096]
        products[first : first + 4096] = np.einsum(
            "ij,ij->i", points[part[:, 0]], points[part[:, 1]]
        )[:, None]
    a, b = ends.T
    lengths = np.sqrt(np.maximum(squares[a] * squares[b], 1e-12))
    cosines: Array = (products - along[a] * along[b]) / lengths
    return cosines.ravel()


def _families(pairs: Array) -> Array:
    """Give pairs that share a point one number."""
    return pair_groups.groups(np.zeros(len(pairs), np.int64), *pairs.T)


def _once(quads: Quads, p: Array, sizes: Array) -> Array:
    """Choose one of the ways in which four features are a crystal; the best crystals first."""
    order = np.lexsort((-quads.quality, p, -sizes))
    _, first = np.unique(np.sort(quads.corners, axis=1)[order], axis=0, return_index=True)
    once = order[first]
    best: Array = once[np.lexsort((quads.corners[once, 0], -quads.quality[once], p[once]))]
    return best
