"""SAEs from local files: sae-lens folders, Gemma Scope folders, bare decoder matrices."""

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

import numpy as np

from saeatlas import errors

if TYPE_CHECKING:
    import torch
    from sae_lens import SAE

INNER_NAMES = ("cfg.json", "sae_weights.safetensors", "params.npz")
"""Files that stand for the folder they are in."""

_DECODERS = ("W_dec", "w_dec")
_TRANSPOSED = ("decoder.weight",)  # torch.nn.Linear keeps (d_in, d_sae)
_GEMMA = {"W_enc", "W_dec", "b_enc", "b_dec", "threshold"}


@dataclass(frozen=True)
class Found:
    """What a file holds.

    Parameters
    ----------
    sae : sae_lens.SAE or None
        None for a bare decoder.
    decoder : ndarray of shape (d_sae, d_in)
    """

    sae: "SAE[Any] | None"
    decoder: np.ndarray[Any, Any]


def read(path: Path) -> Found:
    """Read an SAE from a folder or a file.

    Parameters
    ----------
    path : Path
        A sae-lens folder (cfg.json, sae_weights.safetensors), a Gemma Scope folder (params.npz),
        one of those files, or a .npz, .npy or .safetensors file with ``W_dec`` of shape
        (d_sae, d_in), or ``decoder.weight`` of shape (d_in, d_sae).

    Returns
    -------
    Found

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
            exists=errors.nearest(path.name, (p.name for p in near)),
            mend="Give --path an SAE's folder, or a file with W_dec.",
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
        exists=f"It holds {names}.",
        mend="Give --path the folder of one SAE, or a file with W_dec.",
    )


def _sae_lens(folder: Path) -> Found:
    from sae_lens import SAE

    from saeatlas.ingest.saes import quiet

    with quiet():
        sae = SAE.load_from_disk(folder, device="cpu", dtype="float32")
    return _checked(folder, sae)


def _gemma_scope(folder: Path) -> Found:
    from sae_lens import SAE

    from saeatlas.ingest.saes import quiet

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
            exists=f"It holds {', '.join(sorted(params))}.",
            mend="A decoder alone is read from a file of another name with W_dec.",
        )
    d_in, d_sae = state["W_enc"].shape
    config = _gemma_config(str(path)) | {"d_in": d_in, "d_sae": d_sae, "device": device}
    tensors = {name: torch.from_numpy(state[name]).float() for name in _GEMMA}
    return config | (cfg_overrides or {}), tensors


def _gemma_config(path: str) -> dict[str, Any]:
    """Say what the path says: layer, site and model, as in the hub's folders."""
    from sae_lens.loading.pretrained_sae_loaders import (
        get_gemma_2_config_from_hf,
        handle_pre_6_0_config,
    )

    try:
        config = get_gemma_2_config_from_hf(path, path, "cpu")
    except ValueError:  # the path says nothing: --hook-name and --model-name have to
        config = {
            "architecture": "jumprelu",
            "dtype": "float32",
            "prepend_bos": True,
            "apply_b_dec_to_input": False,
            "context_size": 1024,
        }
    config["d_in"] = config["d_sae"] = 0  # the weights know
    converted: dict[str, Any] = handle_pre_6_0_config(config)
    return converted


def _bare(path: Path) -> Found:
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
            exists="Known: .safetensors, .npz, .npy, or an SAE's folder.",
        )
    for name in (*_DECODERS, *_TRANSPOSED):
        if name in arrays:
            decoder = arrays[name].T if name in _TRANSPOSED else arrays[name]
            break
    else:
        raise errors.BadWeights(
            f"{path.name} holds no decoder.",
            exists=f"It holds {', '.join(sorted(arrays)) or 'nothing'}.",
            mend=f"The decoder is looked for as {', '.join((*_DECODERS, *_TRANSPOSED))}.",
        )
    if decoder.ndim != 2 or not np.issubdtype(decoder.dtype, np.floating) or 0 in decoder.shape:
        raise errors.BadWeights(
            f"The decoder in {path.name} has shape {decoder.shape} and type {decoder.dtype}.",
            exists="Expected are floating-point numbers of shape (d_sae, d_in).",
        )
    return Found(None, np.asarray(decoder, np.float32))


def _arrays(path: Path) -> dict[str, np.ndarray[Any, Any]]:
    with np.load(path, allow_pickle=False) as file:
        return {name: file[name] for name in file}


def _tensors(path: Path) -> dict[str, np.ndarray[Any, Any]]:
    from safetensors.torch import load_file  # numpy knows no bfloat16

    return {name: t.float().numpy() for name, t in load_file(path).items() if t.is_floating_point()}


def _checked(folder: Path, sae: "SAE[Any]") -> Found:
    decoder = sae.W_dec.detach().float().numpy()
    expected = (sae.cfg.d_sae, getattr(sae.cfg, "d_out", None) or sae.cfg.d_in)
    if decoder.shape != expected:
        raise errors.BadWeights(
            f"W_dec in {folder} has shape {decoder.shape}; its configuration says {expected}.",
            mend="Files of two SAEs may be mixed; fetch them again.",
        )
    return Found(sae, decoder)


@contextmanager
def _understood(path: Path) -> Iterator[None]:
    """Say in our words what is wrong with a file."""
    from safetensors import SafetensorError

    try:
        yield
    except errors.AtlasError:
        raise
    except (NotImplementedError, KeyError) as error:
        raise errors.UnsupportedSae(
            f"sae-lens cannot read the SAE in {path}: {error}",
            mend="Update sae-lens, or ingest its decoder alone from a file with W_dec.",
        ) from error
    except (OSError, ValueError, RuntimeError, TypeError, EOFError, BadZipFile,
            SafetensorError) as error:  # fmt: skip
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise errors.BadWeights(
            f"The SAE in {path} cannot be read: {first}",
            mend="The file may be damaged or half downloaded; fetch it again.",
        ) from error
