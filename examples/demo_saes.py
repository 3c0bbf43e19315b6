"""Train the demo's sparse autoencoders on every layer's residual stream, and measure them."""

import json
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from demo_model import BOS, CONTEXT, PAD
from sae_lens import SAE
from sae_lens.config import LoggingConfig, SAETrainerConfig
from sae_lens.saes.batchtopk_sae import BatchTopKTrainingSAE, BatchTopKTrainingSAEConfig
from sae_lens.saes.sae import SAEMetadata
from sae_lens.training.sae_trainer import SAETrainer
from safetensors.torch import load_file, save_file
from transformers import Gemma2ForCausalLM

BLOCK = 256  # tokens of a block, as the demo counts
_BATCH = 2048  # tokens of a training step
_CONTEXTS_AT_ONCE = 4


class Recipe(NamedTuple):
    """How one layer's autoencoder is trained."""

    layer: int
    k: float  # mean number of active features a token
    width: int  # features a dimension of the model
    n_samples: int  # tokens trained on, repeats counted
    rate: float = 1e-3


def contexts(streams: Iterable[np.ndarray]) -> list[np.ndarray]:
    """Cut documents as the demo reads them: <bos> and up to 1,023 tokens each time."""
    result = []
    for stream in streams:
        body = stream[:-1]  # the demo adds no <eos>
        for start in range(0, len(body), CONTEXT - 1):
            piece = body[start : start + CONTEXT - 1]
            result.append(np.concatenate([np.array([BOS], dtype=body.dtype), piece]))
    return result


@torch.inference_mode()
def residuals(
    model: Gemma2ForCausalLM, cut: list[np.ndarray]
) -> Iterator[tuple[np.ndarray, torch.Tensor]]:
    """Yield (context, residual stream of shape (n_layers, n_tokens, d_model)), in fp32."""
    by_length = sorted(cut, key=len)  # little padding; the caller must not rely on order
    caught: list[torch.Tensor] = []
    hooks = [
        layer.register_forward_hook(
            lambda _module, _input, out: caught.append(out[0] if isinstance(out, tuple) else out)
        )
        for layer in model.model.layers
    ]
    for start in range(0, len(by_length), _CONTEXTS_AT_ONCE):
        group = by_length[start : start + _CONTEXTS_AT_ONCE]
        ids = np.full((len(group), max(map(len, group))), PAD, dtype=np.int64)
        for row, context in zip(ids, group, strict=True):
            row[: len(context)] = context
        caught.clear()
        tokens = torch.from_numpy(ids)
        model.model(input_ids=tokens, attention_mask=(tokens != PAD).long())
        stacked = torch.stack(caught)  # (n_layers, n_contexts, n_tokens, d_model)
        for i, context in enumerate(group):
            yield context, stacked[:, i, : len(context)]
    for hook in hooks:
        hook.remove()


def record(model: Gemma2ForCausalLM, cut: list[np.ndarray], n_tokens: int, path: Path) -> int:
    """Write residual vectors of every layer to an .npy file, without those of <bos>.

    The file holds an fp16 array of shape (n_layers, n, d_model), n at most n_tokens. `cut` is
    used from its start, so it should be shuffled.

    Returns
    -------
    int
        n.
    """
    sizes = np.cumsum([len(context) - 1 for context in cut])
    used = cut[: int(np.searchsorted(sizes, n_tokens))]
    n = int(sum(len(context) - 1 for context in used))
    shape = (model.config.num_hidden_layers, n, model.config.hidden_size)
    store = np.lib.format.open_memmap(path, mode="w+", dtype=np.float16, shape=shape)
    filled = 0
    for _context, streams in residuals(model, used):
        n_new = streams.shape[1] - 1
        store[:, filled : filled + n_new] = streams[:, 1:].numpy()
        filled += n_new
    store.flush()
    return n


class _QuickBatchTopK(torch.nn.Module):
    """The same selection as sae-lens' BatchTopK, several times as fast on a CPU.

    Only values above half of the last cut are sorted, as long as these are enough.
    """

    def __init__(self, k: float) -> None:
        super().__init__()
        self.k = k
        self.last = 0.0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        n = int(self.k * len(x))
        values = x.detach()
        candidates = values[values > self.last / 2]
        if len(candidates) < n:
            candidates = values.relu().flatten()
        self.last = torch.topk(candidates, n, sorted=False).values.min().item()
        return x * (values >= max(self.last, 1e-9))


def _provide(activations: np.ndarray, seed: int) -> Iterator[torch.Tensor]:
    """Yield shuffled batches for ever."""
    rng = np.random.default_rng(seed)
    while True:
        order = rng.permutation(len(activations))
        for start in range(0, len(order) - _BATCH + 1, _BATCH):
            yield torch.from_numpy(activations[order[start : start + _BATCH]]).float()


