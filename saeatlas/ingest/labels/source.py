"""A label as a file has it, and what every kind of file has in common."""

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import sqlalchemy as sa

from saeatlas import errors
from saeatlas.ingest.formats import numerals


@dataclass(frozen=True, slots=True)
class Label:
    """A label of one feature, as a file has it.

    Parameters
    ----------
    origin : str
        Where it stands, for messages: ``batch-0.jsonl.gz:17``.
    sae : sqlalchemy.Row
        Row of ``sae``.
    feature : int
    text : str
    source : str
    method : str or None
    score : float or None
    url : str or None
    """

    origin: str
    sae: sa.Row[Any]
    feature: int
    text: str
    source: str
    method: str | None = None
    score: float | None = None
    url: str | None = None


class Source(Protocol):
    """Labels in files, of whatever form.

    Attributes
    ----------
    left : set of str
        What was left out, complete after `labels`.
    """

    left: set[str]

    def labels(self, saes: Sequence[sa.Row[Any]], *, named: bool) -> Iterator[Label]:
        """Yield the labels of these SAEs; `named` says whether the user named them."""


def feature_number(value: object) -> int | None:
    """Read a feature as files write it, a whole number or its digits.

    Parameters
    ----------
    value : object

    Returns
    -------
    int or None
        None if it is none, or longer than any number of features.
    """
    if isinstance(value, bool) or not isinstance(value, int | str):
        return None
    if isinstance(value, int):
        return value if 0 <= value < 10**18 else None
    return numerals.whole(value.strip(" \t"))


def one_sae(saes: Sequence[sa.Row[Any]], *, named: bool) -> sa.Row[Any]:
    """Return the SAE that labels belong to which do not say so themselves.

    Parameters
    ----------
    saes : sequence of sqlalchemy.Row
        Rows of ``sae``.
    named : bool
        Whether the user named them.

    Returns
    -------
    sqlalchemy.Row

    Raises
    ------
    UnknownName
    """
    if not named:
        there = shortened(f"{row.release}/{row.sae_id}" for row in saes)
        raise errors.UnknownName(
            "These labels do not say which SAE they are of.",
            available=f"Available: {there or 'none yet'}.",
            hint="Name it with --sae.",
        )
    if len(saes) > 1:
        raise errors.UnknownName(
            f"These labels are of one SAE; {len(saes)} are named.",
            available="They are: " + ", ".join(f"{row.release}/{row.sae_id}" for row in saes) + ".",
            hint="Name one of them with --sae.",
        )
    return saes[0]


def shortened(names: Iterable[str], n: int = 8) -> str:
    """List the first of some names, for a message.

    Parameters
    ----------
    names : iterable of str
    n : int, default=8
        How many to show.

    Returns
    -------
    str
    """
    shown = list(names)
    more = f" and {len(shown) - n} more" if len(shown) > n else ""
    return ", ".join(shown[:n]) + more
