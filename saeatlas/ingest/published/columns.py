"""A file as columns: tables, JSON and arrays in one form."""

import csv
from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

from saeatlas import errors
from saeatlas.ingest.formats import arrow, csv_header, lines
from saeatlas.ingest.published import arrays, json_forms
from saeatlas.ingest.tables import files

KNOWN = ".csv, .tsv (also as .gz, .zst, .bz2), .parquet, .json, .npy and .npz"

VALUES = 1 << 23
"""Values that are read at once, at most: half a GB."""

OWN = frozenset(("feature", "release", "sae_id", "layer"))
"""Columns that say whose rows they are."""

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
    names : tuple of str, optional
        All columns of the file, where only some were read.
    """

    file: str
    values: dict[str, list[Any]]
    typed: bool
    left_out: dict[str, str] = field(default_factory=dict)
    in_order: bool = False
    names: tuple[str, ...] = ()

    @property
    def n_rows(self) -> int:
        """Number of rows."""
        return len(next(iter(self.values.values()), ()))


def read_columns(
    path: Path, d_sae: int, meaning: json_forms.Meaning, wanted: Collection[str] = ()
) -> Columns:
    """Read a file of any form as columns.

    Parameters
    ----------
    path : Path
    d_sae : int
        Features of the SAE.
    meaning : {'members', 'points', 'values'}
        What lists within JSON are.
    wanted : collection of str, optional
        Of a table, only these columns and those that say whose rows they are. Default: all.

    Returns
    -------
    Columns
        With at least one row and one column.

    Raises
    ------
    BadFile
        It is of no known form, is damaged, has no row, many more rows than the SAE has features, or
        more values than are read at once.
    """
    most = ROWS * d_sae
    suffix = files.plain_suffix(path)
    if suffix in files.CSV:
        found = _csv(path, most, "\t" if suffix == ".tsv" else ",", wanted)
    elif suffix in files.PARQUET:
        found = _parquet(path, most, wanted)
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
    _require_few(path.name, found.n_rows, len(found.values), most)
    return found


def _require_few(file: str, n: int, n_columns: int, most: int) -> None:
    """Refuse more rows than can be of the SAE's features, and more values than memory allows."""
    if n * n_columns > VALUES:
        raise errors.BadFile(
            f"{file} has more than {VALUES:,} values in {n_columns:,} columns.",
            hint="Name the columns to take: --column NAME=COLUMN.",
        )
    if n > most:
        raise errors.BadFile(
            f"{file} has more than {most:,} rows, {ROWS} for each feature of the SAE.",
            hint="Check --sae, and that the file has a row for each feature.",
        )


def _csv(path: Path, most: int, separator: str, wanted: Collection[str]) -> Columns:
    n = 0
    with lines.text_lines(path) as text:
        try:
            separator, names = csv_header.read_header(
                path.name, next(text, ""), ("feature",), separator
            )
            _distinct(path.name, names)
            kept = [(i, name) for i, name in enumerate(names) if _is_wanted(name, wanted)]
            values: dict[str, list[Any]] = {name: [] for _, name in kept}
            reader = csv.reader(text, delimiter=separator, strict=True, skipinitialspace=True)
            for row in reader:
                if row:
                    n += 1
                    _append(f"{path.name}, line {reader.line_num + 1:,}", values, kept, row, names)
                    _require_few(path.name, n, len(kept), most)
        except csv.Error as error:
            raise errors.BadFile(
                f"{path.name} cannot be read as CSV: {error}.",
                hint="Put texts with commas or line breaks in double quotes.",
            ) from error
    return Columns(path.name, values, typed=False, names=tuple(names))


def _is_wanted(name: str, wanted: Collection[str]) -> bool:
    return not wanted or name in wanted or name in OWN


def _append(
    where: str, values: dict[str, list[Any]], kept: Sequence[tuple[int, str]],
    row: Sequence[str], names: Sequence[str],
) -> None:  # fmt: skip
    if len(row) != len(names):
        raise errors.BadFile(
            f"{where}: this row has {len(row)} fields, the header {len(names)}.",
            hint="Put texts that hold the separator in double quotes.",
        )
    for i, name in kept:
        values[name].append(row[i].strip() or None)


def _distinct(file: str, names: Sequence[str]) -> None:
    for name, n in Counter(names).items():
        if n > 1:
            raise errors.BadFile(
                f"{file} has {n} columns {name!r}.", hint="Rename all but one of them."
            )


def _parquet(path: Path, most: int, wanted: Collection[str]) -> Columns:
    from pyarrow import types

    values: dict[str, list[Any]] = {}
    left_out = {}
    with arrow.open_parquet(path, coded=True) as file:
        _distinct(path.name, file.schema_arrow.names)
        kept = [one for one in file.schema_arrow if _is_wanted(one.name, wanted)]
        _require_few(path.name, file.metadata.num_rows, len(kept), most)
        for one in kept:
            kind = one.type.value_type if types.is_dictionary(one.type) else one.type
            decimal = types.is_decimal(kind)
            if not (
                types.is_integer(kind) or types.is_floating(kind) or decimal
                or types.is_boolean(kind)
                or types.is_null(kind) or types.is_string(kind)
                or types.is_large_string(kind) or types.is_string_view(kind)
            ):  # fmt: skip
                left_out[one.name] = str(kind)
                continue
            with arrow.arrow_understood(path):
                chunks = file.read([one.name]).column(0).chunks
            found = [value for chunk in chunks for value in _values(chunk)]
            values[one.name] = [_plain(value) for value in found] if decimal else found
    names = tuple(file.schema_arrow.names)
    return Columns(path.name, values, typed=True, left_out=left_out, names=names)


def _plain(value: Decimal | None) -> float | None:
    """Give a decimal as a number: whole ones keep all their digits."""
    if value is None:
        return None
    return int(value) if value == int(value) else float(value)


def _values(chunk: Any) -> list[Any]:
    """Return the values of an array, each text of a dictionary once in memory."""
    from pyarrow import types

    if not types.is_dictionary(chunk.type):
        return list(chunk.to_pylist())
    known = chunk.dictionary.to_pylist()
    return [None if number is None else known[number] for number in chunk.indices.to_pylist()]
