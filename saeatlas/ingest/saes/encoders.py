"""Encoder vectors of SAEs: found in the weights, written to the catalog."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from saeatlas import errors
from saeatlas.ingest.saes.loaded_sae import MAX_WIDTH
from saeatlas.schema import tables
from saeatlas.schema.database import partitions
from saeatlas.schema.database.copy import copy_rows

if TYPE_CHECKING:
    from saeatlas.ingest.saes.loaded_sae import LoadedSae


def encoder_vectors(loaded: "LoadedSae") -> npt.NDArray[np.float32]:
    """Return the encoder vectors of an SAE, one row per feature.

    Parameters
    ----------
    loaded : LoadedSae

    Returns
    -------
    ndarray of shape (d_sae, d_in), float32
        W_enc transposed, exactly as in the weights; d_in is the width of the input. A gated
        SAE's magnitudes use the same vectors, each times exp(r_mag). Where encoder and decoder are
        tied, as in matching pursuit: W_dec.

    Raises
    ------
    UnsupportedSae
        A bare decoder.
    BadWeights
        Wider than a vector in PostgreSQL can be.
    """
    name = f"{loaded.release}/{loaded.sae_id}"
    rows = loaded.encoder  # (d_sae, d_in)
    if loaded.sae is not None:
        if getattr(loaded.sae.cfg, "tied_weights", False):  # no W_enc, then
            return loaded.decoder
        rows = loaded.sae.W_enc.detach().float().numpy().T
    if rows is None:
        raise errors.UnsupportedSae(
            f"SAE {name} is a bare decoder: its file holds no encoder.",
            hint="Ingest it without --encoder, or from its whole folder.",
        )
    if rows.shape[1] > MAX_WIDTH:
        raise errors.BadWeights(
            f"The encoder of SAE {name} has {rows.shape[1]:,} dimensions.",
            available=f"A vector in PostgreSQL has at most {MAX_WIDTH:,} dimensions.",
            hint="Ingest it without --encoder.",
        )
    return np.ascontiguousarray(rows)


def store_encoder(connection: sa.Connection, sae: int, loaded: "LoadedSae") -> bool:
    """Write an SAE's encoder vectors unless they are there: ``d_sae`` rows of ``encoder``.

    Parameters
    ----------
    connection : sqlalchemy.Connection
        In a transaction that the caller commits.
    sae : int
        ``sae.id`` of the same weights.
    loaded : LoadedSae

    Returns
    -------
    bool
        False if they were there.

    Raises
    ------
    UnsupportedSae, BadWeights
        See `encoder_vectors`.
    """
    rows = encoder_vectors(loaded)
    table = tables.encoder
    # another process may be adding them at this very moment
    connection.execute(sa.select(tables.sae.c.id).where(tables.sae.c.id == sae).with_for_update())
    if connection.execute(sa.select(table.c.sae).where(table.c.sae == sae).limit(1)).first():
        return False
    with partitions.filling(connection, table, sae) as part:
        columns = ["sae", "feature", "encoder", "encoder_norm"]
        copy_rows(connection, part, columns, _rows(sae, rows))
    return True


def _rows(sae: int, vectors: npt.NDArray[np.float32]) -> Iterator[tuple[Any, ...]]:
    norms = np.linalg.norm(vectors.astype(np.float64), axis=1)
    for i, vector in enumerate(vectors):
        yield sae, i, vector, float(norms[i])
