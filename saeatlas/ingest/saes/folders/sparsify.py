"""EleutherAI's sparsify: cfg.json and sae.safetensors, TopK or GroupMax.

pre = relu((x - b_dec) W_enc^T + b_enc), of which the k largest stay (topk), or the largest of each
of k groups of neighbours (groupmax); signed ones of old versions keep the k largest by magnitude,
with their sign. A transcoder reads x as it is, and may add W_skip x to what it writes.
"""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Any, Required

import numpy as np
from typing_extensions import TypedDict

from saeatlas import errors
from saeatlas.ingest.formats import json_text
from saeatlas.ingest.saes import reading
from saeatlas.ingest.saes.folders.known_entries import require_known
from saeatlas.ingest.saes.folders.matrices import read_weights
from saeatlas.ingest.saes.raw_sae import Arrays, RawSae, build, of_sae

if TYPE_CHECKING:
    from sae_lens import SAE


class _Config(TypedDict, total=False):
    d_in: Required[int]
    k: Required[int]
    expansion_factor: float
    num_latents: int | None
    activation: str
    signed: bool
    multi_topk: bool
    normalize_decoder: bool
    skip_connection: bool
    transcode: bool


_LAYER = re.compile(r"(?:.*\.)?(?:layers|h)\.(\d+)")


def is_sparsify(said: dict[str, Any]) -> bool:
    """Say whether a cfg.json is sparsify's."""
    return "k" in said and "expansion_factor" in said and "d_sae" not in said


def read_sparsify(folder: Path) -> RawSae:
    """Read a folder of sparsify.

    Parameters
    ----------
    folder : Path
        Its name is the module that the SAE reads: ``layers.12``.

    Returns
    -------
    RawSae

    Raises
    ------
    BadWeights
        Arrays are missing, their shapes contradict each other, or k does not fit them.
    UnsupportedSae
        It has an activation function or an entry that is not known here.
    """
    said = reading.read_config(folder / "cfg.json")
    where = str(folder / "cfg.json")
    json_text.typed(_Config, said, where, "Take it from the folder of the weights.")
    require_known(where, said, {*_Config.__annotations__, "lookup_max_order"})
    activation = said.get("activation", "topk")
    if activation not in ("topk", "groupmax"):
        raise errors.UnsupportedSae(
            f"{folder}/cfg.json has activation {activation!r}, which is not known of a sparsify "
            "SAE.",
            available="Known are its activations topk and groupmax.",
            hint="Its decoder alone is read with --path sae.safetensors in a folder of its own.",
        )
    if said.get("signed") and (said.get("transcode") or activation == "groupmax"):
        raise errors.UnsupportedSae(
            f"{folder}/cfg.json says signed, which is known of a TopK SAE only.",
            hint="Its decoder alone is read with --path sae.safetensors in another folder.",
        )
    if said.get("skip_connection") and not said.get("transcode"):
        raise errors.UnsupportedSae(
            f"{folder}/cfg.json has a skip_connection, but is no transcoder.",
            hint="Its decoder alone is read with --path sae.safetensors in another folder.",
        )
    arrays = reading.read_arrays(folder / "sae.safetensors")
    found = read_weights("sae.safetensors", arrays)
    found.require_sizes(where, said["d_in"], said.get("num_latents") or None)
    k = _k(folder, said["k"], len(found.decoder), activation)
    has_skip = said.get("transcode") and said.get("skip_connection")
    weights = found.sae_lens("b_enc", "b_dec", beside={"W_skip"} if has_skip else ())
    sae = _built(folder, said, weights, arrays, k)
    name = str(sae.cfg.architecture())
    if activation == "groupmax":
        from saeatlas.ingest.saes.activation_functions import GroupMax

        sae.activation_fn = GroupMax(k)
        name = name.replace("topk", "groupmax")
    if said.get("transcode"):
        name = f"{activation}_{name}"
    return of_sae(str(folder), sae, {"architecture": name, "k": k})


def _built(
    folder: Path, said: dict[str, Any], weights: dict[str, Any], arrays: Arrays, k: int
) -> "SAE[Any]":
    config: dict[str, Any] = {"metadata": _metadata(folder)}
    if not said.get("transcode"):
        architecture = "abstopk" if said.get("signed") else "topk"
        config |= {"architecture": architecture, "k": k, "apply_b_dec_to_input": True}
        return build(str(folder), config, weights)
    from sae_lens.saes.topk_sae import TopK

    skip = arrays.get("W_skip") if said.get("skip_connection") else None
    if said.get("skip_connection") and skip is None:
        raise errors.BadWeights(
            f"{folder}/cfg.json has a skip_connection, and sae.safetensors no W_skip.",
            hint="Take both from the same folder.",
        )
    if skip is not None:
        weights["W_skip"] = np.asarray(skip, np.float32)
    config["architecture"] = "transcoder" if skip is None else "skip_transcoder"
    sae = build(str(folder), config, weights)
    sae.activation_fn = TopK(k)
    return sae


def _k(folder: Path, k: int, d_sae: int, activation: str) -> int:
    if not 0 < k <= d_sae or (activation == "groupmax" and d_sae % k):
        raise errors.BadWeights(
            f"{folder}/cfg.json says k = {k:,}, which does not fit {d_sae:,} features.",
            hint="Take cfg.json and sae.safetensors from the same folder.",
        )
    return k


def _metadata(folder: Path) -> dict[str, Any]:
    """Say what the folder's name and the training's config.json above it say."""
    path = folder.parent / "config.json"
    above = reading.read_config(path) if path.exists() else {}
    layer = _LAYER.fullmatch(folder.name)
    hook = f"blocks.{layer[1]}.hook_resid_post" if layer else None
    model = above.get("model")
    known = {"hook_name": hook, "model_name": model if isinstance(model, str) else None}
    return {name: value for name, value in known.items() if value is not None}
