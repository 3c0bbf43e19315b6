"""Which entries of a sae-lens cfg.json change activations, and whether the loaded SAE honours them.

sae-lens keeps the entries that its class of today has and drops the others in silence. Each entry
here is one of four kinds: compared with the loaded SAE, understood below, about the training only,
or refused by name.
"""

import re
from collections.abc import Iterator
from dataclasses import fields
from typing import TYPE_CHECKING, Any

from packaging.version import InvalidVersion, Version

from saeatlas import errors
from saeatlas.ingest.saes.folders import known_entries

if TYPE_CHECKING:
    from sae_lens import SAE

_RENAMED = {
    "hook_point": "hook_name",
    "hook_point_head_index": "hook_head_index",
    "activation_fn_str": "activation_fn",
}

_UNDERSTOOD = {
    "architecture", "metadata", "normalize_activations", "activation_fn", "activation_fn_kwargs",
    "hook_name", "hook_name_out", "hook_head_index", "hook_head_index_out", "hook_layer_out",
    "prepend_bos", "finetuning_scaling_factor",
}  # fmt: skip

_PLACES = (
    "hook_name", "hf_hook_name", "model_name", "prepend_bos", "model_from_pretrained_kwargs",
)  # fmt: skip
"""Entries of ``metadata`` that decide what an SAE reads."""

_ANY_KIND = {"sae", "autoencoder", "sparseautoencoder"}
_BLOCK = re.compile(r"blocks\.(\d+)\.")

_TOPK = ("standard", "topk")
"""Architectures that sae-lens before version 6 gave to a TopK SAE."""


def in_form_of_version_6(said: dict[str, Any]) -> dict[str, Any]:
    """Bring a cfg.json into the form that sae-lens reads today, losing nothing on the way.

    sae-lens goes by the version that a file names; a file of the new form without it loses its
    metadata there. Here the form itself decides: the new one has ``metadata``.

    Parameters
    ----------
    said : dict
        The content of cfg.json.

    Returns
    -------
    dict
    """
    from sae_lens.loading import pretrained_sae_loaders as loaders

    config = {_RENAMED.get(name, name): value for name, value in said.items()}
    if config.get("hook_name") is None:
        config.pop("hook_name", None)
    if config.get("activation_fn_kwargs") is None:
        config.pop("activation_fn_kwargs", None)
    normalised = config.get("normalize_activations")
    if normalised is None or isinstance(normalised, bool):
        config["normalize_activations"] = "expected_average_only_in" if normalised else "none"
    if not isinstance(config.get("metadata"), dict):
        config = loaders.handle_pre_6_0_config(config)
    else:
        config.setdefault("architecture", "standard")
        if config.get("activation_fn") == "topk":
            k = (config.get("activation_fn_kwargs") or {}).get("k", config.get("k"))
            config |= {"architecture": "topk", "k": k}
        beside = {name: config[name] for name in loaders.LLM_METADATA_KEYS if name in config}
        inside = {k: v for k, v in config["metadata"].items() if v is not None or k not in beside}
        config["metadata"] = beside | inside
    version = config.pop("sae_lens_version", None) or config["metadata"].get("sae_lens_version")
    config["metadata"]["sae_lens_version"] = str(version) if _is_of_6(version) else "6.0.0"
    return config


def _is_of_6(version: Any) -> bool:
    try:
        return Version(str(version)) >= Version("6.0.0rc0")
    except InvalidVersion:
        return False


def require_known_activation(where: str, said: dict[str, Any]) -> None:
    """Refuse an activation function that the SAE of sae-lens would not apply.

    Parameters
    ----------
    where : str
        The SAE's folder or name, for messages.
    said : dict
        The content of cfg.json.

    Raises
    ------
    UnsupportedSae
    """
    named = said.get("activation_fn") or said.get("activation_fn_str") or "relu"
    kwargs = said.get("activation_fn_kwargs") or {}
    architecture = said.get("architecture", "standard")
    entry = "activation_fn_str" if said.get("activation_fn_str") else "activation_fn"
    if named == "topk":
        k = kwargs.get("k") if isinstance(kwargs, dict) else None
        if architecture not in _TOPK:
            raise _refusal(where, [f"{entry} {named!r} of an SAE of architecture {architecture}"])
        if k is None and said.get("k") is None:
            raise _refusal(where, [f"{entry} 'topk' without k"])
    elif named != "relu":
        raise _refusal(where, [f"{entry} {named!r}"])
    if architecture in ("topk", "abstopk") and said.get("k") is None and not kwargs:
        raise _refusal(where, [f"architecture {architecture!r} without k"])
    others = dict(kwargs) if isinstance(kwargs, dict) else {"": kwargs}
    if named == "topk" or architecture == "topk":
        others.pop("k", None)
    unknown = [known_entries.shown(f"activation_fn_kwargs.{k}", v) for k, v in others.items() if v]
    if unknown:
        raise _refusal(where, unknown)


