"""Which row is of which feature, and which columns are wanted."""

import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, NoReturn

import sqlalchemy as sa

from saeatlas import errors
from saeatlas.ingest.formats import texts
from saeatlas.ingest.published.columns import Columns

FEATURE = "feature"
ATTRIBUTE = "attribute."
"""What the names of attributes begin with in our own exports."""

_READ = "Only whole numbers, numbers, texts, true and false are read."

_WHOLE = re.compile(r"-?(?:0|[1-9][0-9]{0,17})")

CONTEXT = frozenset((
    "release", "sae_id", "layer", "site", "sae", "run", "lobe_run", "analysis", "method", "source",
    "affinity", "k", "clustering", "name", "decoder_norm", "threshold", "n_active", "n_blocks",
    "density", "label", "label_source", "label_score", "neuronpedia_url",
))  # fmt: skip
"""Columns of our own exports and views that say what the catalog knows anyhow."""

_LIKE_FEATURE = re.compile(
    r"|unnamed.*|__index_level_0__|i|id|(.*[_ ])?(idx|index|features?|latents?|neurons?|units?)"
    r"([_ ]?(id|idx|index|no|number|num|i))?",
    re.IGNORECASE,
)
"""Names of columns that probably hold features."""


@dataclass(frozen=True)
class FeatureColumns:
    """Columns with the feature of each row.

    Parameters
    ----------
    file : str
    features : list of int
        Feature of each row.
    values : dict of str to list
        The wanted columns, by the name they get.
    typed : bool
        As `Columns.typed`.
    named : bool
        Whether the user named the columns.
    left_out : dict of str to str
        As `Columns.left_out`.
    context : dict of str to list
        Of a file of our own: its columns of `CONTEXT`.
    """

    file: str
    features: list[int]
    values: dict[str, list[Any]]
    typed: bool
    named: bool
    left_out: dict[str, str] = field(default_factory=dict)
    context: dict[str, list[Any]] = field(default_factory=dict)

    @property
    def left_out_note(self) -> str:
        """A sentence about columns that were not read, with a blank before it; else empty."""
        if self.named or not self.left_out:
            return ""
        return f" Not read: {_shown(self.left_out)}."

    def refuse(self, row: int, wrong: str, hint: str | None = None) -> NoReturn:
        """Raise what is wrong with the value of a feature."""
        raise errors.BadFile(f"{self.file}, feature {self.features[row]}: {wrong}", hint=hint)


def choose(columns: Columns, sae: sa.Row[Any], wanted: Mapping[str, str]) -> FeatureColumns:
    """Find the column of features, check it, and keep the wanted columns.

    Parameters
    ----------
    columns : Columns
    sae : sqlalchemy.Row
        Of ``sae``.
    wanted : mapping of str to str
        The file's column by the name it gets; ``feature`` names that of the features. Without
        others: all columns, of our own exports those that the catalog does not know.

    Returns
    -------
    FeatureColumns

    Raises
    ------
    BadFile
        A column is missing, or a feature is none of the SAE.
    """
    theirs = wanted.get(FEATURE, FEATURE)
    named = {name: column for name, column in wanted.items() if name != FEATURE}
    for column in [*named.values(), *([theirs] if FEATURE in wanted else [])]:
        _require(columns, column)
    _require_own(columns, sae)
    if theirs in columns.left_out:
        _require(columns, theirs)
    if theirs in columns.values:
        features = _features(columns, theirs, sae.d_sae)
    else:
        features = _by_place(columns, sae.d_sae)
    ours = {"release", "layer"} <= columns.values.keys()
    context = {name: columns.values[name] for name in CONTEXT & columns.values.keys() if ours}
    by_user = bool(named)
    if not by_user:
        skipped = {theirs, *context}
        named = {name: name for name in columns.values if name not in skipped}
    if not named:
        raise errors.BadFile(
            f"{columns.file} has a column of features and no other that is read.",
            available=f"Not read: {_shown(columns.left_out)}." if columns.left_out else None,
            hint=f"Give it a column of values. {_READ}",
        )
    values = {name: columns.values[column] for name, column in named.items()}
    return FeatureColumns(
        columns.file, features, values, columns.typed, by_user, columns.left_out, context
    )


def require_once(chosen: FeatureColumns, rows: Sequence[int] | None = None) -> None:
    """Refuse a feature that has several rows.

    Parameters
    ----------
    chosen : FeatureColumns
    rows : sequence of int, optional
        Only these. Default: all.

    Raises
    ------
    BadFile
    """
    seen: set[int] = set()
    for row in range(len(chosen.features)) if rows is None else rows:
        feature = chosen.features[row]
        if feature in seen:
            chosen.refuse(row, "it has several rows.", hint="Give each feature one row.")
        seen.add(feature)


