"""Input sites of SAEs: from TransformerLens' hook names to modules of transformers models."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from saeatlas import errors
from saeatlas.ingest.models.families import Family

Kind = Literal[
    "resid_pre", "resid_mid", "resid_post", "mlp_out", "attn_out", "z", "mlp_in", "mlp_normalized"
]

Region = Literal["resid", "mlp", "att"]

_LENS = {
    "hook_resid_pre": "resid_pre",
    "hook_resid_mid": "resid_mid",
    "hook_resid_post": "resid_post",
    "hook_mlp_out": "mlp_out",
    "hook_attn_out": "attn_out",
    "attn.hook_z": "z",
    "mlp.hook_in": "mlp_in",
    "ln2.hook_normalized": "mlp_normalized",
    "hook_mlp_in": "resid_mid",  # what the norm before the MLP reads
}
_LENS_NAME = re.compile(r"blocks\.([0-9]+)\.(.+)")
_MODULE_NAME = re.compile(r"(?:model\.|transformer\.|gpt_neox\.)?(?:layers|h)\.([0-9]+)(?:\.(.+))?")


@dataclass(frozen=True)
class Site:
    """An input site: the place in a model whose activations an SAE reads.

    Parameters
    ----------
    layer : int
        Decoder layer, from 0.
    kind : str
        resid_pre, resid_mid, resid_post, mlp_out, attn_out, z (the heads' outputs before they
        are mixed, side by side), mlp_in or mlp_normalized (the MLP's input before the norm's
        weight and bias).
    """

    layer: int
    kind: Kind

    def width(self, config: Any) -> int:
        """Return the width of the activations there.

        Parameters
        ----------
        config : transformers.PretrainedConfig

        Returns
        -------
        int
        """
        if self.kind != "z":
            return int(config.hidden_size)
        heads = int(config.num_attention_heads)
        return heads * int(getattr(config, "head_dim", None) or config.hidden_size // heads)

    def place(self, family: Family) -> str | None:
        """Return where to hook; None if the model has no such site.

        Parameters
        ----------
        family : Family

        Returns
        -------
        str or None
            ``module:in``, ``module:out``, or ``module:norm`` for what a norm has before it
            applies weight and bias.
        """
        if self.kind == "mlp_normalized":
            return f"{family.mlp_norm}:norm"
        if self.kind == "resid_pre":
            return ":in"
        if self.kind == "resid_post":
            return ":out"
        place: str | None = getattr(family, self.kind)
        return place


def parse_hook(hook_name: str) -> Site:
    """Read a hook name.

    Parameters
    ----------
    hook_name : str
        TransformerLens' (``blocks.12.hook_resid_post``) or a decoder layer's own
        (``model.layers.12``), whose output is the residual stream after it.

    Returns
    -------
    Site

    Raises
    ------
    UnsupportedSae
    """
    lens = _LENS_NAME.fullmatch(hook_name)
    if lens and lens[2] in _LENS:
        kind: Any = _LENS[lens[2]]
        return Site(int(lens[1]), kind)
    module = _MODULE_NAME.fullmatch(hook_name)
    if module and module[2] is None:
        return Site(int(module[1]), "resid_post")
    raise errors.UnsupportedSae(
        f"It is not known where {hook_name!r} is in a model.",
        available="Known: " + ", ".join(f"blocks.N.{name}" for name in _LENS) + ", model.layers.N.",
        hint="Ingest the SAE again with --hook-name if its input site is one of these.",
    )


def is_centred(hook_name: str, family: Family, processing: Mapping[str, Any]) -> bool:
    """Say whether TransformerLens' processing takes the mean out of the activations at a hook.

    Parameters
    ----------
    hook_name : str
    family : Family
    processing : mapping
        What an SAE's files say was done to the model's weights: center_writing_weights, which
        only models with LayerNorm know, fold_ln, fold_value_biases.

    Returns
    -------
    bool

    Raises
    ------
    UnsupportedSae
        It changes the activations there in another way.
    """
    kind = parse_hook(hook_name).kind
    folded = {"fold_ln": "mlp_in", "fold_value_biases": "z"}
    for how, where in folded.items():
        if processing.get(how) and kind == where:
            raise errors.UnsupportedSae(
                f"An SAE at {hook_name} was trained on a model loaded with {how}, which changes "
                "the activations there.",
                hint="Compute the activations elsewhere and use `saeatlas ingest table`.",
            )
    centres = bool(processing.get("center_writing_weights")) and family.layer_norm
    return centres and kind not in {"z", "mlp_in", "mlp_normalized"}


def lens_hook_name(hook_name: str | None, module: str | None) -> str | None:
    """Give a hook the name that TransformerLens has for the activations there.

    Parameters
    ----------
    hook_name : str or None
        As an SAE's files say.
    module : str or None
        ``hf_hook_name``, where the files say it.

    Returns
    -------
    str or None
        ``mlp.hook_in`` for Gemma Scope 2's ``hook_mlp_in``: there it means the output of the norm
        before the MLP, as `module` shows; in TransformerLens it means that norm's input.
    """
    if hook_name and module and module.endswith("layernorm.output"):
        return hook_name.replace(".hook_mlp_in", ".mlp.hook_in")
    return hook_name


def layer_of_hook(hook_name: str | None) -> int | None:
    """Read the decoder layer from a hook's name, whether or not it is known where that is."""
    found = re.search(r"(?:blocks|layers|h)\.([0-9]{1,4})(?:\.|$)", hook_name or "")
    return int(found[1]) if found else None


def region_of_hook(hook_name: str | None) -> Region | None:
    """Read from a hook's name whether it is in the residual stream, an MLP or attention."""
    regions: tuple[tuple[str, Region], ...] = (
        ("resid|hook_mlp_in", "resid"),
        ("mlp|ln2", "mlp"),
        ("attn|hook_z", "att"),
        (r"(?:layers|h)\.[0-9]+$", "resid"),
    )
    return next((region for p, region in regions if re.search(p, hook_name or "")), None)


def place_of(
    hook_name: str | None, layer: int | None, site: Region | None
) -> tuple[int | None, Region | None]:
    """Combine what a hook's name says of layer and site with what a user says.

    Parameters
    ----------
    hook_name : str or None
    layer : int or None
    site : {'resid', 'mlp', 'att'} or None

    Returns
    -------
    (layer, site)

    Raises
    ------
    InputError
        They contradict each other.
    """
    own_layer, own_site = layer_of_hook(hook_name), region_of_hook(hook_name)
    for said, own, option in ((layer, own_layer, "--layer"), (site, own_site, "--site")):
        if said is not None and own is not None and said != own:
            raise errors.InputError(
                f"{option} {said} contradicts the SAE's input site, {hook_name}.",
                hint=f"Leave {option} out; where its files are wrong, --hook-name corrects them.",
            )
    return (own_layer if layer is None else layer), site or own_site
