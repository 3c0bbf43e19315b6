"""dictionary_learning's folders: ae.pt and config.json.

AutoEncoder: relu((x - b) W + b_enc); AutoEncoderNew: relu(x W + b_enc). GatedAutoEncoder: with
pre = (x - b_dec) W, relu(exp(r_mag) pre + b_mag) where pre + b_gate > 0. AutoEncoderTopK: the k
largest of relu((x - b_dec) W + b_enc). BatchTopKSAE and MatryoshkaBatchTopKSAE: of the same, what
is above the threshold. JumpReluAutoEncoder: what is above the threshold of x W + b_enc.
"""

import re
from pathlib import Path
from typing import Any, Required

import numpy as np
import numpy.typing as npt
from typing_extensions import TypedDict

from saeatlas import errors
from saeatlas.ingest.formats import json_text
from saeatlas.ingest.saes import reading
from saeatlas.ingest.saes.folders.known_entries import require_known
from saeatlas.ingest.saes.folders.matrices import Weights, read_weights
from saeatlas.ingest.saes.raw_sae import Arrays, RawSae, build, of_sae

_CLASSES: dict[str, tuple[str, tuple[str, ...], bool]] = {
    "AutoEncoder": ("standard", ("b_enc", "b_dec"), True),
    "AutoEncoderNew": ("standard", ("b_enc", "b_dec"), False),
    "GatedAutoEncoder": ("gated", ("b_gate", "b_mag", "r_mag", "b_dec"), True),
    "AutoEncoderTopK": ("topk", ("b_enc", "b_dec"), True),
    "BatchTopKSAE": ("jumprelu", ("b_enc", "b_dec", "threshold"), True),
    "MatryoshkaBatchTopKSAE": ("jumprelu", ("b_enc", "b_dec", "threshold"), True),
    "JumpReluAutoEncoder": ("jumprelu", ("b_enc", "b_dec", "threshold"), False),
}
"""By dict_class: sae-lens' architecture, its vectors, and whether b_dec is taken from x."""


_WITHOUT_EFFECT = {
    "AutoEncoderTopK": ("k", "threshold"),
    "BatchTopKSAE": ("k",),
    "MatryoshkaBatchTopKSAE": ("k", "group_sizes", "group_fractions", "group_weights"),
}
"""By dict_class: buffers of the training, which its forward pass of a trained SAE leaves out."""

_TRAINING = frozenset(
    """
    active_groups anneal_end anneal_start auxk_alpha bandwidth decay_start group_fractions
    group_sizes group_weights initial_sparsity_penalty l1_penalty n_sparsity_updates num_groups
    p_end p_start sparsity_function sparsity_penalty sparsity_queue_length temporal threshold_beta
    threshold_start_step top_k_aux trainer_class use_april_update
    """.split()  # noqa: SIM905
)
"""Entries of its trainers that end with the training."""


class _Trainer(TypedDict, total=False):
    dict_class: Required[str]
    activation_dim: int | None
    dict_size: int | None
    k: int | None
    layer: int | str | None
    lm_name: str | None
    submodule_name: str | None


_SITES = {"resid_post": "hook_resid_post", "resid": "hook_resid_post", "mlp_out": "hook_mlp_out"}
_SUBMODULE = re.compile(r"(resid_post|resid|mlp_out)_layer_?(\d+)|layer_?(\d+)_(resid_post|resid)")


def read_dictionary(folder: Path) -> RawSae:
    """Read a folder of dictionary_learning.

    Parameters
    ----------
    folder : Path
        With ae.pt and config.json.

    Returns
    -------
    RawSae

    Raises
    ------
    BadWeights
        config.json has no dict_class, arrays are missing, or the threshold was never set.
    UnsupportedSae
        A class that is not known here.
    """
    where = str(folder / "config.json")
    config = reading.read_config(folder / "config.json")
    said = config.get("trainer")
    if not isinstance(said, dict) or not isinstance(said.get("dict_class"), str):
        raise errors.BadWeights(
            f"{folder}/config.json names no dict_class under trainer.",
            available="It decides what the weights of ae.pt compute.",
            hint="Take config.json from the folder that its trainer wrote.",
        )
    json_text.typed(_Trainer, said, where, "Take it from the folder of the weights.")
    require_known(where, {k: v for k, v in config.items() if k not in ("trainer", "buffer")}, ())
    name = said["dict_class"].rpartition(".")[2].removesuffix("'>")
    if name not in _CLASSES:
        raise errors.UnsupportedSae(
            f"{folder} is a {name} of dictionary_learning, which is not read.",
            available=f"Read are {', '.join(_CLASSES)}.",
            hint="Save its decoder alone: numpy.save(file, W_dec).",
        )
    known = {*_Trainer.__annotations__, *_TRAINING}
    require_known(where, said, known if "TopK" in name else known - {"k"})
    architecture, vectors, subtracts = _CLASSES[name]
    arrays = reading.read_arrays(folder / "ae.pt")
    found = read_weights("ae.pt", arrays)
    found.require_sizes(where, said.get("activation_dim"), said.get("dict_size"))
    weights = found.sae_lens(*vectors, beside=_WITHOUT_EFFECT.get(name, ()))
    full: dict[str, Any] = {
        "architecture": architecture,
        "apply_b_dec_to_input": subtracts,
        "metadata": _metadata(said),
    }
    if architecture == "topk":
        full["k"] = _k(folder, said.get("k"), arrays, found)
    if architecture == "jumprelu":
        _require_threshold(folder, weights["threshold"])
    extra = {"dict_class": name}
    return of_sae(str(folder), build(str(folder), full, weights), extra)


def _k(folder: Path, said: int | None, arrays: Arrays, found: Weights) -> int:
    in_file = arrays.get("k")
    values: set[int] = {in_file.item()} if in_file is not None and in_file.size == 1 else set()
    if said is not None:
        values.add(said)
    if len(values) != 1 or not 0 < min(values) <= len(found.decoder):
        raise errors.BadWeights(
            f"{folder} is a TopK SAE, and its files say k = "
            f"{' and '.join(map(str, sorted(values))) or 'nothing'}.",
            hint="Take ae.pt and config.json from the same folder.",
        )
    return values.pop()


def _require_threshold(folder: Path, threshold: npt.NDArray[np.float32]) -> None:
    if np.any(threshold < 0):  # its classes begin with -1 and set it late in the training
        raise errors.BadWeights(
            f"The threshold in {folder}/ae.pt is {float(threshold.min()):g}: it was never set.",
            available="A BatchTopK SAE without a threshold needs a whole batch to choose features.",
            hint="Train it beyond threshold_start_step, or take a later checkpoint.",
        )


def _metadata(said: dict[str, Any]) -> dict[str, Any]:
    """Say which model and site the training's configuration names."""
    layer, submodule, model = said.get("layer"), said.get("submodule_name"), said.get("lm_name")
    hook = None
    found = _SUBMODULE.fullmatch(submodule) if submodule is not None else None
    if found:
        hook = f"blocks.{found[2] or found[3]}.{_SITES[found[1] or found[4]]}"
    elif submodule is None and isinstance(layer, int):  # the layer's own output, then
        hook = f"blocks.{layer}.hook_resid_post"
    known = {"hook_name": hook, "model_name": model}
    return {name: value for name, value in known.items() if value is not None}
