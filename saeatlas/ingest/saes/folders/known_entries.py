"""Entries of configurations that change no activation, and the refusal of those nobody knows."""

import re
from collections.abc import Collection, Iterator
from typing import Any

from saeatlas import errors

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
    training_tokens unique_id use_cached_activations use_chat_formatting use_ghost_grads
    use_matryoshka_aux_loss use_sparse_activations verbose
    betas epoch epochs grad_clip jumprelu_init_threshold jumprelu_tanh_scale loss optimizer
    scheduler step steps warmup weight_decay
    """.split()  # noqa: SIM905
)
"""Entries of training configurations, most of sae-lens 0 to 6, that change no activation."""

_ABOUT = frozenset(
    """
    author authors base_model citation comment comments commit created created_at date description
    explained_variance id l0 layer license name notes paper release repo_id revision sae_id site
    sparsity tags title trainer training url var_explained variance_explained version
    """.split()  # noqa: SIM905
)
"""Entries that people add to describe an SAE."""

_OF_TRAINING = re.compile(
    r"(?:adam|checkpoint|hf|lr|neuronpedia|resume|wandb)_.*"
    r"|(?!.*(?:bias|factor|gain|multiplier|norm|scale|shift|temperature|threshold))"
    r"(?:(?:dataset|eval|jumprelu|l0|l1|log|model|sae_lens|train)_.*"
    r"|.*_(?:batch_size|batches|coeff|coefficient|dir|epochs|frequency|loss|lr|path|seed|steps|"
    r"tokens|url|version|window))"
)
"""Beginnings and ends of further names of both kinds: most unless a word in it may change more.

jumprelu_, l0_ and l1_ are of losses.
"""


def changes_nothing(name: str) -> bool:
    """Say whether an entry is known to be about a training, or to describe an SAE.

    Parameters
    ----------
    name : str

    Returns
    -------
    bool
    """
    return name in _TRAINING or name in _ABOUT or _OF_TRAINING.fullmatch(name) is not None


def is_set(value: Any) -> bool:
    """Say whether a value can have an effect: nothing, zero and a factor of 1.0 have none.

    Parameters
    ----------
    value : object

    Returns
    -------
    bool
    """
    if type(value) is float and value == 1:
        return False
    return value not in (None, False, "", "none", [], {}, 0)


def shown(name: str, value: Any) -> str:
    """Write an entry in a line of a message.

    Parameters
    ----------
    name : str
    value : object

    Returns
    -------
    str
    """
    text = repr(value)
    return f"{name} = {text if len(text) <= 40 else f'{text[:37]}...'}"


def unknown(said: dict[str, Any], known: Collection[str]) -> Iterator[str]:
    """Yield the entries that are set, not known, and not about a training.

    Parameters
    ----------
    said : dict
    known : collection of str

    Yields
    ------
    str
        Name and value.
    """
    for name, value in said.items():
        if name not in known and not changes_nothing(name) and is_set(value):
            yield shown(name, value)


def require_known(where: str, said: dict[str, Any], known: Collection[str]) -> None:
    """Refuse entries that may change activations in a way that is not known here.

    Parameters
    ----------
    where : str
        The configuration's file.
    said : dict
        Its content.
    known : collection of str
        Names that its reader understands.

    Raises
    ------
    UnsupportedSae
    """
    names = list(unknown(said, known))
    if names:
        more = f" and {len(names) - 6} more" if len(names) > 6 else ""
        raise errors.UnsupportedSae(
            f"{where} has {', '.join(names[:6])}{more}, which is not known of such an SAE.",
            available="It could change every activation.",
            hint="Take out what changes no activation, or save its decoder alone: "
            "numpy.save(file, W_dec).",
        )
