"""Gemma Scope (params.npz) and Gemma Scope 2 (config.json, params.safetensors): JumpReLU.

f(x) = pre * (pre > threshold) with pre = x W_enc + b_enc; b_dec is not taken from x.
"""

import re
from pathlib import Path
from typing import Any

import numpy as np
from typing_extensions import TypedDict

from saeatlas import errors
from saeatlas.ingest.formats import json_text
from saeatlas.ingest.saes import reading
from saeatlas.ingest.saes.folders.known_entries import require_known
from saeatlas.ingest.saes.folders.matrices import read_weights
from saeatlas.ingest.saes.raw_sae import Arrays, RawSae, build, of_sae


class _Config(TypedDict, total=False):
    architecture: str
    model_name: str | None
    hf_hook_point_in: str | None
    hf_hook_point_out: str | None
    affine_connection: bool | None
    type: str | None
    width: int | None


_SKIP = "affine_skip_connection"
_TO_LAYERS = ("crosscoder", "clt")
_TYPES = (None, "sae", "transcoder", *_TO_LAYERS)
_NEEDED = {"W_enc", "W_dec", "b_enc", "b_dec", "threshold"}
_FIRST_PATH = re.compile(
    r"(gemma-scope-\d+b-(?:pt|it)-(?:res|mlp|att|transcoders))(?![a-z]).*?(layer_\d+|embedding)"
)
_SECOND_PATH = re.compile(r"gemma-scope-2-(\d+m|\d+b)-(pt|it)(?![a-z])")
_LAYER = re.compile(r"layer_(\d+)")
_SITES = {
    "output": "hook_resid_post",
    "self_attn.o_proj.input": "attn.hook_z",
    "post_feedforward_layernorm.output": "hook_mlp_out",
    "pre_feedforward_layernorm.output": "mlp.hook_in",
}
"""By the end of a module's name in transformers: TransformerLens' hook name there."""

_PARTS = {
    "resid_post": "output",
    "attn_out": "self_attn.o_proj.input",
    "mlp_out": "post_feedforward_layernorm.output",
    "transcoder": "pre_feedforward_layernorm.output",
}
"""By a part of Gemma Scope 2's paths: the module read."""


def read_first(folder: Path) -> RawSae:
    """Read a folder of Gemma Scope: params.npz.

    Parameters
    ----------
    folder : Path
        Its path says layer, site and model, as on the hub.

    Returns
    -------
    RawSae

    Raises
    ------
    BadWeights
        Arrays are missing, or their shapes contradict each other.
    UnsupportedSae
        It has a scaling_factor.
    """
    where = f"{folder}/params.npz"
    arrays = reading.read_arrays(folder / "params.npz")
    _require_all(where, arrays)
    if not np.allclose(arrays.get("scaling_factor", 1), 1):
        raise errors.UnsupportedSae(
            f"{where} has a scaling_factor, which sae-lens does not apply.",
            hint="Multiply it into W_dec, take it out of the file, and ingest that.",
        )
    weights = read_weights(where, arrays).sae_lens(
        "b_enc", "b_dec", "threshold", beside={"scaling_factor"}
    )
    config = _first_config(str(folder))
    if config["metadata"].get("hook_name") == "hook_embed":  # trained before embeddings are scaled
        scale = np.float32(len(weights["W_enc"]) ** 0.5)
        weights |= {"W_enc": weights["W_enc"] / scale, "W_dec": weights["W_dec"] * scale}
    return of_sae(str(folder), build(str(folder), config, weights))


def _first_config(path: str) -> dict[str, Any]:
    """Say what the path says: layer, site and model, as in the hub's folders."""
    from sae_lens.loading import pretrained_sae_loaders as loaders

    said = _FIRST_PATH.search(path)
    metadata: dict[str, Any] = {"prepend_bos": True, "context_size": 1024}
    architecture = "jumprelu"
    if said:  # else --hook-name and --model-name have to
        read = (
            loaders.get_gemma_2_transcoder_config_from_hf
            if "transcoders" in said[1]
            else loaders.get_gemma_2_config_from_hf
        )
        config = read(said[1], f"{said[2]}/width_16k", "cpu")  # the weights know the true width
        architecture = config["architecture"]
        metadata = {k: v for k, v in config.items() if k in loaders.LLM_METADATA_KEYS}
    heads = str(metadata.get("hook_name")).endswith("hook_z")  # part of the hash of its weights
    reshape = "hook_z" if heads else "none"
    return {"architecture": architecture, "reshape_activations": reshape, "metadata": metadata}


