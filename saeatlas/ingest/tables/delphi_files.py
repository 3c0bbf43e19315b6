"""The files of Delphi's latent caches: found, looked at, and read a part at a time."""

import hashlib
import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from saeatlas import errors
from saeatlas.ingest.formats import json_text, tensors
from saeatlas.ingest.tables.stage import Int

FETCH = "Fetch or write the cache again."

_NAME = re.compile(r"([0-9]{1,18})_([0-9]{1,18})\.safetensors")
_NAMES = ("model_name", "dataset_repo")
_LENGTHS = ("cache_ctx_len", "ctx_len")
TOKENS_AT_A_TIME = 1 << 20


@dataclass(frozen=True)
class Split:
    """One file of a cache, ``{start}_{end}.safetensors``.

    Parameters
    ----------
    path : Path
    start, end : int
        First and last latent in it.
    """

    path: Path
    start: int
    end: int


def is_cache(folder: Path) -> bool:
    """Say whether a folder holds one hookpoint's files.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    bool
    """
    return folder.is_dir() and any(_NAME.fullmatch(path.name) for path in folder.iterdir())


def splits(folder: Path) -> list[Split]:
    """List a hookpoint's files.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    list of Split
        By their latents.
    """
    named = [(path, _NAME.fullmatch(path.name)) for path in folder.iterdir()]
    found = [Split(path, int(name[1]), int(name[2])) for path, name in named if name]
    return sorted(found, key=lambda split: (split.start, split.end))


def config(folder: Path) -> dict[str, Any]:
    """Read what was cached from ``config.json``.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    dict
        Empty if there is none. Names and numbers only: what has another type is left out.

    Raises
    ------
    BadTable
        It is not JSON, or a length in it is not above 0.
    """
    path = folder / "config.json"
    if not path.exists():
        return {}
    with errors.raised_as(errors.BadTable):
        found = json_text.read_json(path)
    if not isinstance(found, dict):
        raise errors.BadTable(f"{path} holds {found!r:.60}, not an object with fields.", hint=FETCH)
    names = {name: found[name] for name in _NAMES if isinstance(found.get(name), str)}
    lengths = {name: found[name] for name in _LENGTHS if found.get(name) is not None}
    for name, length in lengths.items():
        if type(length) is not int or not 0 < length < 2**31:
            raise errors.BadTable(
                f"{path}: {name} is {length!r:.60}, not a number of tokens.",
                hint="Correct it, or take it out: it is the length of a row of tokens.",
            )
    return names | lengths


@contextmanager
def opened(split: Split) -> Iterator[Any]:
    """Open a file without reading it, and say what is wrong with it if it cannot be read.

    Parameters
    ----------
    split : Split

    Yields
    ------
    safetensors.safe_open

    Raises
    ------
    BadTable
    """
    with (
        errors.raised_as(errors.BadTable),
        tensors.open_tensors(split.path) as file,
        tensors.understood(split.path),
    ):
        yield file


def shapes(split: Split) -> dict[str, tuple[int, ...]]:
    """Read a file's header.

    Parameters
    ----------
    split : Split

    Returns
    -------
    dict of str to tuple of int
        ``locations`` (n, 3), ``activations`` (n,) and mostly ``tokens`` (n_rows, length).

    Raises
    ------
    BadTable
        It is damaged, or was not written by Delphi.
    """
    with opened(split) as file:
        parts = {name: file.get_slice(name) for name in file.keys()}  # noqa: SIM118
        found = {name: tuple(part.get_shape()) for name, part in parts.items()}
        kinds = {name: part.get_dtype() for name, part in parts.items()}
    n = found.get("locations", (-1,))[0]
    fits = {
        "locations": found.get("locations") == (n, 3) and kinds["locations"][0] in "UI",
        "activations": found.get("activations") == (n,) and kinds["activations"][0] == "F",
        "tokens": "tokens" not in found
        or (len(found["tokens"]) == 2 and 0 not in found["tokens"] and kinds["tokens"][0] in "UI"),
    }
    for name, fit in fits.items():
        if not fit:
            held = [f"{part} {kinds[part]} {list(shape)}" for part, shape in sorted(found.items())]
            raise errors.BadTable(
                f"{split.path.name} has no {name} as Delphi writes them.",
                available=f"It holds {', '.join(held) or 'nothing'}.",
                hint="Expected: locations [n, 3] of integers, activations [n] of floats, and "
                "mostly tokens [rows, length] of integers.",
            )
    return found


def tokens(split: Split) -> Iterator[Int]:
    """Read a file's tokens, some rows at a time.

    Parameters
    ----------
    split : Split

    Yields
    ------
    ndarray of shape (rows, length), int64
        Little-endian whatever the file's width, so that their hashes can be compared.
    """
    n_rows, width = shapes(split)["tokens"]
    step = max(1, TOKENS_AT_A_TIME // width)
    with opened(split) as file:
        part = file.get_slice("tokens")
        for first in range(0, n_rows, step):
            yield np.ascontiguousarray(part[first : min(first + step, n_rows)], "<i8")


def require_same_tokens(files: list[Split]) -> None:
    """Check that all files have the same tokens.

    Parameters
    ----------
    files : list of Split
        Those that hold tokens.

    Raises
    ------
    BadTable
    """
    hashes: dict[bytes, str] = {}
    for split in files:
        whole = hashlib.sha256(repr(shapes(split)["tokens"]).encode())
        for chunk in tokens(split):
            whole.update(chunk.tobytes())
        hashes.setdefault(whole.digest(), split.path.name)
    if len(hashes) > 1:
        first, second, *_ = hashes.values()
        raise errors.BadTable(
            f"{first} and {second} hold different tokens: they are not of one run.", hint=FETCH
        )
