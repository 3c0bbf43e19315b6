"""Maps, features as points of a plane or of space: written to their table, read as arrays."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import distinct_on

from saeatlas.schema.database import statistics
from saeatlas.schema.database.copy import copy_rows, read_numbers
from saeatlas.schema.rows import runs
from saeatlas.schema.tables import AXES, coordinate, run


@dataclass(frozen=True)
class Map:
    """Features as points.

    Parameters
    ----------
    run : int
    method : str
        pca or tsne; of a published map, what its user says.
    source : {'decoder', 'encoder', 'published'}
    features : ndarray of shape (n,), int64
        Ascending.
    points : ndarray of shape (n, 2) or (n, 3), float32
    """

    run: int
    method: str
    source: str
    features: npt.NDArray[np.int64]
    points: npt.NDArray[np.float32]


def write(
    connection: sa.Connection,
    number: int,
    features: npt.NDArray[np.int64],
    points: npt.NDArray[np.float32],
) -> None:
    """Write the points, in the transaction that writes the run.

    Parameters
    ----------
    connection : sqlalchemy.Connection
    number : int
        ``run.id``.
    features : ndarray of shape (n,), int
    points : ndarray of shape (n, 2) or (n, 3), float32
    """
    rows = zip(features.tolist(), points.tolist(), strict=True)
    copy_rows(
        connection,
        coordinate,
        ["run", "feature", *AXES[: points.shape[1]]],
        ((number, feature, *point) for feature, point in rows),
    )
    statistics.refresh(connection, coordinate)


def read(connection: sa.Connection, number: int) -> Map:
    """Read a map.

    Parameters
    ----------
    connection : sqlalchemy.Connection
    number : int
        ``run.id``.

    Returns
    -------
    Map

    Raises
    ------
    UnknownName
        The run is no map.
    """
    params = runs.read(connection, number, "maps").params
    c = coordinate.c
    query = sa.select(c.feature, *(c[axis] for axis in AXES[: params["dimensions"]]))
    features, *axes = read_numbers(connection, query.where(c.run == number).order_by(c.feature))
    points = np.column_stack(axes)
    return Map(number, params["method"], params["source"], features.astype(np.int64), points)


def newest(connection: sa.Connection, sae: int) -> list[Map]:
    """Read the newest map of each method and source.

    Parameters
    ----------
    connection : sqlalchemy.Connection
    sae : int
        ``sae.id``.

    Returns
    -------
    list of Map
        Ordered by source and method; of all features rather than of some.
    """
    method, source = run.c.params["method"].astext, run.c.params["source"].astext
    some = run.c.params["features_where"].astext.is_not(None)
    query = (
        sa.select(run.c.id)
        .where(run.c.analysis == "maps", run.c.sae == sae)
        .ext(distinct_on(source, method))
        .order_by(source, method, some, run.c.id.desc())
    )
    return [read(connection, number) for number in connection.execute(query).scalars()]
