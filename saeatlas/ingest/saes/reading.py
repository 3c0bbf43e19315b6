"""Configurations and arrays from the files of SAEs, of whatever format; nothing is unpickled."""

from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from saeatlas import errors
from saeatlas.ingest.formats import arrays, files, json_text, tensors

LONGEST = 1 << 20
"""Most bytes of a configuration."""

SUFFIXES = (".safetensors", ".npz", ".npy", ".pt", ".pth", ".bin")
"""Files that arrays are read from."""

_NESTED = ("sae", "state_dict", "model_state_dict", "model")


def read_config(path: Path) -> dict[str, Any]:
    """Read a configuration: one JSON object.

    Parameters
    ----------
    path : Path

    Returns
    -------
    dict

    Raises
    ------
    BadWeights
        It is no JSON, or something else than an object.
    """
    try:
        config = json_text.read_json(path, LONGEST)
    except errors.BadFile as error:
        hint = error.hint or "Take it from where the weights came from."
        raise errors.BadWeights(error.wrong, available=error.available, hint=hint) from error
    if not isinstance(config, dict):
        raise errors.BadWeights(
            f"{path} is not the configuration of an SAE.",
            available="A configuration is a JSON object: {...}.",
            hint="Save the SAE again with sae-lens' save_model.",
        )
    return config


def read_yaml(path: Path) -> dict[str, Any]:
    """Read a configuration in YAML.

    Parameters
    ----------
    path : Path

    Returns
    -------
    dict

    Raises
    ------
    BadWeights
        It is damaged, or something else than names and values.
    """
    import yaml

    content, reason = None, "it has no names and values"
    if files.require_content(path) > LONGEST:
        reason = f"it has more than {LONGEST:,} bytes"
    else:
        try:
            content = yaml.safe_load(path.read_text("utf-8-sig"))
        except (yaml.YAMLError, ValueError, LookupError, TypeError, RecursionError) as error:
            reason = f"{' '.join(str(error).split())[:200] or type(error).__name__}"
    if not isinstance(content, dict):
        raise errors.BadWeights(
            f"{path} cannot be read as YAML: {reason}.",
            available="It may say what the weights beside it compute.",
            hint="It may be damaged: fetch it again. A decoder alone is read in a folder of its "
            "own.",
        )
    return {str(name): value for name, value in content.items()}


def read_arrays(path: Path) -> dict[str, npt.NDArray[np.generic]]:
    """Read the arrays of a file by name; that of a .npy file is called W_dec.

    Parameters
    ----------
    path : Path
        .safetensors, .npz, .npy, .pt, .pth or .bin.

    Returns
    -------
    dict of str to ndarray
        Floating-point numbers of torch as float32.

    Raises
    ------
    BadFile
        It is damaged.
    UnknownName
        A file of another kind.
    """
    if path.suffix == ".npy":
        return {"W_dec": arrays.read_npy(path)}
    if path.suffix == ".npz":
        with arrays.open_npz(path) as file:
            return {name: file.read(name) for name in file.names}
    if path.suffix == ".safetensors":
        return tensors.read_tensors(path)
    if path.suffix in SUFFIXES:
        return _in_numpy(_unnested(tensors.read_checkpoint(path)))
    raise errors.UnknownName(
        f"{path.name} is not a file that SAEs are read from.",
        available=f"Known: {', '.join(SUFFIXES)}, or an SAE's folder.",
        hint="Save W_dec as one of these: numpy.save(file, W_dec).",
    )


def _unnested(content: Any) -> Any:
    """Look into a checkpoint for the weights, which may lie beside an optimizer's.

    Tensors and numbers that stand directly beside them may belong to them.
    """
    for _ in range(3):
        inner = [content[key] for key in _NESTED if isinstance(content, dict) and key in content]
        if not inner or not isinstance(inner[0], dict):
            break
        content = {k: v for k, v in content.items() if not isinstance(v, dict)} | inner[0]
    return content


def _in_numpy(content: Any) -> dict[str, npt.NDArray[np.generic]]:
    import torch

    if isinstance(content, torch.Tensor):
        content = {"W_dec": content}
    if not isinstance(content, dict):
        raise errors.BadWeights(
            f"The file holds a {type(content).__name__} and no tensors by name.",
            hint="Save the SAE's state_dict().",
        )
    found = {str(k): tensors.in_numpy(t) for k, t in content.items() if isinstance(t, torch.Tensor)}
    numbers = {str(k): np.array(v) for k, v in content.items() if type(v) in (int, float)}
    return found | numbers
