"""What a query says, before any name in it is looked up."""

from dataclasses import dataclass, field
from typing import ClassVar

from saeatlas.catalog.language.operands import Feature, Lobes, Place, Saes, Value, Word


@dataclass(frozen=True)
class Of:
    """``of sae 3``: the SAEs of features named; whose rows are wanted, unless ``in`` says so."""

    name: ClassVar[str] = "of"
    saes: Saes
    at: Place = field(compare=False)


@dataclass(frozen=True)
class In:
    """``in layer 20``: the SAEs whose rows are wanted."""

    name: ClassVar[str] = "in"
    saes: Saes
    at: Place = field(compare=False)


@dataclass(frozen=True)
class InNumber:
    """``in run 5``, ``in recording 2``, ``in corpus 1``.

    Parameters
    ----------
    of : str
        run, recording or corpus.
    number : int
    at : Place
    """

    of: str
    number: int
    at: Place = field(compare=False)

    @property
    def name(self) -> str:
        """``in run`` or the like: as `Kind.clauses` lists it."""
        return f"in {self.of}"


@dataclass(frozen=True)
class OfLobes:
    """``of phi k 3``."""

    name: ClassVar[str] = "of lobes"
    lobes: Lobes
    at: Place = field(compare=False)


@dataclass(frozen=True)
class OfFeature:
    """``of 12:4821``."""

    name: ClassVar[str] = "of feature"
    feature: Feature
    at: Place = field(compare=False)


@dataclass(frozen=True)
class Near:
    """``near 12:10 - 12:11 + 12:12``.

    Parameters
    ----------
    terms : tuple of (int, Feature)
        1 or -1, and the feature whose decoder vector is added or taken away.
    at : Place
    """

    name: ClassVar[str] = "near"
    terms: tuple[tuple[int, Feature], ...]
    at: Place = field(compare=False)


@dataclass(frozen=True)
class Exactly:
    """``exactly``: without an index that may miss some."""

    name: ClassVar[str] = "exactly"
    at: Place = field(compare=False)


@dataclass(frozen=True)
class With:
    """``with 12:4821 by phi > 0.2``.

    Parameters
    ----------
    feature : Feature
    measure : Word or None
    comparison : str or None
    number : Value or None
    at : Place
    """

    name: ClassVar[str] = "with"
    feature: Feature
    measure: Word | None
    comparison: str | None
    number: Value | None
    at: Place = field(compare=False)


@dataclass(frozen=True)
class About:
    """``about "capital cities"``."""

    name: ClassVar[str] = "about"
    text: str
    at: Place = field(compare=False)


@dataclass(frozen=True)
class BySubset:
    """``by subset``."""

    name: ClassVar[str] = "by subset"
    at: Place = field(compare=False)


Clause = Of | In | InNumber | OfLobes | OfFeature | Near | Exactly | With | About | BySubset


@dataclass(frozen=True)
class Any:
    """One of several conditions holds."""

    parts: "tuple[Condition, ...]"


@dataclass(frozen=True)
class All:
    """All of several conditions hold."""

    parts: "tuple[Condition, ...]"


@dataclass(frozen=True)
class Not:
    """A condition does not hold."""

    part: "Condition"


@dataclass(frozen=True)
class Comparison:
    """A field compared: ``density between 0.001 and 0.01``.

    Parameters
    ----------
    name : Word
        The field.
    operator : str
        ``=``, ``!=``, ``<``, ``<=``, ``>``, ``>=``, between, in, like, null, known.
    values : tuple of Value
    at : Place
    """

    name: Word
    operator: str
    values: tuple[Value, ...]
    at: Place = field(compare=False)


@dataclass(frozen=True)
class InLobe:
    """``lobe = 2 of phi k 3``.

    Parameters
    ----------
    test : Comparison
    lobes : Lobes
    run : int or None
        The run that made them, or the run of ``subsets`` about them, if the query names one.
    at : Place
    """

    test: Comparison
    lobes: Lobes
    run: int | None
    at: Place = field(compare=False)


@dataclass(frozen=True)
class Fires:
    """``fires in "Github" > 0.2``."""

    subset: Word
    comparison: str
    number: Value
    at: Place = field(compare=False)


@dataclass(frozen=True)
class Active:
    """``12:4821``, or ``12:4821 > 5``: how active a feature is in a block."""

    feature: Feature
    comparison: str | None
    number: Value | None
    at: Place = field(compare=False)


Condition = Any | All | Not | Comparison | InLobe | Fires | Active


@dataclass(frozen=True)
class Order:
    """``density desc``."""

    name: Word
    descending: bool


@dataclass(frozen=True)
class Query:
    """A whole query.

    Parameters
    ----------
    kind : Word
        What its rows are: features, blocks, function vectors ...
    clauses : tuple of Clause
    where : Condition or None
    order : tuple of Order
    limit : int or None
    """

    kind: Word
    clauses: tuple[Clause, ...] = ()
    where: Condition | None = None
    order: tuple[Order, ...] = ()
    limit: int | None = None
