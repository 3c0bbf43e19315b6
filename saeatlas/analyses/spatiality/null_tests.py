"""Test labellings of features against the geometry of their vectors, under several nulls."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from saeatlas.analyses.spatiality.classifier import balanced_accuracies
from saeatlas.analyses.stats.agreement import (
    adjusted_mutual_information,
    frequency_strata,
    permuted,
    shuffles,
)
from saeatlas.analyses.stats.nulls import Cloud, Score, directions, scores

Array = np.ndarray[Any, Any]
Preset = Literal["default", "paper"]
Cluster = Callable[..., dict[int, Array]]

NULLS = ("permuted", "frequency", "directions", "covariance")
"""Null models, as ``lobe_test`` names them."""

CLASSIFIED = 100
"""Most permutations whose lobes are classified: each costs as many fits as there are folds."""

PUBLISHED = 100
"""Draws of either null in the published procedure."""


@dataclass(frozen=True)
class Plan:
    """What is drawn, and how often.

    Parameters
    ----------
    preset : {'default', 'paper'}
        paper: 100 permutations and 100 clouds of random directions, no other null, and the
        published split of the classifier.
    trials : int
        Permutations of either kind.
    vector_trials : int
        Clouds of either kind; 0 for none.
    classify_up_to : int
        Largest k whose lobes are classified.
    stratum : int
        Features of about the same frequency among which lobes are shuffled.
    seed : int
    """

    preset: Preset = "default"
    trials: int = 1000
    vector_trials: int = 19
    classify_up_to: int = 8
    stratum: int = 32
    seed: int = 0

    def draws(self, *, frequency: bool) -> dict[str, int]:
        """Say how often each null is drawn; without frequencies there is none of that name."""
        if self.preset == "paper":
            return {"permuted": PUBLISHED, "directions": PUBLISHED}
        m = dict(zip(NULLS, [self.trials] * 2 + [self.vector_trials] * 2, strict=True))
        return {name: n for name, n in m.items() if n and (frequency or name != "frequency")}


@dataclass(frozen=True)
class Lobes:
    """A labelling that is tested.

    Parameters
    ----------
    clustering : int
        ``clustering.id``.
    k : int
    labels : ndarray of shape (n,), int64
    """

    clustering: int
    k: int
    labels: Array


@dataclass(frozen=True)
class World:
    """Features with their lobes, clusters and vectors.

    Parameters
    ----------
    lobes : sequence of Lobes
        Each of the same n features.
    clusters : dict of int to ndarray of shape (n,), int64
        For each k of the lobes, the clusters of the vectors.
    vectors : ndarray of shape (n_clustered, d), float32
        All vectors that were clustered.
    rows : ndarray of shape (n,), int64
        Which of them the n features have.
    frequency : ndarray of shape (n,), int64, or None
        Blocks in which each feature is active; None if nobody knows.
    """

    lobes: Sequence[Lobes]
    clusters: dict[int, Array]
    vectors: Array
    rows: Array
    frequency: Array | None


class Trials:
    """All statistics under all nulls.

    Parameters
    ----------
    world : World
    plan : Plan
    cluster : callable
        ``cluster(vectors, ks, seed=seed)`` gives the labels for each k, as the clusters of `world`
        were made.

    Attributes
    ----------
    scores : dict of (str, str) to list of (int, Score)
        By statistic and null: clusterings and their scores, once `steps` has ended.
    unclassified : list of Lobes
        Asked for, but without two lobes that are large enough.

    Notes
    -----
    A draw is one permutation, or one cloud of vectors, for all lobes: their statistics depend on
    each other as the observed ones do, which the adjusted p needs.

    What a null asks is not the same. permuted: do lobes and geometry have anything to do with each
    other; it is rejected too where both only follow a feature's frequency. frequency: anything
    beyond that. directions and covariance leave lobes as they are and ask whether vectors without
    clusters would agree with them; as the vectors are drawn apart from the lobes they seldom
    differ from permuted, and rest on few draws.
    """

    def __init__(self, world: World, plan: Plan, cluster: Cluster) -> None:
        self.world, self.plan, self.cluster = world, plan, cluster
        self.scores: dict[tuple[str, str], list[tuple[int, Score]]] = {}
        self._vectors = world.vectors[world.rows]
        small = [each for each in world.lobes if each.k <= plan.classify_up_to]
        accuracy = np.array([self._accuracy(each, self._vectors) for each in small], np.float64)
        there = ~np.isnan(accuracy)
        self._classified = [each for each, is_there in zip(small, there, strict=True) if is_there]
        self.unclassified = [e for e, is_there in zip(small, there, strict=True) if not is_there]
        self._observed = {
            "ami": self._agreements(world.clusters),
            "accuracy": accuracy[there],
        }

    def steps(self) -> Iterator[tuple[str, int, int]]:
        """Draw from every null.

        Yields
        ------
        (str, int, int)
            The null, steps done and steps in all.
        """
        nulls = self.plan.draws(frequency=self.world.frequency is not None)
        for null, m in nulls.items():
            rng = np.random.default_rng([self.plan.seed, NULLS.index(null)])
            draws = {
                "ami": np.empty((m, len(self.world.lobes))),
                "accuracy": np.empty((min(m, CLASSIFIED), len(self._classified))),
            }
            if null in ("permuted", "frequency"):
                steps = self._shuffle(rng, draws, strata=null == "frequency")
            else:
                steps = self._redraw(rng, draws, centred=null == "directions")
            for done, total in steps:
                yield null, done, total
            self._score(null, draws)

    def _score(self, null: str, draws: dict[str, Array]) -> None:
        for statistic, tested in (("ami", self.world.lobes), ("accuracy", self._classified)):
            if tested:
                made = scores(self._observed[statistic], draws[statistic])
                names = [each.clustering for each in tested]
                self.scores[statistic, null] = list(zip(names, made, strict=True))

    def _shuffle(
        self, rng: np.random.Generator, draws: dict[str, Array], *, strata: bool
    ) -> Iterator[tuple[int, int]]:
        world, m = self.world, len(draws["ami"])
        groups = None
        if strata and world.frequency is not None:
            groups = frequency_strata(world.frequency, self.plan.stratum)
        orders = shuffles(rng, len(world.rows), m, groups)
        total = len(world.lobes) + len(self._classified)
        for i, each in enumerate(world.lobes):
            draws["ami"][:, i] = permuted([each.labels], world.clusters[each.k], orders)[:, 0]
            yield i + 1, total
        for i, each in enumerate(self._classified):
            shuffled = each.labels[orders[: len(draws["accuracy"])]]
            draws["accuracy"][:, i] = self._accuracies(each.k, shuffled, self._vectors)
            yield len(world.lobes) + i + 1, total

    def _redraw(
        self, rng: np.random.Generator, draws: dict[str, Array], *, centred: bool
    ) -> Iterator[tuple[int, int]]:
        world, m = self.world, len(draws["ami"])
        n, d = world.vectors.shape
        cloud = None if centred else Cloud(world.vectors)
        for i in range(m):
            vectors = cloud.draw(rng, n) if cloud else directions(rng, n, d)
            made = self.cluster(vectors, sorted(world.clusters), seed=int(rng.integers(2**31)))
            draws["ami"][i] = self._agreements({k: made[k][world.rows] for k in world.clusters})
            if i < len(draws["accuracy"]):
                own = vectors[world.rows]
                draws["accuracy"][i] = [self._accuracy(each, own) for each in self._classified]
            yield i + 1, m

    def _agreements(self, clusters: dict[int, Array]) -> Array:
        return np.array(
            [adjusted_mutual_information(e.labels, clusters[e.k]) for e in self.world.lobes]
        )

    def _accuracy(self, lobes: Lobes, vectors: Array) -> float:
        return float(self._accuracies(lobes.k, lobes.labels[None], vectors)[0])

    def _accuracies(self, k: int, labels: Array, vectors: Array) -> Array:
        return balanced_accuracies(vectors, labels, k, seed=self.plan.seed, preset=self.plan.preset)
