"""SAEs from local files: sae-lens folders, Gemma Scope folders, bare decoder matrices."""

import json
import logging
import re
import warnings
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np
import numpy.typing as npt

from saeatlas import errors

if TYPE_CHECKING:
    import torch
    from sae_lens import SAE

INNER_NAMES = ("cfg.json", "sae_weights.safetensors", "params.npz")
"""Files that stand for the folder they are in."""

_DECODERS = ("W_dec", "w_dec")
_TRANSPOSED = ("decoder.weight",)  # torch.nn.Linear keeps (d_in, d_sae)
_GEMMA = {"W_enc", "W_dec", "b_enc", "b_dec", "threshold"}
_GEMMA_PATH = re.compile(
    r"(gemma-scope-\d+b-(?:pt|it)-(?:res|mlp|att|transcoders))(?![a-z]).*?(layer_\d+|embedding)"
)


@dataclass(frozen=True)
class RawSae:
    """What a file holds.

    Parameters
    ----------
    sae : sae_lens.SAE or None
        None for a bare decoder.
    decoder : ndarray of shape (d_sae, d_in), float32
    """

    sae: "SAE[Any] | None"
    decoder: npt.NDArray[np.float32]


def read_sae_files(path: Path) -> RawSae:
    """Read an SAE from a folder or a file.

    Parameters
    ----------
    path : Path
        A sae-lens folder (cfg.json, sae_weights.safetensors), a Gemma Scope folder (params.npz),
        one of those files, or a .npz, .npy or .safetensors file with ``W_dec`` of shape
        (d_sae, d_in), or ``decoder.weight`` of shape (d_in, d_sae).

    Returns
    -------
    RawSae

    Raises
    ------
    UnknownName
        There is nothing of this kind.
    BadWeights
        It is damaged, or its shapes disagree.
    UnsupportedSae
        sae-lens does not know its architecture.
    """
    folder = path.parent if path.name in INNER_NAMES else path
    if not path.exists():
        near = path.parent.iterdir() if path.parent.is_dir() else ()
        raise errors.UnknownName(
            f"There is no {path}.",
            available=errors.nearest(path.name, (p.name for p in near)),
            hint="Give --path an SAE's folder, or a file with W_dec.",
        )
    with _understood(path):
        if (folder / "cfg.json").is_file():
            return _sae_lens(folder)
        if (folder / "params.npz").is_file():
            return _gemma_scope(folder)
        if path.is_file():
            return _bare(path)
    names = ", ".join(sorted(p.name for p in path.iterdir())[:8]) or "nothing"
    raise errors.UnknownName(
        f"{path} holds no SAE: neither cfg.json nor params.npz.",
        available=f"It holds {names}.",
        hint="Give --path the folder of one SAE, or a file with W_dec.",
    )


def _sae_lens(folder: Path) -> RawSae:
    from sae_lens import SAE
    from sae_lens.registry import SAE_CLASS_REGISTRY

    config = json.loads((folder / "cfg.json").read_text("utf-8"))
    if not isinstance(config, dict) or not isinstance(config.get("metadata", {}), dict):
        raise errors.BadWeights(
            f"{folder}/cfg.json is not the configuration of an SAE.",
            hint="Save the SAE again with sae-lens' save_model.",
        )
    architecture = config.get("architecture", "standard")
    if architecture not in list(SAE_CLASS_REGISTRY):  # which may be anything, a list too
        raise errors.UnsupportedSae(
            f"sae-lens cannot run an SAE of architecture {architecture!r}, as in {folder}.",
            available="It can run " + ", ".join(sorted(SAE_CLASS_REGISTRY)) + ".",
            hint="An SAE in training is saved with save_inference_model; of any other, the "
            "decoder alone is read with --path sae_weights.safetensors in a folder of its own.",
        )
    with quiet():
        sae = SAE.load_from_disk(folder, device="cpu", dtype="float32")
    if "prepend_bos" not in config | config.get("metadata", {}):
        sae.cfg.metadata["prepend_bos"] = None  # sae-lens fills in True for older files
    return _checked(folder, sae)


def _gemma_scope(folder: Path) -> RawSae:
    from sae_lens import SAE

    with quiet():
        sae = SAE.load_from_disk(folder, device="cpu", dtype="float32", converter=_read_gemma_scope)
    return _checked(folder, sae)


def _read_gemma_scope(
    path: str | Path, device: str = "cpu", cfg_overrides: dict[str, Any] | None = None
) -> "tuple[dict[str, Any], dict[str, torch.Tensor]]":
    """Convert params.npz to what sae-lens' own loader of the hub's Gemma Scope gives."""
    import torch

    params = _arrays(Path(path) / "params.npz")
    state = {re.sub("^w_", "W_", name): values for name, values in params.items()}
    missing = _GEMMA - state.keys()
    if missing:
        raise errors.BadWeights(
            f"{path}/params.npz lacks {', '.join(sorted(missing))}.",
            available=f"It holds {', '.join(sorted(params))}.",
            hint="A decoder alone is read from a file of another name with W_dec.",
        )
    if not np.allclose(state.get("scaling_factor", 1), 1):
        raise errors.UnsupportedSae(
            f"{path}/params.npz has a scaling_factor, which sae-lens does not apply.",
            hint="Multiply it into W_dec, take it out of the file, and ingest that.",
        )
    tensors = {name: torch.from_numpy(state[name]).float() for name in _GEMMA}
    d_in, d_sae = tensors["W_enc"].shape
    config = _gemma_config(str(path)) | {"d_in": d_in, "d_sae": d_sae, "device": device}
    if "transcoder" in config["architecture"]:
        config["d_out"] = tensors["W_dec"].shape[1]
    if config.get("hook_name") == "hook_embed":  # trained on embeddings before they are scaled
        tensors["W_enc"] /= d_in**0.5
        tensors["W_dec"] *= d_in**0.5
    return config | (cfg_overrides or {}), tensors


