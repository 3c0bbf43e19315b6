"""Vectors of the words of pairs: computed by a model, or ready in a file."""

from collections.abc import Container, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from saeatlas import errors
from saeatlas.ingest.formats import texts
from saeatlas.ingest.words import frequencies, relations, spaces, vector_files
from saeatlas.ingest.words.model_vectors import ModelVectors, Params, WordModel
from saeatlas.ingest.words.relations import Relation
from saeatlas.ingest.words.spaces import Space, Word
from saeatlas.ingest.words.vector_files import WordVectors
from saeatlas.progress import Progress, Report, silent

_SHOWN = 5
"""Missing words that a message names."""


@dataclass(frozen=True)
class WordsOutcome:
    """What was done with words and their vectors.

    Parameters
    ----------
    spaces : tuple of int
        ``word_space.id``, one a layer, or the one of the file.
    lines : tuple of str
        What was done, a sentence each.
    """

    spaces: tuple[int, ...]
    lines: tuple[str, ...]

    @property
    def summary(self) -> str:
        """What was done, in a few lines."""
        return "\n".join(filter(None, self.lines))


def ingest_model_words(
    engine: sa.Engine,
    paths: Sequence[Path],
    params: Params,
    *,
    name: str | None = None,
    frequency_file: Path | None = None,
    report: Report = silent,
) -> WordsOutcome:
    """Run a model on words, and store its residual stream at the last token of each.

    Writes ``relation`` and ``word_pair`` rows of new relations, a row of ``word_space`` a
    layer and ``word_vector`` rows of the words that it lacks, all in one transaction. The model is
    loaded before that.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    paths : sequence of Path
        Files of word pairs. If there is none, the words of all relations of the catalog.
    params : Params
    name : str, optional
        Stands in the spaces' names for the model's: ``name/layer/site``.
    frequency_file : Path, optional
    report : callable, optional

    Returns
    -------
    WordsOutcome

    Raises
    ------
    BadWords, UnknownName, NameTaken, ModelMismatch
    """
    read = [relations.read_relation(path) for path in paths]
    model = WordModel(params)
    rows = {layer: model.space(layer, name) for layer in params.layers}
    for row in rows.values():
        row["facts"] = row["facts"] | _facts(frequency_file)
    model.load(_words_to_run(engine, read, list(rows.values())))  # long: no transaction meanwhile
    with engine.begin() as connection:
        said, pairs = _store(connection, read)
        wanted = _words(pairs)
        logs = _log_frequencies(frequency_file, wanted)
        number = model.store_row(connection)
        found = {
            params.hook(layer): spaces.find_or_create_space(
                connection, row | {"model": number}, wanted
            )
            for layer, row in rows.items()
        }
        _fill(connection, model, found, logs, report=report)
    said += [spaces.space_summary(space, len(space.lacking)) for space in found.values()]
    if frequency_file is not None:
        said.append(_missing(wanted, logs, frequency_file))
    return WordsOutcome(tuple(space.id for space in found.values()), tuple(said))


def ingest_file_words(
    engine: sa.Engine,
    paths: Sequence[Path],
    vectors: Path,
    *,
    name: str | None = None,
    frequency_file: Path | None = None,
) -> WordsOutcome:
    """Store the vectors that a file has of words.

    Writes ``relation`` and ``word_pair`` rows of new relations, a row of ``word_space`` and
    ``word_vector`` rows of the words that it lacks, all in one transaction.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    paths : sequence of Path
        Files of word pairs. If there is none, the words of all relations of the catalog.
    vectors : Path
        Of a form that `vector_files.read_vectors` reads.
    name : str, optional
        Of the space. Default: the file's name.
    frequency_file : Path, optional
        Default: the order of the words in a word2vec or GloVe file.

    Returns
    -------
    WordsOutcome

    Raises
    ------
    BadWords, UnknownName, NameTaken
    """
    read = [relations.read_relation(path) for path in paths]
    with engine.begin() as connection:
        said, pairs = _store(connection, read)
        wanted = _words(pairs)
        found = vector_files.read_vectors(vectors, wanted)
        n_whole = _require_pairs(found, pairs, vectors)
        logs = found.log_frequencies
        if frequency_file is not None:
            logs = frequencies.read_frequencies(frequency_file, list(found.vectors))
        row = {
            "name": texts.require_name(name or vectors.name, "The space of words", "Give --name."),
            "d": found.d,
            "source": str(vectors.resolve()),
            "facts": {"sha256": vector_files.vectors_sha256(vectors)} | _facts(frequency_file),
        }
        space = spaces.find_or_create_space(connection, row, list(found.vectors))
        new = (Word(word, found.vectors[word], logs.get(word)) for word in space.lacking)
        spaces.add_words(connection, space, new)
    said.append(spaces.space_summary(space, len(space.lacking)))
    said.append(_missing(wanted, found.vectors, vectors))
    said.append(f"{n_whole:,} of {len(pairs):,} pairs have both words.")
    if frequency_file is not None:
        said.append(_missing(list(found.vectors), logs, frequency_file))
    return WordsOutcome((space.id,), tuple(said))