def read_second(folder: Path) -> RawSae:
    """Read a folder of Gemma Scope 2: params.safetensors, and config.json where it is there.

    Parameters
    ----------
    folder : Path
        Without config.json, its path says layer, site and model.

    Returns
    -------
    RawSae

    Raises
    ------
    BadWeights
        Arrays are missing, or their shapes contradict each other.
    UnsupportedSae
        It is a crosscoder or a cross-layer transcoder.
    """
    where = f"{folder}/params.safetensors"
    path = folder / "config.json"
    said = reading.read_config(path) if path.exists() else {}
    json_text.typed(_Config, said, str(path), "Take it from the folder of the weights.")
    require_known(str(path), said, _Config.__annotations__)
    kind = said.get("architecture", "jump_relu")
    if kind != "jump_relu" or said.get("type", "sae") not in _TYPES:
        raise errors.UnsupportedSae(
            f"{path} names the architecture {kind!r} and the type {said.get('type')!r}.",
            available=f"Gemma Scope 2 has jump_relu, and {', '.join(filter(None, _TYPES))}.",
            hint="Its decoder alone is read from a file of another name with W_dec.",
        )
    arrays = reading.read_arrays(folder / "params.safetensors")
    _require_all(where, arrays)
    if any(arrays[name].ndim > 2 for name in arrays) or said.get("type") in _TO_LAYERS:
        raise errors.UnsupportedSae(
            f"{where} is a crosscoder or a cross-layer transcoder: it writes to several layers.",
            available="An SAE or a transcoder writes to one.",
            hint="Take one layer's w_dec, and ingest that as a bare decoder.",
        )
    found = read_weights(where, arrays)
    found.require_sizes(str(path), None, said.get("width"))
    is_transcoder = _is_transcoder(folder, said)
    skip = arrays.get(_SKIP)
    if said.get("affine_connection") and (skip is None or not is_transcoder):
        raise errors.BadWeights(
            f"{path} has an affine_connection; "
            + (f"{where} holds no {_SKIP}." if skip is None else "it is no transcoder."),
            hint="Take configuration and weights from the same folder.",
        )
    has_skip = is_transcoder and said.get("affine_connection") is not False
    weights = found.sae_lens("b_enc", "b_dec", "threshold", beside={_SKIP} if has_skip else ())
    metadata = _second_metadata(str(folder), said)
    architecture = "jumprelu_transcoder" if is_transcoder else "jumprelu"
    if skip is not None:  # kept as (d_in, d_out)
        architecture = "jumprelu_skip_transcoder"
        weights["W_skip"] = np.ascontiguousarray(skip.T, np.float32)
    config = {"architecture": architecture, "metadata": metadata}
    return of_sae(str(folder), build(str(folder), config, weights))


def _is_transcoder(folder: Path, said: dict[str, Any]) -> bool:
    if not said:
        return any(part.startswith("transcoder") for part in folder.parts[-3:])
    hook_in = said.get("hf_hook_point_in")
    return bool(said.get("hf_hook_point_out", hook_in) != hook_in)


def _second_metadata(path: str, said: dict[str, Any]) -> dict[str, Any]:
    hook_in = said.get("hf_hook_point_in")
    layer = _LAYER.search(path)
    if hook_in is None:
        part = next((module for name, module in _PARTS.items() if name in path), None)
        hook_in = f"model.layers.{layer[1]}.{part}" if layer and part else ""
    found = re.fullmatch(r"model\.layers\.(\d+)\.(.+)", hook_in)
    hook = f"blocks.{found[1]}.{_SITES[found[2]]}" if found and found[2] in _SITES else None
    model = said.get("model_name")
    in_path = _SECOND_PATH.search(path)
    if model is None:
        model = f"gemma-3-{in_path[1]}-{in_path[2]}" if in_path else None
    if model is not None:
        model = "google/" + model.removeprefix("google/").replace("-v3", "-3")
        model = model.removesuffix("-pt") if "270m" in model else model  # as the hub calls it
    return {
        "hook_name": hook,
        "hf_hook_name": hook_in or None,
        "model_name": model,
        "prepend_bos": True,
        "context_size": 1024,
    }


def _require_all(where: str, arrays: Arrays) -> None:
    missing = _NEEDED - {re.sub("^w_", "W_", name) for name in arrays}
    if missing:
        raise errors.BadWeights(
            f"{where} lacks {', '.join(sorted(missing))}.",
            available=f"It holds {', '.join(sorted(arrays)[:12])}.",
            hint="A decoder alone is read from a file of another name with W_dec.",
        )
