"""Parquet and CSV, as Arrow reads them."""

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

from saeatlas import errors
from saeatlas.ingest.formats import files
from saeatlas.ingest.formats.files import FETCH
from saeatlas.messages import first_lines

_BUFFER = 1 << 20  # bytes of each column read ahead
_LONGEST_FOOTER = 1 << 26
_MEMORY = 1 << 26  # bytes of the rows that are read at once
_FEWEST_ROWS = 4  # fewer take too long

_FREE = 1 << 28
"""Bytes that the texts of a part of a column may unfold to whatever their size in the file."""

_RATIO = 50
"""How many times that size they may unfold to if they are more."""


@contextmanager
def open_parquet(path: Path, *, coded: bool = False) -> Iterator[Any]:
    """Open a Parquet file.

    Parameters
    ----------
    path : Path
    coded : bool, default=False
        Whether texts are read as dictionaries: each of them once, and its number a row.

    Yields
    ------
    pyarrow.parquet.ParquetFile
        Read it inside `arrow_understood`. Its parts have as many rows as the file says in all.

    Raises
    ------
    BadFile
        It is no whole Parquet file, or its texts would fill the memory.
    """
    from pyarrow import parquet

    size = files.require_file(path)
    try:
        # by default all of a row group, often the whole file, is read before its first row
        open_file = partial(
            parquet.ParquetFile, path, pre_buffer=False, buffer_size=_BUFFER,
            page_checksum_verification=True, thrift_string_size_limit=_LONGEST_FOOTER,
            thrift_container_size_limit=_LONGEST_FOOTER,
        )  # fmt: skip
        opened = open_file()
        if coded:
            said = opened.schema
            texts = [column.path for column in map(said.column, range(len(said)))]
            opened.close()
            opened = open_file(metadata=opened.metadata, read_dictionary=texts)
    except _arrow_errors() as error:
        raise errors.BadFile(
            f"{path.name} is not a whole Parquet file.",
            available=f"{path} has {size:,} bytes; reading it fails: {first_lines(error)}",
            hint="Fetch or write the file again.",
        ) from error
    with opened as file:
        with arrow_understood(path):
            _require_rows(path, file.metadata)
            _require_memory(path, file.metadata)
        yield file


@contextmanager
def arrow_understood(path: Path) -> Iterator[None]:
    """Say in our words what Arrow says of a file.

    Parameters
    ----------
    path : Path

    Raises
    ------
    BadFile
    """
    try:
        yield
    except errors.AtlasError:
        raise
    except PermissionError as error:
        raise files.denied(path, error) from error
    except _arrow_errors() as error:
        raise errors.BadFile(
            f"{path.name} is damaged, or holds a value that cannot be read.",
            available=f"Reading it says: {first_lines(error).rstrip('.')}.",
            hint="Columns of numbers take numbers only, in quotes or not. If the file was cut "
            "off, fetch or write it again.",
        ) from error


def rows_at_a_time(
    file: Any, group: int, most: int, columns: Collection[str] | None = None, *, coded: bool = False
) -> int:
    """Say how many rows of a part of a file are read at once, so that they take little memory.

    Parameters
    ----------
    file : pyarrow.parquet.ParquetFile
    group : int
        Number of the row group.
    most : int
    columns : collection of str, optional
        Those that are read. Default: all.
    coded : bool, default=False
        As for `open_parquet`. Otherwise each row may have the longest text, which stands in the
        file once.

    Returns
    -------
    int
    """
    said = file.metadata.row_group(group)
    a_row = 0.0
    for chunk in map(said.column, range(said.num_columns)):
        if columns is None or chunk.path_in_schema.partition(".")[0] in columns:
            is_text = chunk.physical_type == "BYTE_ARRAY" and not coded
            a_row += chunk.total_uncompressed_size / (1 if is_text else max(1, said.num_rows))
    return min(most, max(_FEWEST_ROWS, int(_MEMORY / max(1.0, a_row))))


def _arrow_errors() -> tuple[type[Exception], ...]:
    import pyarrow as pa

    # ValueError and OverflowError: text that is no UTF-8, dates outside Python's
    return pa.ArrowException, OSError, ValueError, OverflowError, MemoryError


def _require_rows(path: Path, metadata: Any) -> None:
    """Compare the numbers of rows that the parts of a file are said to have."""
    groups = [metadata.row_group(i) for i in range(metadata.num_row_groups)]
    fits = sum(group.num_rows for group in groups) == metadata.num_rows
    for group in groups:
        for i in range(group.num_columns):
            column = group.column(i)
            is_list = "." in column.path_in_schema
            fits = fits and (is_list or column.num_values == group.num_rows)
    if not fits:
        raise errors.BadFile(
            f"{path.name} is damaged: its parts have other numbers of rows than it says.",
            hint=FETCH,
        )


def _require_memory(path: Path, metadata: Any) -> None:
    """Refuse texts that unfold to very much more than they take in the file."""
    for group in map(metadata.row_group, range(metadata.num_row_groups)):
        for chunk in map(group.column, range(group.num_columns)):
            size, packed = chunk.total_uncompressed_size, chunk.total_compressed_size
            if chunk.physical_type == "BYTE_ARRAY" and size > max(_FREE, _RATIO * packed):
                raise errors.BadFile(
                    f"The column {chunk.path_in_schema} of {path.name} would unfold from "
                    f"{packed:,} to {size:,} bytes.",
                    available="That could fill the memory.",
                    hint="If it is right, write the file uncompressed, or in smaller row groups.",
                )
