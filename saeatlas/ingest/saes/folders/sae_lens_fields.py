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

if TYPE_CHECKING:
    from sae_lens import SAE

_TRAINING = frozenset(  # one text, as a list would be of a hundred lines
    """
    act_store_device activations_mixing_fraction autocast autocast_lm aux_loss_coefficient
    b_dec_init_method cached_activations_path compile_llm compile_sae context_size
    dead_feature_estimation_method dead_feature_threshold dead_feature_window
    decoder_heuristic_init decoder_heuristic_init_norm decoder_init_norm decoder_orthogonal_init
    device disable_concat_sequences dtype ema_decay exclude_special_tokens expansion_factor
    feature_reinit_scale feature_sampling_method feature_sampling_window
    finetuning_method finetuning_tokens from_pretrained_path ghost_grads hook_eval hook_layer
    hook_point_eval hook_point_layer init_encoder_as_decoder_transpose is_dataset_tokenized
    llm_batch_size llm_compilation_mode llm_device logger lp_norm lr matryoshka_widths
    mse_loss_normalization n_batches_for_norm_estimate n_batches_in_buffer n_checkpoints
    n_eval_batches n_eval_seqs n_restart_cycles n_running_sparsity n_training_steps
    n_training_tokens noise noise_scale normalize_sae_decoder output_path pre_act_loss_coefficient
    prefetch_llm_batches resample_batches resume run_name sae_compilation_mode save_final_checkpoint
    scale_sparsity_penalty_by_decoder_norm seed seqpos_slice sequence_separator_token sparsity_path
    store_batch_size store_batch_size_prompts streaming subset synchronize target_l0
    tokens_per_buffer topk_threshold_lr total_training_samples total_training_steps
    total_training_tokens train_batch_size train_batch_size_samples train_batch_size_tokens
    training_tokens type unique_id use_cached_activations use_chat_formatting use_ghost_grads
    use_matryoshka_aux_loss use_sparse_activations verbose
    epochs grad_clip optimizer scheduler steps warmup weight_decay
    """.split()  # noqa: SIM905
)
"""Entries of training configurations of sae-lens 0 to 6 that do not change what is computed."""

_ABOUT = frozenset(
    """
    author authors base_model citation comment comments commit created created_at date description
    explained_variance id l0 layer license name notes paper release repo_id revision sae_id site
    sparsity tags title trainer training url var_explained variance_explained version
    """.split()  # noqa: SIM905
)
"""Entries that people add to describe an SAE."""

_OF_TRAINING = re.compile(
    r"(?:adam|checkpoint|dataset|eval|hf|jumprelu|l0|l1|log|lr|model|neuronpedia|resume|sae_lens|"
    r"train|wandb)_.*"
    r"|.*_(?:batch_size|batches|coeff|coefficient|dir|epochs|frequency|loss|lr|path|seed|steps|"
    r"tokens|url|version|window)"
)
"""Beginnings and ends of further names of both kinds. jumprelu_, l0_ and l1_ are of losses."""

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
    unknown = [f"activation_fn_kwargs.{k} = {_short(v)}" for k, v in others.items() if v]
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
    lost = [*_lost(renamed, sae), *([] if published else _unknown(renamed, sae))]
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
        yield f"activation_fn_kwargs.k = {_short(kwargs['k'])}"
    if said.get("activation_fn") == "topk" and sae.cfg.architecture() != "topk":
        yield "activation_fn 'topk'"
    architecture = said.get("architecture") or "standard"
    is_topk = architecture in _TOPK and sae.cfg.architecture() == "topk"
    if architecture != sae.cfg.architecture() and not is_topk:
        yield f"architecture = {architecture}"
    for name, value in said.items():
        if name in loaded and not _is_other(name) and value is not None and value != loaded[name]:
            yield f"{name} = {_short(value)}"


def _unknown(said: dict[str, Any], sae: "SAE[Any]") -> Iterator[str]:
    """Yield the entries that the SAE has no field for and that are not known to change nothing."""
    own = {f.name for f in fields(sae.cfg)}
    for name, value in said.items():
        if name in own or _is_other(name) or (name == "d_out" and value == sae.cfg.d_in):
            continue
        if value not in (None, False, "", "none", [], {}, 0):
            yield f"{name} = {_short(value)}"


def _is_other(name: str) -> bool:
    """Say whether an entry is understood elsewhere, or known to change no activation."""
    return (
        name in _UNDERSTOOD
        or name in _TRAINING
        or name in _ABOUT
        or _OF_TRAINING.fullmatch(name) is not None
    )


def _short(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 40 else f"{text[:37]}..."


def _refusal(where: str, entries: list[str], n: int = 6) -> errors.UnsupportedSae:
    more = f" and {len(entries) - n} more" if len(entries) > n else ""
    return errors.UnsupportedSae(
        f"The cfg.json of {where} has what sae-lens would leave out: "
        f"{', '.join(entries[:n])}{more}.",
        available="Without it every activation could be wrong.",
        hint="The decoder alone is read with --path sae_weights.safetensors in a folder of its "
        "own. An entry that changes no activation can be taken out of cfg.json.",
    )
