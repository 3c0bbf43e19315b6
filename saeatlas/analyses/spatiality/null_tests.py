"""Test labellings of features against the geometry of their vectors, under several nulls."""

from collections.abc import Iterator, Sequence
from typing import Protocol

import numpy as np
import numpy.typing as npt

from saeatlas.analyses.arrays import Float64, Int64
from saeatlas.analyses.spatiality.classifier import balanced_accuracies
from saeatlas.analyses.spatiality.inputs import Inputs, Lobes
from saeatlas.analyses.spatiality.params import NULLS, Params
from saeatlas.analyses.stats.agreement import (
    adjusted_mutual_information,
    frequency_strata,
    permuted,
    shuffles,
)
from saeatlas.analyses.stats.nulls import GaussianNull, Score, random_directions, scores
from saeatlas.progress import Progress, Report, silent

Vectors = npt.NDArray[np.float32]
Scores = dict[tuple[str, str], list[tuple[int, Score]]]


class Cluster(Protocol):
    """How vectors are clustered."""

    def __call__(self, vectors: Vectors, ks: Sequence[int], *, seed: int) -> dict[int, Int64]:
        """Return the labels of each vector for each k."""


CLASSIFIED = 100
"""Most permutations whose lobes are classified: each costs as many fits as there are folds."""


class Trials:
    """All statistics under all nulls.

    Parameters
    ----------
    inputs : Inputs
    params : Params
    cluster : callable
        ``cluster(vectors, ks, seed=seed)`` gives the labels for each k, as the clusters of `inputs`
        were found.

    Attributes
    ----------
    unclassified : list of Lobes
        Of small k, but without two lobes that are large enough.

    Notes
    -----
    A draw is one permutation, or one set of vectors, for all lobes: their statistics depend on
    each other as the observed ones do, which the adjusted p needs.

    Each null asks another question. permuted: are lobes and geometry related to each other; it is
    rejected too where both only follow a feature's frequency. frequency: anything
    beyond that. directions and covariance leave lobes as they are and ask whether vectors without
    clusters would agree with them; as the vectors are drawn apart from the lobes they seldom
    differ from permuted, and rest on few draws.
    """

    def __init__(self, inputs: Inputs, params: Params, cluster: Cluster) -> None:
        self.inputs, self.params, self.cluster = inputs, params, cluster
        self._vectors = inputs.vectors[inputs.rows]
        small = [each for each in inputs.lobes if each.k <= params.classify_up_to]
        accuracy = np.array([self._accuracy(each, self._vectors) for each in small], np.float64)
        there = ~np.isnan(accuracy)
        self._classified = [each for each, is_there in zip(small, there, strict=True) if is_there]
        self.unclassified = [e for e, is_there in zip(small, there, strict=True) if not is_there]
        self._observed = {
            "ami": self._agreements(inputs.clusters),
            "accuracy": accuracy[there],
        }

    def run(self, report: Report = silent) -> Scores:
        """Draw from every null, and score each statistic against it.

        Parameters
        ----------
        report : callable, optional
            Called with each `Progress`: a stage a null.

        Returns
        -------
        dict of (str, str) to list of (int, Score)
            By statistic and null: clusterings and their scores.
        """
        found: Scores = {}
        nulls = self.params.draws(frequency=self.inputs.frequency is not None)
        for null, m in nulls.items():
            rng = np.random.default_rng([self.params.seed, NULLS.index(null)])
            draws = {
                "ami": np.empty((m, len(self.inputs.lobes))),
                "accuracy": np.empty((min(m, CLASSIFIED), len(self._classified))),
            }
            if null in ("permuted", "frequency"):
                steps = self._shuffle(rng, draws, strata=null == "frequency")
            else:
                steps = self._redraw(rng, draws, centred=null == "directions")
            for done, total in steps:
                report(Progress(f"null: {null}", done, total))
            for statistic, rows in self._score(draws).items():
                found[statistic, null] = rows
        return found

    def _score(self, draws: dict[str, Float64]) -> dict[str, list[tuple[int, Score]]]:
        found = {}
        for statistic, tested in (("ami", self.inputs.lobes), ("accuracy", self._classified)):
            if tested:
                rows = scores(self._observed[statistic], draws[statistic])
                names = [each.clustering for each in tested]
                found[statistic] = list(zip(names, rows, strict=True))
        return found

    def _shuffle(
        self, rng: np.random.Generator, draws: dict[str, Float64], *, strata: bool
    ) -> Iterator[tuple[int, int]]:
        inputs, m = self.inputs, len(draws["ami"])
        groups = None
        if strata and inputs.frequency is not None:
            groups = frequency_strata(inputs.frequency, self.params.stratum)
        orders = shuffles(rng, len(inputs.rows), m, groups)
        total = len(inputs.lobes) + len(self._classified)
        for i, each in enumerate(inputs.lobes):
            draws["ami"][:, i] = permuted([each.labels], inputs.clusters[each.k], orders)[:, 0]
            yield i + 1, total
        for i, each in enumerate(self._classified):
            shuffled = each.labels[orders[: len(draws["accuracy"])]]
            draws["accuracy"][:, i] = self._accuracies(each.k, shuffled, self._vectors)
            yield len(inputs.lobes) + i + 1, total

    def _redraw(
        self, rng: np.random.Generator, draws: dict[str, Float64], *, centred: bool
    ) -> Iterator[tuple[int, int]]:
        inputs, m = self.inputs, len(draws["ami"])
        n, d = inputs.vectors.shape
        null = None if centred else GaussianNull(inputs.vectors)
        for i in range(m):
            vectors = null.draw(rng, n) if null else random_directions(rng, n, d)
            made = self.cluster(vectors, sorted(inputs.clusters), seed=int(rng.integers(2**31)))
            draws["ami"][i] = self._agreements({k: made[k][inputs.rows] for k in inputs.clusters})
            if i < len(draws["accuracy"]):
                own = vectors[inputs.rows]
                draws["accuracy"][i] = [self._accuracy(each, own) for each in self._classified]
            yield i + 1, m

    def _agreements(self, clusters: dict[int, Int64]) -> Float64:
        return np.array(
            [adjusted_mutual_information(e.labels, clusters[e.k]) for e in self.inputs.lobes]
        )

    def _accuracy(self, lobes: Lobes, vectors: Vectors) -> float:
        return float(self._accuracies(lobes.k, lobes.labels[None], vectors)[0])

    def _accuracies(self, k: int, labels: Int64, vectors: Vectors) -> Float64:
        return balanced_accuracies(
            vectors, labels, k, seed=self.params.seed, preset=self.params.preset
        )
