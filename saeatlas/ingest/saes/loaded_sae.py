"""An SAE in memory: its weights, and what is known of it under the names of table ``sae``."""

import re
from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from saeatlas import errors
from saeatlas.ingest.models import hooks

if TYPE_CHECKING:
    from sae_lens import SAE

MAX_WIDTH = 16_000
"""Most dimensions of a pgvector vector."""

MIN_NORM, MAX_NORM = 1e-15, 1e15
"""Lengths of vectors: squares of their components are normal float32 numbers."""

MEASURABLE = (
    f"Cosines can be computed for lengths from {MIN_NORM:g} to {MAX_NORM:g}: the database squares "
    "single-precision numbers."
)
"""What is said of a vector of another length."""

_PAGE = re.compile(r"(?:(?:https?://)?(?:www\.)?neuronpedia\.org/)?([\w.-]{1,100}/[\w.-]{1,100})/?")


def neuronpedia_page(said: object) -> str | None:
    """Read the name of an SAE's page on Neuronpedia.

    Parameters
    ----------
    said : object
        What a file or a user says: ``model/source``, or the page's address.

    Returns
    -------
    str or None
        ``model/source``; None if it is no such name.
    """
    match = _PAGE.fullmatch(said.strip()) if isinstance(said, str) else None
    return match and match[1]


def named_page(said: str | None) -> str | None:
    """Read the name of a page on Neuronpedia as a user gives it.

    Parameters
    ----------
    said : str or None

    Returns
    -------
    str or None
        ``model/source``; None for None.

    Raises
    ------
    InputError
        It is no such name.
    """
    page = neuronpedia_page(said)
    if said is not None and page is None:
        raise errors.InputError(
            f"{said!r:.80} is not the name of a page on Neuronpedia.",
            hint="Write MODEL/SOURCE, as gpt2-small/8-res-jb.",
        )
    return page


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
        None where its files do not say how it turns its input into activations.
    decoder : ndarray of shape (d_sae, d_in), float32
        W_dec, exactly as in the weights. Of a transcoder: what it writes to the output.
    threshold : ndarray of shape (d_sae,), float32, or None
        JumpReLU's, in units of activation.
    config : dict
        All that sae-lens read, as JSON.
    weights_sha256 : str
        Hash of every tensor, as float32, and of the settings that change activations.
    encoder : ndarray of shape (d_sae, d_in), float32, or None
        Encoder vectors of a file without configuration; else they are `sae`'s.
    left_out : tuple of str
        Arrays of the file that are not used.
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
    encoder: npt.NDArray[np.float32] | None = None
    left_out: tuple[str, ...] = ()
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

    @cached_property
    def decoder_norm(self) -> npt.NDArray[np.float32]:
        """Euclidean length of each decoder vector, float32 of shape (d_sae,)."""
        squares = np.einsum("fd,fd->f", self.decoder, self.decoder, dtype=np.float64)
        norms: npt.NDArray[np.float32] = np.sqrt(squares).astype(np.float32)
        return norms
