"""What an error advises can be typed: commands and options that messages name exist."""

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from saeatlas.cli import cli

ROOT = Path(__file__).parents[1] / "saeatlas"
ROOMS = ("analyses", "schema", "ingest", "catalog", "api", "commands", "demo")

_COMMAND = re.compile(r"`(saeatlas [^`]*)`")
_OPTION = re.compile(r"(?<![\w`-])(--[a-z][\w-]*)")


def _texts(tree: ast.AST) -> Iterator[str]:
    """Strings of a module but docstrings; what an f-string fills in is X."""
    parts = {
        id(child) for node in ast.walk(tree) if isinstance(node, ast.JoinedStr)
        for child in ast.walk(node) if child is not node
    }  # fmt: skip
    documented = (ast.Module, ast.ClassDef, ast.FunctionDef)
    docs = {
        id(node.body[0].value) for node in ast.walk(tree)
        if isinstance(node, documented) and node.body and isinstance(node.body[0], ast.Expr)
    }  # fmt: skip
    for node in ast.walk(tree):
        if isinstance(node, ast.JoinedStr):
            yield "".join(
                str(one.value) if isinstance(one, ast.Constant) else "X" for one in node.values
            )
        elif isinstance(node, ast.Constant) and id(node) not in docs | parts:
            yield str(node.value)


def _files() -> list[Path]:
    return [file for room in ROOMS for file in sorted((ROOT / room).rglob("*.py"))]


def _every_text() -> Iterator[tuple[str, str]]:
    for file in _files():
        if "migrations" not in file.parts:
            for text in _texts(ast.parse(file.read_text("utf-8"))):
                yield str(file.relative_to(ROOT)), text


COMMANDS = [
    pytest.param(line, id=f"{file}: {line}")
    for file, text in _every_text()
    for line in _COMMAND.findall(text)
]


def _walk(command: click.Command) -> Iterator[click.Command]:
    yield command
    if isinstance(command, click.Group):
        for one in command.commands.values():
            yield from _walk(one)


def _options(command: click.Command) -> set[str]:
    names = {name for one in command.params for name in (*one.opts, *one.secondary_opts)}
    return names | {"--help"}


def test_there_are_hints() -> None:
    assert len(COMMANDS) > 20


@pytest.mark.parametrize("line", COMMANDS)
def test_commands_that_messages_name_exist(line: str) -> None:
    command: click.Command = cli
    words = shlex.split(line.replace("{", "").replace("}", "X"))[1:]
    while words and isinstance(command, click.Group):
        name = words.pop(0)
        assert name in command.commands, f"no command {name} of {command.name}"
        command = command.commands[name]
    for word in words:
        if word.startswith("--"):
            assert word.split("=")[0] in _options(command), f"no option {word} of {command.name}"


@pytest.mark.slow
def test_options_that_messages_name_exist() -> None:
    known = {name for command in _walk(cli) for name in _options(command)}
    named = {
        (file, option)
        for file, text in _every_text()
        if not (_COMMAND.search(text) or "pip install" in text)
        for option in _OPTION.findall(text)
    }
    assert {one for one in named if one[1] not in known} == set()
