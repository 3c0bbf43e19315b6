"""Documents of a dozen kinds, read from the Python installation that runs this module."""

import ast
import hashlib
import importlib.metadata
import os
import pydoc_data.topics
import sysconfig
from collections.abc import Callable, Iterator
from functools import cache, partial
from pathlib import Path
from typing import NamedTuple, TypedDict

from saeatlas.demo import arithmetic

MIN_CHARACTERS = 600
MAX_CHARACTERS = 8_000
_MAX_READ = 240_000  # characters of one file: bounds the time a huge file can take
_N_WORKSHEETS = 1_500  # enough to train on; a demo takes a few of them

_CODE_SUFFIXES = (".py", ".pyi", ".pyc", ".so", ".h", ".js", ".json")


class Meta(TypedDict):
    """Where a document comes from, under the names that The Pile uses."""

    pile_set_name: str
    path: str


class Document(TypedDict):
    """One document in The Pile's form."""

    text: str
    meta: Meta


class Source(NamedTuple):
    """A text that has not been read yet."""

    path: str  # relative to the installation's root for its kind
    read: Callable[[], str]


def collect(
    per_subset: int = 40, *, held_out: bool = True, pieces_per_file: int = 3
) -> Iterator[Document]:
    """Yield documents of the local Python installation, subset by subset.

    Sources are shared out by a hash of their relative path: one half is what a demo reads, the
    other half is what the demo's model may be trained on. Two machines with the same packages
    yield the same documents.

    Parameters
    ----------
    per_subset
        Largest number of documents of each subset. A subset yields fewer where the
        installation holds fewer, none included.
    held_out
        True for the demo's half, False for the training half.
    pieces_per_file
        Largest number of documents cut from one long file.

    Yields
    ------
    Document
        Text of 600 to 8,000 characters without NUL, its subset and its relative path, with
        ``#`` and the piece's number where a file gave several.
    """
    seen: set[bytes] = set()
    for subset, sources in _SUBSETS.items():
        chosen = [source for source in sources() if _is_held_out(source.path) == held_out]
        chosen.sort(key=lambda source: _digest(source.path))
        n_left = per_subset
        for source in chosen:
            if n_left <= 0:
                break
            for path, text in read_pieces(source, min(pieces_per_file, n_left)):
                if (key := _digest(text)) not in seen:
                    seen.add(key)
                    n_left -= 1
                    yield {"text": text, "meta": {"pile_set_name": subset, "path": path}}


def read_pieces(source: Source, limit: int) -> list[tuple[str, str]]:
    """Read a source and split it into pieces, of which some are chosen evenly over the text.

    Parameters
    ----------
    source : Source
    limit : int
        Most pieces.

    Returns
    -------
    list of (str, str)
        Path and text of each; nothing where the source cannot be read or is no text.
    """
    try:
        text = source.read()
    except (OSError, ValueError, SyntaxError, RecursionError):
        return []  # vanished, not UTF-8, or not the syntax its name promises: not a document
    if "\0" in text:
        return []
    pieces = [piece for piece in split_text(text) if len(piece.strip()) >= MIN_CHARACTERS]
    if len(pieces) <= 1:
        return [(source.path, piece) for piece in pieces]
    n = min(limit, len(pieces))
    kept = [i * len(pieces) // n for i in range(n)]
    return [(f"{source.path}#{i}", pieces[i]) for i in kept]


def split_text(text: str) -> Iterator[str]:
    """Split a text after line ends into pieces of at most MAX_CHARACTERS.

    Parameters
    ----------
    text : str

    Yields
    ------
    str
    """
    start = 0
    while start < len(text):
        end = start + MAX_CHARACTERS
        if end < len(text):
            line_end = text.rfind("\n", start, end) + 1
            end = line_end if line_end > start + MIN_CHARACTERS else end
        yield text[start:end]
        start = end


def _digest(text: str) -> bytes:
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=16).digest()


