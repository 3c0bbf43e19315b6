"""Runs are read by their kind; what is missing names a command that exists."""

import re

import click
import pytest
import sqlalchemy as sa

from saeatlas import errors
from saeatlas.cli import cli
from saeatlas.schema.rows import runs


def _run(connection: sa.Connection, analysis: str) -> int:
    return runs.create(
        connection, analysis, runs.input_hash(a=analysis), params={"k": 3}, quality={"n": 1}
    )


def _options(command_line: str) -> tuple[click.Command, list[str]]:
    command: click.Command = cli
    words = command_line.split()
    while isinstance(command, click.Group):
        command = command.commands[words.pop(0)]
    return command, words


@pytest.mark.parametrize("analysis", runs.KINDS)
def test_a_run_is_read_as_what_it_is(connection: sa.Connection, analysis: str) -> None:
    number = _run(connection, analysis)
    row = runs.read(connection, number, analysis)
    assert (row.id, row.analysis, row.params, row.quality) == (
        number,
        analysis,
        {"k": 3},
        {"n": 1},
    )
    found = runs.find(connection, analysis, runs.input_hash(a=analysis))
    assert found is not None and found.id == number


@pytest.mark.parametrize("analysis", runs.KINDS)
def test_another_run_is_refused(connection: sa.Connection, analysis: str) -> None:
    number = _run(connection, analysis)
    other = _run(connection, "lobes" if analysis != "lobes" else "maps")
    with pytest.raises(errors.UnknownName) as caught:
        runs.read(connection, other, analysis)
    assert f"Run {other} is no {runs.KINDS[analysis][0]}" in str(caught.value)
    assert f"Available: {number}." in str(caught.value)


@pytest.mark.parametrize("analysis", runs.KINDS)
def test_the_hint_is_a_command_that_exists(connection: sa.Connection, analysis: str) -> None:
    with pytest.raises(errors.UnknownName) as caught:
        runs.read(connection, 77, analysis)
    assert "Available: none." in str(caught.value)
    hint = re.search(r"`saeatlas (.+)` makes one", str(caught.value))
    assert hint is not None
    command, words = _options(hint[1])
    flags = {flag for option in command.params for flag in option.opts}
    given = {word for word in words if word.startswith("--")}
    assert given and given <= flags
    required = {option.opts[-1] for option in command.params if option.required}
    assert required <= given
