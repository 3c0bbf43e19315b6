"""Kinds of transformers models: where each has the input sites of SAEs."""

from dataclasses import dataclass

from saeatlas import errors


@dataclass(frozen=True)
class Family:
    """How one kind of transformers model names the input sites of SAEs.

    Parameters
    ----------
    layers : str
        Path of the list of decoder layers within the base model.
    norm : str
        Path of the final norm, which is not run.
    mlp_norm : str
        Path of the norm before the MLP, relative to a layer.
    layer_norm : bool
        Whether its norms subtract the mean: only then can weights that write to the residual
        stream be centred without changing the model.
    mlp_out, attn_out, z, mlp_in, resid_mid : str or None
        ``module:out`` or ``module:in``, relative to a layer: the module's output, or its first
        input. None where the model has no such site.
    """

    layers: str
    norm: str
    mlp_norm: str
    layer_norm: bool
    mlp_out: str | None
    attn_out: str | None
    z: str | None
    mlp_in: str | None
    resid_mid: str | None


_LLAMA = Family(
    layers="layers",
    norm="norm",
    mlp_norm="post_attention_layernorm",
    layer_norm=False,
    mlp_out="mlp:out",
    attn_out="self_attn:out",
    z="self_attn.o_proj:in",
    mlp_in="mlp:in",
    resid_mid="post_attention_layernorm:in",
)
_GEMMA2 = Family(
    layers="layers",
    norm="norm",
    mlp_norm="pre_feedforward_layernorm",
    layer_norm=False,
    mlp_out="post_feedforward_layernorm:out",
    attn_out="post_attention_layernorm:out",
    z="self_attn.o_proj:in",
    mlp_in="mlp:in",
    resid_mid="pre_feedforward_layernorm:in",
)
_GPT2 = Family(
    layers="h",
    norm="ln_f",
    mlp_norm="ln_2",
    layer_norm=True,
    mlp_out="mlp:out",
    attn_out="attn:out",
    z="attn.c_proj:in",
    mlp_in="mlp:in",
    resid_mid="ln_2:in",
)
_NEOX = Family(
    layers="layers",
    norm="final_layer_norm",
    mlp_norm="post_attention_layernorm",
    layer_norm=True,
    mlp_out="mlp:out",
    attn_out="attention:out",
    z="attention.dense:in",
    mlp_in="mlp:in",
    resid_mid=None,  # attention and MLP stand side by side
)

FAMILIES = {
    "llama": _LLAMA,
    "mistral": _LLAMA,
    "qwen2": _LLAMA,
    "qwen3": _LLAMA,
    "gemma": _LLAMA,
    "gemma2": _GEMMA2,
    "gemma3_text": _GEMMA2,
    "gpt2": _GPT2,
    "gpt_neox": _NEOX,
}
"""By transformers' ``model_type``."""


def family_of(model: str, model_type: str) -> Family:
    """Look up how a kind of model names its parts.

    Parameters
    ----------
    model, model_type : str
        The model's name, for the message, and transformers' name of its kind.

    Returns
    -------
    Family

    Raises
    ------
    ModelMismatch
    """
    if model_type not in FAMILIES:
        raise errors.ModelMismatch(
            f"{model} is of the kind {model_type!r}, which SAE Atlas cannot run yet.",
            available="Kinds it knows: " + ", ".join(sorted(FAMILIES)) + ".",
            hint="Compute the activations elsewhere and use `saeatlas ingest table`.",
        )
    return FAMILIES[model_type]
