"""Documents and the features that their blocks activate, drawn a chunk at a time."""

from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from saeatlas.ingest.simulation.features import NO_LOBE, Features
from saeatlas.ingest.simulation.params import Params

Int32 = npt.NDArray[np.int32]
Int64 = npt.NDArray[np.int64]
Float32 = npt.NDArray[np.float32]
Float64 = npt.NDArray[np.float64]
Block = tuple[Int32, Float32]
"""Active features, ascending int32, and their peaks, float32."""

LOYALTY = 0.8
"""Share of a type's documents that are surely about the lobe it prefers; the others' is any."""

HIGHEST = 0.99
"""No feature is active in a larger share of any document's blocks."""

_CHUNK_CELLS, _CHUNK_DOCUMENTS = 2**24, 512
_PART = 3


@dataclass(frozen=True)
class Drawn:
    """A whole chunk of documents.

    Parameters
    ----------
    types, lobes : ndarray of shape (n_documents,), int64
        Type of each document, and the lobe that it is about.
    features : ndarray of shape (n_activations,), int32
        Active features of all blocks in order, ascending within a block.
    peaks : ndarray of shape (n_activations,), float32
    bounds : ndarray of shape (n_blocks + 1,), int64
        Where each block's activations begin, and the end.
    """

    types: Int64
    lobes: Int64
    features: Int32
    peaks: Float32
    bounds: Int64

    @property
    def blocks(self) -> list[Block]:
        """Active features and peaks of each block."""
        return [
            (self.features[start:stop], self.peaks[start:stop])
            for start, stop in pairwise(self.bounds.tolist())
        ]


def documents_a_chunk(params: Params) -> int:
    """Return how many documents are drawn, and written, together.

    Parameters
    ----------
    params : Params

    Returns
    -------
    int
        About 16 million cells of block x feature, and at most 512 documents.
    """
    cells = params.features * params.blocks_per_document
    return max(1, min(_CHUNK_DOCUMENTS, _CHUNK_CELLS // cells))


class Blocks:
    """Draws any chunk of a simulation's documents.

    A document is about one lobe: its type's preferred one, or another (`LOYALTY`). Given that,
    every feature is active in every block independently, with one of two probabilities: a higher
    one in documents about its own lobe, a lower one in all others, such that the mean over the
    corpus is its density. Peaks are log-normal with median e.

    Parameters
    ----------
    params : Params
    features : Features
    """

    def __init__(self, params: Params, features: Features) -> None:
        self.params = params
        self._lobe = features.lobe
        self._rates = -np.log1p(-probabilities(params, features))

    def draw(self, chunk: int) -> Drawn:
        """Draw one chunk; the same number gives the same rows whatever was drawn before.

        Parameters
        ----------
        chunk : int
            From 0.

        Returns
        -------
        Drawn
        """
        rng = self.params.generator(_PART, chunk)
        types, lobes = _draw_documents(self.params, rng)
        about = np.repeat(lobes, self.params.blocks_per_document)
        keys = self._active(rng, about)
        n_features = self.params.features
        bounds = np.searchsorted(keys, np.arange(len(about) + 1) * n_features)
        peaks = rng.standard_normal(len(keys), dtype=np.float32)
        peaks += 1
        np.exp(peaks, out=peaks)
        return Drawn(types, lobes, (keys % n_features).astype(np.int32), peaks, bounds)

    def _active(self, rng: np.random.Generator, about: Int64) -> Int32 | Int64:
        """Return block * n_features + feature of every activation, ascending, each once.

        Events of a Poisson process with rate -log(1 - p) a block: a block has one or more with
        probability p, independently of all others. The blocks about a lobe lie side by side once
        sorted, and so, round the end, do all others: each is one run to draw positions from.
        """
        params, n = self.params, len(about)
        dtype = np.int32 if n * params.features < 2**31 else np.int64  # the shorter sorts faster
        order = np.argsort(about, kind="stable").astype(dtype)
        sizes = np.bincount(about, minlength=params.lobes)[self._lobe]
        starts = np.searchsorted(about[order], self._lobe)
        runs = np.concatenate([sizes, n - sizes])  # own lobe's blocks, then the others
        counts = rng.poisson(self._rates.reshape(-1) * runs)
        origin = np.concatenate([starts, starts + sizes]).astype(np.int32)
        place = rng.random(counts.sum(), dtype=np.float32)
        place *= np.repeat(runs.astype(np.float32), counts)  # stays below the run, rounded too
        block = place.astype(np.int32)
        block += np.repeat(origin, counts)
        block[block >= n] -= n
        feature = np.tile(np.arange(params.features, dtype=dtype), 2)
        keys: Int32 | Int64 = (order * params.features)[block]
        keys += np.repeat(feature, counts)
        keys.sort()
        first = np.ones(len(keys), bool)
        np.not_equal(keys[1:], keys[:-1], out=first[1:])
        unique: Int32 | Int64 = keys[first]
        return unique


def probabilities(params: Params, features: Features) -> Float64:
    """Return each feature's probability in documents about its own lobe and in all others.

    With s the share of documents about the lobe, a feature of density p has p + r a (1 - s) / s
    and p - r a, with r the preference and a = p, less where the first would pass `HIGHEST`.

    Parameters
    ----------
    params : Params
    features : Features

    Returns
    -------
    ndarray of shape (2, n_features), float64
        Own lobe's, others'. Weighted by s and 1 - s they are p.
    """
    p = features.density
    share = lobe_shares(params)[features.lobe]
    odds = params.preference * (1 - share) / share
    amplitude = np.minimum(p, (HIGHEST - p) / np.maximum(odds, 1e-9))
    result = np.stack([p + amplitude * odds, p - amplitude * params.preference])
    result[:, features.lobe == NO_LOBE] = 0
    return result


def lobe_shares(params: Params) -> Float64:
    """Return the share of documents about each lobe.

    Parameters
    ----------
    params : Params

    Returns
    -------
    ndarray of shape (n_lobes,), float64
    """
    preferring = np.bincount(np.arange(params.n_subsets) % params.lobes, minlength=params.lobes)
    shares: Float64 = LOYALTY * preferring / params.n_subsets + (1 - LOYALTY) / params.lobes
    return shares


def _draw_documents(params: Params, rng: np.random.Generator) -> tuple[Int64, Int64]:
    """Draw types and lobes in balance, so that densities are met in each chunk.

    One point in each of n equal stretches of the unit interval, shuffled: the interval is cut
    into types, a type's part into its preferred lobe and the rest.
    """
    n = documents_a_chunk(params)
    point = rng.permutation((np.arange(n) + rng.random(n)) / n) * params.n_subsets
    types = np.minimum(point.astype(np.int64), params.n_subsets - 1)
    within = np.clip(point - types, 0, np.nextafter(1, 0))
    other = np.clip((within - LOYALTY) / (1 - LOYALTY), 0, np.nextafter(1, 0))
    lobes = np.where(
        within < LOYALTY, types % params.lobes, (other * params.lobes).astype(np.int64)
    )
    return types, lobes
