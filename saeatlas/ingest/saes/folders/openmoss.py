"""OpenMOSS' language-model-saes, Llama Scope among them: hyperparams.json or config.json.

x is scaled by sqrt(d_model) / (its average norm) where norm_activation is dataset-wise. Then
pre = x W_E + b_E, and what stays is decided by pre * |W_D| where sparsity_include_decoder_norm is
set: all above zero (relu), above the threshold (jumprelu), or the k largest (topk).
"""

from collections.abc import Collection
from dataclasses import replace
from pathlib import Path
from typing import Annotated, Any, Required

import numpy as np
from annotated_types import Ge
from typing_extensions import TypedDict

from saeatlas import errors
from saeatlas.ingest.formats import json_text
from saeatlas.ingest.saes import reading
from saeatlas.ingest.saes.folders.known_entries import require_known
from saeatlas.ingest.saes.folders.matrices import Weights, read_weights
from saeatlas.ingest.saes.raw_sae import Arrays, RawSae, build, of_sae


class _Config(TypedDict, total=False):
    act_fn: Required[str]
    norm_activation: Required[str]
    hook_point_in: str | None
    hook_point_out: str | None
    sae_type: str
    d_model: int
    d_sae: int | None
    top_k: int
    use_decoder_bias: bool
    use_glu_encoder: bool
    apply_decoder_bias_to_pre_encoder: bool
    sparsity_include_decoder_norm: bool
    jump_relu_threshold: Annotated[float, Ge(0)]
    dataset_average_activation_norm: dict[str, float] | None


_WEIGHTS = (
    "sae_weights.safetensors", "sae_weights.pt", "checkpoints/pruned.safetensors",
    "checkpoints/pruned.pt", "checkpoints/final.safetensors", "checkpoints/final.pt",
)  # fmt: skip
"""In the order in which its own loader looks for them."""

_TRAINING = frozenset(
    """
    bias_init_method ddp_size decoder_exactly_fixed_norm init_decoder_norm init_encoder_norm
    init_encoder_with_decoder_transpose init_search initial_k jumprelu_lr_factor
    jumprelu_threshold_grad_scale
    jumprelu_threshold_window k_warmup_steps l1_coefficient_warmup_steps lp promote_act_fn_dtype
    remove_gradient_parallel_to_decoder_directions sae_pretrained_name_or_path
    sparsity_threshold_for_csr sparsity_threshold_for_triton_spmm_kernel strict_loading
    tanh_stretch_coefficient tp_size use_batch_norm_mse use_triton_kernel
    """.split()  # noqa: SIM905
)
"""Entries that end with the training, or choose between ways to the same result."""

_NORMALISATIONS = ("dataset-wise", "token-wise", "inference", "none")

_NORM = "dataset_average_activation_norm"


def is_openmoss(said: dict[str, Any]) -> bool:
    """Say whether a configuration is of this kind."""
    return "hook_point_in" in said or said.get("sae_type") is not None


def read_openmoss(folder: Path, configuration: str) -> RawSae:
    """Read a folder of language-model-saes.

    Parameters
    ----------
    folder : Path
    configuration : {'hyperparams.json', 'config.json'}

    Returns
    -------
    RawSae

    Raises
    ------
    BadWeights
        There are no weights, or what the formula needs is missing.
    UnsupportedSae
        Another kind of dictionary than an SAE or transcoder, or a formula that sae-lens cannot
        compute.

    Notes
    -----
    Activations are in the units of its own loader: those of the training for config.json; those of
    the model's activations, with decoder vectors of unit norm, for hyperparams.json, where that
    loader folds the norms into the weights.
    """
    said = reading.read_config(folder / configuration)
    where = str(folder / configuration)
    json_text.typed(_Config, said, where, "Take it from the folder of the weights.")
    require_known(where, said, {*_Config.__annotations__, *_TRAINING})
    _require_supported(folder, said)
    if configuration == "hyperparams.json":  # whose versions took b_dec from x unless told
        said = {"apply_decoder_bias_to_pre_encoder": True} | said
    path = next((folder / name for name in _WEIGHTS if (folder / name).is_file()), None)
    if path is None:
        raise errors.BadWeights(
            f"{folder} holds a configuration of language-model-saes and no weights.",
            available=f"Looked for: {', '.join(_WEIGHTS)}.",
            hint="Fetch them from where the configuration came from.",
        )
    arrays = reading.read_arrays(path)
    norms = {key: value for key, value in arrays.items() if key.startswith(_NORM)}
    rest = {key: value for key, value in arrays.items() if key not in norms}
    found = read_weights(path.name, rest)
    found.require_sizes(where, said.get("d_model"), said.get("d_sae"))
    scaled = _folded if configuration == "hyperparams.json" else _in_training
    weights, threshold = scaled(folder, said, found, norms)
    return _built(folder, said, weights, threshold)


