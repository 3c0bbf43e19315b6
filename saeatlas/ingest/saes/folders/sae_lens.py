"""sae-lens' own folders: cfg.json and sae_weights.safetensors."""

from pathlib import Path
from typing import Any, NotRequired

import numpy as np
import numpy.typing as npt
from typing_extensions import TypedDict

from saeatlas import errors
from saeatlas.ingest.formats import json_text
from saeatlas.ingest.saes import reading
from saeatlas.ingest.saes.folders import sae_lens_fields
from saeatlas.ingest.saes.raw_sae import RawSae, built, of_sae

_HINT = "Save the SAE again with sae-lens' save_model."


class _Config(TypedDict):
    """Entries of cfg.json whose types are relied on."""

    d_in: int
    d_sae: int
    d_out: NotRequired[int | None]
    metadata: NotRequired[dict[str, Any]]


class _Metadata(TypedDict):
    """Entries that tell where an SAE belongs."""

    model_name: NotRequired[str | None]
    hook_name: NotRequired[str | None]
    hf_hook_name: NotRequired[str | None]
    prepend_bos: NotRequired[bool | None]


def read_sae_lens(folder: Path) -> RawSae:
    """Read a folder that sae-lens wrote.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    RawSae

    Raises
    ------
    BadWeights
        cfg.json is no configuration, or the weights are of another SAE.
    UnsupportedSae
        sae-lens has no such architecture, or would leave out an entry that changes activations.
    """
    said = reading.read_config(folder / "cfg.json")
    with errors.raised_as(errors.BadWeights):
        json_text.typed(_Config, said, f"{folder}/cfg.json", _HINT)
        json_text.typed(_Metadata, said.get("metadata", said), f"{folder}/cfg.json", _HINT)
    require_architecture(str(folder), said)
    sae_lens_fields.require_known_activation(str(folder), said)

    config = sae_lens_fields.in_form_of_version_6(said)
    sae = built(str(folder), config, _weights(folder))
    if "prepend_bos" not in said | said.get("metadata", {}):
        sae.cfg.metadata["prepend_bos"] = None  # sae-lens fills in True for older files
    sae_lens_fields.require_honoured(str(folder), said, sae)
    return of_sae(str(folder), sae)


def _weights(folder: Path) -> dict[str, npt.NDArray[np.generic]]:
    path = folder / "sae_weights.safetensors"
    weights = reading.read_arrays(path)
    factor = weights.pop("scaling_factor", np.float32(1))
    if not np.allclose(factor, 1):
        raise errors.UnsupportedSae(
            f"{path} has a scaling_factor, which sae-lens does not apply.",
            hint="Multiply it into W_dec, take it out of the file, and ingest that.",
        )
    return weights


def require_architecture(where: str, said: dict[str, Any]) -> None:
    """Refuse an architecture that sae-lens cannot run.

    Parameters
    ----------
    where : str
        The SAE's folder or name, for messages.
    said : dict
        The content of cfg.json.

    Raises
    ------
    UnsupportedSae
    """
    from sae_lens.registry import SAE_CLASS_REGISTRY

    architecture = said.get("architecture", "standard")
    if architecture not in list(SAE_CLASS_REGISTRY):  # which may be anything, a list too
        raise errors.UnsupportedSae(
            f"sae-lens cannot run an SAE of architecture {architecture!r}, as in {where}.",
            available="It can run " + ", ".join(sorted(SAE_CLASS_REGISTRY)) + ".",
            hint="An SAE in training is saved with save_inference_model; of any other, the "
            "decoder alone is read with --path sae_weights.safetensors in a folder of its own.",
        )
