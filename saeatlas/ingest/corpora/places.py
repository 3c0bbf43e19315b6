"""Find the files that a source names, and tell files from names on the hub."""

import glob
import itertools
import os
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NoReturn

from saeatlas import errors
from saeatlas.ingest.formats import files as formats

FileKind = Literal["jsonl", "parquet", "texts"]
Row = tuple[str, dict[str, Any] | errors.BadDocument]  # where it stands, what it is

_COMPRESSIONS = (".gz", ".zst", ".xz", ".bz2")
_JSONL = (".jsonl", ".ndjson", ".json")
_PARQUET = (".parquet", ".pq")
_FORMS = (
    ".jsonl, .ndjson and .json (one object per line, or one list of objects; also as .gz, .zst, "
    ".xz, .bz2), .parquet"
)

_HINTS = {
    ".csv": "Turn it into Parquet: pandas.read_csv(...).to_parquet(...).",
    ".tsv": "Turn it into Parquet: pandas.read_csv(..., sep='\\t').to_parquet(...).",
    ".arrow": "Turn it into Parquet: datasets.load_from_disk(FOLDER)[SPLIT].to_parquet(...).",
    ".zip": "Unpack it and name the folder.",
    ".tar": "Unpack it and name the folder.",
    ".tgz": "Unpack it and name the folder.",
    ".txt": "A text file is one document: name the folder that holds it.",
    ".md": "A text file is one document: name the folder that holds it.",
}
# Files that come with data and are no data.
_COMPANION = re.compile(
    r"(readme|licen[cs]e|notice|citation|changelog|dataset_infos?\.json|.*sums(\.txt)?$)", re.I
)
_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*(/[A-Za-z0-9][\w.-]*)?(@[^@\s]+)?")


@dataclass(frozen=True, slots=True)
class Place:
    """Files of one kind, in the order in which they are read.

    Attributes
    ----------
    kind : {"jsonl", "parquet", "texts"}
        How to read them.
    root : Path
        The folder below which their names are told.
    files : tuple of Path
        At least one.
    """

    kind: FileKind
    root: Path
    files: tuple[Path, ...]


def find_files(source: str) -> Place | None:
    """Find the files that a source names.

    Parameters
    ----------
    source : str
        A file, a folder, a glob, or a name on the hub.

    Returns
    -------
    Place or None
        None: it is no file, but has the form of a name on the hub.

    Raises
    ------
    BadCorpus
        There is no such file, or the files are not of a form that can be read.
    EmptyCorpus
        The folder or the files hold nothing.
    """
    path = Path(source).expanduser()
    with errors.raised_as(errors.BadCorpus):
        formats.require_plain(path)
    try:
        if source and path.is_dir():
            place = _of_folder(path)
        elif source and path.exists():
            place = _of_file(path)
        elif glob.has_magic(source):
            place = _of_glob(str(path))
        elif _HUB_ID.fullmatch(source) and not _is_file_name(source):
            return None
        else:
            _refuse_missing(source)
        if place.kind != "texts" and not any(file.stat().st_size for file in place.files):
            raise errors.EmptyCorpus(
                f"{source} is empty: 0 bytes.", hint="Fetch or write the file again."
            )
    except OSError as error:
        raise unreadable(path, error) from error
    return place


def label(path: Path, root: Path) -> str:
    """Name a file as messages and metadata do: below its root, with forward slashes."""
    return path.relative_to(root).as_posix()


def unreadable(path: Path, error: OSError) -> errors.BadCorpus:
    """Say that a file may not be read."""
    return errors.BadCorpus(
        f"{error.filename or path} cannot be read: {error.strerror or error}.",
        hint="Give this user the right to read it (chmod u+r, chown), or name another.",
    )


def near(source: str) -> str:
    """Say which files there are near the one that was named."""
    path = Path(source).expanduser()
    folder = next((parent for parent in path.parents if parent.is_dir()), None)
    if folder is None:
        return ""
    wanted = path.relative_to(folder).parts[:1]
    names = [entry.name for entry in folder.iterdir() if not entry.name.startswith(".")]
    if not names:
        return f"{folder.absolute()} is empty."
    return f"In {folder.absolute()}: {errors.nearest(''.join(wanted), names)}"


def _is_file_name(source: str) -> bool:
    suffixes = (*_JSONL, *_PARQUET, *_COMPRESSIONS, *_HINTS)
    return source.lower().endswith(suffixes)


