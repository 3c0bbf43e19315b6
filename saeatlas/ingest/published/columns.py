"""A file as columns: tables, JSON and arrays in one form."""

import csv
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from saeatlas import errors
from saeatlas.ingest import csv_header
from saeatlas.ingest.formats import arrow, lines
from saeatlas.ingest.published import arrays, json_forms
from saeatlas.ingest.tables import files

KNOWN = ".csv, .tsv (also as .gz, .zst, .bz2), .parquet, .json, .npy and .npz"

ROWS = 200
"""Rows for each feature, at most: as many clusterings, one below the other."""


@dataclass(frozen=True)
class Columns:
    """The columns of a file.

    Parameters
    ----------
    file : str
        Its name, for messages.
    values : dict of str to list
        A value a row: None, bool, int, float or str; all of one length.
    typed : bool
        Whether the file says what is a number; in CSV everything is text.
    left_out : dict of str to str
        Columns that hold something else, and what.
    in_order : bool, default=False
        Whether a row's place is its feature, where no column says it.
    """

    file: str
    values: dict[str, list[Any]]
    typed: bool
    left_out: dict[str, str] = field(default_factory=dict)
    in_order: bool = False

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(next(iter(self.values.values()), ()))


def read_columns(path: Path, d_sae: int, meaning: json_forms.Meaning) -> Columns:
    """Read a file of any form as columns.

    Parameters
    ----------
    path : Path
    d_sae : int
        Features of the SAE.
    meaning : {'members', 'points', 'values'}
        What lists within JSON are.

    Returns
    -------
    Columns
        With at least one row and one column.

    Raises
    ------
    BadFile
        It is of no known form, is damaged, has no row, or many more rows than the SAE has features.
    """
    most = ROWS * d_sae
    suffix = files.plain_suffix(path)
    if suffix in files.CSV:
        found = _csv(path, most, "\t" if suffix == ".tsv" else ",")
    elif suffix in files.PARQUET:
        found = _parquet(path, most)
    elif suffix == ".json":
        values = json_forms.read_columns(path, d_sae, meaning)
        found = Columns(path.name, values, typed=True)
    elif suffix in (".npy", ".npz"):
        values, left_out = arrays.read_columns(path, d_sae)
        found = Columns(path.name, values, typed=True, left_out=left_out, in_order=True)
    else:
        raise errors.BadFile(
            f"{path.name} is not of a kind that is read.", available=f"Known: {KNOWN}."
        )
    if not found.n_rows:
        raise errors.BadFile(f"{path.name} holds no rows.", hint="Give it a row for each feature.")
    _require_rows(path.name, found.n_rows, most)
    return found


def _require_rows(file: str, n: int, most: int) -> None:
    if n > most:
        raise errors.BadFile(
            f"{file} has more than {most:,} rows, {ROWS} for each feature of the SAE.",
            hint="Check --sae, and that the file has a row for each feature.",
        )


def _csv(path: Path, most: int, separator: str) -> Columns:
    with lines.text_lines(path) as text:
        head = next(text, "")
        separator, names = csv_header.read_header(head, ("feature",), separator)
        _distinct(path.name, names)
        values: dict[str, list[Any]] = {name: [] for name in names}
        try:
            reader = csv.reader(text, delimiter=separator, strict=True, skipinitialspace=True)
            for row in reader:
                if row:
                    _append(path.name, reader.line_num + 1, values, row)
                    _require_rows(path.name, len(values[names[0]]), most)
        except csv.Error as error:
            raise errors.BadFile(
                f"{path.name} cannot be read as CSV: {error}.",
                hint="Put texts with commas or line breaks in double quotes.",
            ) from error
    return Columns(path.name, values, typed=False)


def _append(file: str, line: int, values: dict[str, list[Any]], row: Sequence[str]) -> None:
    if len(row) != len(values):
        raise errors.BadFile(
            f"{file}, line {line:,}: this row has {len(row)} fields, the header {len(values)}.",
            hint="Put texts that hold the separator in double quotes.",
        )
    for column, value in zip(values.values(), row, strict=True):
        column.append(value.strip() or None)


def _distinct(file: str, names: Sequence[str]) -> None:
    for name, n in Counter(names).items():
        if n > 1:
            raise errors.BadFile(
                f"{file} has {n} columns {name!r}.", hint="Rename all but one of them."
            )


def _parquet(path: Path, most: int) -> Columns:
    from pyarrow import types

    values: dict[str, list[Any]] = {}
    left_out = {}
    with arrow.open_parquet(path) as file:
        _require_rows(path.name, file.metadata.num_rows, most)
        _distinct(path.name, file.schema_arrow.names)
        for one in file.schema_arrow:
            kind = one.type.value_type if types.is_dictionary(one.type) else one.type
            if not (
                types.is_integer(kind) or types.is_floating(kind) or types.is_boolean(kind)
                or types.is_null(kind) or types.is_string(kind)
                or types.is_large_string(kind) or types.is_string_view(kind)
            ):  # fmt: skip
                left_out[one.name] = str(one.type)
                continue
            with arrow.arrow_understood(path):
                values[one.name] = file.read([one.name]).column(0).to_pylist()
    return Columns(path.name, values, typed=True, left_out=left_out)
