"""Counts of co-occurrence computed elsewhere: the published code's files."""

import hashlib
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from saeatlas import errors
from saeatlas.ingest.formats import arrays
from saeatlas.progress import Progress, Report, silent
from saeatlas.schema import tables
from saeatlas.schema.database import partitions
from saeatlas.schema.rows import pair_counts, runs, saes
from saeatlas.wording import counted


@dataclass(frozen=True)
class CooccurrenceOutcome:
    """A run with counts from a file.

    Parameters
    ----------
    run : int
        ``run.id``.
    created : bool
        False if the same counts were there already.
    """

    run: int
    created: bool

    @property
    def summary(self) -> str:
        """What was done, in a line."""
        return f"Run {self.run}: {'ingested' if self.created else 'already there, unchanged'}"


def ingest_cooccurrence(
    engine: sa.Engine, path: Path, *, sae: str, report: Report = silent
) -> CooccurrenceOutcome:
    """Ingest a matrix of counts.

    Writes a row of ``run``, one of ``cooccurrence_feature`` per feature and the tiles of
    ``cooccurrence``. The same file again changes nothing.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    path : Path
        A .npz file with ``histogram``, an integer array of shape (d_sae, d_sae): blocks in which
        both features are active, on the diagonal those of one; and ``n_chunks``, the number of
        blocks.
    sae : str
        The SAE of the catalog that the features are of.
    report : callable, optional
        Called before the counts are written.

    Returns
    -------
    CooccurrenceOutcome

    Raises
    ------
    UnknownName
        No such SAE.
    BadTable
        There is no such file, or it does not have such counts.
    """
    with engine.begin() as connection:
        row = saes.find_one(connection, sae)
        counts, n_blocks = _read(path, row.d_sae)
        _require_counts(path, counts, n_blocks)
        key = runs.input_hash(
            sae=row.weights_sha256.hex() if row.weights_sha256 else f"SAE {row.id}",
            counts=hashlib.sha256(np.ascontiguousarray(counts, "<i8").data).hexdigest(),
            n_blocks=n_blocks,
        )
        found = runs.find(connection, "cooccurrence", key)
        if found is not None:
            return CooccurrenceOutcome(found.id, created=False)
        report(Progress("tiles of counts"))
        n = counts.diagonal().astype(np.int64)
        live = np.flatnonzero(n)
        places = np.full(len(n), -1)
        places[live] = np.arange(len(live))
        number = runs.create(
            connection,
            "cooccurrence",
            key,
            sae=row.id,
            params={"source": str(path.resolve())},
            quality={"n_blocks": n_blocks, "n_features": len(live), "n_dead": len(n) - len(live)},
        )
        pair_counts.write_features(connection, number, n, places)
        with partitions.filling(connection, tables.cooccurrence, number):
            own = counts[np.ix_(live, live)].astype(np.int32)  # none is above n_blocks
            pair_counts.write_tiles(connection, number, pair_counts.split_tiles(own))
    return CooccurrenceOutcome(number, created=True)


def _read(path: Path, d_sae: int) -> tuple[npt.NDArray[np.integer], int]:
    with errors.raised_as(errors.BadTable), arrays.open_npz(path) as file:
        missing = {"histogram", "n_chunks"} - set(file.names)
        if missing:
            raise errors.BadTable(
                f"{path.name} lacks {', '.join(sorted(missing))}.",
                available=f"It holds {', '.join(file.names) or 'nothing'}.",
                hint="numpy.savez(file, histogram=counts, n_chunks=n) writes such a file.",
            )
        said, n_chunks = file.header("histogram"), file.header("n_chunks")
        for name, found, shapes in (
            ("histogram", said, [(d_sae, d_sae)]), ("n_chunks", n_chunks, [(), (1,)])
        ):  # fmt: skip
            if found.shape not in shapes or found.dtype.kind not in "iu":
                raise errors.BadTable(
                    f"{name} in {path.name} has shape {found.shape} and type {found.dtype}.",
                    available=f"Expected are integers of shape {shapes[0]}, of an SAE with "
                    f"{counted(d_sae, 'feature')}.",
                    hint="Check --sae, and that the file is a whole count of co-occurrence.",
                )
        counts = file.read("histogram", any_ratio=True)  # mostly zeros, which pack well
        return counts, int(file.read("n_chunks").item())


def _require_counts(path: Path, counts: npt.NDArray[np.integer], n_blocks: int) -> None:
    """Refuse what cannot be counts of blocks with both features active."""
    hint = "Check --sae, and that the file is a whole count of co-occurrence."
    n = counts.diagonal()
    if counts.min() < 0 or n.max() > n_blocks or n_blocks > np.iinfo(np.int32).max:
        raise errors.BadTable(
            f"histogram in {path.name} has counts from {counts.min()} to {n.max()} of "
            f"{n_blocks} blocks.",
            hint=hint,
        )
    if (counts > n).any() or (counts != counts.T).any():
        raise errors.BadTable(
            f"histogram in {path.name} is not symmetric, or has more blocks with two features than "
            "with one of them.",
            hint=hint,
        )
