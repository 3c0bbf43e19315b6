"""Train the demo's sparse autoencoders on every layer's residual stream, and measure them."""

import json
import math
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import torch
from demo_model import BOS, CONTEXT, PAD
from sae_lens import SAE, JumpReLUSAE, JumpReLUSAEConfig
from sae_lens.saes.sae import SAEMetadata
from safetensors.torch import load_file, save_file
from transformers import Gemma2ForCausalLM

BLOCK = 256  # tokens of a block, as the demo counts
_BATCH = 2048  # tokens of a training step
_CONTEXTS_AT_ONCE = 4
_SILENT_STEPS = 200  # a feature that did not count for so long is revived
_REVIVED = 32  # features of a token that may explain what is left
_REVIVING_TOKENS = 256
_REVIVING_WEIGHT = 1 / 32


class Recipe(NamedTuple):
    """How one layer's autoencoder is trained."""

    layer: int
    k: float  # mean number of active features a token
    width: int  # features a dimension of the model
    n_samples: int  # tokens trained on, repeats counted
    rate: float = 2e-2


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
    sample = torch.from_numpy(activations[:: max(1, len(activations) // 100_000)].copy()).float()
    scale = sample.shape[1] ** 0.5 / sample.norm(dim=1).mean()  # to a mean length of sqrt(d_model)
    training = BatchTopK(recipe, sample * scale)
    for step, batch in enumerate(_provide(activations, recipe.layer)):
        if step == training.n_steps:
            break
        training.step(batch * scale)
    sae = JumpReLUSAE(
        JumpReLUSAEConfig(
            d_in=sample.shape[1],
            d_sae=recipe.width * sample.shape[1],
            apply_b_dec_to_input=True,
            metadata=SAEMetadata(**metadata),
        )
    )
    # back to the model's own units: what is scaled on the way in is scaled back on the way out
    weights = {
        "W_enc": training.W_enc.T.contiguous(),
        "b_enc": training.b_enc / scale,
        "W_dec": training.W_dec,
        "b_dec": training.b_dec / scale,
        "threshold": torch.full_like(training.b_enc, training.settled_threshold(sample * scale))
        / scale,
    }
    sae.load_state_dict(weights)
    sae.save_model(out)
    _shrink(out)


class BatchTopK:
    """A batchtopk autoencoder in training: the k * n largest of n tokens' activations count.

    The gradients are written out, over the few activations that count. sae-lens' trainer, made for
    GPUs, takes ten times as long on a processor, over all of them.

    Parameters
    ----------
    recipe
        How to train.
    sample
        Of shape (n, d_model): where to begin.
    """

    def __init__(self, recipe: Recipe, sample: torch.Tensor) -> None:
        self.k, d_in = recipe.k, sample.shape[1]
        self.n_steps = recipe.n_samples // _BATCH
        self.W_dec = torch.nn.functional.normalize(torch.randn(recipe.width * d_in, d_in), dim=1)
        self.W_enc = self.W_dec.clone()  # of shape (d_sae, d_in), transposed when saved
        self.b_enc = torch.zeros(len(self.W_dec))
        self.b_dec = sample.mean(dim=0)  # the features describe what differs
        self.last = 0.0  # the smallest activation that counted
        self.silent = torch.zeros(len(self.W_dec))  # steps since a feature last counted
        parameters = [self.W_dec, self.W_enc, self.b_enc, self.b_dec]
        self.optimizer = torch.optim.Adam(parameters, lr=recipe.rate, betas=(0.9, 0.999))
        self.schedule = torch.optim.lr_scheduler.LambdaLR(self.optimizer, self._rate)

    def step(self, x: torch.Tensor) -> float:
        """Learn from a batch of shape (n, d_model); return the mean squared error."""
        centred = x - self.b_dec
        hidden = torch.addmm(self.b_enc, centred, self.W_enc.T)  # (n, d_sae)
        tokens, features = torch.nonzero(hidden >= self._cut(hidden), as_tuple=True)
        values = hidden[tokens, features]
        error = torch.zeros_like(x).index_add_(0, tokens, values[:, None] * self.W_dec[features])
        error -= centred
        slope = 2 / len(x)
        g_values = slope * (error[tokens] * self.W_dec[features]).sum(dim=1)
        self._descend(
            W_dec=_rows(self.W_dec, features, slope * values[:, None] * error[tokens]),
            W_enc=_rows(self.W_enc, features, g_values[:, None] * centred[tokens]),
            b_enc=_rows(self.b_enc, features, g_values),
            b_dec=slope * error.sum(dim=0) - g_values @ self.W_enc[features],
            revived=self._revive(centred, error, hidden),
        )
        self.silent += 1
        self.silent[features] = 0
        return error.square().sum(dim=1).mean().item()

    def settled_threshold(self, sample: torch.Tensor) -> float:
        """Return the threshold that lets k features a token through."""
        hidden = torch.addmm(self.b_enc, sample[:20_000] - self.b_dec, self.W_enc.T).flatten()
        n = int(self.k * min(len(sample), 20_000))
        return torch.topk(hidden, n, sorted=False).values.min().item()

    def _rate(self, step: int) -> float:
        """Warm up, then come down along a cosine."""
        cosine = 0.03 + 0.97 * (1 + math.cos(math.pi * step / self.n_steps)) / 2
        return min(1.0, (step + 1) / 100) * cosine

    def _cut(self, hidden: torch.Tensor) -> float:
        """Return the smallest of the k * n largest; only those near the last one are sorted."""
        n = int(self.k * len(hidden))
        near = hidden[hidden > self.last / 2]
        if len(near) < n:
            near = hidden.relu().flatten()
        self.last = max(torch.topk(near, n, sorted=False).values.min().item(), 1e-9)
        return self.last

    def _revive(
        self, centred: torch.Tensor, error: torch.Tensor, hidden: torch.Tensor
    ) -> dict[str, torch.Tensor]:
        """Let features that have long been silent explain what is left of some tokens."""
        dead = torch.nonzero(self.silent > _SILENT_STEPS).squeeze(1)
        if not len(dead):
            return {}
        some = slice(0, _REVIVING_TOKENS)
        left = -error[some]
        top = hidden[some][:, dead].topk(min(len(dead), _REVIVED), sorted=False)  # (m, k_aux)
        features = dead[top.indices]
        explained = (top.values[:, :, None] * self.W_dec[features]).sum(dim=1)
        slope = _REVIVING_WEIGHT * 2 / len(left) * min(len(dead) / _REVIVED, 1.0)
        wrong = slope * (explained - left)  # (m, d_in)
        g_values = (wrong[:, None, :] * self.W_dec[features]).sum(dim=2)
        g_dec = top.values[:, :, None] * wrong[:, None, :]
        g_enc = g_values[:, :, None] * centred[some][:, None, :]
        flat = features.flatten()
        return {
            "W_dec": _rows(self.W_dec, flat, g_dec.flatten(0, 1)),
            "W_enc": _rows(self.W_enc, flat, g_enc.flatten(0, 1)),
            "b_enc": _rows(self.b_enc, flat, g_values.flatten()),
        }

    def _descend(self, revived: dict[str, torch.Tensor], **gradients: torch.Tensor) -> None:
        for name, gradient in gradients.items():
            getattr(self, name).grad = gradient + revived.get(name, 0.0)
        # a decoder vector only turns: its length stays 1
        along = (self.W_dec.grad * self.W_dec).sum(dim=1, keepdim=True)
        self.W_dec.grad -= along * self.W_dec
        self.optimizer.step()
        self.schedule.step()
        self.W_dec /= self.W_dec.norm(dim=1, keepdim=True)


def _rows(like: torch.Tensor, rows: torch.Tensor, values: torch.Tensor) -> torch.Tensor:
    """Sum values into the rows they belong to."""
    return torch.zeros_like(like).index_add_(0, rows, values)


def _provide(activations: np.ndarray, seed: int) -> Iterator[torch.Tensor]:
    """Yield shuffled batches for ever."""
    rng = np.random.default_rng(seed)
    while True:
        order = rng.permutation(len(activations))
        for start in range(0, len(order) - _BATCH + 1, _BATCH):
            yield torch.from_numpy(activations[order[start : start + _BATCH]]).float()


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
