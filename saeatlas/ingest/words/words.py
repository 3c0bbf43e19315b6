"""Vectors of word pairs: what a model has at each word, or vectors that are ready in a file."""

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from saeatlas import errors
from saeatlas.ingest.steps import Step
from saeatlas.ingest.words import frequencies, relations, vector_files
from saeatlas.ingest.words import spaces as word_spaces
from saeatlas.ingest.words.model_vectors import Heard, Reader, Terms
from saeatlas.ingest.words.spaces import Space, Word

_SHOWN = 5
"""Missing words that a message names."""


def listen(
    engine: sa.Engine,
    paths: Sequence[Path],
    terms: Terms,
    *,
    name: str | None = None,
    frequency_file: Path | None = None,
) -> Iterator[Step]:
    """Let a model read words, and store its residual stream at the last token of each.

    Writes ``relation`` and ``word_pair`` rows of new relations, a row of ``word_space`` a
    layer and ``word_vector`` rows of the words that it lacks, all in one transaction.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    paths : sequence of Path
        Files of word pairs. None: the words of all relations of the catalog.
    terms : Terms
    name : str, optional
        Stands in the spaces' names for the model's: ``name/layer/site``.
    frequency_file : Path, optional

    Yields
    ------
    Step

    Raises
    ------
    BadWords, UnknownName, NameTaken, ModelMismatch
    """
    read = [relations.read(path) for path in paths]
    reader = Reader(terms)
    with engine.begin() as connection:
        said, pairs = _store(connection, read)
        wanted = _words(pairs)
        logs = {} if frequency_file is None else frequencies.read(frequency_file, wanted)
        spaces = {}
        for layer in terms.layers:
            row = reader.row(connection, layer, name)
            row["facts"] = row["facts"] | _facts(frequency_file)
            spaces[terms.hook(layer)] = word_spaces.find_or_make(connection, row, wanted)
        lacking = sorted({word for space in spaces.values() for word in space.lacking})
        n_done = 0
        for heard in reader.read(lacking, list(spaces)):
            yield Step("reading words", n_done, len(lacking))
            for hook, space in spaces.items():
                word_spaces.add(connection, space, _lacked(heard, hook, space, logs))
            n_done += len(heard)
    said += [word_spaces.summary(space, len(space.lacking)) for space in spaces.values()]
    if frequency_file is not None:
        said.append(_missing(wanted, logs, frequency_file))
    if lacking:
        yield Step("reading words", len(lacking), len(lacking))
    yield Step("done", summary="\n".join(filter(None, said)))


def take(
    engine: sa.Engine,
    paths: Sequence[Path],
    vectors: Path,
    *,
    name: str | None = None,
    frequency_file: Path | None = None,
) -> str:
    """Take the vectors of words from a file.

    Writes ``relation`` and ``word_pair`` rows of new relations, a row of ``word_space`` and
    ``word_vector`` rows of the words that it lacks, all in one transaction.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    paths : sequence of Path
        Files of word pairs. None: the words of all relations of the catalog.
    vectors : Path
        As `word_files.read` knows them.
    name : str, optional
        Of the space. Default: the file's name.
    frequency_file : Path, optional
        Default: the order of the words in a word2vec or GloVe file.

    Returns
    -------
    str
        What was done, in a few lines.

    Raises
    ------
    BadWords, UnknownName, NameTaken
    """
    read = [relations.read(path) for path in paths]
    with engine.begin() as connection:
        said, pairs = _store(connection, read)
        wanted = _words(pairs)
        found = vector_files.read(vectors, wanted)
        n_whole = sum(a in found.vectors and b in found.vectors for a, b in pairs)
        if not n_whole:
            raise errors.BadWords(
                f"{vectors.name} has no pair of words whole: {len(found.vectors):,} of "
                f"{len(wanted):,} words are among its {found.n:,}.",
                available=_missing(wanted, found.vectors, vectors),
                hint="Check that the pairs are in its language and spelling.",
            )
        logs = found.log_frequencies
        if frequency_file is not None:
            logs = frequencies.read(frequency_file, list(found.vectors))
        row = {
            "name": name or vectors.name,
            "d": found.d,
            "source": str(vectors.resolve()),
            "facts": {"sha256": vector_files.fingerprint(vectors)} | _facts(frequency_file),
        }
        space = word_spaces.find_or_make(connection, row, list(found.vectors))
        new = (Word(word, found.vectors[word], logs.get(word)) for word in space.lacking)
        word_spaces.add(connection, space, new)
    said.append(word_spaces.summary(space, len(space.lacking)))
    said.append(_missing(wanted, found.vectors, vectors))
    said.append(f"{n_whole:,} of {len(pairs):,} pairs have both words.")
    if frequency_file is not None:
        said.append(_missing(list(found.vectors), logs, frequency_file))
    return "\n".join(filter(None, said))


def _store(
    connection: sa.Connection, read: Sequence[relations.Relation]
) -> tuple[list[str], list[relations.Pair]]:
    """Store relations; return what became of each, and the pairs whose words are wanted."""
    stored = [relations.store(connection, relation) for relation in read]
    numbers = [one.id for one in stored] or None
    return [one.summary for one in stored], relations.pairs_of(connection, numbers)


def _words(pairs: Sequence[relations.Pair]) -> list[str]:
    return sorted({word for pair in pairs for word in pair})


def _facts(frequency_file: Path | None) -> dict[str, Any]:
    known = None if frequency_file is None else frequencies.fingerprint(frequency_file)
    return {"frequencies_sha256": known}


def _lacked(heard: Heard, hook: str, space: Space, logs: dict[str, float]) -> Iterator[Word]:
    lacking = set(space.lacking)
    for i, word in enumerate(heard.words):
        if word in lacking:
            yield Word(
                word,
                heard.vectors[hook][i],
                logs.get(word),
                heard.n_tokens[i],
                heard.last_tokens[i],
            )


def _missing(wanted: Sequence[str], found: Any, path: Path) -> str:
    """Say which words a file lacks; nothing if none."""
    missing = [word for word in wanted if word not in found]
    if not missing:
        return ""
    shown = ", ".join(missing[:_SHOWN]) + (", ..." if len(missing) > _SHOWN else "")
    return f"{len(missing):,} of {len(wanted):,} words are not in {path.name}: {shown}."
