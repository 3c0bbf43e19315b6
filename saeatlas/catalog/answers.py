"""The rows that a query gives, and how they are written."""

import csv
import io
import json
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from saeatlas import errors
from saeatlas.catalog import text_table
from saeatlas.catalog.plain import as_json, plain

if TYPE_CHECKING:
    import pandas as pd

Format = Literal["table", "csv", "json", "parquet", "markdown"]


@dataclass(frozen=True)
class Answer:
    """Rows as the database gave them; `frame` makes pandas of them, which is slow to import.

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
        Which run, recording or SAE was chosen where a query names none.
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
            says which run, recording or SAE was chosen where a query names none.
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


def render(answer: Answer, form: Format, width: int | None = None) -> str:
    """Write an answer as text.

    Parameters
    ----------
    answer : Answer
    form : {'table', 'csv', 'json', 'markdown'}
        json is one array of objects.
    width : int, optional
        Columns of the terminal that a table is to fit: `text_table.render`. Default: nothing is
        shortened. Other forms are never shortened.

    Returns
    -------
    str
    """
    if form == "csv":
        return _csv(answer)
    if form == "json":
        _distinct(answer)
        rows = [dict(zip(answer.columns, map(plain, row), strict=True)) for row in answer.rows]
        return json.dumps(rows, ensure_ascii=False, default=str)
    if form == "table":
        return text_table.render(answer.columns, answer.rows, width)
    cells = [[text_table.cell(value, None) for value in row] for row in answer.rows]
    lines = [answer.columns, ["---"] * len(answer.columns), *cells]
    return "\n".join(f"| {' | '.join(_escaped(c) for c in line)} |" for line in lines)


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
            frame[name] = frame[name].map(as_json, na_action="ignore")  # columns of one type each
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
            [as_json(value) if isinstance(value, list | dict) else value for value in row]
        )
    return text.getvalue()


def _escaped(cell: str) -> str:
    return cell.replace("\\", "\\\\").replace("|", "\\|")