def require_name(chosen: FeatureColumns, name: str, what: str) -> None:
    """Refuse a name that cannot be stored, or shows nothing.

    Parameters
    ----------
    chosen : FeatureColumns
    name : str
        What a column of the file shall be called.
    what : str
        As for `texts.require_name`.

    Raises
    ------
    BadFile
    """
    if not any(character.isprintable() and not character.isspace() for character in name):
        raise errors.BadFile(
            f"{chosen.file} has a column without a name.",
            hint="Name the columns to take: --column NAME=COLUMN. (pandas writes its index so; "
            "index=False leaves it out.)",
        )
    texts.require_name(name, what)


def whole(value: Any) -> int | None:
    """Read a whole number as files write it: 17, 17.0 or "17".

    Parameters
    ----------
    value : object

    Returns
    -------
    int or None
        None if it is none.
    """
    if isinstance(value, bool):
        return None
    if isinstance(value, float) and value.is_integer() and abs(value) < 2**53:
        return int(value)
    if isinstance(value, str):
        text = value.strip().removesuffix(".0")
        return int(text) if _WHOLE.fullmatch(text) else None
    return value if isinstance(value, int) else None


def is_missing(value: Any) -> bool:
    """Tell whether a value is none: null, NaN or an empty text."""
    return value is None or value == "" or (isinstance(value, float) and math.isnan(value))


def _shown(left_out: Mapping[str, str]) -> str:
    """Name columns that are not read, with their types."""
    first = [f"{name!r} ({kind:.60})" for name, kind in left_out.items()][:8]
    return ", ".join(first) + (" ..." if len(left_out) > len(first) else "")


def _require(columns: Columns, name: str) -> None:
    if name in columns.left_out:
        raise errors.BadFile(
            f"The column {name!r} of {columns.file} holds {columns.left_out[name]:.80}.",
            hint=_READ,
        )
    if name not in columns.values:
        raise errors.BadFile(
            f"{columns.file} has no column {name!r}.",
            available=errors.nearest(name, columns.names or columns.values),
            hint="Name one of them: --column NAME=COLUMN.",
        )


def _features(columns: Columns, name: str, d_sae: int) -> list[int]:
    features = []
    for row, value in enumerate(columns.values[name], 1):
        feature = whole(value)
        if feature is None:
            raise errors.BadFile(
                f"{columns.file}, row {row:,}: {value!r:.60} is not a feature.",
                hint="Features are whole numbers, counted from 0; --column feature=COLUMN names "
                "their column.",
            )
        if not 0 <= feature < d_sae:
            raise errors.BadFile(
                f"{columns.file}, row {row:,}: there is no feature {feature}.",
                available=f"The SAE has features 0 to {d_sae - 1:,}.",
                hint="Name the SAE that these features are of: --sae; features count from 0.",
            )
        features.append(feature)
    return features


def _by_place(columns: Columns, d_sae: int) -> list[int]:
    """Take a row's place for its feature, where nothing else can be meant."""
    alike = [name for name in columns.values if _LIKE_FEATURE.fullmatch(name)]
    if not (alike or columns.in_order):  # numbers that differ from row to row name something
        alike = [name for name, values in columns.values.items() if _are_ids(values)]
    if columns.n_rows == d_sae and (columns.in_order or not alike):
        return list(range(d_sae))
    guess = alike[0] if alike else "COLUMN"
    near = f"{alike[0]!r} may have them" if alike else f"it has {columns.n_rows:,} rows"
    raise errors.BadFile(
        f"{columns.file} has no column 'feature', and {near}.",
        available=f"Without one there must be a row for each of the {d_sae:,} features, in their "
        f"order. Columns: {', '.join(map(repr, columns.names or columns.values))}.",
        hint=f"Say which column has the features: --column feature={guess}",
    )


def _are_ids(values: list[Any]) -> bool:
    numbers = [whole(value) for value in values]
    return len(numbers) > 2 and None not in numbers and len(set(numbers)) == len(numbers)


def _require_own(columns: Columns, sae: sa.Row[Any]) -> None:
    """Refuse rows of our own exports that are of another SAE."""
    ours = {"release": sae.release, "sae_id": sae.sae_id, "layer": sae.layer}
    if not {"release", "layer"} <= columns.values.keys():
        return
    for name, own in ours.items():
        for row, value in enumerate(columns.values.get(name, ()), 1):
            same = whole(value) == own if name == "layer" else value == own
            if not same:
                raise errors.BadFile(
                    f"{columns.file}, row {row:,}: its {name} is {value!r:.60}.",
                    available=f"That of SAE {sae.id} is {own!r}.",
                    hint="Export one SAE, or name the one these rows are of: --sae.",
                )
