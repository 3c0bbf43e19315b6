"""Train the demo's tokenizer and language model."""

import itertools
import json
import math
import time
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors, trainers
from transformers import Gemma2Config, Gemma2ForCausalLM, PreTrainedTokenizerFast

from saeatlas.demo import texts

VOCABULARY = 4096
PAD, BOS, EOS = 0, 1, 2
CONTEXT = 1024  # tokens with BOS: what the demo reads at once
_SHORT = 256  # tokens of a row for most of the training
_LONG_SHARE = 0.2  # of the time, at the end, in rows of CONTEXT tokens
_STEP_TOKENS = 4096


def train_tokenizer(documents: Iterable[texts.Document], out: Path) -> None:
    """Train a byte-level BPE tokenizer that puts <bos> in front, and save it."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=VOCABULARY,
        special_tokens=["<pad>", "<bos>", "<eos>"],
        initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
        show_progress=False,
    )
    tokenizer.train_from_iterator((document["text"] for document in documents), trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="<bos> $A", pair="<bos> $A <bos> $B", special_tokens=[("<bos>", BOS)]
    )
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer,
        pad_token="<pad>",
        bos_token="<bos>",
        eos_token="<eos>",
        padding_side="right",
        model_max_length=CONTEXT,
    ).save_pretrained(out)


def encode(documents: Iterable[texts.Document], model_folder: Path) -> list[np.ndarray]:
    """Return each document's tokens, without <bos>, with <eos> at the end."""
    tokenizer = Tokenizer.from_file(str(model_folder / "tokenizer.json"))
    encoded = tokenizer.encode_batch(
        [document["text"] for document in documents], add_special_tokens=False
    )
    return [np.array([*encoding.ids, EOS], dtype=np.uint16) for encoding in encoded]


