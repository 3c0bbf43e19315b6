"""The types that a configuration of an SAE must have before anything is made of it."""

from typing import Annotated, Any, Literal

from annotated_types import Gt
from typing_extensions import TypedDict

from saeatlas import errors
from saeatlas.ingest.formats import json_text, texts

_HINT = "Take the configuration from where the weights came from."
_NAMES = ("hook_name", "hf_hook_name", "model_name")

_Size = Annotated[int, Gt(0)]


class _Metadata(TypedDict, total=False):
    hook_name: str | None
    hf_hook_name: str | None
    model_name: str | None
    prepend_bos: bool | None
    model_from_pretrained_kwargs: dict[str, Any] | None


class _Config(TypedDict, total=False):
    architecture: str
    d_in: _Size
    d_sae: _Size
    d_out: _Size
    k: _Size
    apply_b_dec_to_input: bool
    rescale_acts_by_decoder_norm: bool | None
    reshape_activations: Literal["none", "hook_z"] | None
    tied_weights: bool
    stop_on_duplicate_support: bool
    residual_threshold: float
    max_iterations: _Size | None
    activation_normalization_factor: float
    metadata: _Metadata


def checked(where: str, config: dict[str, Any]) -> dict[str, Any]:
    """Check the entries of a configuration that are used, and make empty names None.

    Parameters
    ----------
    where : str
        The SAE's file or folder, for messages.
    config : dict
        As sae-lens 6 has it.

    Returns
    -------
    dict

    Raises
    ------
    BadWeights
        An entry has another type, k is larger than the number of features, or a name cannot be
        stored.
    """
    with errors.raised_as(errors.BadWeights):
        json_text.typed(_Config, config, f"The configuration in {where}", _HINT)
        metadata = dict(config.get("metadata", {}))
        for name in _NAMES:
            if metadata.get(name):
                texts.require_name(metadata[name], f"The {name} in {where}", _HINT)
            else:
                metadata[name] = None
    k, d_sae = config.get("k"), config.get("d_sae")
    if k is not None and d_sae is not None and k > d_sae:
        raise errors.BadWeights(
            f"The configuration in {where} says k = {k:,} of {d_sae:,} features.", hint=_HINT
        )
    return config | {"metadata": metadata}
