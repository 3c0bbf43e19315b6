"""circuit-tracer's sets of transcoders: config.yaml and a file a layer, layer_0.safetensors.

f(x) = relu(x W_enc^T + b_enc), or what is above the threshold; W_skip x may be added to what it
writes. W_dec is kept with one row or one column a feature; its biases say which.
"""

import re
from pathlib import Path
from typing import Any

import numpy as np

from saeatlas import errors
from saeatlas.ingest.saes import reading
from saeatlas.ingest.saes.folders.known_entries import require_known
from saeatlas.ingest.saes.folders.matrices import read_weights
from saeatlas.ingest.saes.raw_sae import RawSae, build, of_sae

_LAYER = re.compile(r"(?:layer|l|transcoder)?_?(\d+)")


_KNOWN = (
    "model_kind", "feature_input_hook", "feature_output_hook", "scan", "transcoders", "subfolder",
)  # fmt: skip


def is_layer_of_set(path: Path) -> bool:
    """Say whether a file stands beside the config.yaml of a set of transcoders."""
    return path.suffix == ".safetensors" and is_set(path.parent)


def is_set(folder: Path) -> bool:
    """Say whether a folder has the config.yaml of a set of transcoders.

    Parameters
    ----------
    folder : Path

    Returns
    -------
    bool

    Raises
    ------
    BadWeights
        Its config.yaml is damaged.
    UnsupportedSae
        circuit-tracer's, but of another kind: a cross-layer transcoder.
    """
    config = folder / "config.yaml"
    if not config.exists():
        return False
    said = reading.read_yaml(config)
    kind = said.get("model_kind", "transcoder_set")
    if kind != "transcoder_set":
        raise errors.UnsupportedSae(
            f"{config} says model_kind {kind!r:.60}, which is not read.",
            available="Read are the layers of a transcoder_set. A cross-layer transcoder writes to "
            "several layers; an SAE here writes to one.",
            hint="Save one layer's decoder alone, in a folder of its own: numpy.save(file, W_dec).",
        )
    return "feature_input_hook" in said or "model_kind" in said


def read_layer_of_set(path: Path) -> RawSae:
    """Read the transcoder of one layer.

    Parameters
    ----------
    path : Path
        Its name ends with the layer.

    Returns
    -------
    RawSae

    Raises
    ------
    BadWeights
        Its shapes contradict each other, or it has no encoder.
    UnsupportedSae
        A threshold below zero, or an array or entry that is not known.
    """
    config_path = path.parent / "config.yaml"
    said = reading.read_yaml(config_path)
    require_known(str(config_path), said, _KNOWN)
    arrays = reading.read_arrays(path)
    found = read_weights(path.name, arrays)
    names = ["b_enc", "b_dec"]
    architecture = "transcoder"
    if "threshold" in found.vectors:
        architecture = "jumprelu_transcoder"
        names.append("threshold")
    weights = found.sae_lens(*names, beside={"W_skip"})
    if np.any(weights.get("threshold", np.zeros(1)) < 0):
        raise errors.UnsupportedSae(
            f"{path} has a threshold below zero, and so activations below zero.",
            available="An SAE's activations are at least zero here.",
            hint="Take its decoder alone: numpy.save(file, W_dec).",
        )
    skip = arrays.get("W_skip")
    if skip is not None:
        architecture = architecture.replace("transcoder", "skip_transcoder")
        weights["W_skip"] = np.asarray(skip, np.float32)
    config = {"architecture": architecture, "metadata": _metadata(path, said)}
    return of_sae(str(path), build(str(path), config, weights))


def _metadata(path: Path, said: dict[str, Any]) -> dict[str, Any]:
    layer = _LAYER.fullmatch(path.stem)
    hook_in, hook_out = said.get("feature_input_hook"), said.get("feature_output_hook")
    model = said.get("model_name")
    known: dict[str, Any] = {"model_name": model if isinstance(model, str) else None}
    for name, hook in (("hook_name", hook_in), ("hook_name_out", hook_out)):
        known[name] = f"blocks.{layer[1]}.{hook}" if layer and isinstance(hook, str) else None
    return {name: value for name, value in known.items() if value is not None}
