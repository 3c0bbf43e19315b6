"""The rows that a query gives, and how they are written."""

import csv
import io
import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from decimal import Decimal
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from saeatlas import errors
from saeatlas.catalog.carets import width

if TYPE_CHECKING:
    import pandas as pd

Format = Literal["table", "csv", "json", "parquet", "markdown"]

_WIDEST = 80
"""Characters of a cell that a table shows."""


@dataclass(frozen=True)
class Answer:
    """Rows as the database gave them. pandas, which is slow to load, comes only when asked for.

    Parameters
    ----------
    columns : tuple of str
    rows : list of tuple
        Vectors are lists of float.
    integers : frozenset of int, optional
        Places of the columns that hold integers.
    more : bool, default=False
        Whether there are rows beyond the limit.
    notes : tuple of str, optional
        What a query was taken to mean.
    """

    columns: tuple[str, ...]
    rows: list[tuple[Any, ...]]
    integers: frozenset[int] = frozenset()
    more: bool = False
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.rows)

    def frame(self) -> "pd.DataFrame":
        """Return the rows as pandas has them.

        Returns
        -------
        pandas.DataFrame
            Integers with NULLs come as ``Int64``, arrays and vectors as lists. ``attrs["notes"]``
            says what a query was taken to mean.
        """
        import pandas as pd

        frame = pd.DataFrame(self.rows, columns=list(self.columns))
        for i in self.integers:
            values = frame.iloc[:, i]
            if values.hasnans:
                frame.isetitem(i, values.astype("Int64").array)
        if self.notes:
            frame.attrs["notes"] = list(self.notes)
        return frame


def render(answer: Answer, form: Format) -> str:
    """Write an answer as text.

    Parameters
    ----------
    answer : Answer
    form : {'table', 'csv', 'json', 'markdown'}
        json is one array of objects; table and markdown shorten long cells.

    Returns
    -------
    str
    """
    if form == "csv":
        return _csv(answer)
    if form == "json":
        _distinct(answer)
        rows = [dict(zip(answer.columns, map(_plain, row), strict=True)) for row in answer.rows]
        return json.dumps(rows, ensure_ascii=False, default=str)
    cells = [[_cell(value) for value in row] for row in answer.rows]
    if form == "markdown":
        lines = [answer.columns, ["---"] * len(answer.columns), *cells]
        return "\n".join(f"| {' | '.join(_escaped(c) for c in line)} |" for line in lines)
    return _table(answer, cells)


def write(answer: Answer, form: Format, path: Path) -> None:
    """Write an answer to a file.

    Parameters
    ----------
    answer : Answer
    form : {'table', 'csv', 'json', 'parquet', 'markdown'}
    path : Path

    Raises
    ------
    InputError
        The file cannot be written.
    """
    try:
        if form == "parquet":
            _write_parquet(answer, path)
        else:
            path.write_text(render(answer, form), encoding="utf-8")
    except OSError as error:
        raise errors.InputError(
            f"{path} cannot be written: {error.strerror or error}",
            hint="Name a file in a folder that is there and may be written to.",
        ) from error


def _write_parquet(answer: Answer, path: Path) -> None:
    with errors.extras():
        import pyarrow as pa

    _distinct(answer)
    frame = answer.frame()
    for name in answer.columns:
        if frame[name].map(lambda value: isinstance(value, dict)).any():
            frame[name] = frame[name].map(_text, na_action="ignore")  # columns of one type each
    frame.attrs = {}
    try:
        frame.to_parquet(path, index=False)
    except (pa.ArrowInvalid, pa.ArrowTypeError, pa.ArrowNotImplementedError) as error:
        raise errors.QueryFailed(
            f"Parquet cannot hold these rows: {error}", hint="Cast the column, or write JSON."
        ) from error


def _distinct(answer: Answer) -> None:
    twice = {name for name in answer.columns if answer.columns.count(name) > 1}
    if twice:
        raise errors.QueryFailed(
            f"Two columns have the same name: {', '.join(sorted(twice))}.",
            hint="Give them names of their own: `select ... as other`.",
        )


def _csv(answer: Answer) -> str:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(answer.columns)
    for row in answer.rows:
        writer.writerow(
            [_text(value) if isinstance(value, list | dict) else value for value in row]
        )
    return text.getvalue()


def _table(answer: Answer, cells: Sequence[Sequence[str]]) -> str:
    lines = [list(answer.columns), *cells]
    widths = [max(map(width, column)) for column in zip(*lines, strict=True)]
    numeric = [
        any(isinstance(row[i], int | float | Decimal) for row in answer.rows)
        for i in range(len(widths))
    ]
    aligned = (
        " ".join(
            f"{' ' * (most - width(cell))}{cell}"
            if right
            else f"{cell}{' ' * (most - width(cell))}"
            for cell, most, right in zip(line, widths, numeric, strict=True)
        ).rstrip()
        for line in lines
    )
    return "\n".join(aligned)


def _cell(value: Any) -> str:
    """Shorten a value to one line that no terminal takes for a command."""
    if value is None:
        return ""
    if isinstance(value, float):
        return f"{value:.6g}"
    text = _text(value) if isinstance(value, list | dict) else str(value)
    line = " ".join(text.split()) if len(text) < 10_000 else " ".join(text[:10_000].split())
    safe = "".join(c if c.isprintable() else f"\\x{ord(c):02x}" for c in line)
    return safe if len(safe) <= _WIDEST else safe[: _WIDEST - 3] + "..."


def _escaped(cell: str) -> str:
    return cell.replace("\\", "\\\\").replace("|", "\\|")


def _text(value: Any) -> str:
    return json.dumps(_plain(value), ensure_ascii=False, default=str)


def _plain(value: Any) -> Any:
    """Turn a value into what JSON knows; not a number is null."""
    if isinstance(value, float | Decimal):
        number = float(value)
        return number if math.isfinite(number) else None
    if isinstance(value, datetime | date | time):
        return value.isoformat()
    if isinstance(value, bytes | memoryview):
        return bytes(value).hex()
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, dict):
        return {key: _plain(each) for key, each in value.items()}
    return value
