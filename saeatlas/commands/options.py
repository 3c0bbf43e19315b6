"""Options that several commands take, and what reads their values."""

from __future__ import annotations

import re
from collections.abc import Callable
from copy import copy
from functools import partial, reduce
from typing import Any

import click

from saeatlas import errors
from saeatlas.schema import affinities

Command = Callable[..., Any]


def options(*decorators: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Combine decorators into one; their options appear in this order."""
    return lambda command: reduce(lambda f, g: g(f), reversed(decorators), command)


def numbers(_context: Any, _parameter: Any, text: str | None) -> list[int]:
    """Read numbers with commas between."""
    parts = [part.strip() for part in text.split(",")] if text else []
    if not all(re.fullmatch("[0-9]{1,18}", part) and int(part) for part in parts):
        raise click.BadParameter("give whole numbers above 0 with commas between, as 2,3,4")
    return [int(part) for part in parts]


def require_plain_numbers(command: click.Command) -> None:
    """Make a command and those below it refuse numbers that only Python reads, as 1_0.

    Parameters
    ----------
    command : click.Command
        Types of its options and arguments are replaced.
    """
    for inner in command.commands.values() if isinstance(command, click.Group) else ():
        require_plain_numbers(inner)
    for parameter in command.params:
        if isinstance(parameter.type, click.types.IntParamType | click.types.FloatParamType):
            kind = copy(parameter.type)
            kind.convert = partial(_plain, kind, kind.convert)  # type: ignore[method-assign]
            parameter.type = kind


def _plain(kind: click.ParamType[Any], convert: Command, value: Any, *where: Any) -> Any:
    if isinstance(value, str) and ("_" in value or not value.isascii()):
        kind.fail(f"{value!r} is not a valid {kind.name}.", *where)
    return convert(value, *where)


def pairs(_context: Any, _parameter: Any, texts: tuple[str, ...]) -> dict[str, str]:
    """Read options NAME=COLUMN; a column alone is its own name."""
    found: dict[str, str] = {}
    for text in texts:
        ours, equals, theirs = text.partition("=")
        if not ours:
            raise click.BadParameter(f"{text!r} is not NAME=COLUMN, such as feature=latent.")
        theirs = theirs if equals else ours
        if found.setdefault(ours, theirs) != theirs:
            raise click.BadParameter(f"{ours} is given twice: {found[ours]} and {theirs}.")
    return found


KS = click.option(
    "--k", "ks", callback=numbers, metavar="K,K,...",
    help="Numbers of lobes.  [default: 2,3,4,8,16,...,1024]",
)  # fmt: skip
SEED = click.option(
    "--seed", type=int, default=0, show_default=True, help="Seed of the random numbers."
)
AFFINITIES = click.option(
    "--affinity", "affinities", multiple=True,
    callback=lambda _context, _parameter, names: [name.replace("-", "_") for name in names],
    type=click.Choice([name.replace("_", "-") for name in affinities.AFFINITIES]),
    help="Measure of co-occurrence; repeatable.  [default: all]",
)  # fmt: skip
LEVELS = click.option(
    "--affinity", "affinities", multiple=True, metavar="NAME",
    callback=lambda _context, _parameter, names: [_affinity(name) for name in names],
    help="Only lobes by this affinity, or this level of a published clustering; repeatable.  "
    "[default: all]",
)  # fmt: skip
COUNT = click.option(
    "--cooccurrence", type=int,
    help="Published clustering only: count with the frequencies of its features.  "
    "[default: over most blocks]",
)  # fmt: skip


def _affinity(name: str) -> str:
    """Write an affinity as the catalog does; the name of a level stays as it is."""
    plain = name.replace("-", "_")
    return plain if plain in affinities.AFFINITIES else name


def parse_layers(text: str) -> tuple[int, ...]:
    """Read layers as every command takes them.

    Parameters
    ----------
    text : str
        ``12``, ``0-25``, ``0,4`` or ``0,4-6``: numbers and ranges with commas between.

    Returns
    -------
    tuple of int
        Ascending, each once.

    Raises
    ------
    InputError
        The text does not name layers.
    """
    found: set[int] = set()
    for part in text.replace(" ", "").split(","):
        match = re.fullmatch("([0-9]{1,4})(?:-([0-9]{1,4}))?", part)
        if match is None or int(match[2] or match[1]) < int(match[1]):
            raise errors.InputError(
                f"{text!r} does not name layers.", hint="Write 12, 0-5, 0,4 or 0,4-6."
            )
        found.update(range(int(match[1]), int(match[2] or match[1]) + 1))
    return tuple(sorted(found))


def layers(_context: Any, _parameter: Any, text: str | None) -> tuple[int, ...] | None:
    """Read the value of an option or argument that names layers."""
    return None if text is None else parse_layers(text)


LAYERS = click.option(
    "--layers", callback=layers, metavar="LAYERS", help="Only these layers: 12, 0-25 or 0,4-6."
)

CHOSEN_SAES = options(
    click.option("--sae", "saes", multiple=True, help="SAE by number or name; repeatable."),
    click.option("--release", help="All SAEs of a release."),
    LAYERS,
)
