"""What clauses and conditions of a query are about: names, values, features, SAEs, clusterings."""

from dataclasses import dataclass, field
from typing import NamedTuple


class Place(NamedTuple):
    """Where in the query something stands.

    From its first character to the one after its last.
    """

    start: int
    end: int


@dataclass(frozen=True)
class Word:
    """A name as written: of a field, a measure, a kind.

    Parameters
    ----------
    text : str
    at : Place
    """

    text: str
    at: Place = field(compare=False)


@dataclass(frozen=True)
class Value:
    """A value to compare with.

    Parameters
    ----------
    value : int, float or str
    quoted : bool
        Whether a text stood in quotes; a bare word did not.
    at : Place
    """

    value: int | float | str
    quoted: bool
    at: Place = field(compare=False)


@dataclass(frozen=True)
class Feature:
    """A feature by name: ``12:4821``, ``release/12:4821`` or ``sae 3:4821``.

    Parameters
    ----------
    number : int
    layer, sae : int or None
        Either is given.
    release : str or None
    at : Place
    """

    number: int
    layer: int | None
    sae: int | None
    release: str | None
    at: Place = field(compare=False)


@dataclass(frozen=True)
class Saes:
    """Some SAEs: ``sae 3``, ``release "..."``, ``layer 12``.

    Parameters
    ----------
    by : str
        sae, release or layer.
    value : int or str
    at : Place
    """

    by: str
    value: int | str
    at: Place = field(compare=False)


@dataclass(frozen=True)
class Lobes:
    """A clustering of features: ``phi k 3``.

    Parameters
    ----------
    affinity : Word
    k : int
    at : Place
    """

    affinity: Word
    k: int
    at: Place = field(compare=False)
