"""Where the affinities of lobes come from: counts of all pairs, or the bits behind them."""

from typing import Any

import numpy as np
import sqlalchemy as sa

from saeatlas import errors
from saeatlas.analyses.counting import bitmaps, read_bits
from saeatlas.analyses.counting.bitmaps import Bitmap
from saeatlas.analyses.counting.block_selection import Selection, select_counted
from saeatlas.analyses.counting.threshold import Threshold
from saeatlas.analyses.lobes.affinities import Affinity
from saeatlas.analyses.lobes.bilinear import Bilinear
from saeatlas.analyses.lobes.params import Terms
from saeatlas.schema.rows import pair_counts
from saeatlas.schema.rows.pair_counts import Counts

Array = np.ndarray[Any, Any]


class Pairs:
    """Affinities made of the counts of all pairs.

    Parameters
    ----------
    counts : Counts
    """

    def __init__(self, counts: Counts) -> None:
        self._counts = counts

    def choose(self, name: str, terms: Terms) -> tuple[Array, Affinity]:
        """Choose the features that are clustered, and make their affinity.

        Parameters
        ----------
        name : str
        terms : Terms

        Returns
        -------
        (features, affinity)
            Features ascending: what the rows stand for.
        """
        counts = self._counts
        if terms.preset == "paper":
            both = np.zeros((len(counts.n), len(counts.n)), np.int32)
            both[np.ix_(counts.features, counts.features)] = counts.n_both
            return np.arange(len(both)), Affinity(name, counts.n_blocks, both, undefined=0.0)
        wanted = _wanted(counts.n[counts.features], counts.n_blocks, name, terms)
        both = counts.n_both if wanted.all() else counts.n_both[np.ix_(wanted, wanted)]
        return counts.features[wanted], Affinity(name, counts.n_blocks, both)


class Packed:
    """Affinities made of the bits of the blocks that were counted.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    run : int
        ``run.id`` of the count.
    bitmap : Bitmap
    selection : Selection
        The blocks that it has counted.
    """

    def __init__(self, engine: sa.Engine, run: int, bitmap: Bitmap, selection: Selection) -> None:
        self._engine, self._run = engine, run
        self._bitmap, self._selection = bitmap, selection

    def choose(self, name: str, terms: Terms) -> tuple[Array, Bilinear]:
        """Choose the features that are clustered, and read their bits.

        Parameters
        ----------
        name : {'phi', 'simple_matching'}
        terms : Terms

        Returns
        -------
        (features, affinity)
            Features ascending: what the rows stand for.

        Raises
        ------
        InputError
            The bits are not those that were counted.
        """
        n_blocks = self._selection.n_blocks
        with self._engine.connect() as connection:
            n, places = pair_counts.read_features(connection, self._run)
            features = np.flatnonzero((places >= 0) & _wanted(n, n_blocks, name, terms))
            packed = read_bits.read_selected(connection, self._bitmap, self._selection, features)
        found = read_bits.count(packed)
        wrong = np.flatnonzero(found != n[features])
        if len(wrong):
            feature = features[wrong[0]]
            raise errors.InputError(
                f"The bits of recording {self._bitmap.recording} are not those that run "
                f"{self._run} has counted.",
                available=f"Feature {feature} is active in {found[wrong[0]]:,} of its blocks; the "
                f"run says in {n[feature]:,}.",
                hint=f"Remove the run, `saeatlas remove run {self._run}`, and count again.",
            )
        return features, Bilinear(name, n_blocks, n[features], packed)


def open_source(engine: sa.Engine, row: sa.Row[Any], terms: Terms) -> Pairs | Packed:
    """Open what a run of co-occurrence has counted.

    Parameters
    ----------
    engine : sqlalchemy.Engine
    row : sqlalchemy.Row
        The run.
    terms : Terms

    Returns
    -------
    Pairs or Packed
        Packed where it is matrix-free: no count of pairs is read.

    Raises
    ------
    InputError, UnknownName
        The blocks that it has counted are not to be found any more.
    """
    if not terms.matrix_free:
        with engine.connect() as connection:
            return Pairs(pair_counts.read(connection, row.id))
    threshold = Threshold.parse(row.params["threshold"])
    bitmap = bitmaps.grow(engine, row.recording, threshold)
    return Packed(engine, row.id, bitmap, select_counted(engine, bitmap, row.id, row.params))


def _wanted(n: Array, n_blocks: int, name: str, terms: Terms) -> Array:
    """Say which features are clustered, by the blocks that each is active in."""
    wanted: Array = n >= terms.min_blocks
    if name == "phi":
        wanted &= n < n_blocks  # always active: undefined
    return wanted
