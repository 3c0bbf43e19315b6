"""A language model that is run only as far as somebody listens."""

import hashlib
import json
from collections.abc import Callable, Iterable
from contextlib import contextmanager
from pathlib import Path
from pickle import UnpicklingError
from typing import TYPE_CHECKING, Any

import torch

from saeatlas import errors
from saeatlas.ingest import sites

if TYPE_CHECKING:
    from collections.abc import Iterator

    from transformers import PretrainedConfig

_MIB = 2**20


class Listener:
    """A model cut off after the last layer that is listened to.

    Parameters
    ----------
    name : str
        Hub id or folder.
    hook_names : iterable of str
        Where to listen.
    dtype : {'float32', 'bfloat16', 'float16'}
    device : str

    Raises
    ------
    ModelMismatch, UnsupportedSae
    """

    def __init__(self, name: str, hook_names: Iterable[str], *, dtype: str, device: str) -> None:
        self.config = read_config(name)
        self.device = torch.device(device)
        self._family = sites.family_of(name, self.config.model_type)
        self._sites = {hook: _site(name, hook, self.config) for hook in hook_names}
        self.n_layers = int(self.config.num_hidden_layers)
        self.fingerprint = _fingerprint(name, self.config)
        n_needed = 1 + max(site.layer for site in self._sites.values())
        self._model = _load(name, n_needed, getattr(torch, dtype)).to(self.device)
        self._model.set_submodule(self._family.norm, torch.nn.Identity())
        self._heard: dict[str, torch.Tensor] = {}
        for hook, site in self._sites.items():
            self._listen(hook, site)

    @property
    def facts(self) -> dict[str, Any]:
        """What table ``model`` stores."""
        return {
            "architecture": self.config.model_type,
            "n_layers": self.n_layers,
            "d_model": int(self.config.hidden_size),
        }

    @torch.inference_mode()
    def __call__(self, ids: torch.Tensor, mask: torch.Tensor) -> dict[str, torch.Tensor]:
        """Run the model.

        Parameters
        ----------
        ids : Tensor of shape (B, T), int64
            Token ids, padded on the right.
        mask : Tensor of shape (B, T)
            1 where there is a token.

        Returns
        -------
        dict of str to Tensor of shape (B, T, d)
            By hook name; values at padding mean nothing.
        """
        self._heard.clear()
        self._model(
            input_ids=ids.to(self.device), attention_mask=mask.to(self.device), use_cache=False
        )
        heard, self._heard = self._heard, {}
        for hook, site in self._sites.items():
            expected = (*ids.shape, site.width(self.config))
            if tuple(heard[hook].shape) != expected:
                raise errors.ModelMismatch(
                    f"{hook} gave activations of shape {tuple(heard[hook].shape)}, "
                    f"not {expected}: this version of transformers is not understood.",
                    mend="Install the versions that constraints.txt pins.",
                )
        return heard

    def _listen(self, hook: str, site: sites.Site) -> None:
        place = site.place(self._family)
        assert place is not None  # _site has checked it
        path, side = place.split(":")
        layer = self._model.get_submodule(f"{self._family.layers}.{site.layer}")
        module = layer.get_submodule(path) if path else layer
        if side == "in":
            module.register_forward_pre_hook(self._keep_input(hook), with_kwargs=True)
        elif side == "norm":
            module.register_forward_hook(self._keep_normalized(hook))
        else:
            module.register_forward_hook(self._keep_output(hook))

    def _keep_normalized(self, hook: str) -> Callable[..., None]:
        def keep(module: Any, args: tuple[Any, ...], _output: Any) -> None:
            self._heard[hook] = _without_gain(module, args[0])

        return keep

    def _keep_input(self, hook: str) -> Callable[..., None]:
        def keep(_module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            self._heard[hook] = args[0] if args else kwargs["hidden_states"]

        return keep

    def _keep_output(self, hook: str) -> Callable[..., None]:
        def keep(_module: Any, _args: tuple[Any, ...], output: Any) -> None:
            # some versions return a tuple that begins with the hidden states
            self._heard[hook] = output if isinstance(output, torch.Tensor) else output[0]

        return keep


def open_model(
    name: str, hook_names: Iterable[str], *, dtype: str = "float32", device: str | None = None
) -> Listener:
    """Load a model as far as it is listened to.

    Parameters
    ----------
    name : str
        Hub id or folder.
    hook_names : iterable of str
    dtype : {'float32', 'bfloat16', 'float16'}, default='float32'
    device : str, optional
        Default: cuda or mps where there is one, else cpu.

    Returns
    -------
    Listener

    Raises
    ------
    ModelMismatch, UnsupportedSae
    """
    return Listener(name, hook_names, dtype=dtype, device=device or _fastest())


def require_fit(name: str, places: Iterable[tuple[str, int]]) -> None:
    """Check that a model has the places and the widths that SAEs expect, before any weight loads.

    Parameters
    ----------
    name : str
        Hub id or folder of the model.
    places : iterable of (str, int)
        Hook name and width that an SAE listens to.

    Raises
    ------
    ModelMismatch, UnsupportedSae
    """
    config = read_config(name)
    for hook, width in places:
        found = _site(name, hook, config).width(config)
        if found != width:
            raise errors.ModelMismatch(
                f"An SAE at {hook} listens to {width} dimensions; {name} has {found} there.",
                mend="Check --model and --sae: the SAE was trained on another model.",
            )


def read_config(name: str) -> "PretrainedConfig":
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


def _load(name: str, n_layers: int, dtype: torch.dtype) -> Any:
    """Load the base model's first layers only."""
    import transformers

    config = read_config(name)
    config.num_hidden_layers = n_layers
    if getattr(config, "layer_types", None):
        config.layer_types = config.layer_types[:n_layers]
    verbosity = transformers.logging.get_verbosity()
    transformers.logging.set_verbosity_error()  # it would list every layer left out
    transformers.logging.disable_progress_bar()
    try:
        with _understood(name):
            model, loaded = transformers.AutoModel.from_pretrained(
                name, config=config, dtype=dtype, output_loading_info=True
            )
    finally:
        transformers.logging.set_verbosity(verbosity)
        transformers.logging.enable_progress_bar()
    missing = sorted(loaded["missing_keys"])
    if missing:
        raise errors.ModelMismatch(
            f"{name} lacks weights that its configuration asks for: {', '.join(missing[:3])} ...",
            mend="Give --model the folder or hub id of the language model itself.",
        )
    return model.eval()


def _site(name: str, hook: str, config: "PretrainedConfig") -> sites.Site:
    site = sites.parse(hook)
    family = sites.family_of(name, config.model_type)
    if site.layer >= config.num_hidden_layers:
        raise errors.ModelMismatch(
            f"The SAE listens at {hook}; {name} has layers 0 to {config.num_hidden_layers - 1}.",
            mend="Check --model and --sae: the SAE was trained on another model.",
        )
    if site.place(family) is None:
        raise errors.UnsupportedSae(
            f"A {config.model_type} model has no place like {hook}.",
            mend="Compute the activations elsewhere and use `saeatlas ingest table`.",
        )
    return site


def _without_gain(norm: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Normalise as a LayerNorm or RMSNorm does before it applies its weight and bias."""
    wide = x.to(torch.float32)  # (B, T, d)
    if isinstance(norm, torch.nn.LayerNorm):
        wide = wide - wide.mean(-1, keepdim=True)
    eps: Any = norm.eps if hasattr(norm, "eps") else norm.variance_epsilon
    return (wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + eps)).to(x.dtype)


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
            mend="Check --model: a hub id that can be reached, or a folder with config.json.",
        ) from error


def _fingerprint(name: str, config: "PretrainedConfig") -> str:
    """Tell models apart without reading all weights: SHA-256 as hexadecimal.

    A hub model is its commit. A folder is its configuration and, of each weights file, the name,
    the size and the first and last MiB, which hold safetensors' table of contents.
    """
    digest = hashlib.sha256()
    folder = Path(name)
    if not folder.is_dir():
        digest.update(f"{name}@{getattr(config, '_commit_hash', None)}".encode())
        return digest.hexdigest()
    stored = json.loads((folder / "config.json").read_text("utf-8"))
    digest.update(json.dumps(stored, sort_keys=True).encode())
    for file in sorted(p for p in folder.iterdir() if p.suffix in {".safetensors", ".bin"}):
        size = file.stat().st_size
        digest.update(f"{file.name}:{size}".encode())
        with file.open("rb") as content:
            digest.update(content.read(_MIB))
            content.seek(max(0, size - _MIB))
            digest.update(content.read(_MIB))
    return digest.hexdigest()


def _fastest() -> str:
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"
