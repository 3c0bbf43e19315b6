"""How every analysis runs: found again or locked, read, computed, written and published.

An analysis is four plain functions and one declaration of them, `Analysis`; `perform` does the
rest. docs/guides/add-an-analysis.md walks through a whole one.
"""

import time
from collections.abc import Callable, Mapping
from dataclasses import MISSING, dataclass, field, fields
from datetime import timedelta
from typing import Any, Generic, Literal, Protocol, TypeVar, runtime_checkable

import sqlalchemy as sa

from saeatlas import errors, ranges
from saeatlas.progress import Report, silent
from saeatlas.schema.rows import running_jobs, runs

Preset = Literal["default", "paper"]
"""The corrected procedure, or the published one with its known errors."""

_TARGET = "target"
_COLUMNS = ("seed", "preset")


def target(default: Any = MISSING) -> Any:
    """Mark a field of `Params` that says what is analysed, as an SAE or an earlier run.

    The run keeps it in a column of its own, not among its parameters.
    """
    return field(default=default, metadata={_TARGET: True})


@dataclass(frozen=True)
class Params:
    """The base of the parameters of an analysis.

    A subclass is a frozen dataclass of plain values. Fields ``seed`` and ``preset`` go to the
    columns of ``run`` that have these names, fields marked with `target` to columns that the
    analysis names, all others to ``run.params``.

    Raises
    ------
    InputError
        The seed is negative or too large. Subclasses check their own numbers by `ranges`.
    """

    def __post_init__(self) -> None:
        ranges.require_seed(getattr(self, "seed", None))

    @property
    def stored(self) -> dict[str, Any]:
        """As ``run.params`` keeps them: values that JSON knows."""
        return {
            one.name: getattr(self, one.name)
            for one in fields(self)
            if one.name not in _COLUMNS and _TARGET not in one.metadata
        }

    @property
    def columns(self) -> dict[str, Any]:
        """Seed and preset, where the analysis has them."""
        return {one.name: getattr(self, one.name) for one in fields(self) if one.name in _COLUMNS}

    @property
    def identity(self) -> dict[str, Any]:
        """What the run's hash is made of, besides `Source.facts`: by default all parameters.

        Leave out what does not change the result. Facts of the same name take precedence.
        """
        return self.stored | self.columns

    def refuse(self, reason: str, **options: str) -> None:
        """Refuse parameters that have no effect in the chosen mode.

        Parameters
        ----------
        reason : str
            Why they have none.
        **options : str
            By name of the parameter, the option of the command.

        Raises
        ------
        InputError
            One of them is not at its default.
        """
        defaults = {one.name: one.default for one in fields(self)}
        given = [
            option
            for name, option in options.items()
            if not _same(getattr(self, name), defaults[name])
        ]
        if given:
            named = " and ".join(given)
            raise errors.InputError(
                f"{named} would have no effect: {reason}.", hint=f"Leave out {named}."
            )


def _same(value: Any, default: Any) -> bool:
    return bool(list(value) == list(default) if isinstance(default, tuple) else value == default)


@dataclass(frozen=True)
class Source:
    """What a run analyses.

    Parameters
    ----------
    columns : mapping of str to int or None
        Columns of ``run``: any of sae, recording, input_run and word_space.
    facts : mapping of str to Any
        What the result depends on besides the parameters, as hashes of weights and of blocks:
        values that JSON knows. The same facts and parameters are the same run.
    """

    columns: Mapping[str, int | None]
    facts: Mapping[str, Any]

    @property
    def stored(self) -> dict[str, Any]:
        """What ``run.params`` keeps besides the parameters, as defaults that were looked up."""
        return {}


@dataclass(frozen=True, kw_only=True)
class Result:
    """What an analysis found: the base of all results.

    Parameters
    ----------
    quality : dict
        What the analysis says of its own result: ``run.quality``. The driver adds seconds and
        notes.
    notes : tuple of str
        What the reader of the result should know, a sentence each.
    number : int, optional
        ``run.id``, where the analysis had to reserve it. Default: the next one.
    """

    quality: dict[str, Any]
    notes: tuple[str, ...] = ()
    number: int | None = None


@runtime_checkable
class Closing(Protocol):
    """Inputs that keep something open, as working tables; closed when the run ends."""

    def close(self) -> None:
        """Close it."""


P = TypeVar("P", bound=Params)
S = TypeVar("S", bound=Source)
I = TypeVar("I")  # noqa: E741  I are the inputs
R = TypeVar("R", bound=Result)