def _require_supported(folder: Path, said: dict[str, Any]) -> None:
    kind, act_fn = said.get("sae_type", "sae"), said["act_fn"].lower()
    norm = said["norm_activation"]
    reasons = {
        f"sae_type {kind!r}": kind != "sae",
        f"act_fn {act_fn!r}": act_fn not in ("relu", "jumprelu", "topk"),
        "use_glu_encoder": bool(said.get("use_glu_encoder")),
        f"norm_activation {norm!r}": norm not in _NORMALISATIONS,
    }
    wrong = [reason for reason, holds in reasons.items() if holds]
    if wrong:
        raise errors.UnsupportedSae(
            f"{folder} is of language-model-saes, with {', '.join(wrong)}, which is not read.",
            available="Read are SAEs and transcoders with act_fn relu, jumprelu or topk.",
            hint="Save its decoder alone: numpy.save(file, W_dec).",
        )


def _factors(
    folder: Path, said: dict[str, Any], found: Weights, norms: Arrays
) -> tuple[float, float]:
    """Return by what the training multiplied input and output."""
    if said["norm_activation"] != "dataset-wise":
        return 1.0, 1.0
    averages = said.get(_NORM) or {}
    hook_in = said.get("hook_point_in")
    hooks = {"in": hook_in, "out": said.get("hook_point_out") or hook_in}
    factors = []
    for side, hook in hooks.items():
        value = np.asarray(norms.get(f"{_NORM}.{hook}", averages.get(side)))
        if value.size != 1 or value.dtype.kind not in "fiu" or not 0 < value.item() < np.inf:
            raise errors.BadWeights(
                f"{folder} says norm_activation dataset-wise, and no average norm at {hook}.",
                available="Without it the scale of the SAE's input is unknown.",
                hint=f"Take the files with {_NORM} from where these came from.",
            )
        factors.append(found.decoder.shape[1] ** 0.5 / value.item())
    return factors[0], factors[1]


def _in_training(
    folder: Path, said: dict[str, Any], found: Weights, norms: Arrays
) -> tuple[dict[str, Any], Any]:
    """Put the scales into the weights; activations stay as the training has them."""
    scale_in, scale_out = _factors(folder, said, found, norms)
    beside = {"log_threshold"} if said["act_fn"].lower() == "jumprelu" else set()
    weights = _with_bias(said, found, beside)
    weights["W_enc"] = weights["W_enc"] * np.float32(scale_in)
    threshold = None
    if "log_threshold" in found.vectors:
        threshold = np.exp(found.vectors["log_threshold"])
        if said.get("sparsity_include_decoder_norm", True):
            lengths = np.linalg.norm(found.decoder, axis=1)
            never = np.full(len(lengths), np.finfo(np.float32).max)
            threshold = np.divide(threshold, lengths, out=never, where=lengths > 0)
    weights["W_dec"] = weights["W_dec"] / np.float32(scale_out)
    weights["b_dec"] = weights["b_dec"] / np.float32(scale_out)
    return weights, threshold


