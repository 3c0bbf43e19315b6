"""Results as files that other programs read."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import sqlalchemy as sa

from saeatlas import errors
from saeatlas.catalog import annotated, feature_table, sql
from saeatlas.schema.rows import pair_counts

FORMS = (".parquet", ".csv", ".h5ad")
"""What features are written as, by the end of the file's name."""


def export_cooccurrence(engine: sa.Engine, run: int, path: Path, *, compress: bool = False) -> None:
    """Write a run's counts as the published code does.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    run : int
        ``run.id``.
    path : Path
        The .npz file gets ``histogram``, int32 of shape (d_sae, d_sae), and ``n_chunks``, the
        number of blocks. Pairs that were not counted (min_blocks) are 0 off the diagonal.
    compress : bool, default=False
        Write a smaller file in several times the time.

    Raises
    ------
    UnknownName
        There is no such count.
    InputError
        The file cannot be written.
    """
    with engine.connect() as connection:
        counts = pair_counts.read(connection, run)
    histogram = np.diag(counts.n.astype(np.int32))
    histogram[np.ix_(counts.features, counts.features)] = counts.n_both
    with _written(path) as part, part.open("wb") as file:  # a path without .npz would get it added
        save = np.savez_compressed if compress else np.savez
        save(file, histogram=histogram, n_chunks=counts.n_blocks)


def export_features(engine: sa.Engine, sae: int, path: Path, params: annotated.Params) -> None:
    """Write the features of an SAE with all that has a value a feature.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    sae : int
        ``sae.id``.
    path : Path
        The end of its name says what it becomes: .parquet and .csv get the table, .h5ad the
        decoder vectors and the affinity too.
    params : annotated.Params

    Raises
    ------
    UnknownName
        There is no such SAE, count or measure.
    InputError
        The file's name ends otherwise, it cannot be written, or anndata is not installed.
    """
    form = path.suffix.lower()
    if form not in FORMS:
        raise errors.InputError(
            f"The extension of {path.name} is not one that can be written.",
            available=f"Known: {', '.join(FORMS)}.",
        )
    with sql.reading(engine, 0) as connection:
        if form == ".h5ad":
            made = annotated.gather(connection, sae, params)
        else:
            frame = feature_table.read_feature_table(connection, sae, params.cooccurrence).frame
    if form == ".parquet":
        with errors.extras():
            import pyarrow  # noqa: F401  pandas needs it
    with _written(path) as part:
        if form == ".h5ad":
            made.write_h5ad(part)
        elif form == ".csv":
            frame.to_csv(part, index=False)
        else:
            frame.to_parquet(part, index=False)


@contextmanager
def _written(path: Path) -> Iterator[Path]:
    """Give a file to write, which takes its name when it is whole."""
    part = path.with_name(f"{path.name}.part")
    try:
        yield part
        part.replace(path)
    except OSError as error:
        raise errors.InputError(
            f"{path} cannot be written: {error.strerror or error}",
            hint="Name a file in a folder that is there and may be written to.",
        ) from error
    finally:
        with suppress(OSError):
            part.unlink(missing_ok=True)
