"""From a document's activations to the maximum of every SAE feature in every block.

JumpReLU and ReLU do not decrease, so the maximum over a block's tokens may be taken before the
activation function, which is then applied once per block and not once per token. Both orders give
the same bits. Other architectures go through ``sae.encode`` token by token.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt
import torch

from saeatlas.ingest.activations.recordings import Peaks

if TYPE_CHECKING:
    from sae_lens import SAE

Dense = Callable[[int, int], torch.Tensor]
"""From the first and the last-plus-one token to features of shape (tokens, d_sae)."""

MAX_DENSE = 2**26
"""Most numbers of a dense (tokens, features) intermediate: 256 MiB in float32."""

_ROUNDING = 2e-6
"""Share of |x| |w| by which a pre-activation may differ between a padded batch and a document
alone, in float32. Measured on Gemma-2-, Llama-, GPT-2- and NeoX-like models: below 1e-6."""

_MONOTONE = {"jumprelu", "standard", "transcoder", "skip_transcoder", "jumprelu_transcoder",
             "jumprelu_skip_transcoder"}  # fmt: skip
_TRANSCODERS = {name for name in _MONOTONE if "transcoder" in name}


@dataclass(frozen=True)
class Maxima:
    """Maximum activations of one SAE in the blocks of one document.

    Parameters
    ----------
    blocks : list of (features, peaks)
        One pair per block: ascending feature numbers, int32, and their maxima, float32.
    near : bool
        Whether rounding could decide if some feature is active: such a document of a batch must
        be run again alone.
    """

    blocks: list[Peaks]
    near: bool


def is_monotone(sae: "SAE[Any]") -> bool:
    """Say whether block maxima may be taken before the activation function.

    Parameters
    ----------
    sae : sae_lens.SAE

    Returns
    -------
    bool
    """
    return sae.cfg.architecture() in _MONOTONE and isinstance(sae.activation_fn, torch.nn.ReLU)


@torch.inference_mode()
def block_maxima(
    sae: "SAE[Any]",
    acts: torch.Tensor,
    spans: Sequence[tuple[int, int]],
    counts: npt.NDArray[np.bool_],
    *,
    keep_above: float = 0.0,
) -> Maxima:
    """Find the maximum activation of each feature in each block of one document.

    Parameters
    ----------
    sae : sae_lens.SAE
    acts : Tensor of shape (T, d_in)
        The SAE's input activations, without padding.
    spans : sequence of (int, int)
        First and last-plus-one token of each block.
    counts : ndarray of shape (T,), bool
        False at tokens that are left out of the maxima.
    keep_above : float, default=0.0
        Activation floor: only maxima above this are returned.

    Returns
    -------
    Maxima
        `near` is always true for architectures whose features compete for their place, as topk:
        there rounding can decide at almost every token.
    """
    counted = torch.from_numpy(counts).to(acts.device)
    if not is_monotone(sae):
        tops = _tops(lambda a, b: _encode(sae, acts, a, b), spans, counted, sae.cfg.d_sae)
        return Maxima([_sparse(top.clamp(min=0), keep_above) for top in tops], near=True)
    sae_in = sae.process_sae_in(acts)  # (T, d_in)
    tops = _tops(lambda a, b: sae_in[a:b] @ sae.W_enc + sae.b_enc, spans, counted, sae.cfg.d_sae)
    threshold = getattr(sae, "threshold", None)
    reach = sae_in.norm(dim=1).max() if len(sae_in) else sae_in.new_zeros(())
    margin = _ROUNDING * reach * sae.W_enc.norm(dim=0)  # (d_sae,)
    blocks, near = [], False
    for top in tops:  # (d_sae,)
        peaks = sae.activation_fn(top)
        edge = torch.full_like(top, keep_above)
        if threshold is not None:
            peaks = peaks * (top > threshold).to(peaks.dtype)
            edge = torch.maximum(edge, threshold)
        near = near or bool(((top - edge).abs() <= margin).any())
        blocks.append(_sparse(peaks, keep_above))
    return Maxima(blocks, near)


@dataclass
class Fit:
    """How well an SAE explains its input activations; documents are added one after the other.

    Attributes
    ----------
    n_tokens : int
        Tokens added.
    """

    n_tokens: int = 0
    _n_active: int = 0
    _error: float | None = 0.0
    _squares: float = 0.0
    _sum: torch.Tensor | None = field(default=None, repr=False)

    @torch.inference_mode()
    def add(self, sae: "SAE[Any]", acts: torch.Tensor, counts: npt.NDArray[np.bool_]) -> None:
        """Add a document.

        Parameters
        ----------
        sae : sae_lens.SAE
        acts : Tensor of shape (T, d_in)
        counts : ndarray of shape (T,), bool
            False at tokens that are left out.
        """
        counted = torch.from_numpy(counts).to(acts.device)
        features = _encode(sae, acts, 0, len(acts))[counted]  # (n, d_sae)
        x = _doubles(acts[counted])
        self.n_tokens += len(x)
        self._n_active += int((features > 0).sum())
        self._squares += float(x.square().sum())
        self._sum = x.sum(0) if self._sum is None else self._sum + x.sum(0)
        if sae.cfg.architecture() in _TRANSCODERS:
            self._error = None  # it explains what comes out of the MLP, not what goes in
        if self._error is not None:
            explained = _doubles(sae(acts[None])[0, counted])  # some look back along a second axis
            self._error += float((x - explained).square().sum())

    @property
    def explained_variance(self) -> float | None:
        """1 - sum |x - x_hat|^2 / sum |x - mean|^2; None for transcoders and without tokens."""
        if self._error is None or self._sum is None or self.n_tokens == 0:
            return None
        variance = self._squares - float(self._sum.square().sum()) / self.n_tokens
        return 1 - self._error / variance if variance > 0 else None

    @property
    def l0(self) -> float | None:
        """Mean number of active features per token; None without tokens."""
        return self._n_active / self.n_tokens if self.n_tokens else None


def _doubles(x: torch.Tensor) -> torch.Tensor:
    return x.cpu().to(torch.float64)  # not every accelerator has them


def _encode(sae: "SAE[Any]", acts: torch.Tensor, begin: int, end: int) -> torch.Tensor:
    """Encode tokens; of SAEs that look back, the whole document up to them."""
    start = 0 if sae.cfg.architecture() == "temporal" else begin
    features: torch.Tensor = sae.encode(acts[None, start:end])
    return features[0, begin - start :]


def _tops(
    dense: Dense, spans: Sequence[tuple[int, int]], counted: torch.Tensor, d_sae: int
) -> list[torch.Tensor]:
    """Take the maximum over each block's tokens of a dense function of token ranges.

    The whole document goes through one product where it fits, as in ``sae.encode`` of it.
    """
    n_tokens = len(counted)
    whole = dense(0, n_tokens) if spans and n_tokens * d_sae <= MAX_DENSE else None
    tops = []
    for a, b in spans:
        values = dense(a, b) if whole is None else whole[a:b]
        values = values[counted[a:b]]
        nothing = values.new_full((d_sae,), -torch.inf)
        tops.append(values.amax(0) if len(values) else nothing)
    return tops


def _sparse(peaks: torch.Tensor, keep_above: float) -> Peaks:
    features = torch.nonzero(peaks > keep_above).squeeze(1)
    kept = peaks[features]
    return (
        features.to("cpu", torch.int32).numpy(),
        kept.to("cpu", torch.float32).numpy(),
    )