def _gemma_config(path: str) -> dict[str, Any]:
    """Say what the path says: layer, site and model, as in the hub's folders."""
    from sae_lens.loading import pretrained_sae_loaders as loaders

    said = _GEMMA_PATH.search(path)
    config: dict[str, Any] = {
        "architecture": "jumprelu",
        "prepend_bos": True,
        "apply_b_dec_to_input": False,
        "context_size": 1024,
    }
    if said:  # else --hook-name and --model-name have to
        read = (
            loaders.get_gemma_2_transcoder_config_from_hf
            if "transcoders" in said[1]
            else loaders.get_gemma_2_config_from_hf
        )
        config = read(said[1], f"{said[2]}/width_16k", "cpu")  # the weights know the true width
    return config


def _bare(path: Path) -> RawSae:
    """Read a decoder matrix alone."""
    if path.suffix == ".npy":
        arrays = {"W_dec": np.load(path, allow_pickle=False)}
    elif path.suffix == ".npz":
        arrays = _arrays(path)
    elif path.suffix == ".safetensors":
        arrays = _tensors(path)
    else:
        raise errors.UnknownName(
            f"{path.name} is not a file that SAEs are read from.",
            available="Known: .safetensors, .npz, .npy, or an SAE's folder.",
            hint="Save W_dec as one of these: numpy.save(file, W_dec).",
        )
    for name in (*_DECODERS, *_TRANSPOSED):
        if name in arrays:
            decoder = arrays[name].T if name in _TRANSPOSED else arrays[name]
            break
    else:
        raise errors.BadWeights(
            f"{path.name} holds no decoder.",
            available=f"It holds {', '.join(sorted(arrays)) or 'nothing'}.",
            hint=f"The decoder is looked for as {', '.join((*_DECODERS, *_TRANSPOSED))}.",
        )
    if decoder.ndim != 2 or not np.issubdtype(decoder.dtype, np.floating) or 0 in decoder.shape:
        raise errors.BadWeights(
            f"The decoder in {path.name} has shape {decoder.shape} and type {decoder.dtype}.",
            available="Expected are floating-point numbers of shape (d_sae, d_in).",
            hint="Save W_dec alone, one row per feature, as float32.",
        )
    with np.errstate(over="ignore"):  # infinity is found out later
        return RawSae(None, np.asarray(decoder, np.float32))


def _arrays(path: Path) -> dict[str, npt.NDArray[np.generic]]:
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file}


def _tensors(path: Path) -> dict[str, npt.NDArray[np.generic]]:
    from safetensors.torch import load_file  # numpy knows no bfloat16

    tensors = load_file(path).items()
    return {name: (t.float() if t.is_floating_point() else t).numpy() for name, t in tensors}


def _checked(folder: Path, sae: "SAE[Any]") -> RawSae:
    decoder = sae.W_dec.detach().float().numpy()
    expected = (sae.cfg.d_sae, getattr(sae.cfg, "d_out", None) or sae.cfg.d_in)
    if decoder.shape != expected:
        raise errors.BadWeights(
            f"W_dec in {folder} has shape {decoder.shape}; its configuration says {expected}.",
            hint="Files of two SAEs may be mixed; fetch them again.",
        )
    return RawSae(sae, decoder)


def damage() -> tuple[type[Exception], ...]:
    """Return what sae-lens and the readers of files raise at files that are not as they should be.

    Returns
    -------
    tuple of type
    """
    from safetensors import SafetensorError

    return (
        OSError, ValueError, RuntimeError, TypeError, LookupError, AttributeError, EOFError,
        AssertionError, BadZipFile, zlib.error, SafetensorError, UnpicklingError,
    )  # fmt: skip


def what_it_says(error: Exception) -> str:
    """Return the first two lines of an error: torch says what is wrong on the second."""
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return " ".join(lines[:2]) or type(error).__name__


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


@contextmanager
def _understood(path: Path) -> Iterator[None]:
    """Say in our words what is wrong with a file."""
    try:
        yield
    except errors.AtlasError:
        raise
    except damage() as error:
        if "pickle" in str(error):
            raise errors.BadWeights(
                f"{path} holds pickled objects, which could run any code; they are not read.",
                hint="Save the array alone: numpy.save(file, W_dec.astype('float32')).",
            ) from error
        raise errors.BadWeights(
            f"The SAE in {path} cannot be read: {what_it_says(error)}",
            hint="The file may be damaged or half downloaded; fetch it again.",
        ) from error
