"""Known relations of words: how far their pairs follow one vector each, and what distracts."""

import time
from collections.abc import Iterator, Sequence
from dataclasses import asdict
from typing import Any

import numpy as np
import sqlalchemy as sa

from saeatlas import errors
from saeatlas.analyses.crystals import attributes, coherence, pair_groups
from saeatlas.analyses.crystals.attributes import Follow
from saeatlas.analyses.crystals.store import write_distractors, write_function_vectors
from saeatlas.analyses.progress import Progress
from saeatlas.analyses.relations import distractors, lda
from saeatlas.schema import tables
from saeatlas.schema.database.copy import copy_rows
from saeatlas.schema.rows import runs, word_vectors
from saeatlas.schema.rows.word_vectors import WordPairs

Array = np.ndarray[Any, Any]

FOLDS = 5
"""Parts of the pairs: each is judged by what was found in the others."""

PAIRS = 200
"""Pairs of each relation, at most, whose distances are compared: all with all, each shuffle."""

MOST = 3
"""Directions that are projected out, at most: with more, relations go too."""


def measure(
    engine: sa.Engine, space: str, *, names: Sequence[str] = (), trials: int = 199, seed: int = 0
) -> Iterator[Progress]:
    """Measure the known relations of words.

    Writes a run 'crystals' with its rows of ``function_vector``, ``function_vector_member``,
    ``separation``, ``distractor`` and ``distractor_attribute``, in one transaction.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    space : str
        Space of words, by name or number.
    names : sequence of str
        Relations. Default: all of which the space has two pairs or more.
    trials : int
        Times that partners are shuffled within relations, and relations among pairs.
    seed : int

    Yields
    ------
    Progress

    Raises
    ------
    UnknownName, InputError
        No such space or relation, or too few of them.
    CatalogBusy
        Another process makes the same.

    Notes
    -----
    Pairs whose words are the same have no difference: they are left out and counted. Coherence is
    measured after projecting out what pairs of one relation differ by, found among the other
    folds; `distractors` of the run are those found among all pairs. How far relations are apart is
    measured on at most 200 pairs of each, drawn at random: large relations do not outweigh others.

    References
    ----------
    Li et al., "The Geometry of Concepts", Entropy 27(4):344, 2025.
    """
    began = time.perf_counter()
    params: dict[str, Any] = {"relations": sorted(names), "trials": trials}
    with engine.connect() as connection:
        row = word_vectors.find_space(connection, space)
        chosen = [one.id for one in word_vectors.find_relations(connection, names)] or None
        pairs = _usable(word_vectors.read(connection, row.id, chosen), row.name)
    facts = {"space": row.facts, "words": pairs.words, "seed": seed,
             "pairs": [pairs.relation.tolist(), pairs.inputs.tolist(), pairs.outputs.tolist()],
             "names": list(pairs.relations)}  # fmt: skip
    key = runs.input_hash(word_space=row.id, **facts | params)
    with runs.claimed(engine, "crystals", "relations of words", key) as found:
        number, created = found, found is None
        notes = _notes(pairs)
        if number is None:
            job = Job(pairs, trials, seed)
            for done in job.steps():
                yield Progress("relations", done, 3, time.perf_counter() - began)
            columns = {
                "word_space": row.id, "seed": seed, "params": params,
                "quality": {
                    "n_pairs": len(pairs.relation), "n_same": pairs.n_same,
                    "n_missing": pairs.n_missing, "n_removed": len(job.removed),
                    "seconds": round(time.perf_counter() - began, 3), "notes": list(notes),
                },
            }  # fmt: skip
            number = _publish(engine, key, columns, job)
    ask = f'saeatlas sql "select * from function_vectors where run = {number}"'
    yield Progress("done", 1, 1, time.perf_counter() - began, number, created, ask, notes)


