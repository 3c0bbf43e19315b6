"""Options that several commands take, and what reads their values."""

from __future__ import annotations

from collections.abc import Callable
from functools import reduce
from typing import Any

import click

Command = Callable[..., Any]


def options(*decorators: Callable[[Command], Command]) -> Callable[[Command], Command]:
    """Make one decorator of several, whose options stand in this order."""
    return lambda command: reduce(lambda f, g: g(f), reversed(decorators), command)


def numbers(_context: Any, _parameter: Any, text: str | None) -> list[int]:
    """Read numbers with commas between."""
    try:
        numbers = [int(part) for part in text.split(",")] if text else []
    except ValueError:
        numbers = [0]
    if any(number < 1 for number in numbers):
        raise click.BadParameter("give whole numbers above 0 with commas between, as 2,3,4")
    return numbers


KS = click.option(
    "--k", "ks", callback=numbers, metavar="K,K,...",
    help="Numbers of lobes.  [default: 2,3,4,8,16,...,1024]",
)  # fmt: skip
SEED = click.option(
    "--seed", type=int, default=0, show_default=True, help="Another seed, other random numbers."
)
AFFINITIES = click.option(
    "--affinity", "affinities", multiple=True,
    callback=lambda _context, _parameter, names: [name.replace("-", "_") for name in names],
    type=click.Choice(["phi", "jaccard", "dice", "overlap", "simple-matching"]),
    help="How much features go together; repeatable.  [default: all]",
)  # fmt: skip


def layers(_context: Any, _parameter: Any, text: str | None) -> range | None:
    """Read layers, as 12 or 0-25."""
    if text is None:
        return None
    first, dash, last = text.partition("-")
    if not (first.isdecimal() and (last.isdecimal() or not dash)):
        raise click.BadParameter("give one layer, as 12, or the first and the last, as 0-25")
    return range(int(first), int(last or first) + 1)


CHOSEN_SAES = options(
    click.option("--sae", "saes", multiple=True, help="SAE by number or name; repeatable."),
    click.option("--release", help="All SAEs of a release."),
    click.option(
        "--layers", callback=layers, metavar="FIRST-LAST", help="Only these layers, as 0-25."
    ),
)
