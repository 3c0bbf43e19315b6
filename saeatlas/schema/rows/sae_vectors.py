"""Decoder and encoder vectors as a matrix."""

import shlex
from pathlib import Path
from typing import Any, Literal

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa
from psycopg import sql

from saeatlas import errors
from saeatlas.schema import tables
from saeatlas.schema.database import wire
from saeatlas.schema.database.copy import read_rows
from saeatlas.schema.database.statements import statement
from saeatlas.schema.rows import saes

Kind = Literal["decoder", "encoder"]


def read(
    connection: sa.Connection,
    sae: int,
    features: npt.NDArray[np.int64] | None = None,
    *,
    of: Kind = "decoder",
) -> npt.NDArray[np.float32]:
    """Read the decoder or the encoder vectors of an SAE.

    Parameters
    ----------
    connection : sqlalchemy.Connection
    sae : int
        ``sae.id``.
    features : ndarray of shape (n,), int, optional
        Which, in this order. Default: all.
    of : {'decoder', 'encoder'}, default='decoder'

    Returns
    -------
    ndarray of shape (n, d_in), float32
        As stored: of length 1 only if the SAE's own are. Encoder vectors of a transcoder are as
        long as its input is wide, which may differ from the length of its decoder vectors.

    Raises
    ------
    UnknownName
        There is no such SAE, or its encoder was not ingested.
    WithoutWeights
        It has no vectors.
    """
    row = saes.read(connection, sae)
    saes.weights(row)
    width = row.d_in if of == "decoder" else _encoder_width(connection, row)
    vectors = np.empty((row.d_sae, width), np.float32)
    copy = sql.SQL(statement(__name__, f"read_{of}s")).format(sae=sql.Literal(sae))
    for feature, vector in read_rows(connection, copy):
        vectors[wire.integer(feature)] = wire.vector(vector)
    return vectors if features is None else vectors[features]


def _encoder_width(connection: sa.Connection, sae: sa.Row[Any]) -> int:
    table = tables.encoder.c
    query = sa.select(sa.func.vector_dims(table.encoder)).where(table.sae == sae.id).limit(1)
    width = connection.execute(query).scalar_one_or_none()
    if width is not None:
        return int(width)
    name = f"{sae.release}/{sae.sae_id}"
    if sae.architecture is None:
        raise errors.UnknownName(
            f"SAE {sae.id} ({name}) is a bare decoder, without encoder vectors in the catalog.",
            hint="Use its decoder vectors, or ingest it under another name from its whole folder, "
            "with --encoder.",
        )
    path = ["--path", sae.source] if Path(sae.source).is_absolute() else []
    named = [*path, "--release", sae.release, "--sae-id", sae.sae_id]
    raise errors.UnknownName(
        f"The encoder vectors of SAE {sae.id} ({name}) are not in the catalog.",
        hint=f"Add them: `saeatlas ingest sae {shlex.join(named)} --encoder`",
    )