class Job:
    """The measures of one run.

    Parameters
    ----------
    pairs : WordPairs
    trials : int
    seed : int

    Attributes
    ----------
    vectors : list of dict
        Rows of ``function_vector`` but for run and number.
    members : list of (ndarray, ndarray)
        Pairs of each, by number, and their cosines.
    separations : list of Separation
    removed : list of (dict, dict)
        Rows of ``distractor`` and what follows each.
    """

    def __init__(self, pairs: WordPairs, trials: int, seed: int) -> None:
        self.pairs, self.trials, self.seed = pairs, trials, seed
        self.groups = pair_groups.groups(pairs.relation, pairs.inputs, pairs.outputs)
        self.inputs, self.outputs = pairs.vectors[pairs.inputs], pairs.vectors[pairs.outputs]
        self.vectors: list[dict[str, Any]] = []
        self.members: list[tuple[Array, Array]] = []
        self.separations: list[lda.Separation] = []
        self.removed: list[tuple[dict[str, Any], dict[str, Follow]]] = []

    def steps(self) -> Iterator[int]:
        """Measure; yield how many of three steps are done."""
        self._cohere()
        yield 1
        self._distract()
        yield 2
        if len(self.pairs.relations) > 1:
            some = self._some()
            self.separations = lda.separations(
                self.outputs[some] - self.inputs[some], self.pairs.relation[some],
                self.groups[some], folds=FOLDS, trials=self.trials, seed=self.seed,
            )  # fmt: skip
        yield 3

    def _some(self) -> Array:
        """Draw at most `PAIRS` pairs of each relation; ascending."""
        order = np.random.default_rng(self.seed).permutation(len(self.pairs.relation))
        own = self.pairs.relation[order]
        drawn = [order[own == i][:PAIRS] for i in range(len(self.pairs.relations))]
        return np.sort(np.concatenate(drawn))

    def _cohere(self) -> None:
        rng = np.random.default_rng(self.seed)
        folds = pair_groups.folds(self.groups, FOLDS, rng)
        if folds.max() > 0:
            cleaned = distractors.without(
                self.inputs, self.outputs, self.pairs.relation, folds, MOST
            )
        else:
            cleaned = self.inputs, self.outputs
        for number, name in enumerate(self.pairs.relations):
            own = np.flatnonzero(self.pairs.relation == number)
            made = coherence.measure(
                cleaned[0][own], cleaned[1][own], folds[own], trials=self.trials, seed=self.seed
            )
            before = coherence.measure(self.inputs[own], self.outputs[own], trials=0)
            extra = {"coherence_before": before.coherence, "direction": before.direction}
            self.vectors.append(made.columns | extra | {"relation": name, "n_pairs": len(own)})
            self.members.append((own, made.members))

    def _distract(self) -> None:
        """Find what pairs differ by, and which attributes' differences it follows."""
        differences = self.outputs - self.inputs
        axes, shares = distractors.directions(differences, self.pairs.relation, MOST)
        units = differences / np.linalg.norm(differences, axis=1, keepdims=True)
        rng = np.random.default_rng(self.seed)
        for axis, share in zip(axes.T, shares.tolist(), strict=True):
            followed = {
                name: attributes.follows(
                    units @ axis, values[self.pairs.outputs] - values[self.pairs.inputs],
                    rng, self.groups,
                )
                for name, values in self.pairs.attributes.items()
            }  # fmt: skip
            columns = {"origin": "lda", "within_share": share, "direction": axis}
            self.removed.append(
                (columns, {name: one for name, one in followed.items() if one is not None})
            )


def _usable(pairs: WordPairs, space: str) -> WordPairs:
    """Require relations of two pairs or more; leave out those with one."""
    counts = np.bincount(pairs.relation, minlength=len(pairs.relations))
    large = np.flatnonzero(counts > 1)
    if not len(large):
        raise errors.InputError(
            f"The words of {space} have no relation of two pairs or more.",
            hint="`saeatlas ingest words PAIRS.json ...` adds relations and their words.",
        )
    kept = np.isin(pairs.relation, large)
    number = np.full(len(counts), -1)
    number[large] = np.arange(len(large))
    return WordPairs(
        tuple(pairs.relations[i] for i in large), number[pairs.relation[kept]], pairs.words,
        pairs.vectors, pairs.inputs[kept], pairs.outputs[kept], pairs.attributes,
        pairs.n_missing, pairs.n_same,
    )  # fmt: skip


def _notes(pairs: WordPairs) -> tuple[str, ...]:
    notes = []
    if pairs.n_same:
        notes.append(f"{pairs.n_same:,} pairs have no difference: both words are the same.")
    if pairs.n_missing:
        notes.append(f"{pairs.n_missing:,} pairs have a word that is not in the space.")
    return tuple(notes)


def _publish(engine: sa.Engine, key: bytes, columns: dict[str, Any], job: Job) -> int:
    """Write the run and its rows."""
    words, pairs = job.pairs.words, job.pairs
    with engine.begin() as connection:
        number = runs.create(connection, "crystals", key, **columns)
        ids = write_function_vectors(connection, number, job.vectors)
        copy_rows(
            connection,
            tables.function_vector_member,
            ["function_vector", "rank", "input", "output", "cosine"],
            (
                (one, rank, words[pairs.inputs[own[i]]], words[pairs.outputs[own[i]]],
                 float(cosines[i]))
                for one, (own, cosines) in zip(ids, job.members, strict=True)
                for rank, i in enumerate(np.argsort(-cosines, kind="stable"), 1)
            ),
        )  # fmt: skip
        write_distractors(connection, number, job.removed)
        if job.separations:
            connection.execute(
                sa.insert(tables.separation),
                [asdict(one) | {"run": number} for one in job.separations],
            )
    return number
