"""A language model with hooks, run only as far as the last of them."""

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from saeatlas import errors
from saeatlas.ingest.models import families, files, hooks

if TYPE_CHECKING:
    from transformers import PretrainedConfig


class HookedModel:
    """A model without the layers after the last hook, whose forward pass gives activations.

    Parameters
    ----------
    name : str
        Hub id or folder.
    hook_names : iterable of str
        Input sites: where activations are recorded.
    dtype : {'float32', 'bfloat16', 'float16'}
    device : str

    Raises
    ------
    ModelMismatch, UnsupportedSae
    """

    def __init__(self, name: str, hook_names: Iterable[str], *, dtype: str, device: str) -> None:
        self.config = files.read_model_config(name)
        self.device = torch.device(device)
        self._family = families.family_of(name, self.config.model_type)
        self._sites = {hook: _site(name, hook, self.config) for hook in hook_names}
        self.fingerprint = files.model_fingerprint(name, self.config)
        n_needed = 1 + max(site.layer for site in self._sites.values())
        self.module = files.load_model(name, n_needed, getattr(torch, dtype)).to(self.device)
        self.module.set_submodule(self._family.norm, torch.nn.Identity())
        self._recorded: dict[str, torch.Tensor] = {}
        for hook, site in self._sites.items():
            self._attach(hook, site)

    @property
    def facts(self) -> dict[str, Any]:
        """What table ``model`` stores."""
        return files.model_facts(self.config)

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
        self._recorded.clear()
        self.module(
            input_ids=ids.to(self.device), attention_mask=mask.to(self.device), use_cache=False
        )
        acts, self._recorded = self._recorded, {}
        for hook, site in self._sites.items():
            expected = (*ids.shape, site.width(self.config))
            if tuple(acts[hook].shape) != expected:
                raise errors.ModelMismatch(
                    f"{hook} gave activations of shape {tuple(acts[hook].shape)}, "
                    f"not {expected}: this version of transformers is not understood.",
                    hint="Install transformers in a version that SAE Atlas was tested with: "
                    f"{errors.DOCS.removesuffix('docs')}constraints.txt",
                )
        return acts

    def run(self, rows: Sequence[npt.NDArray[np.int32]]) -> dict[str, torch.Tensor]:
        """Run the model on texts of any length.

        Parameters
        ----------
        rows : sequence of ndarray of shape (n_tokens,), int32
            Token ids of each text.

        Returns
        -------
        dict of str to Tensor of shape (len(rows), T, d)
            By hook name, T being the longest row's length; values after a row's end mean nothing.
        """
        ids = torch.zeros(len(rows), max(map(len, rows)), dtype=torch.int64)  # (B, T)
        mask = torch.zeros_like(ids)
        for i, row in enumerate(rows):
            ids[i, : len(row)] = torch.from_numpy(row.astype(np.int64))
            mask[i, : len(row)] = 1
        return self(ids, mask)

    def _attach(self, hook: str, site: hooks.Site) -> None:
        place = site.place(self._family)
        assert place is not None  # _site has checked it
        path, side = place.split(":")
        layer = self.module.get_submodule(f"{self._family.layers}.{site.layer}")
        module = layer.get_submodule(path) if path else layer
        if side == "in":
            module.register_forward_pre_hook(self._keep_input(hook), with_kwargs=True)
        elif side == "norm":
            module.register_forward_hook(self._keep_normalized(hook))
        else:
            module.register_forward_hook(self._keep_output(hook))

    def _keep_normalized(self, hook: str) -> Callable[..., None]:
        def keep(module: Any, args: tuple[Any, ...], _output: Any) -> None:
            self._recorded[hook] = without_gain(module, args[0])

        return keep

    def _keep_input(self, hook: str) -> Callable[..., None]:
        def keep(_module: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
            self._recorded[hook] = args[0] if args else kwargs["hidden_states"]

        return keep

    def _keep_output(self, hook: str) -> Callable[..., None]:
        def keep(_module: Any, _args: tuple[Any, ...], output: Any) -> None:
            # some versions return a tuple that begins with the hidden states
            self._recorded[hook] = output if isinstance(output, torch.Tensor) else output[0]

        return keep


def open_model(
    name: str, hook_names: Iterable[str], *, dtype: str = "float32", device: str | None = None
) -> HookedModel:
    """Load a model up to the last layer with a hook.

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
    HookedModel

    Raises
    ------
    ModelMismatch, UnsupportedSae
    InputError
        There is no such device.
    """
    return HookedModel(name, hook_names, dtype=dtype, device=choose_device(device))


def require_fit(name: str, places: Iterable[tuple[str, int]]) -> None:
    """Check that a model has the input sites and widths that SAEs expect; loads no weights.

    Parameters
    ----------
    name : str
        Hub id or folder of the model.
    places : iterable of (str, int)
        Hook name of an SAE's input site, and the width of the SAE's input.

    Raises
    ------
    ModelMismatch, UnsupportedSae
    """
    config = files.read_model_config(name)
    for hook, width in places:
        found = _site(name, hook, config).width(config)
        if found != width:
            raise errors.ModelMismatch(
                f"An SAE at {hook} reads {width} dimensions; {name} has {found} there.",
                hint="Check --model and --sae: the SAE was trained on another model.",
            )


def _site(name: str, hook: str, config: "PretrainedConfig") -> hooks.Site:
    site = hooks.parse_hook(hook)
    family = families.family_of(name, config.model_type)
    if site.layer >= config.num_hidden_layers:
        raise errors.ModelMismatch(
            f"The SAE reads {hook}; {name} has layers 0 to {config.num_hidden_layers - 1}.",
            hint="Check --model and --sae: the SAE was trained on another model.",
        )
    if site.place(family) is None:
        raise errors.UnsupportedSae(
            f"A {config.model_type} model has no input site {hook}.",
            hint="Compute the activations elsewhere and use `saeatlas ingest table`.",
        )
    return site


def without_gain(norm: torch.nn.Module, x: torch.Tensor) -> torch.Tensor:
    """Normalise as a LayerNorm or RMSNorm does before it applies its weight and bias.

    Parameters
    ----------
    norm : torch.nn.Module
    x : Tensor of shape (..., d)

    Returns
    -------
    Tensor of shape (..., d)
    """
    wide = x.to(torch.float32)  # (B, T, d)
    if isinstance(norm, torch.nn.LayerNorm):
        wide = wide - wide.mean(-1, keepdim=True)
    eps: Any = norm.eps if hasattr(norm, "eps") else norm.variance_epsilon
    return (wide * torch.rsqrt(wide.square().mean(-1, keepdim=True) + eps)).to(x.dtype)


def choose_device(device: str | None) -> str:
    """Check the device that the user named, before anything is loaded for it.

    Parameters
    ----------
    device : str or None
        None for the fastest there is: cuda or mps, else cpu.

    Returns
    -------
    str

    Raises
    ------
    InputError
        This machine has no such device, or it holds no numbers, as meta.
    """
    if device is None:
        return _fastest()
    try:
        torch.ones(1, device=device).cpu()
    except (RuntimeError, AssertionError, ValueError, NotImplementedError) as error:
        raise errors.InputError(
            f"--device {device!r} cannot be used on this machine.",
            available=f"Fastest is {_fastest()}; cpu is always there.",
            hint="Name cpu, cuda, cuda:1 or mps, or leave --device out.",
        ) from error
    return device


def _fastest() -> str:
    if torch.cuda.is_available():
        return "cuda"
    return "mps" if torch.backends.mps.is_available() else "cpu"
