"""Values of options that several commands take."""

import click
import pytest
from click.testing import CliRunner

from saeatlas import errors
from saeatlas.cli import cli
from saeatlas.commands.options import parse_layers


@pytest.mark.parametrize(
    ("text", "layers"),
    [
        ("12", (12,)),
        ("0-2", (0, 1, 2)),
        ("0,4", (0, 4)),
        ("0,4-6", (0, 4, 5, 6)),
        ("4, 0-1,1", (0, 1, 4)),
        ("3-3", (3,)),
    ],
)
def test_layers(text: str, layers: tuple[int, ...]) -> None:
    assert parse_layers(text) == layers


@pytest.mark.parametrize("text", ["", "a", "3-1", "1,,2", "-1", "0-", "1-2-3", "0-99999999"])
def test_what_names_no_layers(text: str) -> None:
    with pytest.raises(errors.InputError, match="0-5"):
        parse_layers(text)


def _parameters(group: click.Group, name: str) -> dict[str, click.Parameter]:
    """The parameter of this name of every command that has it."""
    found: dict[str, click.Parameter] = {}
    for word, command in group.commands.items():
        if isinstance(command, click.Group):
            inner = _parameters(command, name)
            found |= {f"{word} {path}": parameter for path, parameter in inner.items()}
        else:
            found.update((word, one) for one in command.params if one.name == name)
    return found


def test_layers_mean_the_same_in_every_command() -> None:
    found = _parameters(cli, "layers")
    assert {"ingest layers", "ingest words", "analyze maps", "db index"} <= found.keys()
    for path, parameter in found.items():
        assert parameter.callback is not None, path
        context = click.Context(cli)
        assert parameter.callback(context, parameter, "0,4-6") == (0, 4, 5, 6), path


def test_what_names_no_layers_is_refused_before_anything_else() -> None:
    done = CliRunner().invoke(cli, ["db", "index", "--release", "r", "--layers", "x"])
    assert isinstance(done.exception, errors.InputError)
