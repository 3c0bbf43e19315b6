"""An SAE in memory: its weights, and what is known of it under the names of table ``sae``."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from saeatlas.ingest.models import hooks

if TYPE_CHECKING:
    from sae_lens import SAE

MAX_WIDTH = 16_000
"""Most dimensions of a pgvector vector."""


@dataclass(frozen=True)
class LoadedSae:
    """An SAE in memory, with what its files say about it.

    Parameters
    ----------
    release, sae_id : str
        Name in the catalog.
    source : str
        ``repository:path`` on the hub, or an absolute path.
    sae : sae_lens.SAE or None
        None for a bare decoder, which has no encoder.
    decoder : ndarray of shape (d_sae, d_in), float32
        W_dec, exactly as in the weights. Of a transcoder: what it writes to the output.
    threshold : ndarray of shape (d_sae,), float32, or None
        JumpReLU's, in units of activation.
    config : dict
        All that sae-lens read, as JSON.
    weights_sha256 : str
        Hash of every tensor, as float32, and of the settings that change activations.
    architecture, hook_name, layer, site, model_name, l0, explained_variance, neuronpedia_id
        As in table ``sae``; None where unknown.
    prepend_bos : bool or None
    """

    release: str
    sae_id: str
    source: str
    sae: "SAE[Any] | None"
    decoder: npt.NDArray[np.float32]
    threshold: npt.NDArray[np.float32] | None
    config: dict[str, Any]
    weights_sha256: str
    architecture: str | None = None
    hook_name: str | None = None
    layer: int | None = None
    site: hooks.Region | None = None
    model_name: str | None = None
    l0: float | None = None
    explained_variance: float | None = None
    neuronpedia_id: str | None = None
    prepend_bos: bool | None = None

    @property
    def d_sae(self) -> int:
        """Number of features."""
        return int(self.decoder.shape[0])

    def placed(self, layer: int | None, site: hooks.Region | None) -> "LoadedSae":
        """Take a user's word for layer and site where its files do not say them.

        Parameters
        ----------
        layer : int or None
        site : {'resid', 'mlp', 'att'} or None

        Returns
        -------
        LoadedSae

        Raises
        ------
        InputError
            Its hook is elsewhere.
        """
        layer, site = hooks.place_of(self.hook_name, layer, site)
        return replace(self, layer=layer, site=site)

    @property
    def decoder_norm(self) -> npt.NDArray[np.float32]:
        """Euclidean length of each decoder vector, float32 of shape (d_sae,)."""
        norms: npt.NDArray[np.float32] = np.linalg.norm(self.decoder.astype(np.float64), axis=1)
        return norms.astype(np.float32)