def require_honoured(
    where: str, said: dict[str, Any], sae: "SAE[Any]", *, published: bool = False
) -> None:
    """Compare a cfg.json with the SAE that was made of it, entry by entry.

    Parameters
    ----------
    where : str
        The SAE's folder or name, for messages.
    said : dict
        The content of cfg.json.
    sae : sae_lens.SAE
    published : bool, default=False
        Whether sae-lens' registry names it: its makers know the entries that are not known here.

    Raises
    ------
    UnsupportedSae
        An entry that may change activations is not honoured; the message names it.
    """
    renamed = {_RENAMED.get(name, name): value for name, value in said.items()}
    lost = list(_lost(renamed, sae))
    if not published:
        lost += [*_contradictions(renamed, sae), *_unknown(renamed, sae)]
    if lost:
        raise _refusal(where, lost)


def _lost(said: dict[str, Any], sae: "SAE[Any]") -> Iterator[str]:
    """Yield the entries that the SAE does not honour."""
    loaded = {f.name: getattr(sae.cfg, f.name) for f in fields(sae.cfg)}
    metadata = said.get("metadata")
    of_head = said | (metadata if isinstance(metadata, dict) else {})
    if of_head.get("hook_head_index") is not None:
        yield f"hook_head_index = {of_head['hook_head_index']}: it reads one head"
    if said.get("finetuning_scaling_factor"):
        yield "finetuning_scaling_factor"
    kwargs = said.get("activation_fn_kwargs") or {}
    if kwargs.get("k") is not None and kwargs["k"] != loaded.get("k"):
        yield known_entries.shown("activation_fn_kwargs.k", kwargs["k"])
    if said.get("activation_fn") == "topk" and sae.cfg.architecture() != "topk":
        yield "activation_fn 'topk'"
    architecture = said.get("architecture") or "standard"
    is_topk = architecture in _TOPK and sae.cfg.architecture() == "topk"
    if architecture != sae.cfg.architecture() and not is_topk:
        yield f"architecture = {architecture}"
    for name, value in said.items():
        is_other = name in _UNDERSTOOD or known_entries.changes_nothing(name)
        if name in loaded and not is_other and value is not None and value != loaded[name]:
            yield known_entries.shown(name, value)


def _unknown(said: dict[str, Any], sae: "SAE[Any]") -> Iterator[str]:
    """Yield the entries that the SAE has no field for and that are not known to change nothing."""
    architecture = str(sae.cfg.architecture())
    kinds = {*_ANY_KIND, _letters(architecture), architecture.rpartition("_")[2]}
    own = {f.name for f in fields(sae.cfg)} | _UNDERSTOOD
    own |= {"d_out"} if said.get("d_out") == sae.cfg.d_in else set()
    own |= {"type"} if _letters(str(said.get("type"))) in kinds else set()
    yield from known_entries.unknown(said, own)


def _letters(text: str) -> str:
    return "".join(c for c in text.lower() if c.isalnum())


def _contradictions(said: dict[str, Any], sae: "SAE[Any]") -> Iterator[str]:
    """Yield the entries of which the file gives two values, in ``metadata`` and beside it."""
    metadata = said.get("metadata")
    inside = metadata if isinstance(metadata, dict) else {}
    for name in _PLACES:
        here, there = said.get(name), inside.get(name)
        if here is not None and there is not None and here != there:
            yield f"{known_entries.shown(name, here)} beside metadata.{name}"
    loaded = {f.name: getattr(sae.cfg, f.name) for f in fields(sae.cfg) if f.name != "metadata"}
    loaded["architecture"] = sae.cfg.architecture()
    for name, value in inside.items():
        changes = name in loaded and not known_entries.changes_nothing(name)
        if changes and value is not None and value != loaded[name]:
            yield known_entries.shown(f"metadata.{name}", value)
    block = _BLOCK.match(str(said.get("hook_name") or inside.get("hook_name")))
    for name in ("hook_layer", "hook_point_layer"):
        layer = said.get(name, inside.get(name))
        if block and layer is not None and str(layer) != block[1]:
            yield f"{known_entries.shown(name, layer)} beside hook_name {block.string!r:.80}"


def _refusal(where: str, entries: list[str], n: int = 6) -> errors.UnsupportedSae:
    more = f" and {len(entries) - n} more" if len(entries) > n else ""
    return errors.UnsupportedSae(
        f"The cfg.json of {where} has what sae-lens would leave out: "
        f"{', '.join(entries[:n])}{more}.",
        available="Without it every activation could be wrong.",
        hint="The decoder alone is read with --path sae_weights.safetensors in a folder of its "
        "own. An entry that changes no activation can be taken out of cfg.json.",
    )
