"""Decoder vectors as a matrix."""

from typing import Any

import numpy as np
import sqlalchemy as sa
from psycopg import sql

from saeatlas import errors
from saeatlas.schema import connect, failures, tables
from saeatlas.schema.statements import statement


def read(
    connection: sa.Connection, sae: int, features: np.ndarray[Any, Any] | None = None
) -> np.ndarray[Any, Any]:
    """Read the decoder vectors of an SAE.

    Parameters
    ----------
    connection : sqlalchemy.Connection
    sae : int
        ``sae.id``.
    features : ndarray of shape (n,), int, optional
        Which, in this order. Default: all.

    Returns
    -------
    ndarray of shape (n, d_in), float32
        As stored: unit vectors unless the SAE's own are not.

    Raises
    ------
    UnknownName
        There is no such SAE.
    """
    table = tables.sae
    query = sa.select(table.c.d_sae, table.c.d_in).where(table.c.id == sae)
    size = connection.execute(query).one_or_none()
    if size is None:
        raise errors.UnknownName(
            f"There is no SAE {sae}.", mend="`saeatlas status` lists what is in the catalog."
        )
    vectors = np.empty((size.d_sae, size.d_in), np.float32)
    copy = sql.SQL(statement("read_decoders")).format(sae=sql.Literal(sae))
    cursor = connect.raw(connection).cursor()
    with failures.translated(), cursor, cursor.copy(copy) as rows:
        for feature, vector in rows.rows():
            vectors[int.from_bytes(feature)] = np.frombuffer(vector, ">f4", offset=4)
    return vectors if features is None else vectors[features]
