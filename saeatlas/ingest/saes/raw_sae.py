"""An SAE as its files have it, before it gets a name; how sae-lens is asked to build one."""

import logging
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from saeatlas import errors
from saeatlas.ingest.saes import config_types

if TYPE_CHECKING:
    from sae_lens import SAE

Arrays = Mapping[str, npt.NDArray[np.generic]]
"""Arrays of a file, by name."""


@dataclass(frozen=True)
class RawSae:
    """What files hold.

    Parameters
    ----------
    sae : sae_lens.SAE or None
        None where the files do not say how it turns its input into activations.
    decoder : ndarray of shape (d_sae, d_in), float32
    encoder : ndarray of shape (d_sae, d_in), float32, or None
        Encoder vectors that stand beside a decoder in a file without configuration.
    extra : dict
        Entries of the configuration that sae-lens has no field for, as another trainer's k.
    left_out : tuple of str
        Arrays of the file that are not used.
    """

    sae: "SAE[Any] | None"
    decoder: npt.NDArray[np.float32]
    encoder: npt.NDArray[np.float32] | None = None
    extra: dict[str, Any] = field(default_factory=dict)
    left_out: tuple[str, ...] = ()


def of_sae(where: str, sae: "SAE[Any]", extra: dict[str, Any] | None = None) -> RawSae:
    """Take an SAE's decoder out, after a look at its shape.

    Parameters
    ----------
    where : str
        Its file or folder, for messages.
    sae : sae_lens.SAE
    extra : dict, optional
        See `RawSae`.

    Returns
    -------
    RawSae

    Raises
    ------
    BadWeights
        W_dec does not have the shape that the configuration says.
    """
    decoder = sae.W_dec.detach().float().numpy()
    expected = (sae.cfg.d_sae, getattr(sae.cfg, "d_out", None) or sae.cfg.d_in)
    if decoder.shape != expected:
        raise errors.BadWeights(
            f"W_dec in {where} has shape {decoder.shape}; its configuration says {expected}.",
            hint="Files of two SAEs may be mixed: take both from the same place.",
        )
    return RawSae(sae, decoder, extra=extra or {})


def build(where: str, config: dict[str, Any], weights: Arrays) -> "SAE[Any]":
    """Make an SAE of sae-lens from a configuration and weights that were read elsewhere.

    Parameters
    ----------
    where : str
        Its file or folder.
    config : dict
        As in sae-lens' cfg.json; d_in, d_sae and, of a transcoder, d_out are the weights'.
    weights : mapping of str to ndarray
        By sae-lens' names and in its orientation.

    Returns
    -------
    sae_lens.SAE
        In float32 on the CPU.
    """
    d_in, d_sae = weights["W_enc"].shape
    sizes = {"d_in": d_in, "d_sae": d_sae}
    if "transcoder" in config["architecture"]:
        sizes["d_out"] = weights["W_dec"].shape[1]
    metadata = {"sae_lens_version": "6.0.0"} | config.get("metadata", {})
    full = {"apply_b_dec_to_input": False} | config | sizes | {"metadata": metadata}
    return built(where, full, weights)


def built(where: str, config: dict[str, Any], weights: Arrays) -> "SAE[Any]":
    """Make an SAE of sae-lens from a whole configuration of version 6 and its weights.

    Parameters
    ----------
    where : str
        Its file or folder.
    config : dict
    weights : mapping of str to ndarray

    Returns
    -------
    sae_lens.SAE
        In float32 on the CPU.

    Raises
    ------
    BadWeights
        An entry of the configuration cannot be used.
    """
    import torch
    from sae_lens import SAE

    with np.errstate(over="ignore"):  # infinity is found out later
        tensors = {
            name: torch.from_numpy(np.array(values, np.float32)) for name, values in weights.items()
        }
    full = config_types.checked(where, config) | {"dtype": "float32", "device": "cpu"}
    with quiet():
        return SAE.load_from_disk(
            Path(where), device="cpu", dtype="float32", converter=lambda *_, **__: (full, tensors)
        )


@contextmanager
def quiet() -> Iterator[None]:
    """Keep sae-lens' notes from the user's terminal; what matters is raised as an error."""
    logging.disable(logging.WARNING)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        logging.disable(logging.NOTSET)
