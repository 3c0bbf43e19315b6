"""Known relations of words: how far their pairs follow one vector each, and what distracts."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

import numpy as np
import sqlalchemy as sa

from saeatlas import errors, ranges
from saeatlas.analyses import run_driver
from saeatlas.analyses.arrays import Float32, Int64
from saeatlas.analyses.crystals import attributes, coherence, pair_groups, store
from saeatlas.analyses.crystals.store import Distractor, FunctionVector
from saeatlas.analyses.relations import distractors, lda
from saeatlas.analyses.relations.lda import Separation
from saeatlas.analyses.run_driver import Analysis, Source, target
from saeatlas.progress import Progress, Report, silent
from saeatlas.schema import tables
from saeatlas.schema.rows import word_vectors
from saeatlas.schema.rows.word_vectors import WordPairs

FOLDS = 5
"""Folds of the pairs: distractors are projected out of each as found in the others."""

PAIRS = 200
"""Largest number of pairs of each relation for the separation: all are compared, each shuffle."""

MAX_DISTRACTORS = 3
"""Largest number of directions that are projected out: with more, relations are lost too."""


@dataclass(frozen=True)
class Params(run_driver.Params):
    """Which words are measured, and how.

    Parameters
    ----------
    space : str
        Space of word vectors, by name or number.
    relations : sequence of str, optional
        Default: all of which the space has two pairs or more.
    trials : int
        Shuffles of partners within relations, and of relations among pairs; at least 2.
    seed : int

    Raises
    ------
    InputError
        A number is out of its range.
    """

    space: str = target()
    relations: Sequence[str] = ()
    trials: int = 199
    seed: int = 0

    def __post_init__(self) -> None:
        super().__post_init__()
        ranges.require_whole("--trials", self.trials, 2)

    @property
    def stored(self) -> dict[str, Any]:
        """As the run keeps them: relations sorted."""
        return super().stored | {"relations": sorted(self.relations)}


@dataclass(frozen=True)
class Subject(Source):
    """Word pairs of a space.

    Parameters
    ----------
    pairs : WordPairs
        Of relations with two pairs or more.
    """

    pairs: WordPairs


@dataclass(frozen=True, kw_only=True)
class Result(run_driver.Result):
    """Measures of relations.

    Parameters
    ----------
    function_vectors : list of FunctionVector
        One for each relation.
    distractors : list of Distractor
        Directions along which pairs of one relation differ, found among all pairs.
    separations : list of Separation
        Empty for a single relation.
    """

    function_vectors: list[FunctionVector]
    distractors: list[Distractor]
    separations: list[Separation]


def identify(connection: sa.Connection, params: Params, _report: Report = silent) -> Subject:
    """Find the space, and read the pairs of its relations: the run depends on which they are.

    Raises
    ------
    UnknownName, InputError
        No such space or relation, or none with two pairs.
    """
    row = word_vectors.find_space(connection, params.space)
    chosen = [one.id for one in word_vectors.find_relations(connection, params.relations)] or None
    pairs = _usable(word_vectors.read(connection, row.id, chosen), row.name)
    numbers = [pairs.relation.tolist(), pairs.inputs.tolist(), pairs.outputs.tolist()]
    facts = {"word_space": row.id, "space": row.facts, "words": pairs.words, "pairs": numbers,
             "names": list(pairs.relations)}  # fmt: skip
    return Subject({"word_space": row.id}, facts, pairs)


def read(
    _connection: sa.Connection, source: Subject, _params: Params, _report: Report = silent
) -> WordPairs:
    """Return the word pairs, which `identify` has read."""
    return source.pairs


def compute(pairs: WordPairs, params: Params, report: Report = silent) -> Result:
    """Measure the relations of word pairs.

    Parameters
    ----------
    pairs : WordPairs
    params : Params
    report : callable, optional

    Returns
    -------
    Result
        ``quality`` has n_pairs, n_same (left out: no difference), n_missing (left out: a word is
        not in the space) and n_removed (directions).

    Notes
    -----
    Pairs whose words are the same have no difference: they are left out and counted. Coherence is
    measured after projecting out the directions along which pairs of one relation differ, found
    among the other folds; the distractors of the run are those found among all pairs. How far
    relations are apart is measured on at most 200 pairs of each, drawn at random, so that large
    relations do not outweigh others.

    References
    ----------
    .. [Li2025] Crystals of words, and their distractors.
    """
    groups = pair_groups.connected_pairs(pairs.relation, pairs.inputs, pairs.outputs)
    report(Progress("relations", 0, 3))
    function_vectors = _function_vectors(pairs, groups, params)
    report(Progress("relations", 1, 3))
    removed = _distractors(pairs, groups, params.seed)
    report(Progress("relations", 2, 3))
    separations = _separations(pairs, groups, params) if len(pairs.relations) > 1 else []
    report(Progress("relations", 3, 3))
    quality = {"n_pairs": len(pairs.relation), "n_same": pairs.n_same,
               "n_missing": pairs.n_missing, "n_removed": len(removed)}  # fmt: skip
    return Result(
        quality=quality, notes=_notes(pairs), function_vectors=function_vectors,
        distractors=removed, separations=separations,
    )  # fmt: skip


def _ends(pairs: WordPairs) -> tuple[Float32, Float32]:
    """Return the vectors of inputs and outputs, (n_pairs, d) each."""
    return pairs.vectors[pairs.inputs], pairs.vectors[pairs.outputs]


def _function_vectors(pairs: WordPairs, groups: Int64, params: Params) -> list[FunctionVector]:
    """Measure the coherence of each relation."""
    inputs, outputs = _ends(pairs)
    folds = pair_groups.deal_folds(groups, FOLDS, np.random.default_rng(params.seed))
    projected = inputs, outputs
    if folds.max() > 0:
        projected = distractors.project_out_by_fold(
            inputs, outputs, pairs.relation, folds, MAX_DISTRACTORS
        )
    found = []
    for number, name in enumerate(pairs.relations):
        own = np.flatnonzero(pairs.relation == number)
        made = coherence.pair_coherence(
            projected[0][own], projected[1][own], folds[own], trials=params.trials, seed=params.seed
        )
        before = coherence.pair_coherence(inputs[own], outputs[own], trials=0)
        extra = {"coherence_before": before.coherence, "direction": before.direction}
        columns = made.columns | extra | {"relation": name, "n_pairs": len(own)}
        words = [(pairs.words[pairs.inputs[i]], pairs.words[pairs.outputs[i]]) for i in own]
        found.append(FunctionVector(columns, words, made.members))
    return found


def _distractors(pairs: WordPairs, groups: Int64, seed: int) -> list[Distractor]:
    """Find the directions along which pairs of one relation differ, and what explains them."""
    inputs, outputs = _ends(pairs)
    differences = outputs - inputs
    axes, shares = distractors.within_relation_axes(differences, pairs.relation, MAX_DISTRACTORS)
    units = differences / np.linalg.norm(differences, axis=1, keepdims=True)
    rng = np.random.default_rng(seed)
    found = []
    for axis, share in zip(axes.T, shares.tolist(), strict=True):
        explained = {
            name: attributes.explained_variance(
                units @ axis, values[pairs.outputs] - values[pairs.inputs], rng, groups
            )
            for name, values in pairs.attributes.items()
        }
        known = {name: one for name, one in explained.items() if one is not None}
        found.append(Distractor("lda", share, axis, known))
    return found


def _separations(pairs: WordPairs, groups: Int64, params: Params) -> list[Separation]:
    """Measure how far relations are apart, on at most `PAIRS` pairs of each."""
    order = np.random.default_rng(params.seed).permutation(len(pairs.relation))
    own = pairs.relation[order]
    drawn = [order[own == i][:PAIRS] for i in range(len(pairs.relations))]
    some = np.sort(np.concatenate(drawn))
    inputs, outputs = _ends(pairs)
    return lda.separations(
        outputs[some] - inputs[some], pairs.relation[some], groups[some], folds=FOLDS,
        trials=params.trials, seed=params.seed,
    )  # fmt: skip


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
    return replace(
        pairs,
        relations=tuple(pairs.relations[i] for i in large),
        relation=number[pairs.relation[kept]],
        inputs=pairs.inputs[kept],
        outputs=pairs.outputs[kept],
    )


def _notes(pairs: WordPairs) -> tuple[str, ...]:
    notes = []
    if pairs.n_same:
        notes.append(f"{_pairs(pairs.n_same)} left out: both words are the same.")
    if pairs.n_missing:
        notes.append(f"{_pairs(pairs.n_missing)} left out: a word is not in the space.")
    return tuple(notes)


def _pairs(n: int) -> str:
    return "1 pair is" if n == 1 else f"{n:,} pairs are"


def write(connection: sa.Connection, run: int, result: Result) -> None:
    """Write ``function_vector``, ``function_vector_member``, ``distractor`` and ``separation``.

    The attributes of distractors go to ``distractor_attribute``.
    """
    store.write_function_vectors(connection, run, result.function_vectors, ("input", "output"))
    store.write_distractors(connection, run, result.distractors)
    if result.separations:
        rows = [asdict(one) | {"run": run} for one in result.separations]
        connection.execute(sa.insert(tables.separation), rows)


ANALYSIS = Analysis(
    name="relations",
    what="run of word relations",
    ask="select * from function_vectors where run = {run}",
    identify=identify,
    read=read,
    compute=compute,
    write=write,
)