def _is_held_out(path: str) -> bool:
    return _digest(path)[-1] % 2 == 0


def read_start(path: Path) -> str:
    """Read the first 240,000 characters of a file.

    Parameters
    ----------
    path : Path

    Returns
    -------
    str
    """
    with path.open(encoding="utf-8") as file:
        return file.read(_MAX_READ)


def _description(path: Path) -> str:
    """Return the body of a METADATA file: what a package index shows as the description."""
    return read_start(path).partition("\n\n")[2]


def _docstrings(path: Path) -> str:
    """Return the docstrings of a module, its classes and its functions, one after another."""
    nodes = ast.walk(ast.parse(read_start(path)))
    kinds = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    texts = (ast.get_docstring(node) for node in nodes if isinstance(node, kinds))
    return "\n\n".join(text for text in texts if text)


def _tree(root: Path, suffix: str) -> Iterator[Source]:
    """Yield the files below a folder, without tests and without installed packages."""
    for folder, folders, files in os.walk(root):
        folders[:] = [f for f in folders if f not in {"site-packages", "dist-packages", "test"}]
        for name in files:
            if name.endswith(suffix):
                path = Path(folder, name)
                yield Source(path.relative_to(root).as_posix(), partial(read_start, path))


@cache
def installed_files() -> tuple[tuple[str, Path], ...]:
    """List the files of the installed packages.

    Their RECORD files name them all: far faster than walking through every folder.

    Returns
    -------
    tuple of (str, Path)
        Path below the installation's root, and the whole path.
    """
    found: dict[str, Path] = {}
    for distribution in importlib.metadata.distributions():
        root = Path(str(distribution.locate_file("")))
        for line in (distribution.read_text("RECORD") or "").splitlines():
            name = line.partition(",")[0]
            if not name.startswith(("..", "/", '"')):
                found.setdefault(name, root / name)
    return tuple(found.items())


def _packaged(
    suffixes: tuple[str, ...], read: Callable[[Path], str] = read_start
) -> Iterator[Source]:
    for name, path in installed_files():
        if name.endswith(suffixes) and not _is_licence(name):
            yield Source(name, partial(read, path))


def _is_licence(name: str) -> bool:
    stem = name.rpartition("/")[2].lower()
    named = stem.startswith(("licen", "copying", "notice")) or "/licenses/" in name
    return named and not stem.endswith(_CODE_SUFFIXES)


def _python() -> Iterator[Source]:
    for source in _tree(Path(sysconfig.get_path("stdlib")), ".py"):
        if not source.path.startswith("pydoc_data/"):
            yield source


def _headers() -> Iterator[Source]:
    yield from _packaged((".h", ".hpp", ".cuh"))
    yield from _tree(Path(sysconfig.get_path("include")), ".h")


def _restructured_text() -> Iterator[Source]:
    yield from _packaged((".rst",))
    for topic, text in pydoc_data.topics.topics.items():
        yield Source(f"pydoc_data/topics/{topic}", partial(str, text))


def _licences() -> Iterator[Source]:
    for name, path in installed_files():
        if _is_licence(name):
            yield Source(name, partial(read_start, path))


def _arithmetic() -> Iterator[Source]:
    for number in range(_N_WORKSHEETS):
        path = f"arithmetic/{number}"
        yield Source(path, partial(arithmetic.worksheet, path))


_SUBSETS: dict[str, Callable[[], Iterator[Source]]] = {
    "Python": _python,
    "C and C++ headers": _headers,
    "Package descriptions": partial(_packaged, (".dist-info/METADATA",), _description),
    "Docstrings": partial(_packaged, (".py",), _docstrings),
    "reStructuredText": _restructured_text,
    "Markdown": partial(_packaged, (".md",)),
    "Licences": _licences,
    "JSON": partial(_packaged, (".json",)),
    "YAML": partial(_packaged, (".yaml", ".yml")),
    "CSV": partial(_packaged, (".csv",)),
    "Arithmetic": _arithmetic,
}
