"""How strongly two features co-occur: five measures computed from counts of blocks."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from saeatlas.analyses.arrays import Bool, Float32, Float64
from saeatlas.schema import measures, tables

F = TypeVar("F", Float32, Float64)
"""Arrays of one precision or the other."""

_ROWS = 128
"""Rows of a matrix that are computed at once."""

SAME = 1e-6
"""Values that differ by less, relative to the largest, are the same."""


MEASURES = {name: measures.FORMULAS[name] for name in tables.AFFINITIES}
"""Affinities of lobes, by the names of the SQL functions. Undefined is NaN."""


class Operator(ABC):
    """A symmetric matrix that vectors are multiplied with; zero on its diagonal."""

    top: float
    """The largest value it can have: top less a value is a distance."""

    @abstractmethod
    def __len__(self) -> int:
        """Return the number of its rows."""

    @abstractmethod
    def dot(self, vectors: F) -> F:
        """Multiply it with vectors, in their precision.

        Parameters
        ----------
        vectors : ndarray of shape (n, m), float32 or float64

        Returns
        -------
        ndarray of shape (n, m)
        """

    @abstractmethod
    def survey(self) -> tuple[Float64, bool]:
        """Sum the rows, and check whether its values differ.

        Returns
        -------
        (degrees, varied)
            Sums of rows, float64 of shape (n,); whether values off the diagonal differ by more
            than `SAME`, relative to the largest.
        """


class ByRows(Operator):
    """A symmetric matrix that is computed row by row, when it is needed; zero on its diagonal."""

    @abstractmethod
    def rows(self) -> Iterator[tuple[slice, Float32]]:
        """Compute it, some rows at a time.

        Yields
        ------
        (slice, ndarray of shape (n_rows, n), float32)
        """

    def dot(self, vectors: F) -> F:
        """Multiply it with vectors, a few rows at a time."""
        product = np.empty_like(vectors)
        for part, rows in self.rows():
            product[part] = rows.astype(vectors.dtype, copy=False) @ vectors
        return product

    def survey(self) -> tuple[Float64, bool]:
        """Sum the rows, and check whether its values differ."""
        degrees, low, high = describe(self)
        return degrees, high - low > SAME * abs(high)


@dataclass(frozen=True)
class Affinity(ByRows):
    """An affinity of features as a matrix that is computed row by row, when it is needed.

    It is not negative, so phi is increased by 1, as published; it is zero on the diagonal, since
    the affinity of a feature with itself carries no information.

    Parameters
    ----------
    measure : str
        Key of `MEASURES`.
    n_blocks : int
    n_both : ndarray of shape (n, n), int
        Blocks with both; the diagonal holds the blocks of each.
    undefined : float or None
        Value in place of an undefined affinity; None if there is none.
    """

    measure: str
    n_blocks: int
    n_both: npt.NDArray[np.integer]
    undefined: float | None = None

    def __len__(self) -> int:
        return len(self.n_both)

    def take(self, which: Bool) -> "Affinity":
        """Return the affinity of some of the features.

        Parameters
        ----------
        which : ndarray of shape (n,), bool

        Returns
        -------
        Affinity
        """
        return replace(self, n_both=self.n_both[np.ix_(which, which)])

    @property
    def top(self) -> float:  # type: ignore[override]
        """The largest value: 1, and 2 for phi plus 1."""
        return 2.0 if self.measure == "phi" else 1.0

    def rows(self) -> Iterator[tuple[slice, Float32]]:
        """Compute it from counts, in float64, some rows at a time."""
        measure, n = MEASURES[self.measure], self.n_both.diagonal().astype(float)
        for first in range(0, len(n), _ROWS):
            part = slice(first, min(first + _ROWS, len(n)))
            with np.errstate(invalid="ignore", divide="ignore"):
                values = measure(self.n_blocks, n[part, None], n, self.n_both[part].astype(float))
            if self.undefined is not None:
                np.nan_to_num(values, copy=False, nan=self.undefined)
            if self.measure == "phi":
                values += 1
            values[np.arange(len(values)), np.arange(part.start, part.stop)] = 0
            yield part, values.astype(np.float32)


@dataclass(frozen=True)
class Angular(ByRows):
    """The affinity of decoder vectors: 1 - angle / pi, zero on the diagonal; in [0, 1].

    Parameters
    ----------
    vectors : ndarray of shape (n, d), float32
        Unit vectors.
    """

    vectors: Float32
    top = 1.0

    def __len__(self) -> int:
        return len(self.vectors)

    def rows(self) -> Iterator[tuple[slice, Float32]]:
        """Compute it from cosines, some rows at a time."""
        for first in range(0, len(self), _ROWS):
            part = slice(first, min(first + _ROWS, len(self)))
            cosines = self.vectors[part] @ self.vectors.T
            values = 1 - np.arccos(np.clip(cosines, -1, 1)) / np.float32(np.pi)
            values[np.arange(len(values)), np.arange(part.start, part.stop)] = 0
            yield part, values


def describe(affinity: ByRows) -> tuple[Float64, float, float]:
    """Sum the rows and find the range of an affinity.

    Parameters
    ----------
    affinity : ByRows

    Returns
    -------
    (degrees, low, high)
        Sums of rows, float64 of shape (n,); smallest and largest value off the diagonal.
    """
    degrees, low, high = np.empty(len(affinity)), np.inf, -np.inf
    for part, rows in affinity.rows():
        degrees[part] = rows.sum(axis=1, dtype=np.float64)
        high = max(high, float(rows.max()))
        rows[np.arange(len(rows)), np.arange(part.start, part.stop)] = np.inf
        low = min(low, float(rows.min()))
    return degrees, low, high
