"""Tables of activations: Parquet and CSV, read some rows at a time."""

import hashlib
import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from saeatlas import errors
from saeatlas.ingest.formats import arrow, numerals, texts
from saeatlas.ingest.formats import files as formats
from saeatlas.ingest.tables import columns as naming
from saeatlas.ingest.tables import csv_table
from saeatlas.ingest.tables.stage import Float, Int, Named, Rows

PARQUET = (".parquet", ".pq")
CSV = (".csv", ".tsv")
COMPRESSIONS = (".gz", ".zst", ".bz2")  # those that Arrow opens by their name

ROWS_AT_A_TIME = 1 << 17
_KINDS = {
    "document": "integers or strings",
    "block": "integers",
    "feature": "integers",
    "activation": "numbers",
    "subset": "strings",
}


class TableFile:
    """A Parquet or CSV file with a row for each active feature of a block or document.

    Keeps the names of all documents in memory, some 250 bytes each; nothing else of the file.

    Parameters
    ----------
    path : Path
        Absolute.
    columns : mapping of str to str
        The file's own names for our columns, where they differ.

    Raises
    ------
    BadTable
        Neither kind of file, or a column of ours that we do not have.
    """

    def __init__(self, path: Path, columns: Mapping[str, str]) -> None:
        naming.require_ours(columns)
        self.path, self._theirs = path, {name: name for name in naming.OURS} | dict(columns)
        self.source = str(path)
        self.corpus: dict[str, Any] = {"name": path.name, "source": str(path)}
        self.model: str | None = None
        self.whole_documents = False
        self._wanted = set(columns)
        self._numbers: dict[str | int, int] = {}
        self._subsets: dict[int, str | None] = {}

    def fingerprint(self) -> bytes:
        """Hash the file, and the names of its columns where they differ from ours.

        Returns
        -------
        bytes
            SHA-256.

        Raises
        ------
        BadTable
            It may not be read.
        """
        with errors.raised_as(errors.BadTable):
            content = formats.file_sha256(self.path)
        renamed = {ours: theirs for ours, theirs in self._theirs.items() if ours != theirs}
        if not renamed:
            return content
        return hashlib.sha256(content + json.dumps(renamed, sort_keys=True).encode()).digest()

    def rows(self, d_sae: int) -> Iterator[Rows]:
        """Yield the rows, and note the documents.

        Parameters
        ----------
        d_sae : int
            Not needed here.

        Yields
        ------
        Rows

        Raises
        ------
        BadTable
            Columns are missing or of another type, a value is null, a document is said to be of
            two subsets, or the file is damaged.
        """
        first = 1
        is_csv = plain_suffix(self.path) in CSV
        with errors.raised_as(errors.BadTable), arrow.arrow_understood(self.path):
            for batch in self._csv() if is_csv else self._parquet():
                yield self._understood(batch, first, is_csv)
                first += batch.num_rows

    def documents(self) -> Iterator[Named]:
        """Yield the documents that the rows have named.

        Yields
        ------
        Named
        """
        for name, number in self._numbers.items():
            yield Named(number, name, self._subsets.get(number))

    def _parquet(self) -> Iterator[Any]:
        with arrow.open_parquet(self.path, coded=True) as file:
            found = self._found(file.schema_arrow.names)
            for ours, theirs in found.items():
                self._require_type(ours, theirs, file.schema_arrow.field(theirs).type)
            columns = list(dict.fromkeys(found.values()))
            for group in range(file.num_row_groups):
                n = arrow.rows_at_a_time(file, group, ROWS_AT_A_TIME, columns, coded=True)
                for batch in file.iter_batches(n, row_groups=[group], columns=columns):
                    yield batch.select(list(found.values())).rename_columns(list(found))

    def _csv(self) -> Iterator[Any]:
        default = "\t" if plain_suffix(self.path) == ".tsv" else ","
        header = csv_table.read_header(self.path, self._theirs.values(), default)
        first = 1
        for batch in csv_table.batches(self.path, header, self._found(header.names)):
            yield csv_table.with_numbers(batch, self.path.name, first)
            first += batch.num_rows

    def _found(self, names: list[str]) -> dict[str, str]:
        found = naming.find(self.path.name, names, self._theirs, self._wanted)
        self.whole_documents = "block" not in found
        return found

    def _require_type(self, ours: str, theirs: str, kind: Any) -> None:
        from pyarrow import types

        if types.is_dictionary(kind):
            kind = kind.value_type
        is_text = any(
            fits(kind) for fits in (types.is_string, types.is_large_string, types.is_string_view)
        )
        fits = types.is_integer(kind)
        if ours == "activation":
            fits = fits or types.is_floating(kind) or types.is_decimal(kind)
        elif ours in ("document", "subset"):
            fits = fits or is_text or (ours == "subset" and types.is_null(kind))
        if not fits:
            raise errors.BadTable(
                f"The column {theirs!r} of {self.path.name} holds {kind}.",
                available=f"The column {ours} takes {_KINDS[ours]}.",
                hint=f"Convert it, or name another column: --column {ours}=COLUMN. (Integers with "
                "gaps become double in pandas: fill or drop the gaps, then astype('int64').)",
            )

    def _understood(self, batch: Any, first: int, is_csv: bool) -> Rows:
        columns = {
            ours: column if ours in ("document", "subset") else _plain(column)
            for ours, column in zip(batch.schema.names, batch.columns, strict=True)
        }
        for ours in columns.keys() - {"subset"}:
            if columns[ours].null_count:
                i = int(columns[ours].is_null().to_numpy(zero_copy_only=False).argmax())
                raise errors.BadTable(
                    f"{self.path.name}, row {first + i:,}: its {ours} is missing (null).",
                    hint="Fill it in, or leave the row out.",
                )
        rows = Rows(
            self.path.name,
            first,
            self._numbered(columns["document"], is_csv),
            _integers(columns["block"]) if "block" in columns else np.zeros(len(batch), np.int64),
            _integers(columns["feature"]),
            _reals(columns["activation"]),
        )
        if "subset" in columns:
            self._note_subsets(rows, columns["subset"])
        return rows

    def _numbered(self, column: Any, is_csv: bool) -> Int:
        """Give each document its number, by first appearance."""
        codes, names = _coded(column)
        numbers = []
        for name in map(_number_or_name, names) if is_csv else names:
            if isinstance(name, str):
                texts.require_storable(name, f"A document of {self.path.name}")
            numbers.append(self._numbers.setdefault(name, len(self._numbers)))
        return np.array(numbers, np.int64)[codes]

    def _note_subsets(self, rows: Rows, column: Any) -> None:
        codes, names = _coded(column)
        pairs, firsts = np.unique(rows.document * len(names) + codes, return_index=True)
        for pair, i in zip(pairs.tolist(), firsts.tolist(), strict=True):
            document, code = divmod(pair, len(names))
            subset = None if names[code] is None else str(names[code])
            if subset is not None:
                texts.require_name(subset, f"A subset of {self.path.name}")
            known = self._subsets.setdefault(document, subset)
            if known != subset:
                rows.refuse(
                    i,
                    f"its document is of subset {subset!r}; an earlier row says {known!r}.",
                    hint="One document has one subset: correct the column, or name the documents "
                    "apart.",
                )


