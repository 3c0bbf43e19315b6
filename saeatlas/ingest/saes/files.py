"""SAEs from local files: which kind a folder or file is, and who reads it."""

import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from pickle import UnpicklingError
from zipfile import BadZipFile

from saeatlas import errors
from saeatlas.ingest.formats import files as formats
from saeatlas.ingest.saes import reading
from saeatlas.ingest.saes.folders import (
    dictionary_learning,
    gemma_scope,
    matrices,
    openmoss,
    qwen_scope,
    sae_lens,
    sparsify,
    transcoder_set,
)
from saeatlas.ingest.saes.raw_sae import RawSae
from saeatlas.messages import first_lines

INNER_NAMES = (
    "cfg.json", "sae_weights.safetensors", "params.npz", "params.safetensors", "sae.safetensors",
    "ae.pt", "hyperparams.json", "config.json",
)  # fmt: skip
"""Files that stand for the folder they are in."""

_KINDS: tuple[tuple[set[str], Callable[[Path], RawSae]], ...] = (
    ({"params.npz"}, gemma_scope.read_first),
    ({"params.safetensors"}, gemma_scope.read_second),
    ({"ae.pt", "config.json"}, dictionary_learning.read_dictionary),
)
"""By the files that a folder of a kind must have: who reads it."""

_FOLDERS = (
    "Folders of sae-lens (cfg.json, sae_weights.safetensors), Gemma Scope (params.npz), Gemma "
    "Scope 2 (params.safetensors), sparsify (cfg.json, sae.safetensors), dictionary_learning "
    "(ae.pt, config.json) and language-model-saes (hyperparams.json or config.json) are read."
)


def read_sae_files(path: Path) -> RawSae:
    """Read an SAE from a folder or a file.

    Parameters
    ----------
    path : Path
        A folder of sae-lens, Gemma Scope, sparsify, dictionary_learning or language-model-saes,
        one of its files, a layer's file of Qwen-Scope or of a set of transcoders, or a .npz, .npy,
        .safetensors or .pt file with a decoder.

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
        What its files say cannot be computed exactly.
    """
    with understood(path), errors.raised_as(errors.BadWeights):
        formats.require_plain(path)
        if not path.exists():
            near = path.parent.iterdir() if path.parent.is_dir() else ()
            raise errors.UnknownName(
                f"There is no {path}.",
                available=errors.nearest(path.name, (p.name for p in near)),
                hint="Give --path an SAE's folder, or a file with W_dec.",
            )
        folder = path.parent if path.name in INNER_NAMES else path
        read = _reader(folder)
        if read is not None:
            return read(folder)
        if not path.is_dir():
            return _file(path)
        names = ", ".join(sorted(p.name for p in path.iterdir())[:8]) or "nothing"
        of_set = transcoder_set.is_set(path)
    raise errors.UnknownName(
        f"{path} holds no SAE that is read whole.",
        available=f"It holds {names}. {_FOLDERS}",
        hint="Give --path the file of one layer, as layer_12.safetensors."
        if of_set
        else "Give --path the folder of one SAE, or a file with W_dec.",
    )


def standing_for(path: Path) -> Path:
    """Return the folder or file that an SAE is named after.

    Parameters
    ----------
    path : Path

    Returns
    -------
    Path
    """
    is_inner = path.name in INNER_NAMES
    whole = is_inner and (path.name == "sae_weights.safetensors" or _reader(path.parent))
    return path.parent if whole else path


def _reader(folder: Path) -> Callable[[Path], RawSae] | None:
    """Find the kind of a folder by the files in it."""
    has = {name for name in INNER_NAMES if (folder / name).exists()}
    if "cfg.json" in has:
        said = reading.read_config(folder / "cfg.json")
        is_sparsify = "sae.safetensors" in has or sparsify.is_sparsify(said)
        is_other = is_sparsify and "sae_weights.safetensors" not in has
        return sparsify.read_sparsify if is_other else sae_lens.read_sae_lens
    for names, read in _KINDS:
        if names <= has:
            return read
    for name in ("hyperparams.json", "config.json"):
        if name in has and openmoss.is_openmoss(reading.read_config(folder / name)):
            return partial(openmoss.read_openmoss, configuration=name)
    return None


def _file(path: Path) -> RawSae:
    """Read a file that is an SAE on its own."""
    if qwen_scope.is_qwen_scope(path):
        return qwen_scope.read_qwen_scope(path)
    if transcoder_set.is_layer_of_set(path):
        return transcoder_set.read_layer_of_set(path)
    arrays = reading.read_arrays(path)
    found = matrices.read_weights(path.name, arrays)
    left_out = sorted(found.others)
    return RawSae(None, found.decoder, found.encoder, left_out=tuple(left_out))


def damage() -> tuple[type[Exception], ...]:
    """Return what sae-lens and the readers of files raise at files that are not as they should be.

    Returns
    -------
    tuple of type
    """
    from safetensors import SafetensorError

    return (
        OSError, ValueError, RuntimeError, TypeError, LookupError, AttributeError, EOFError,
        AssertionError, ArithmeticError, MemoryError, BadZipFile, zlib.error, SafetensorError,
        UnpicklingError,
    )  # fmt: skip


def _is_truncated(error: Exception) -> bool:
    """Say whether an error is what the readers raise at a file whose end or bytes are wrong."""
    from safetensors import SafetensorError

    kinds = (EOFError, BadZipFile, zlib.error, SafetensorError)
    said = str(error).lower()
    marks = ("failed finding central directory", "truncated", "crc", "not a zip", "end of data",
             "cannot reshape", "ran out of input", "invalid header", "magic string")  # fmt: skip
    return isinstance(error, kinds) or any(mark in said for mark in marks)


@contextmanager
def understood(path: Path) -> Iterator[None]:
    """Say in our words what is wrong with the files of an SAE.

    Parameters
    ----------
    path : Path

    Raises
    ------
    BadWeights
    """
    try:
        yield
    except errors.AtlasError:
        raise
    except damage() as error:
        if "pickle" in str(error).lower() or "weights_only" in str(error).lower():
            raise errors.BadWeights(
                f"{path} holds pickled objects, which could run any code; they are not read.",
                available="Tensors by name, as torch.save of a state_dict() has them, are read.",
                hint="Save the array alone: numpy.save(file, W_dec.astype('float32')).",
            ) from error
        hint = (
            "The file is damaged or half downloaded; fetch it again."
            if _is_truncated(error)
            else "Configuration and weights do not fit together: take both from the same place."
        )
        raise errors.BadWeights(
            f"The SAE in {path} cannot be read: {first_lines(error, 2)}", hint=hint
        ) from error
