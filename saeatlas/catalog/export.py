"""Results as files that other programs read."""

from pathlib import Path

import numpy as np
import sqlalchemy as sa

from saeatlas import errors
from saeatlas.schema import tiles


def export_cooccurrence(engine: sa.Engine, run: int, path: Path) -> None:
    """Write a run's counts as the published code does.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    run : int
        ``run.id``.
    path : Path
        The .npz file gets ``histogram``, int32 of shape (d_sae, d_sae), and ``n_chunks``, the
        number of blocks. Pairs that were not counted (min_blocks) are 0 off the diagonal.

    Raises
    ------
    UnknownName
        There is no such count.
    InputError
        The file cannot be written.
    """
    with engine.connect() as connection:
        counts = tiles.read(connection, run)
    histogram = np.diag(counts.n.astype(np.int32))
    histogram[np.ix_(counts.features, counts.features)] = counts.n_both
    try:
        with path.open("wb") as file:  # a path without .npz would get it added
            np.savez_compressed(file, histogram=histogram, n_chunks=counts.n_blocks)
    except OSError as error:
        raise errors.InputError(
            f"{path} cannot be written: {error.strerror or error}",
            mend="Name a file in a folder that is there and may be written to.",
        ) from error