@dataclass(frozen=True)
class Analysis(Generic[P, S, I, R]):
    """An analysis, declared.

    Parameters
    ----------
    name : str
        ``run.analysis``.
    what : str
        What a run of it is called in messages, as ``map``.
    ask : str
        SQL that shows a result, with ``{run}`` for its number.
    identify : callable
        ``identify(connection, params, report)`` finds what is to be analysed. It runs
        even if the same was done before, so it should be quick. Counting and subsets extend
        bitmaps here: the hash of their inputs needs them.
    read : callable
        ``read(connection, source, params, report)`` gives the inputs: a frozen dataclass of
        arrays, or of iterables that read large arrays part by part.
    compute : callable
        ``compute(inputs, params, report)`` gives the result. It works on these inputs alone.
        Co-occurrence is the exception: it counts in the database.
    write : callable
        ``write(connection, run, result)`` writes the rows, in the transaction of the run.
    """

    name: str
    what: str
    ask: str
    identify: Callable[[sa.Connection, P, Report], S]
    read: Callable[[sa.Connection, S, P, Report], I]
    compute: Callable[[I, P, Report], R]
    write: Callable[[sa.Connection, int, R], None]


@dataclass(frozen=True)
class Outcome:
    """A run that is in the catalog.

    Parameters
    ----------
    run : int
        ``run.id``.
    created : bool
        Whether it was made now; False if the same run was there before.
    seconds : float
        Since `perform` was called.
    ask : str
        A command that shows the result.
    notes : tuple of str
        What the reader of the result should know, a sentence each.
    """

    run: int
    created: bool
    seconds: float
    ask: str
    notes: tuple[str, ...] = ()

    @property
    def summary(self) -> str:
        """What was done, in a few lines."""
        done = f"done in {self.seconds:,.1f} s" if self.created else "done before, unchanged"
        return "\n".join([f"Run {self.run}: {done}. See it: {self.ask}", *self.notes])


def perform(
    engine: sa.Engine, analysis: Analysis[P, S, I, R], params: P, report: Report = silent
) -> Outcome:
    """Run an analysis, or find an earlier run with the same parameters on the same data.

    Writes in one transaction a row of ``run`` and the rows of the analysis. A job that fails, is
    interrupted or loses its server leaves nothing.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    analysis : Analysis
    params : Params
    report : callable, optional
        Called with each `Progress`.

    Returns
    -------
    Outcome

    Raises
    ------
    CatalogBusy
        Another process does the same now.
    UnknownName
        What is analysed is not there, or was removed meanwhile.
    AtlasError
        As the analysis says.
    """
    began = time.perf_counter()
    with engine.connect() as connection:
        source = analysis.identify(connection, params, report)
    key = runs.input_hash(**params.identity | dict(source.facts))
    with running_jobs.locked(engine, analysis.name, analysis.what, key):
        with engine.connect() as connection:
            found = runs.find(connection, analysis.name, key)
        if found is None:
            number, notes = _make(engine, analysis, source, params, report, key=key, began=began)
        else:
            number, notes = found.id, tuple(found.quality.get("notes", ()))
    seconds = time.perf_counter() - began
    ask = f'saeatlas sql "{analysis.ask.format(run=number)}"'
    return Outcome(number, found is None, seconds, ask, notes)


def _make(
    engine: sa.Engine, analysis: Analysis[P, S, I, R], source: S, params: P, report: Report, *,
    key: bytes, began: float,
) -> tuple[int, tuple[str, ...]]:  # fmt: skip
    """Read, compute and write; return the run and its notes."""
    with engine.connect() as connection:
        inputs = analysis.read(connection, source, params, report)
    try:
        result = analysis.compute(inputs, params, report)
        seconds = time.perf_counter() - began
        columns: dict[str, Any] = {**source.columns, **params.columns}
        if result.number is not None:
            columns["id"] = result.number
        notes = {"notes": list(result.notes)} if result.notes else {}
        with engine.begin() as connection:
            number = runs.create(
                connection,
                analysis.name,
                key,
                params=params.stored | source.stored,
                quality=result.quality | notes | {"seconds": round(seconds, 3)},
                started_at=sa.func.clock_timestamp() - timedelta(seconds=seconds),
                **columns,
            )
            analysis.write(connection, number, result)
    finally:
        if isinstance(inputs, Closing):
            inputs.close()
    return number, result.notes
