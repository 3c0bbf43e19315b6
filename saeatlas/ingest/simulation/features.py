"""What each feature is made to be: its lobe and its density."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from saeatlas.ingest.simulation.params import MAX_DENSITY, Params

NO_LOBE = -1
_PART = 0


@dataclass(frozen=True)
class Features:
    """Lobes and densities of all features.

    Parameters
    ----------
    lobe : ndarray of shape (n_features,), int32
        From 0; -1 for a dead feature.
    density : ndarray of shape (n_features,), float64
        Share of blocks it is meant to be active in; 0 for a dead feature.
    """

    lobe: npt.NDArray[np.int32]
    density: npt.NDArray[np.float64]


def plant_features(params: Params) -> Features:
    """Give each live feature a lobe and a density.

    Lobes are of equal size, to within one. Densities follow the power law, whichever lobe.

    Parameters
    ----------
    params : Params

    Returns
    -------
    Features
    """
    rng = params.generator(_PART)
    live = rng.permutation(params.features)[: params.n_live]
    lobe = np.full(params.features, NO_LOBE, np.int32)
    density = np.zeros(params.features)
    lobe[live] = np.arange(params.n_live) % params.lobes
    by_rank = densities(params.n_live, params.mean_active, params.density_exponent)
    density[rng.permutation(live)] = by_rank
    return Features(lobe, density)


def densities(n: int, total: float, exponent: float) -> npt.NDArray[np.float64]:
    """Return densities that fall as rank**-exponent below the cap and sum up as asked.

    Parameters
    ----------
    n : int
    total : float
        Their sum, at most ``MAX_DENSITY * n``: the mean number of active features.
    exponent : float

    Returns
    -------
    ndarray of shape (n,), float64
        Descending, at most ``MAX_DENSITY``.
    """
    shape = np.arange(1, n + 1, dtype=np.float64) ** -exponent
    rest = np.cumsum(shape[::-1])[::-1]  # sum of shape from each rank on
    # with the first m ranks at the cap the others share what is left; the first m that keeps them
    # below the cap is the one
    scale = np.maximum(total - MAX_DENSITY * np.arange(n), 0) / rest
    fits = scale * shape <= MAX_DENSITY
    m = int(np.argmax(fits)) if fits.any() else n
    result = np.full(n, MAX_DENSITY)
    result[m:] = scale[m : m + 1] * shape[m:]
    return result
