"""Files of ready word vectors: only the words that are wanted are kept of them."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt

from saeatlas import errors
from saeatlas.ingest.formats import arrays, files, lines, npy
from saeatlas.ingest.formats.files import FETCH
from saeatlas.ingest.saes.loaded_sae import MAX_NORM, MEASURABLE, MIN_NORM
from saeatlas.ingest.words import spellings, vector_formats

_NPZ = "numpy.savez(file, words=numpy.array(words), vectors=vectors) writes such a file."


@dataclass(frozen=True)
class WordVectors:
    """What a file says of some words.

    Parameters
    ----------
    form : str
        word2vec binary, word2vec text, text or npz.
    n : int
        Words of the file.
    d : int
        Width of a vector.
    vectors : dict of str to ndarray of shape (d,), float32
        By word; without those that the file lacks.
    log_frequencies : dict of str to float
        Minus the natural logarithm of the rank, by word; empty for .npz, which is in no order.
    """

    form: str
    n: int
    d: int
    vectors: dict[str, npt.NDArray[np.float32]]
    log_frequencies: dict[str, float]


def read_vectors(path: Path, words: Sequence[str]) -> WordVectors:
    """Find the vectors of words in a file.

    Parameters
    ----------
    path : Path
        Read from end to end, a piece at a time; a .npz file is taken into memory as a whole.
    words : sequence of str
        Each is looked for under its `spellings.spellings_of`; of a word that the file has twice the
        first counts.

    Returns
    -------
    WordVectors

    Raises
    ------
    BadWords
        It cannot be read, is of no known form, cut off, ragged, or has NaN, infinity or a length
        beyond `MIN_NORM` and `MAX_NORM` where a word wanted has its vector.
    """
    with errors.raised_as(errors.BadWords):
        return _read_npz(path, words) if path.suffix == ".npz" else _read_rows(path, words)


def vectors_sha256(path: Path) -> str:
    """Hash a file of vectors.

    Parameters
    ----------
    path : Path

    Returns
    -------
    str
        SHA-256 as hexadecimal.

    Raises
    ------
    BadWords
    """
    with errors.raised_as(errors.BadWords):
        return files.file_sha256(path).hex()


def _read_rows(path: Path, words: Sequence[str]) -> WordVectors:
    wanted = {key.encode(): key for key in spellings.all_spellings(words)}
    found: dict[str, tuple[int, npt.NDArray[np.float32]]] = {}
    rank, cased = 0, False
    with lines.uncompressed(path), lines.open_stream(path) as file:
        opened = vector_formats.open_rows(path.name, file)
        for rank, (word, numbers) in enumerate(opened.rows, 1):
            cased = cased or _has_capital(word)
            name = wanted.get(word)
            if name is not None and name not in found:
                found[name] = rank, _checked(path, name, _numbers(path, name, opened, numbers))
    if opened.n not in (None, rank):
        raise errors.BadWords(
            f"{path.name} has {rank:,} words; its first line says {opened.n:,}.", hint=FETCH
        )
    chosen = spellings.find_spellings(words, found, cased=cased)
    return WordVectors(
        opened.form,
        rank,
        opened.d,
        {word: found[name][1] for word, name in chosen.items()},
        {word: -math.log(found[name][0]) for word, name in chosen.items()},
    )


def _read_npz(path: Path, words: Sequence[str]) -> WordVectors:
    spelled, vectors = _arrays(path)
    if (
        spelled.ndim != 1
        or spelled.dtype.kind != "U"
        or vectors.ndim != 2
        or len(vectors) != len(spelled)
        or vectors.dtype.kind not in "fiu"
    ):
        raise errors.BadWords(
            f"{path.name} has words of shape {spelled.shape} and type {spelled.dtype}, vectors of "
            f"shape {vectors.shape} and type {vectors.dtype}.",
            available="Expected are strings of shape (n,) and numbers of shape (n, d).",
            hint=_NPZ,
        )
    vector_formats.require_width(path.name, vectors.shape[1])
    places: dict[str, int] = {}
    for place, name in enumerate(spelled.tolist()):
        places.setdefault(name, place)
    chosen = spellings.find_spellings(
        words, places, cased=any(name != name.lower() for name in places)
    )
    found = {word: _checked(path, name, vectors[places[name]]) for word, name in chosen.items()}
    return WordVectors("npz", len(spelled), vectors.shape[1], found, {})


def _arrays(path: Path) -> tuple[npy.Array, npy.Array]:
    with arrays.open_npz(path) as file:
        missing = {"words", "vectors"} - set(file.names)
        if missing:
            raise errors.BadWords(
                f"{path.name} lacks {' and '.join(sorted(missing))}.",
                available=f"It holds {', '.join(file.names) or 'nothing'}.",
                hint=_NPZ,
            )
        return file.read("words"), file.read("vectors")


def _has_capital(word: bytes) -> bool:
    text = word.decode("utf-8", "replace")
    return text != text.lower()


def _numbers(
    path: Path, name: str, opened: vector_formats.Rows, raw: bytes
) -> npt.NDArray[np.floating]:
    try:
        return opened.numbers(raw)
    except ValueError as error:
        raise errors.BadWords(
            f"{path.name}: the vector of {name!r} is not numbers only: {error}.", hint=FETCH
        ) from error


def _checked(path: Path, name: str, vector: npt.NDArray[np.generic]) -> npt.NDArray[np.float32]:
    with np.errstate(over="ignore"):  # what is too large for float32 becomes infinite
        narrow = vector.astype(np.float32)
    if not np.isfinite(narrow).all():
        raise errors.BadWords(
            f"{path.name}: the vector of {name!r} has NaN or infinity.", hint=FETCH
        )
    norm = float(np.linalg.norm(narrow.astype(np.float64)))
    if norm and not MIN_NORM <= norm <= MAX_NORM:
        raise errors.BadWords(
            f"{path.name}: the vector of {name!r} has length {norm:.3g}.",
            available=MEASURABLE,
            hint="Multiply all vectors by a constant.",
        )
    return narrow
