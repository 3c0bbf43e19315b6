"""Which document types a lobe prefers, with confidence intervals."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from saeatlas.analyses.arrays import Float64, Int64

DRAWS = 1_000
"""Resamples of the documents."""

SLAB = 2_048
"""Documents whose weights are drawn at once."""


@dataclass(frozen=True)
class Enrichment:
    """How often lobes are the top lobe, by document type. NaN is for what is not known.

    Parameters
    ----------
    n_blocks : ndarray of shape (n_types,), int64
        Blocks of the type that were evaluated.
    n_top : ndarray of shape (n_types, n_lobes), int64
        Those of them whose top lobe it is.
    top_share : ndarray of shape (n_types, n_lobes), float64
        n_top / n_blocks; NaN for a type without blocks.
    enrichment : ndarray of shape (n_types, n_lobes), float64
        top_share over the same share of all blocks; NaN for a lobe that is the top lobe of none.
    low, high : ndarray of shape (n_types, n_lobes), float64
        Ends of its 95% interval; NaN where enrichment is, or with fewer than two documents of the
        type.
    """

    n_blocks: Int64
    n_top: Int64
    top_share: Float64
    enrichment: Float64
    low: Float64
    high: Float64


def top_by_document(
    top: npt.NDArray[np.integer], documents: Int64, n_documents: int, n_lobes: int
) -> Int64:
    """Count the blocks whose top lobe each lobe is, by document.

    Parameters
    ----------
    top : ndarray of shape (n_blocks,), int
        Top lobe of the block; -1 for none.
    documents : ndarray of shape (n_blocks,), int
        Document of the block, from 0.
    n_documents, n_lobes : int

    Returns
    -------
    ndarray of shape (n_documents, n_lobes), int64
    """
    place = documents.astype(np.int64) * n_lobes + top
    n = np.bincount(place[top >= 0], minlength=n_documents * n_lobes)
    return n.reshape(n_documents, n_lobes)


def enrich(
    top: Int64,
    n_blocks: Int64,
    types: Int64,
    n_types: int,
    *,
    seed: int = 0,
) -> Enrichment:
    """Compare how often lobes are the top lobe in a document type and in all documents.

    Parameters
    ----------
    top : ndarray of shape (n_documents, n_lobes), int
        Blocks whose top lobe each lobe is, by document. The lobes may be of several clusterings.
    n_blocks : ndarray of shape (n_documents,), int
        Blocks evaluated of each document, with a top lobe or without.
    types : ndarray of shape (n_documents,), int
        Type of each document, from 0; -1 for none: it counts in the share of all blocks only.
    n_types : int
    seed : int, default=0
        Of the resamples.

    Returns
    -------
    Enrichment

    Notes
    -----
    Blocks of one document are alike, so documents are resampled, not blocks: in each of 1,000
    draws a document counts as often as a Poisson number of mean 1 says, in its type and in the
    whole alike (the Poisson bootstrap). The interval goes from the 2.5% to the 97.5% quantile of
    the draws in which the type has a document and the lobe is the top lobe of a block.

    Misleads with few documents of a type: what no document shows, no resample shows. A lobe that
    is the top lobe of none of the type's blocks gets the interval [0, 0], and one that is the top
    lobe of all blocks of two documents looks certain. In simulations it covered the truth 85 times
    in 100 with three documents of a type, 93 with five and 95 to 98 with ten or more. One draw
    serves all lobes, so that their intervals depend on each other; they are not corrected for
    there being many.

    References
    ----------
    .. [HanleyMacGibbon2006] The Poisson bootstrap.
    """
    of_type = np.arange(n_types)[:, None] == types  # (n_types, n_documents)
    n_type, n_top = of_type @ n_blocks, of_type @ top
    with np.errstate(divide="ignore", invalid="ignore"):
        top_share = n_top / n_type[:, None]
        enrichment = top_share / (top.sum(axis=0) / n_blocks.sum())
    low, high = np.full((2, *enrichment.shape), np.nan)
    known = top.any(axis=0)
    sums = _resample(np.column_stack([top[:, known], n_blocks]), types, n_types, seed)
    everywhere = sums.sum(axis=0)
    for one in np.flatnonzero(known.any() & (of_type.sum(axis=1) > 1)):
        with np.errstate(divide="ignore", invalid="ignore"):  # draws without it are left out
            share, base = (part[:, :-1] / part[:, -1:] for part in (sums[one], everywhere))
            low[one, known], high[one, known] = np.nanquantile(share / base, [0.025, 0.975], axis=0)
    return Enrichment(n_type, n_top, top_share, enrichment, low, high)


def _resample(values: Int64, types: Int64, n_types: int, seed: int) -> Float64:
    """Sum values over the documents of each type, as often as there are draws.

    Parameters
    ----------
    values : ndarray of shape (n_documents, n_values)
    types : ndarray of shape (n_documents,), int
    n_types, seed : int

    Returns
    -------
    ndarray of shape (n_types + 1, DRAWS, n_values), float64
        The last for documents without a type.
    """
    rng = np.random.default_rng(seed)
    sums = np.zeros((n_types + 1, DRAWS, values.shape[1]))
    for one in range(-1, n_types):
        documents = np.flatnonzero(types == one)
        for first in range(0, len(documents), SLAB):
            slab = values[documents[first : first + SLAB]].astype(np.float64)
            sums[one] += rng.poisson(1.0, (DRAWS, len(slab))).astype(np.float64) @ slab
    return sums