def rows(stream: np.ndarray, n_tokens: int) -> np.ndarray:
    """Cut a stream into rows of n_tokens that each start with <bos>; the tail is dropped."""
    body = stream[: len(stream) // (n_tokens - 1) * (n_tokens - 1)].reshape(-1, n_tokens - 1)
    return np.concatenate([np.full((len(body), 1), BOS, dtype=stream.dtype), body], axis=1)


def new_model(d_model: int, n_layers: int, seed: int) -> Gemma2ForCausalLM:
    """Return an untrained Gemma 2 style model with every second layer's window at 128 tokens."""
    torch.manual_seed(seed)
    n_heads = d_model // 32
    config = Gemma2Config(
        vocab_size=VOCABULARY,
        hidden_size=d_model,
        intermediate_size=3 * d_model,
        num_hidden_layers=n_layers,
        num_attention_heads=n_heads,
        num_key_value_heads=n_heads // 2 if n_heads % 2 == 0 else 1,
        head_dim=32,
        query_pre_attn_scalar=32,
        max_position_embeddings=CONTEXT,
        sliding_window=128,
        # Soft caps cost time and matter for large models only.
        attn_logit_softcapping=None,
        final_logit_softcapping=None,
        tie_word_embeddings=True,
        pad_token_id=PAD,
        bos_token_id=BOS,
        eos_token_id=EOS,
        use_cache=False,
    )
    return Gemma2ForCausalLM(config)


def _loss(model: torch.nn.Module, batch: torch.Tensor, reduction: str = "mean") -> torch.Tensor:
    """Return the next-token loss in nats; padding does not count."""
    logits = model(input_ids=batch).logits[:, :-1].float()
    targets = batch[:, 1:].masked_fill(batch[:, 1:] == PAD, -100)
    return torch.nn.functional.cross_entropy(
        logits.flatten(0, 1), targets.flatten(), reduction=reduction
    )


def _optimizer(model: torch.nn.Module, rate: float) -> torch.optim.AdamW:
    matrices = [p for p in model.parameters() if p.ndim >= 2]
    gains = [p for p in model.parameters() if p.ndim < 2]
    groups = [{"params": matrices, "weight_decay": 0.1}, {"params": gains, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=rate, betas=(0.9, 0.98), eps=1e-9)


def _batches(
    stream: np.ndarray, length: int, until: float, progress: Callable[[], float]
) -> Iterator[torch.Tensor]:
    """Yield shuffled batches of _STEP_TOKENS tokens while the progress is below `until`."""
    size = _STEP_TOKENS // length
    rng = np.random.default_rng(length)
    while True:
        # A new offset each time around, so that rows begin elsewhere.
        cut = rows(stream[rng.integers(length) :], length)
        order = rng.permutation(len(cut))
        for i in range(0, len(order) - size + 1, size):
            if progress() >= until:
                return
            yield torch.from_numpy(cut[order[i : i + size]].astype(np.int64))


def train_model(
    streams: list[np.ndarray], out: Path, minutes: float, *, d_model: int = 128, n_layers: int = 6
) -> dict[str, Any]:
    """Train the language model for some minutes, save it in bf16, return what it took.

    The clock drives the schedule, not a number of tokens: a machine that is busy with other
    things still ends in time with a model whose learning rate came down.
    """
    model = new_model(d_model, n_layers, seed=0)
    compiled = torch.compile(model, dynamic=False)
    peak = 3e-3 * math.sqrt(128 / d_model)
    optimizer = _optimizer(model, peak)
    stream = np.concatenate(streams)
    started, losses = time.monotonic(), []

    def progress() -> float:
        return min(1.0, (time.monotonic() - started) / (60 * minutes))

    short = _batches(stream, _SHORT, 1 - _LONG_SHARE, progress)
    for step, batch in enumerate(itertools.chain(short, _batches(stream, CONTEXT, 1, progress))):
        if batch.shape[1] == CONTEXT:  # the fused kernel pays off in long rows only
            model.config._attn_implementation = "sdpa"
        warm = min(1.0, (step + 1) / 200)
        rate = warm * peak * (0.03 + 0.97 * (1 + math.cos(math.pi * progress())) / 2)
        for group in optimizer.param_groups:
            group["lr"] = rate
        with torch.autocast("cpu", torch.bfloat16):
            loss = _loss(compiled, batch)
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        optimizer.zero_grad(set_to_none=True)
        losses.append(loss.item())
        if (step + 1) % 100 == 0:
            print(
                f"step {step + 1}  {progress():.0%}  loss {np.mean(losses[-100:]):.3f}", flush=True
            )
        if (step + 1) % 600 == 0:
            _save(model, out)
    model.config._attn_implementation = "eager"
    _save(model, out)
    return {
        "n_tokens": len(losses) * _STEP_TOKENS,
        "minutes": minutes,
        "n_parameters": sum(p.numel() for p in model.parameters()),
    }


def _save(model: Gemma2ForCausalLM, out: Path) -> None:
    state = {
        name: value.detach().to(torch.bfloat16)
        for name, value in model.state_dict().items()
        if name != "lm_head.weight"  # tied to the embedding
    }
    model.save_pretrained(out, state_dict=state)
    config = json.loads((out / "config.json").read_text()) | {"dtype": "bfloat16"}
    (out / "config.json").write_text(json.dumps(config, indent=2) + "\n")


@torch.inference_mode()
def validation_loss(
    model: Gemma2ForCausalLM, documents: dict[str, list[np.ndarray]], max_rows: int = 40
) -> dict[str, float]:
    """Return the loss of each subset in nats a token, over rows of CONTEXT tokens."""
    result = {}
    for subset, streams in documents.items():
        cut = rows(np.concatenate(streams), CONTEXT)[:max_rows]
        total = 0.0
        for i in range(0, len(cut), 4):
            batch = torch.from_numpy(cut[i : i + 4].astype(np.int64))
            total += _loss(model, batch, "sum").item()
        if len(cut):
            result[subset] = total / (len(cut) * (CONTEXT - 1))
    return result