def plain_suffix(path: Path) -> str:
    """Return the suffix below any compression, in lower case: ``.csv`` for ``a.csv.gz``.

    Parameters
    ----------
    path : Path

    Returns
    -------
    str
    """
    compressed = path.suffix.lower() in COMPRESSIONS
    return Path(path.stem if compressed else path.name).suffix.lower()


def _plain(column: Any) -> Any:
    """Undo a dictionary encoding."""
    from pyarrow import types

    return column.dictionary_decode() if types.is_dictionary(column.type) else column


def _coded(column: Any) -> tuple[Int, list[Any]]:
    """Return each value's number, by first appearance, and the values."""
    import pyarrow as pa
    from pyarrow import types

    if types.is_string_view(column.type):
        column = column.cast(pa.string())
    # order and unused values of a dictionary mean nothing; its texts may be long: each once
    is_coded = types.is_dictionary(column.type)
    numbers = column.indices if is_coded else column
    encoded = numbers.dictionary_encode(null_encoding="encode")
    names = column.dictionary.take(encoded.dictionary) if is_coded else encoded.dictionary
    return encoded.indices.to_numpy(zero_copy_only=False), names.to_pylist()


def _integers(column: Any) -> Int:
    import pyarrow as pa

    integers: Int = column.cast(pa.int64()).to_numpy(zero_copy_only=False)
    return integers


def _reals(column: Any) -> Float:
    """Return numbers; halves as they are, which the message about infinity needs."""
    import pyarrow as pa
    from pyarrow import types

    plain = column.cast(pa.float64()) if types.is_decimal(column.type) else column
    reals: Float = plain.to_numpy(zero_copy_only=False)
    return reals


def _number_or_name(text: str) -> int | str:
    """Read what CSV knows only as text: 17 is a number, 017 and a17 are names."""
    number = numerals.whole(text)
    return text if number is None or str(number) != text else number
