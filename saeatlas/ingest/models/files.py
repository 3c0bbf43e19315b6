"""The files of a language model: its configuration, its weights as far as they are needed."""

import hashlib
import json
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any

import torch

from saeatlas import errors
from saeatlas.ingest.formats import json_text

if TYPE_CHECKING:
    from collections.abc import Iterator

    from transformers import PretrainedConfig

_MIB = 2**20


def read_model_config(name: str) -> "PretrainedConfig":
    """Read a model's configuration; of a model of several parts, its language model's.

    Parameters
    ----------
    name : str
        Hub id or folder.

    Returns
    -------
    transformers.PretrainedConfig

    Raises
    ------
    ModelMismatch
        There is none, or the hub cannot be reached.
    """
    from transformers import AutoConfig

    with _understood(name):
        config: PretrainedConfig = AutoConfig.from_pretrained(name).get_text_config()
    return config


def model_facts(config: "PretrainedConfig") -> dict[str, Any]:
    """Say what table ``model`` stores.

    Parameters
    ----------
    config : transformers.PretrainedConfig
        Of the whole model.

    Returns
    -------
    dict
        architecture, n_layers, d_model.
    """
    return {
        "architecture": config.model_type,
        "n_layers": int(config.num_hidden_layers),
        "d_model": int(config.hidden_size),
    }


def load_model(name: str, n_layers: int, dtype: torch.dtype, *, kind: str = "AutoModel") -> Any:
    """Load a model's first layers only.

    Parameters
    ----------
    name : str
        Hub id or folder.
    n_layers : int
        May be 0: embeddings and final norm alone.
    dtype : torch.dtype
    kind : {'AutoModel', 'AutoModelForCausalLM'}, default='AutoModel'
        The base model, or one with its unembedding.

    Returns
    -------
    transformers.PreTrainedModel
        Ready to be run.

    Raises
    ------
    ModelMismatch
        It cannot be loaded, or lacks weights.
    """
    import transformers

    config = read_model_config(name)
    config.num_hidden_layers = n_layers
    if getattr(config, "layer_types", None):
        config.layer_types = config.layer_types[:n_layers]
    verbosity = transformers.logging.get_verbosity()
    transformers.logging.set_verbosity_error()  # it would list every layer left out
    transformers.logging.disable_progress_bar()
    try:
        with _understood(name):
            model, loaded = getattr(transformers, kind).from_pretrained(
                name, config=config, dtype=dtype, output_loading_info=True
            )
    finally:
        transformers.logging.set_verbosity(verbosity)
        transformers.logging.enable_progress_bar()
    missing = sorted(loaded["missing_keys"])
    if missing:
        raise errors.ModelMismatch(
            f"{name} lacks weights that its configuration asks for: {', '.join(missing[:3])} ...",
            hint="Give --model the folder or hub id of the language model itself.",
        )
    return model.eval()


def model_fingerprint(name: str, config: "PretrainedConfig") -> str:
    """Tell models apart without reading all weights.

    Parameters
    ----------
    name : str
        Hub id or folder.
    config : transformers.PretrainedConfig

    Returns
    -------
    str
        SHA-256 as hexadecimal. A hub model is its commit. A folder is its configuration and, of
        each weights file, the name, the size and the first and last MiB, which hold safetensors'
        table of contents.
    """
    digest = hashlib.sha256()
    folder = Path(name)
    if not folder.is_dir():
        digest.update(f"{name}@{getattr(config, '_commit_hash', None)}".encode())
        return digest.hexdigest()
    with errors.raised_as(errors.ModelMismatch):
        stored = json_text.read_json(folder / "config.json")
    digest.update(json.dumps(stored, sort_keys=True).encode())
    for file in sorted(p for p in folder.iterdir() if p.suffix in {".safetensors", ".bin"}):
        size = file.stat().st_size
        digest.update(f"{file.name}:{size}".encode())
        with file.open("rb") as content:
            digest.update(content.read(_MIB))
            content.seek(max(0, size - _MIB))
            digest.update(content.read(_MIB))
    return digest.hexdigest()


@contextmanager
def _understood(name: str) -> "Iterator[None]":
    from huggingface_hub.errors import StrictDataclassError
    from safetensors import SafetensorError

    try:
        yield
    except errors.AtlasError:
        raise
    except (OSError, ValueError, LookupError, RuntimeError, TypeError, AttributeError, ImportError,
            EOFError, SafetensorError, StrictDataclassError, UnpicklingError) as error:  # fmt: skip
        first = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise errors.ModelMismatch(
            f"The model {name} cannot be loaded: {first}",
            hint="Check --model: a hub id that can be reached, or a folder with config.json.",
        ) from error
