"""Tables in CSV: every field is read as text, and numbers are checked before they are taken."""

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from saeatlas import errors
from saeatlas.ingest.formats import csv_header, lines

BYTES_AT_A_TIME = 1 << 20
_LONGEST_HEADER = 1 << 20

# Arrow's own readers of numbers also take 0x10
_INTEGER = r"^[ \t]*-?[0-9]{1,18}[ \t]*$"
_REAL = r"(?i)^[ \t]*-?(([0-9]+\.?[0-9]*|\.[0-9]+)(e[+-]?[0-9]+)?|nan|inf|infinity)[ \t]*$"
_FORMS = {
    "block": (_INTEGER, "a whole number"),
    "feature": (_INTEGER, "a whole number"),
    "activation": (_REAL, "a number"),
}


@dataclass(frozen=True)
class Header:
    """The first line of a table.

    Parameters
    ----------
    separator : str
    names : list of str
        Of the columns, without blanks around them.
    spaced : bool
        Whether a blank follows the separators: then it does in the rows too, and means nothing.
    """

    separator: str
    names: list[str]
    spaced: bool


def read_header(path: Path, wanted: Collection[str], default: str) -> Header:
    """Read the first line.

    Parameters
    ----------
    path : Path
        Plain or compressed.
    wanted : collection of str
        Names of columns that the reader knows.
    default : str
        The separator, unless the header uses another.

    Returns
    -------
    Header

    Raises
    ------
    BadFile
        It cannot be read.
    """
    with lines.text_lines(path, _LONGEST_HEADER) as text:
        first = next(text, "")
    separator, names = csv_header.read_header(path.name, first, wanted, default)
    return Header(separator, names, f"{separator} " in first)


def batches(path: Path, header: Header, found: Mapping[str, str]) -> Iterator[Any]:
    """Yield the columns that are wanted as texts, some rows at a time.

    Parameters
    ----------
    path : Path
        Plain or compressed.
    header : Header
    found : mapping of str to str
        The file's name for each of our columns.

    Yields
    ------
    pyarrow.RecordBatch
        With our names; an empty field is null.
    """
    import pyarrow as pa
    from pyarrow import csv

    convert = csv.ConvertOptions(
        include_columns=list(dict.fromkeys(found.values())),
        column_types={theirs: pa.string() for theirs in found.values()},
        null_values=[""],
        strings_can_be_null=True,
    )
    # with threads its errors do not say which row they are about
    read = csv.ReadOptions(
        use_threads=False, block_size=BYTES_AT_A_TIME, column_names=header.names, skip_rows=1
    )
    parse = csv.ParseOptions(delimiter=header.separator, newlines_in_values=True)
    with csv.open_csv(path, read, parse, convert) as reader:
        for batch in reader:
            columns = [batch.column(theirs) for theirs in found.values()]
            if header.spaced:
                columns = [_without_blanks(path, column) for column in columns]
            yield pa.RecordBatch.from_arrays(columns, list(found))


def _without_blanks(path: Path, column: Any) -> Any:
    import pyarrow as pa
    from pyarrow import compute

    trimmed = compute.ascii_trim(column, " ")
    if compute.any(compute.starts_with(trimmed, '"')).as_py():
        raise errors.BadTable(
            f"{path.name} has quotation marks after blanks, where they are part of the text.",
            hint="Write it without blanks after the separators.",
        )
    return compute.if_else(compute.equal(trimmed, ""), pa.scalar(None, pa.string()), trimmed)


def with_numbers(batch: Any, file: str, first: int) -> Any:
    """Turn the columns of numbers from texts into numbers.

    Parameters
    ----------
    batch : pyarrow.RecordBatch
        As `batches` yields it.
    file : str
        Name of the file, for messages.
    first : int
        Number of the first row in the file, from 1.

    Returns
    -------
    pyarrow.RecordBatch

    Raises
    ------
    BadTable
        A field is no number.
    """
    import pyarrow as pa
    from pyarrow import compute

    columns = dict(zip(batch.schema.names, batch.columns, strict=True))
    for name in columns.keys() & _FORMS.keys():
        form, kind = _FORMS[name]
        texts = columns[name]
        bad = compute.index(compute.match_substring_regex(texts, form), False).as_py()
        if bad >= 0:
            raise errors.BadTable(
                f"{file}, row {first + bad:,}: its {name} is {texts[bad].as_py()!r:.60}, not "
                f"{kind}.",
                hint="Columns of numbers take digits only, with a point before decimals.",
            )
        target = pa.float64() if form == _REAL else pa.int64()
        columns[name] = compute.cast(compute.ascii_trim(texts, " \t"), target)
    return pa.RecordBatch.from_arrays(list(columns.values()), list(columns))
