"""Affinities of the pairs that a run counted, made tile by tile."""

from collections.abc import Iterator
from typing import TypeAlias

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from saeatlas.schema import measures
from saeatlas.schema.rows import pair_counts

Features: TypeAlias = npt.NDArray[np.int64]


def affinity_parts(
    connection: sa.Connection, run: int, measure: str
) -> Iterator[tuple[Features, Features, npt.NDArray[np.float64]]]:
    """Make an affinity part by part, for what needs not all of it at once.

    Parameters
    ----------
    connection : sqlalchemy.Connection
    run : int
        ``run.id`` of a count of co-occurrence.
    measure : str
        One of `measures.FORMULAS`.

    Yields
    ------
    (these, those, values)
        Features of the rows and of the columns, and the affinities, float64. A pair comes once, in
        either order; but where these are those, it comes in both.

    Raises
    ------
    UnknownName
        There is no such count or measure.
    """
    formula = measures.formula(measure)
    n_blocks = pair_counts.count_blocks(connection, run)
    counted, places = pair_counts.read_features(connection, run)
    n = counted.astype(float)
    for these, those, counts in pair_counts.read_parts(connection, run, places):
        with np.errstate(invalid="ignore", divide="ignore"):
            values = formula(n_blocks, n[these, None], n[those], counts.astype(float))
        yield these, those, values


def read_affinity(
    connection: sa.Connection, run: int, measure: str
) -> tuple[Features, npt.NDArray[np.float32]]:
    """Make an affinity as one matrix.

    Parameters
    ----------
    connection : sqlalchemy.Connection
    run : int
        ``run.id`` of a count of co-occurrence.
    measure : str
        One of `measures.FORMULAS`.

    Returns
    -------
    features : ndarray of shape (n_live,), int64
        Features whose pairs were counted, ascending.
    values : ndarray of shape (n_live, n_live), float32

    Raises
    ------
    UnknownName
        There is no such count or measure.
    """
    features = np.flatnonzero(pair_counts.read_features(connection, run)[1] >= 0)
    values = np.full((len(features), len(features)), np.nan, np.float32)
    pair_counts.fill_matrix(values, features, affinity_parts(connection, run, measure))
    return features, values
