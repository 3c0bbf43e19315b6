"""Where the affinities of lobes come from: counts of all pairs, or the bits behind them."""

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import sqlalchemy as sa

from saeatlas import errors
from saeatlas.analyses.counting import bitmaps, read_bits
from saeatlas.analyses.counting.block_selection import select_counted
from saeatlas.analyses.counting.threshold import Threshold
from saeatlas.analyses.lobes.affinities import Affinity
from saeatlas.analyses.lobes.bilinear import Bilinear
from saeatlas.analyses.lobes.params import Params
from saeatlas.progress import Report, silent
from saeatlas.schema.rows import pair_counts
from saeatlas.schema.rows.pair_counts import Counts


@dataclass(frozen=True)
class Pairs:
    """The counts of all pairs.

    Parameters
    ----------
    counts : Counts
    """

    counts: Counts

    @property
    def n_blocks(self) -> int:
        """Blocks counted."""
        return self.counts.n_blocks

    def choose(self, name: str, params: Params) -> tuple[npt.NDArray[np.int64], Affinity]:
        """Choose the features that are clustered, and compute their affinity when it is needed.

        Parameters
        ----------
        name : str
            Of the affinity.
        params : Params

        Returns
        -------
        features : ndarray of shape (n,), int64
            Those of the rows, ascending.
        affinity : Affinity
        """
        counts = self.counts
        if params.preset == "paper":
            both = np.zeros((len(counts.n), len(counts.n)), np.int32)
            both[np.ix_(counts.features, counts.features)] = counts.n_both
            return np.arange(len(both)), Affinity(name, counts.n_blocks, both, undefined=0.0)
        wanted = _wanted(counts.n[counts.features], counts.n_blocks, name, params)
        both = counts.n_both if wanted.all() else counts.n_both[np.ix_(wanted, wanted)]
        return counts.features[wanted], Affinity(name, counts.n_blocks, both)


@dataclass(frozen=True)
class Bits:
    """The bits of the blocks that were counted, from which affinities are computed as products.

    Parameters
    ----------
    n_blocks : int
        Blocks counted.
    n : ndarray of shape (n_features,), int64
        Blocks with each feature active.
    features : ndarray of shape (n_features,), int64
        Features whose pairs were counted, ascending.
    bits : ndarray of shape (n_features, ceil(n_blocks / 8)), uint8
        One bit per block, most significant first.
    """

    n_blocks: int
    n: npt.NDArray[np.int64]
    features: npt.NDArray[np.int64]
    bits: npt.NDArray[np.uint8]

    def choose(self, name: str, params: Params) -> tuple[npt.NDArray[np.int64], Bilinear]:
        """Choose the features that are clustered, and compute their affinity when it is needed.

        Parameters
        ----------
        name : {'phi', 'simple_matching'}
        params : Params

        Returns
        -------
        features : ndarray of shape (n,), int64
            Those of the rows, ascending.
        affinity : Bilinear
        """
        wanted = _wanted(self.n, self.n_blocks, name, params)
        bits = self.bits if wanted.all() else self.bits[wanted]
        return self.features[wanted], Bilinear(name, self.n_blocks, self.n[wanted], bits)


def read_counts(
    connection: sa.Connection, row: sa.Row[Any], params: Params, report: Report = silent
) -> Pairs | Bits:
    """Read what a run of co-occurrence has counted.

    Parameters
    ----------
    connection : sqlalchemy.Connection
    row : sqlalchemy.Row
        The run.
    params : Params
    report : callable, optional
        Called with each `Progress` where blocks are transposed.

    Returns
    -------
    Pairs or Bits
        Bits where it is matrix-free: no count of pairs is read.

    Raises
    ------
    InputError, UnknownName
        The blocks that it has counted cannot be found any more.
    """
    if not params.matrix_free:
        return Pairs(pair_counts.read(connection, row.id))
    threshold = Threshold.parse(row.params["threshold"])
    bitmap = bitmaps.grow(connection.engine, row.recording, threshold, report)
    selection = select_counted(connection.engine, bitmap, row.id, row.params)
    n, places = pair_counts.read_features(connection, row.id)
    features = np.flatnonzero((places >= 0) & (n >= params.min_blocks))
    bits = read_bits.read_selected(connection, bitmap, selection, features)
    _require_same(read_bits.count(bits), n[features], features, row)
    return Bits(selection.n_blocks, n[features], features, bits)


def _require_same(
    found: npt.NDArray[np.int64], n: npt.NDArray[np.int64], features: npt.NDArray[np.int64],
    row: sa.Row[Any],
) -> None:  # fmt: skip
    """Check that the bits are those that were counted."""
    wrong = np.flatnonzero(found != n)
    if len(wrong):
        first = wrong[0]
        raise errors.InputError(
            f"The bits of recording {row.recording} are not those that run {row.id} has counted.",
            available=f"Feature {features[first]} is active in {found[first]:,} of its blocks; "
            f"the run says in {n[first]:,}.",
            hint=f"Remove the run, `saeatlas remove run {row.id}`, and count again.",
        )


def _wanted(
    n: npt.NDArray[np.int64], n_blocks: int, name: str, params: Params
) -> npt.NDArray[np.bool_]:
    """Say which features are clustered, by the blocks that each is active in."""
    wanted: npt.NDArray[np.bool_] = n >= params.min_blocks
    if name == "phi":
        wanted &= n < n_blocks  # always active: undefined
    return wanted
