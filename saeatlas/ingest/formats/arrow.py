"""Parquet and CSV, as Arrow reads them."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from saeatlas import errors
from saeatlas.ingest.formats import files
from saeatlas.ingest.formats.files import FETCH

_BUFFER = 1 << 20  # bytes of each column read ahead
_LONGEST_FOOTER = 1 << 26


@contextmanager
def open_parquet(path: Path) -> Iterator[Any]:
    """Open a Parquet file.

    Parameters
    ----------
    path : Path

    Yields
    ------
    pyarrow.parquet.ParquetFile
        Read it inside `arrow_understood`. Its parts have as many rows as the file says in all.

    Raises
    ------
    BadFile
        It is no whole Parquet file.
    """
    from pyarrow import parquet

    size = files.require_file(path)
    try:
        # by default all of a row group, often the whole file, is read before its first row
        opened = parquet.ParquetFile(
            path, pre_buffer=False, buffer_size=_BUFFER, page_checksum_verification=True,
            thrift_string_size_limit=_LONGEST_FOOTER, thrift_container_size_limit=_LONGEST_FOOTER,
        )  # fmt: skip
    except _arrow_errors() as error:
        raise errors.BadFile(
            f"{path.name} is not a whole Parquet file.",
            available=f"{path} has {size:,} bytes; reading it fails: {_first_line(error)}",
            hint="Fetch or write the file again.",
        ) from error
    with opened as file:
        with arrow_understood(path):
            _require_rows(path, file.metadata)
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
        raise errors.BadFile(
            f"{path} cannot be read: {error.strerror or error}.",
            hint="Give this user the right to read it (chmod u+r, chown), or name another.",
        ) from error
    except _arrow_errors() as error:
        raise errors.BadFile(
            f"{path.name} is damaged, or holds a value that cannot be read.",
            available=f"Reading it says: {_first_line(error).rstrip('.')}.",
            hint="Columns of numbers take numbers only, in quotes or not. If the file was cut "
            "off, fetch or write it again.",
        ) from error


def _arrow_errors() -> tuple[type[Exception], ...]:
    import pyarrow as pa

    # ValueError and OverflowError: text that is no UTF-8, dates outside Python's
    return pa.ArrowException, OSError, ValueError, OverflowError, MemoryError


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


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
