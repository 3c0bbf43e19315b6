"""Attributes of features that others published: numbers and texts."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from saeatlas import errors
from saeatlas.ingest.formats import numerals, texts
from saeatlas.ingest.published import features, job, values
from saeatlas.ingest.published.features import FeatureColumns
from saeatlas.progress import Report, silent
from saeatlas.schema.rows import attributes
from saeatlas.schema.rows.attributes import Attribute
from saeatlas.wording import counted

LONGEST = 1 << 16
"""Most bytes of a text."""


def ingest_attributes(
    engine: sa.Engine,
    path: Path,
    *,
    sae: str,
    columns: Mapping[str, str] | None = None,
    report: Report = silent,
) -> job.Published:
    """Ingest attributes: numbers and texts of features, a column each.

    Writes a row of ``run`` (analysis ``attributes``), of ``attribute`` for each column and of
    ``attribute_value`` for each value. The same again changes nothing.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    path : Path
        CSV, Parquet, JSON, .npy or .npz.
    sae : str
        Name or number of the SAE.
    columns : mapping of str to str, optional
        The file's column by attribute, ``feature`` that of the features. Default: all columns.
    report : callable, optional

    Returns
    -------
    Published

    Raises
    ------
    BadTable
        The file has impossible values.
    UnknownName
        No such SAE.

    Notes
    -----
    In CSV a column is of numbers if most of its values look like numbers; then all must be such as
    0.35 or 3e-4, and nan is no value. 0,35, 1_000 and 0x1F are refused.
    true and false are the numbers 1 and 0, but in CSV texts. Whole numbers above 2**53 cannot be
    stored exactly and are refused.
    """

    def read(row: sa.Row[Any]) -> job.Content:
        chosen = job.read_features(path, row, columns or {}, "values")
        features.require_once(chosen)
        made = [_attribute(chosen, name, column) for name, column in _wanted(chosen)]
        shown = ", ".join(f"{one.name} ({one.type}s)" for one in made)
        n = len(set().union(*(one.values for one in made)))
        return job.Content(
            params={"attributes": [one.name for one in made]},
            quality={"n_features": n},
            values=[[one.name, one.type, sorted(one.values.items())] for one in made],
            write=lambda connection, run: attributes.write(connection, run, made),
            summary=f"{shown}, of {counted(n, 'feature')}.{chosen.left_out_note}",
        )

    return job.ingest(engine, "attributes", path, sae, read, report)


def _wanted(chosen: FeatureColumns) -> Iterator[tuple[str, list[Any]]]:
    """Yield the columns: of our own exports those of attributes, unless they are named."""
    ours = bool(chosen.context) and not chosen.named
    found = False
    for name, column in chosen.values.items():
        if not ours or name.startswith(features.ATTRIBUTE):
            found = True
            yield name.removeprefix(features.ATTRIBUTE), column
    if not found:
        raise errors.BadFile(
            f"{chosen.file} was exported from a catalog, and has no attributes.",
            hint="Name the columns to take: --column NAME=COLUMN.",
        )


def _attribute(chosen: FeatureColumns, name: str, column: list[Any]) -> Attribute:
    features.require_name(chosen, name, "An attribute")
    given = [(row, value) for row, value in enumerate(column) if not features.is_missing(value)]
    written = given if chosen.typed else values.without_nan(given)
    if not written:
        raise errors.BadFile(
            f"The column {name!r} of {chosen.file} has no value.",
            hint="Name the columns to take: --column NAME=COLUMN.",
        )
    kinds = {type(value) for _, value in given}
    read = [(row, values.number(value)) for row, value in written]
    as_text = kinds == {str} and (chosen.typed or not _mostly_numbers(written))
    if as_text:
        found: dict[int, Any] = {
            chosen.features[row]: _text(chosen, row, name, value) for row, value in given
        }
        return Attribute(name, "text", found)
    mixed = {str, bool} & kinds and len(kinds) > 1
    for (row, value), (_, number) in zip(written, read, strict=True):
        if number is None or (mixed and isinstance(value, str | bool)):
            chosen.refuse(
                row,
                f"its {name} is {value!r:.60}, not a finite number.",
                "A column holds numbers or texts; leave out what is not known. A CSV column whose "
                "values mostly look like numbers holds numbers; they are written as 0.35 or 3e-4.",
            )
    return Attribute(name, "number", {chosen.features[row]: number for row, number in read})


def _mostly_numbers(written: Sequence[tuple[int, str]]) -> bool:
    return 2 * sum(numerals.is_like(value) for _, value in written) > len(written)


def _text(chosen: FeatureColumns, row: int, name: str, value: str) -> str:
    texts.require_storable(value, f"{name} of feature {chosen.features[row]}", "Correct it.")
    if len(value.encode()) > LONGEST:
        chosen.refuse(row, f"its {name} has more than {LONGEST:,} bytes.")
    return value