def _refuse_missing(source: str) -> NoReturn:
    if not source:
        raise errors.BadCorpus(
            "No corpus is named.",
            hint="Name a file, a folder or a data set of the hub (owner/name).",
        )
    raise errors.BadCorpus(
        f"There is no file or folder {source!r}.",
        available=near(source),
        hint="Name a file, a folder or a data set of the hub (owner/name).",
    )


def _kind(name: str) -> FileKind | None:
    name = name.lower()
    for compression in _COMPRESSIONS:
        name = name.removesuffix(compression)
    if name.endswith(_JSONL):
        return "jsonl"
    return "parquet" if name.endswith(_PARQUET) else None


def _of_file(path: Path) -> Place:
    kind = _kind(path.name)
    if kind is None:
        raise errors.BadCorpus(
            f"{path} has no form that can be read.",
            available=f"Forms of files: {_FORMS}; or a folder of text files.",
            hint=_HINTS.get(
                path.suffix.lower(), 'Write it as JSON lines, one {"text": "..."} a line.'
            ),
        )
    return Place(kind, path.parent, (path,))


def _of_folder(folder: Path) -> Place:
    files = _walk(folder)
    if not files:
        raise errors.EmptyCorpus(
            f"The folder {folder} holds no files.",
            available="Hidden files do not count.",
            hint=f"Put files there: {_FORMS}; or texts, one a document.",
        )
    data = [file for file in files if _marks_data(file)]
    if not data:
        _refuse_arrow(folder, files)
        return Place("texts", folder, tuple(files))
    rest = [file for file in files if file not in set(data) and not _COMPANION.match(file.name)]
    if rest or len({_kind(file.name) for file in data}) > 1:
        raise _mixed(str(folder), [*data, *rest], folder)
    return Place(_kind(data[0].name) or "texts", folder, tuple(data))


def _marks_data(file: Path) -> bool:
    # A plain .json among text files is mostly a document, or comes with Parquet files.
    return _kind(file.name) is not None and not file.name.lower().endswith(".json")


def _of_glob(pattern: str) -> Place:
    root = Path(*itertools.takewhile(lambda part: not glob.has_magic(part), Path(pattern).parts))
    # Not Path.glob: that finds hidden files and refuses patterns such as **.jsonl.
    found = map(Path, glob.iglob(pattern, recursive=True))  # noqa: PTH207
    files = _in_order((file for file in found if file.is_file()), root)
    if not files:
        raise errors.BadCorpus(
            f"No file has a name like {pattern!r}.",
            available=near(str(root / "*")),
            hint="Put the pattern in quotation marks; ** stands for any number of folders.",
        )
    kinds = {_kind(file.name) for file in files}
    if len(kinds) > 1:
        raise _mixed(pattern, files, root)
    return Place(kinds.pop() or "texts", root, tuple(files))


def _walk(folder: Path) -> list[Path]:
    def refuse(error: OSError) -> NoReturn:  # os.walk would pass over it in silence
        raise unreadable(folder, error)

    files = []
    for parent, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith(".")]
        files += [Path(parent, name) for name in names if not name.startswith(".")]
    return _in_order((file for file in files if file.is_file()), folder)


def _in_order(files: Iterable[Path], root: Path) -> list[Path]:
    # By parts, so that a sub-folder's files stay together wherever a name sorts before "/".
    return sorted(files, key=lambda file: file.relative_to(root).parts)


def _mixed(source: str, files: list[Path], root: Path) -> errors.BadCorpus:
    examples = {_kind(file.name) or "text": label(file, root) for file in reversed(files)}
    shown = "; ".join(f"{kind}: {name}" for kind, name in sorted(examples.items()))
    return errors.BadCorpus(
        f"{source} holds files of several kinds.",
        available=f"For example {shown}.",
        hint=f"Name those of one kind by a pattern in quotation marks, such as '{root}/**/*"
        f"{files[0].suffix}'.",
    )


def _refuse_arrow(folder: Path, files: list[Path]) -> None:
    arrow = next((file for file in files if file.suffix == ".arrow"), None)
    if arrow is not None:
        raise errors.BadCorpus(
            f"{folder} is a data set that datasets saved to disk, which is not read.",
            available=f"It holds {label(arrow, folder)}.",
            hint=_HINTS[".arrow"],
        )