def train_sae(activations: np.ndarray, recipe: Recipe, out: Path, metadata: dict[str, Any]) -> None:
    """Train one batchtopk autoencoder on a layer's activations and save it as jumprelu.

    Parameters
    ----------
    activations
        Of shape (n_tokens, d_model).
    recipe
        How to train.
    out
        Folder to write cfg.json and sae_weights.safetensors to.
    metadata
        What cfg.json should say about the model and the data.
    """
    torch.manual_seed(recipe.layer)
    d_in = activations.shape[1]
    config = BatchTopKTrainingSAEConfig(
        d_in=d_in,
        d_sae=recipe.width * d_in,
        k=recipe.k,
        normalize_activations="expected_average_only_in",
        metadata=SAEMetadata(**metadata),
    )
    n_steps = recipe.n_samples // _BATCH
    sae = BatchTopKTrainingSAE(config)
    sae.activation_fn = _QuickBatchTopK(recipe.k)
    trainer = SAETrainer(
        SAETrainerConfig(
            total_training_samples=recipe.n_samples,
            train_batch_size_samples=_BATCH,
            lr=recipe.rate,
            lr_end=recipe.rate / 30,
            lr_scheduler_name="cosineannealing",
            lr_warm_up_steps=100,
            dead_feature_window=200,
            feature_sampling_window=n_steps + 1,
            logger=LoggingConfig(log_to_wandb=False),
        ),
        sae,
        _provide(activations, recipe.layer),
    )
    sample = torch.from_numpy(activations[:: max(1, len(activations) // 100_000)].copy()).float()
    factor = d_in**0.5 / sample.norm(dim=1).mean().item()
    trainer.activation_scaler.scaling_factor = factor
    sae.b_dec.data = sample.mean(dim=0) * factor  # the features describe what differs
    trainer.fit()
    _settle_threshold(sae, sample, recipe.k)
    sae.save_inference_model(out)
    _shrink(out)


@torch.no_grad()
def _settle_threshold(sae: BatchTopKTrainingSAE, sample: torch.Tensor, k: float) -> None:
    """Set the threshold that lets k features a token through: the running one lags behind."""
    hidden = ((sample[:20_000] - sae.b_dec) @ sae.W_enc + sae.b_enc) * sae.W_dec.norm(dim=1)
    kept = torch.topk(hidden.flatten(), int(k * len(hidden)), sorted=False).values
    sae.topk_threshold.fill_(kept.min().item())


def _shrink(folder: Path) -> None:
    """Store the large matrices in half precision and tidy cfg.json."""
    weights = load_file(folder / "sae_weights.safetensors")
    for name in ("W_enc", "W_dec"):
        weights[name] = weights[name].half().contiguous()
    save_file(weights, folder / "sae_weights.safetensors")
    config = json.loads((folder / "cfg.json").read_text())
    (folder / "cfg.json").write_text(json.dumps(config, indent=1, sort_keys=True) + "\n")


@torch.inference_mode()
def measure(model: Gemma2ForCausalLM, cut: list[np.ndarray], saes: list[Any]) -> list[dict]:
    """Measure autoencoders, one a layer, on contexts that none of them has seen.

    Returns
    -------
    list of dict
        A layer each: explained variance over all tokens but <bos>, mean number of active
        features a token, dead features, mean share of features active in a full block.
    """
    sums = [_Sums(sae) for sae in saes]
    for _context, streams in residuals(model, cut):
        for layer_sums, stream in zip(sums, streams, strict=True):
            layer_sums.add(stream)
    return [layer_sums.result() for layer_sums in sums]


class _Sums:
    """Running sums of one autoencoder's measurements."""

    def __init__(self, sae: Any) -> None:
        self.sae = sae
        self.n, self.error, self.active = 0, 0.0, 0.0
        self.total = torch.zeros(sae.cfg.d_in, dtype=torch.float64)
        self.square = 0.0
        self.fired = torch.zeros(sae.cfg.d_sae, dtype=torch.long)
        self.shares: list[float] = []

    def add(self, stream: torch.Tensor) -> None:
        """Add one context's residual stream, of shape (n_tokens, d_in)."""
        acts = self.sae.encode(stream)
        acts[0] = 0  # <bos>: its activations are unlike all others
        rest, rebuilt = stream[1:].double(), self.sae.decode(acts)[1:].double()
        self.n += len(rest)
        self.error += (rest - rebuilt).square().sum().item()
        self.total += rest.sum(dim=0)
        self.square += rest.square().sum().item()
        self.active += (acts > 0).sum().item()
        self.fired += (acts > 0).sum(dim=0)
        for start in range(0, len(acts) - BLOCK + 1, BLOCK):
            block = acts[start : start + BLOCK].amax(dim=0) > 0
            self.shares.append(block.float().mean().item())

    def result(self) -> dict[str, float]:
        """Return the measurements."""
        deviation = self.square - self.total.square().sum().item() / self.n
        return {
            "explained_variance": 1 - self.error / deviation,
            "l0": self.active / self.n,
            "n_dead": int((self.fired == 0).sum()),
            "block_share": float(np.mean(self.shares)),
            "n_tokens": self.n,
            "n_blocks": len(self.shares),
        }


def load(folder: Path) -> SAE[Any]:
    """Load a saved autoencoder in fp32."""
    return SAE.load_from_disk(folder, dtype="float32")
