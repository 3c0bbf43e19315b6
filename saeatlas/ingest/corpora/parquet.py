"""Read Parquet files, some rows at a time."""

from collections.abc import Iterator
from typing import Any

from saeatlas import errors
from saeatlas.ingest.corpora import document
from saeatlas.ingest.corpora.places import Place, Row, label
from saeatlas.ingest.formats import arrow, lines

_ROWS_AT_A_TIME = 256  # documents may be books: memory stays small


def parquet_rows(place: Place, start: int) -> Iterator[Row]:
    """Yield the rows of some Parquet files.

    Parameters
    ----------
    place : Place
        The files, in order.
    start : int
        How many rows to pass over; files and row groups that hold only such are not read.

    Yields
    ------
    origin : str
        ``file:row``.
    row : dict or BadDocument
        All columns of the row, or what is wrong with it.

    Raises
    ------
    BadCorpus
        A file cannot be opened or is damaged.
    """
    n_to_skip = start
    for path in place.files:
        name = label(path, place.root)
        with errors.raised_as(errors.BadCorpus), arrow.open_parquet(path) as file:
            first = n_to_skip
            n_to_skip = max(0, first - file.metadata.num_rows)
            if not n_to_skip:
                with arrow.arrow_understood(path):
                    yield from _file_rows(file, name, first)


def _file_rows(file: Any, name: str, first: int) -> Iterator[Row]:
    n_before = 0
    for group in range(file.num_row_groups):
        n_rows = file.metadata.row_group(group).num_rows
        if n_before + n_rows > first:
            number = n_before
            n_at_a_time = arrow.rows_at_a_time(file, group, _ROWS_AT_A_TIME)
            for batch in file.iter_batches(n_at_a_time, row_groups=[group]):
                for i in range(min(max(0, first - number), batch.num_rows), batch.num_rows):
                    yield _row(batch.slice(i, 1), f"{name}:{number + i + 1}")
                number += batch.num_rows
        n_before += n_rows


def _row(batch: Any, origin: str) -> Row:
    if batch.nbytes > lines.LONGEST:
        return origin, errors.BadDocument(
            f"{origin}: this row has more than {lines.LONGEST:,} bytes.", hint=document.ROW_HINT
        )
    try:
        return origin, batch.to_pylist()[0]
    except UnicodeDecodeError as error:
        return origin, errors.BadDocument(
            f"{origin}: byte {error.start + 1} of a string in this row is not UTF-8.",
            available=f"The bytes there: {error.object[error.start : error.start + 8].hex(' ')}.",
            hint=document.ROW_HINT,
        )
    except (ValueError, OverflowError) as error:  # a date before year 1, for example
        return origin, errors.BadDocument(
            f"{origin}: this row holds a value that cannot be read: {error}.",
            hint=document.ROW_HINT,
        )
