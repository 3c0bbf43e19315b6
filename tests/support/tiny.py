"""A tiny real model with a tokenizer, and tiny real SAEs on it, made on the spot."""

import json
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import sqlalchemy as sa
import torch
from sae_lens import SAE
from sae_lens.registry import SAE_CLASS_REGISTRY
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoConfig, AutoModel, AutoModelForCausalLM, PreTrainedTokenizerFast

from saeatlas.ingest.saes import load, store
from saeatlas.schema import tables

D_MODEL, N_LAYERS, D_SAE = 24, 3, 96
WORDS = ("the of and to in a is that for it as was with be by on not he his but at are").split()

_TRANSCODER = {"d_out": D_MODEL, "apply_b_dec_to_input": False}
EXTRA: dict[str, dict[str, Any]] = {
    "topk": {"k": 5},
    "abstopk": {"k": 5},
    "matching_pursuit": {"max_iterations": 6},
    "temporal": {
        "n_heads": 2,
        "bottleneck_factor": 8,
        "kval_topk": 5,
        "normalize_activations": "constant_scalar_rescale",
        "activation_normalization_factor": 0.5,
    },
    "transcoder": _TRANSCODER,
    "skip_transcoder": _TRANSCODER,
    "jumprelu_transcoder": _TRANSCODER,
    "jumprelu_skip_transcoder": _TRANSCODER,
}
"""What an architecture needs besides its widths."""

_LLAMA = {"num_attention_heads": 3, "num_key_value_heads": 1}
_GEMMA = _LLAMA | {"head_dim": 16}  # 3 x 16 is not 24
FAMILIES: dict[str, dict[str, Any]] = {
    "gpt2": {"n_inner": 48, "num_attention_heads": 3},
    "gpt_neox": {"num_attention_heads": 3},
    "llama": _LLAMA,
    "mistral": _LLAMA | {"sliding_window": 7},
    "qwen2": _LLAMA | {"use_sliding_window": True, "max_window_layers": 2, "sliding_window": 7},
    "qwen3": _LLAMA | {"head_dim": 16},
    "gemma": _GEMMA,
    "gemma2": _GEMMA | {"sliding_window": 7},
    "gemma3_text": _GEMMA | {"sliding_window": 7, "sliding_window_pattern": 2},
}
"""What makes a tiny model of each kind; every bias and norm is drawn at random."""


def make_tokenizer(folder: Path) -> int:
    """A byte-level BPE tokenizer with BOS; the number of its tokens."""
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
    return len(fast)


def make_model(folder: Path, seed: int = 0) -> Path:
    """A Gemma-2-like model of three layers; the last weights are drawn with `seed`."""
    vocab_size = make_tokenizer(folder)
    torch.manual_seed(seed)
    config = AutoConfig.for_model(
        "gemma2", vocab_size=vocab_size, hidden_size=D_MODEL, intermediate_size=48, head_dim=8,
        num_hidden_layers=N_LAYERS, num_attention_heads=3, num_key_value_heads=1,
        sliding_window=32, max_position_embeddings=512, initializer_range=0.3,
    )  # fmt: skip
    AutoModel.from_config(config).save_pretrained(folder)
    return folder


def make_family(folder: Path, family: str, **changes: Any) -> Path:
    """A language model of one of the FAMILIES, with a tokenizer; four layers."""
    sizes = {"hidden_size": D_MODEL, "num_hidden_layers": 4, "max_position_embeddings": 128}
    inner = {} if family == "gpt2" else {"intermediate_size": 48}
    terms = sizes | inner | FAMILIES[family] | changes
    config = AutoConfig.for_model(family, vocab_size=make_tokenizer(folder), **terms)
    model = AutoModelForCausalLM.from_config(config)
    random = torch.Generator().manual_seed(0)
    for name, weights in model.named_parameters():
        noise = torch.randn(weights.shape, generator=random) * (0.5 if weights.ndim == 1 else 0.2)
        weights.data = noise + (weights.data.mean() if "norm" in name or "ln_" in name else 0)
    model.save_pretrained(folder)
    return folder


def make_sae(
    folder: Path,
    kind: str = "jumprelu",
    *,
    layer: int = 1,
    d_in: int = D_MODEL,
    seed: int = 0,
    site: str = "hook_resid_post",
    bias: float = 4.0,
    b_dec: float = 0.0,
    metadata: dict[str, Any] | None = None,
    **changes: Any,
) -> Path:
    """An SAE with random directions, some per cent of its features active at a token."""
    sae_class, config_class = SAE_CLASS_REGISTRY[kind]
    terms = EXTRA.get(kind, {}) | changes
    sae: SAE = sae_class(config_class(d_in=d_in, d_sae=D_SAE, **terms))
    random = torch.Generator().manual_seed(seed)
    state = sae.state_dict()
    directions = torch.randn(D_SAE, d_in, generator=random)
    directions /= directions.norm(dim=1, keepdim=True)
    d_out = state["W_dec"].shape[1]
    state["W_dec"] = directions if d_out == d_in else torch.randn(D_SAE, d_out, generator=random)
    if "W_enc" in state:
        state["W_enc"] = directions.T.contiguous()
    for name in state.keys() & {"b_enc", "b_gate", "b_mag"}:
        state[name] = -2 * torch.rand(D_SAE, generator=random) - bias
    if b_dec:
        state["b_dec"] = b_dec * torch.randn(d_out, generator=random)
    if "threshold" in state:
        state["threshold"] = torch.rand(D_SAE, generator=random)
    sae.load_state_dict(state)
    said = {"hook_name": f"blocks.{layer}.{site}", "model_name": "tiny", "prepend_bos": True}
    for name, value in (said | (metadata or {})).items():
        sae.cfg.metadata[name] = value
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


def store_bare(
    engine: sa.Engine, vectors: np.ndarray[Any, Any], sae_id: str = "one", **columns: Any
) -> None:
    """Store decoder vectors alone as an SAE, with other columns of its row as given."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "decoder.npz"
        np.savez(path, W_dec=vectors)
        loaded = load.load_sae(path=path, release="bare", sae_id=sae_id, allow_zero_rows=True)
    with engine.begin() as connection:
        stored = store.store_sae(connection, loaded)
        if columns:
            row = sa.update(tables.sae).where(tables.sae.c.id == stored.sae)
            connection.execute(row.values(columns))
