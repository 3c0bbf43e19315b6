"""Values of options that several commands take."""

import click
import pytest
from click.testing import CliRunner

from saeatlas import errors
from saeatlas.cli import cli
from saeatlas.commands.options import numbers, parse_layers


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


@pytest.mark.parametrize(
    "text", ["", "a", "3-1", "1,,2", "-1", "0-", "1-2-3", "0-99999999", "\u0661", "1_0"]
)
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


def _all_parameters(group: click.Group) -> list[click.Parameter]:
    found: list[click.Parameter] = []
    for command in group.commands.values():
        inner = isinstance(command, click.Group)
        found += _all_parameters(command) if inner else command.params  # type: ignore[arg-type]
    return found


@pytest.mark.parametrize("text", ["1_0", "1_0.5", "\u0661", "\u0663.5"])
def test_numbers_are_plain_digits_in_every_command(text: str) -> None:
    found = [one for one in _all_parameters(cli) if one.type.name.startswith(("integer", "float"))]
    assert len(found) > 50
    for one in found:
        with pytest.raises(click.BadParameter, match="is not a valid"):
            one.type(text, one, click.Context(cli))
        assert one.type("2", one, click.Context(cli)) == 2
    assert click.INT("1_0") == 10, "click's own types are left alone"


@pytest.mark.parametrize("text", ["1_0", "2,1_0", "\u0661", "0", "-1", "1.5", "", ",", "9" * 5000])
def test_lists_of_numbers_are_plain_digits(text: str) -> None:
    if text:
        with pytest.raises(click.BadParameter, match="whole numbers above 0"):
            numbers(None, None, text)
    assert numbers(None, None, "2, 3,16") == [2, 3, 16]