def _words_to_run(
    engine: sa.Engine, read: Sequence[Relation], rows: Sequence[dict[str, Any]]
) -> list[str]:
    """Find the words that some space lacks now; refuse names that are taken."""
    with engine.connect() as connection:
        for relation in read:
            relations.require_free_name(connection, relation)
        pairs = [pair for relation in read for pair in relation.pairs]
        wanted = _words(pairs or relations.stored_pairs(connection))
        lacking = (spaces.words_to_add(connection, row, wanted) for row in rows)
        return sorted(frozenset().union(*lacking))


def _fill(
    connection: sa.Connection,
    model: WordModel,
    found: Mapping[str, Space],
    logs: Mapping[str, float],
    *,
    report: Report,
) -> None:
    """Run the model on the words that spaces lack, and add them."""
    lacking = sorted({word for space in found.values() for word in space.lacking})
    n_done = 0
    for part in model.run(lacking):
        report(Progress("words", n_done, len(lacking)))
        for hook, space in found.items():
            spaces.add_words(connection, space, _lacked(part, hook, space, logs))
        n_done += len(part)
    if lacking:
        report(Progress("words", n_done, n_done))


def _require_pairs(found: WordVectors, pairs: Sequence[relations.Pair], path: Path) -> int:
    """Return how many pairs a file has both words of; refuse it if there is none."""
    n_whole = sum(a in found.vectors and b in found.vectors for a, b in pairs)
    if not n_whole:
        wanted = _words(pairs)
        raise errors.BadWords(
            f"{path.name} has both words of no pair: {len(found.vectors):,} of "
            f"{len(wanted):,} words are among its {found.n:,}.",
            available=_missing(wanted, found.vectors, path),
            hint="Check that the pairs are in its language and spelling.",
        )
    return n_whole


def _store(
    connection: sa.Connection, read: Sequence[Relation]
) -> tuple[list[str], list[relations.Pair]]:
    """Store relations; return what was done with each, and the pairs whose words are wanted."""
    stored = [relations.store_relation(connection, relation) for relation in read]
    numbers = [one.id for one in stored] or None
    return [one.summary for one in stored], relations.stored_pairs(connection, numbers)


def _log_frequencies(path: Path | None, words: Sequence[str]) -> dict[str, float]:
    return {} if path is None else frequencies.read_frequencies(path, words)


def _words(pairs: Sequence[relations.Pair]) -> list[str]:
    return sorted({word for pair in pairs for word in pair})


def _facts(frequency_file: Path | None) -> dict[str, Any]:
    known = None if frequency_file is None else frequencies.frequencies_sha256(frequency_file)
    return {"frequencies_sha256": known}


def _lacked(
    part: ModelVectors, hook: str, space: Space, logs: Mapping[str, float]
) -> Iterator[Word]:
    lacking = set(space.lacking)
    for i, word in enumerate(part.words):
        if word in lacking:
            vector = part.vectors[hook][i]
            yield Word(word, vector, logs.get(word), part.n_tokens[i], part.last_tokens[i])


def _missing(wanted: Sequence[str], found: Container[str], path: Path) -> str:
    """Say which words a file lacks; nothing if none."""
    missing = [word for word in wanted if word not in found]
    if not missing:
        return ""
    shown = ", ".join(missing[:_SHOWN]) + (", ..." if len(missing) > _SHOWN else "")
    return f"{len(missing):,} of {len(wanted):,} words are not in {path.name}: {shown}."
