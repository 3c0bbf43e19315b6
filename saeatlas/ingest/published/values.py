"""Values of features: numbers and texts, checked."""

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from saeatlas.ingest.formats import numerals
from saeatlas.ingest.published import features
from saeatlas.ingest.published.features import FeatureColumns

_EXACT = 2**53


def number(value: Any) -> float | None:
    """Read a finite number as files write it: 0.5, "0.5", true.

    Parameters
    ----------
    value : object

    Returns
    -------
    float or None
        None if it is none, or a whole number that is not stored exactly.
    """
    if isinstance(value, str):
        try:
            real = numerals.real(value)
            value = int(value) if value.lstrip("+-").isdigit() else real
        except ValueError:
            return None
    if isinstance(value, int) and abs(value) > _EXACT:
        return None
    found = float(value)
    return found if math.isfinite(found) else None


def without_nan(given: Sequence[tuple[int, Any]]) -> list[tuple[int, Any]]:
    """Leave out the rows in which ``nan`` is written, as numbers that are missing.

    Parameters
    ----------
    given : sequence of (int, object)
        Row and value.

    Returns
    -------
    list of (int, object)
    """
    return [one for one in given if not (isinstance(one[1], str) and one[1].lower() == "nan")]


def coordinates(chosen: FeatureColumns, axis: str, column: list[Any]) -> list[float]:
    """Read the coordinates along an axis.

    Parameters
    ----------
    chosen : FeatureColumns
    axis : str
    column : list
        A value a row.

    Returns
    -------
    list of float

    Raises
    ------
    BadFile
        One is missing, is no number, or beyond single precision.
    """
    found = []
    for row, value in enumerate(column):
        if features.is_missing(value):
            chosen.refuse(row, f"its {axis} is missing.", "Leave out features without a place.")
        read = number(value)
        if read is None or not abs(read) <= float(np.finfo(np.float32).max):
            chosen.refuse(row, f"its {axis} is {value!r:.60}, not a finite number.",
                          "Coordinates are numbers up to 3.4e38.")  # fmt: skip
        found.append(read)
    return found
