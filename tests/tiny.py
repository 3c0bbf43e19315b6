"""A tiny real model with a tokenizer, and tiny real SAEs on it, made on the spot."""

import json
from pathlib import Path

import torch
from sae_lens import (
    SAE,
    GatedSAE,
    GatedSAEConfig,
    JumpReLUSAE,
    JumpReLUSAEConfig,
    StandardSAE,
    StandardSAEConfig,
    TopKSAE,
    TopKSAEConfig,
)
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import Gemma2Config, Gemma2Model, PreTrainedTokenizerFast

D_MODEL, N_LAYERS, D_SAE = 24, 3, 96
WORDS = ("the of and to in a is that for it as was with be by on not he his but at are").split()

CLASSES = {
    "jumprelu": (JumpReLUSAE, JumpReLUSAEConfig, {}),
    "standard": (StandardSAE, StandardSAEConfig, {}),
    "topk": (TopKSAE, TopKSAEConfig, {"k": 5}),
    "gated": (GatedSAE, GatedSAEConfig, {}),
}


def make_model(folder: Path, seed: int = 0) -> Path:
    """A Gemma-2-like model of three layers; the last weights are drawn with `seed`."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=320,
        special_tokens=["<pad>", "<bos>", "<eos>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator([" ".join(WORDS)] * 5, trainer)
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", bos_token="<bos>", eos_token="<eos>"
    )
    fast.save_pretrained(folder)
    torch.manual_seed(seed)
    config = Gemma2Config(
        vocab_size=len(fast), hidden_size=D_MODEL, intermediate_size=48, head_dim=8,
        num_hidden_layers=N_LAYERS, num_attention_heads=3, num_key_value_heads=1,
        sliding_window=32, max_position_embeddings=512, initializer_range=0.3,
    )  # fmt: skip
    Gemma2Model(config).save_pretrained(folder)
    return folder


def make_sae(
    folder: Path, kind: str = "jumprelu", *, layer: int = 1, d_in: int = D_MODEL, seed: int = 0
) -> Path:
    """An SAE with random directions, some per cent of its features active at a token."""
    sae_class, config_class, extra = CLASSES[kind]
    sae: SAE = sae_class(config_class(d_in=d_in, d_sae=D_SAE, **extra))
    random = torch.Generator().manual_seed(seed)
    state = sae.state_dict()
    directions = torch.randn(D_SAE, d_in, generator=random)
    state["W_dec"] = directions / directions.norm(dim=1, keepdim=True)
    state["W_enc"] = state["W_dec"].T.contiguous()
    for name in state.keys() & {"b_enc", "b_gate", "b_mag"}:
        state[name] = -2 * torch.rand(D_SAE, generator=random) - 4
    if "threshold" in state:
        state["threshold"] = torch.rand(D_SAE, generator=random)
    sae.load_state_dict(state)
    sae.cfg.metadata.hook_name = f"blocks.{layer}.hook_resid_post"
    sae.cfg.metadata.model_name = "tiny"
    sae.cfg.metadata.prepend_bos = True
    sae.save_model(folder)
    return folder


def write_corpus(path: Path, lengths: list[int], subsets: tuple[str, ...] = ("A", "B")) -> Path:
    """JSON lines in The Pile's form: documents of some words each, no two alike."""
    rows = []
    for i, n in enumerate(lengths):
        text = " ".join(WORDS[(i * 7 + j * j) % len(WORDS)] for j in range(n))
        meta = {"pile_set_name": subsets[i % len(subsets)], "n": i}
        rows.append(json.dumps({"text": text, "meta": meta}))
    path.write_text("\n".join(rows) + "\n")
    return path
