"""Labels from CSV: feature, text and, if wanted, source, score, method, url."""

import csv
import math
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from saeatlas import errors
from saeatlas.ingest.corpora import places
from saeatlas.ingest.corpora.document import excerpt
from saeatlas.ingest.formats import csv_header, files, lines, numerals
from saeatlas.ingest.labels.source import Label, feature_number, one_sae, shortened

COLUMNS = ("feature", "text", "source", "score", "method", "url")


class LabelTable:
    """A CSV file of labels of one SAE.

    Parameters
    ----------
    path : Path
        CSV in UTF-8, plain or compressed as its name says, with a header; columns other than
        `COLUMNS` are passed over. Commas, semicolons or tabs may separate the fields. The source
        defaults to the file's name.

    Raises
    ------
    BadLabels
        There is no such file.
    """

    def __init__(self, path: Path) -> None:
        self.left: set[str] = set()
        self._path = path.expanduser()
        with errors.raised_as(errors.BadLabels):
            files.require_plain(self._path)
        if not self._path.is_file():
            raise errors.BadLabels(
                f"There is no file {path}.",
                available=places.near(str(path)),
                hint="Name a CSV file with the columns feature and text.",
            )

    def labels(self, saes: Sequence[sa.Row[Any]], *, named: bool) -> Iterator[Label]:
        """Yield its labels.

        Parameters
        ----------
        saes : sequence of sqlalchemy.Row
            The SAE.
        named : bool
            Whether the user named it.

        Yields
        ------
        Label

        Raises
        ------
        BadLabels
            Columns are missing, or a row is not of this form.
        UnknownName
            No SAE is named, or several are.
        """
        sae = one_sae(saes, named=named)
        try:
            with errors.raised_as(errors.BadLabels), lines.text_lines(self._path) as text:
                separator, names = csv_header.read_header(self._path.name, next(text, ""), COLUMNS)
                self._require_columns(names)
                reader = csv.DictReader(
                    text, names, delimiter=separator, strict=True, skipinitialspace=True
                )
                for row in reader:
                    yield self._label(row, f"{self._path.name}:{reader.line_num + 1}", sae)
        except csv.Error as error:
            raise errors.BadLabels(
                f"{self._path} cannot be read as CSV: {error}.",
                hint="Write it anew as UTF-8, texts with commas or line breaks in double quotes.",
            ) from error

    def _require_columns(self, found: Sequence[str]) -> None:
        for name in COLUMNS:
            if found.count(name) > 1:
                raise errors.BadLabels(
                    f"{self._path.name} has {found.count(name)} columns {name!r}.",
                    hint="Rename all but one of them.",
                )
        for name in COLUMNS[:2]:
            if name not in found:
                raise errors.BadLabels(
                    f"{self._path.name} has no column {name!r}.",
                    available=f"It has: {shortened(found) or 'none'}.",
                    hint=f"Name its columns {', '.join(COLUMNS)}, with commas, semicolons or tabs "
                    "between them; only the first two are needed.",
                )

    def _label(self, row: dict[str, Any], origin: str, sae: sa.Row[Any]) -> Label:
        # a row too short lacks values; one too long has the rest under None
        if None in row:
            raise errors.BadLabels(
                f"{origin}: this row has more fields than the header.",
                available=f"The first too many is {excerpt(row[None][0])}.",  # type: ignore[index]
                hint="Put texts that hold a comma in double quotes.",
            )
        said = {name: (row.get(name) or "").strip() for name in COLUMNS}
        feature = feature_number(said["feature"])
        if feature is None:
            raise errors.BadLabels(
                f"{origin}: {excerpt(said['feature'])} is not a feature.",
                hint="Features are whole numbers, counted from 0.",
            )
        return Label(
            origin, sae, feature, said["text"], said["source"] or self._path.name,
            said["method"], _score(said["score"], origin), said["url"],
        )  # fmt: skip


def _score(text: str, origin: str) -> float | None:
    if not text:
        return None
    try:
        score = numerals.real(text)
    except ValueError:
        score = math.nan
    if not math.isfinite(score):
        raise errors.BadLabels(
            f"{origin}: {excerpt(text)} is not a score.",
            hint="Scores are finite numbers; leave the field empty where there is none.",
        )
    return score