def _folded(
    folder: Path, said: dict[str, Any], found: Weights, norms: Arrays
) -> tuple[dict[str, Any], Any]:
    """Put scales and decoder norms into the weights, as its loader for hyperparams.json does."""
    scale_in, scale_out = _factors(folder, said, found, norms)
    decoder = found.decoder * np.float32(scale_in / scale_out)
    scales = {"b_enc": np.float32(scale_in), "b_dec": np.float32(scale_out)}
    vectors = found.vectors | {
        name: found.vectors[name] / scale for name, scale in scales.items() if name in found.vectors
    }
    weights = _with_bias(said, replace(found, decoder=decoder, vectors=vectors))
    if said.get("sparsity_include_decoder_norm", True):
        lengths = np.linalg.norm(decoder, axis=1).astype(np.float32)
        weights["W_enc"] = weights["W_enc"] * lengths
        weights["b_enc"] = weights["b_enc"] * lengths
        weights["W_dec"] = weights["W_dec"] / np.where(lengths > 0, lengths, 1)[:, None]
    return weights, said.get("jump_relu_threshold")


def _with_bias(
    said: dict[str, Any], found: Weights, beside: Collection[str] = ()
) -> dict[str, Any]:
    """Return sae-lens' weights, with b_dec of the input in b_enc where it is taken from x."""
    if not said.get("use_decoder_bias", True):
        if "b_dec" in found.vectors:
            raise errors.BadWeights(
                f"The configuration beside {found.name} says use_decoder_bias false, and the file "
                "holds one.",
                hint="Take weights and configuration from the same place.",
            )
        zeros = np.zeros(found.decoder.shape[1], np.float32)
        found = replace(found, vectors=found.vectors | {"b_dec": zeros})
    weights: dict[str, Any] = found.sae_lens("b_enc", "b_dec", beside=beside)
    if said.get("use_decoder_bias", True) and said.get("apply_decoder_bias_to_pre_encoder"):
        weights["b_enc"] = weights["b_enc"] - weights["b_dec"] @ weights["W_enc"]
    return weights


def _built(folder: Path, said: dict[str, Any], weights: dict[str, Any], threshold: Any) -> RawSae:
    import torch

    act_fn = said["act_fn"].lower()
    hook_in, hook_out = said.get("hook_point_in"), said.get("hook_point_out")
    is_transcoder = hook_out is not None and hook_out != hook_in
    d_sae = len(weights["W_dec"])
    architecture = {"relu": "standard", "jumprelu": "jumprelu", "topk": "topk"}[act_fn]
    config: dict[str, Any] = {"metadata": {"hook_name": hook_in}}
    if said.get("norm_activation") == "token-wise":
        config["normalize_activations"] = "constant_norm_rescale"
    if act_fn == "jumprelu":
        if threshold is None:
            raise errors.BadWeights(
                f"{folder} says act_fn jumprelu, and its weights hold no threshold.",
                hint="Take weights and configuration from the same place.",
            )
        weights["threshold"] = np.broadcast_to(threshold, (d_sae,))
    if is_transcoder:
        architecture = "jumprelu_transcoder" if act_fn == "jumprelu" else "transcoder"
    extra: dict[str, Any] = {}
    if act_fn == "topk":
        config["k"] = extra["k"] = k = _k(folder, said.get("top_k", 0), d_sae)
        extra["architecture"] = f"topk_{architecture}" if is_transcoder else "topk"
    sae = build(str(folder), config | {"architecture": architecture}, weights)
    if act_fn == "topk":
        from saeatlas.ingest.saes.activation_functions import WeightedTopK

        included = said.get("sparsity_include_decoder_norm", True)
        lengths = sae.W_dec.detach().norm(dim=1)  # a common factor chooses the same features
        sae.activation_fn = WeightedTopK(k, lengths if included else torch.ones(d_sae))
        extra["weighted_by_decoder_norm"] = bool(included)
    return of_sae(str(folder), sae, extra)


def _k(folder: Path, k: int, d_sae: int) -> int:
    if not 0 < k <= d_sae:
        raise errors.BadWeights(
            f"{folder} says top_k = {k:,}, which does not fit {d_sae:,} features.",
            hint="Take weights and configuration from the same place.",
        )
    return k
