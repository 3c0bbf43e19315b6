"""Results as files that other programs read."""

from pathlib import Path

import numpy as np
import sqlalchemy as sa

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
    """
    with engine.connect() as connection:
        counts = tiles.read(connection, run)
    histogram = np.diag(counts.n.astype(np.int32))
    histogram[np.ix_(counts.features, counts.features)] = counts.n_both
    np.savez_compressed(path, histogram=histogram, n_chunks=counts.n_blocks)
