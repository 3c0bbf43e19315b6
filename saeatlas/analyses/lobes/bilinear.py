"""phi and simple matching from the bits themselves: products without the n x n matrix."""

from collections.abc import Iterator
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from saeatlas.analyses.arrays import Bool, Float32, Float64, Int64
from saeatlas.analyses.lobes.affinities import SAME, F, Operator

if TYPE_CHECKING:
    import torch

MEASURES = ("phi", "simple_matching")
"""Measures that are products of bits: phi plus 1, and simple matching."""

SLAB = 2**24
"""Bits that are unpacked at once: 80 MB in float32."""

VECTORS = 256
"""Vectors that are multiplied at once: bounds the memory beside the bits."""

_PROBES = 8
"""Random vectors that show whether an affinity is more than one number."""


class Bilinear(Operator):
    """An affinity of features as a product of bits; its n x n values are never computed.

    With p the share of blocks that each feature is active in and X their bits (features x blocks),
    it is C C^T + Z Z^T minus its own diagonal. Z = a (X - p) has rows of mean 0. For phi
    a = 1 / sqrt(N p (1 - p)) and C = 1, for simple matching a = sqrt(2 / N) and
    C = (1, 2 p - 1) / sqrt(2).

    Parameters
    ----------
    measure : {'phi', 'simple_matching'}
    n_blocks : int
        N.
    n : ndarray of shape (n_features,), int
        Blocks of each; for phi neither 0 nor N.
    bits : ndarray of shape (n_features, n_bytes), uint8
        One bit per block, most significant first; what is left of the last byte does not matter.
    device : str, optional
        Default: cuda where there is one, else cpu.

    Notes
    -----
    In memory are the bits and a slab of them as numbers. A product unpacks all bits, whether with
    one vector or with dozens. The parts that all features share are computed in float64. Bits of
    features that are active in most blocks are complemented, Z with them: float32 then adds up the
    few blocks that matter, and nothing large cancels.
    """

    def __init__(
        self,
        measure: str,
        n_blocks: int,
        n: Int64,
        bits: npt.NDArray[np.uint8],
        device: str | None = None,
    ) -> None:
        self.measure, self.n_blocks, self.n, self.bits = measure, n_blocks, n, bits
        self._device = device
        p = n / n_blocks
        if measure == "phi":
            self.top = 2.0
            self.common = np.ones((len(n), 1))
            scale = 1 / np.sqrt(n * (1 - p))
        else:
            self.top = 1.0
            self.common = np.stack([np.ones(len(n)), 2 * p - 1], axis=1) / np.sqrt(2)
            scale = np.full(len(n), np.sqrt(2 / n_blocks))
        self._complemented = 2 * n > n_blocks
        self._share = np.where(self._complemented, n_blocks - n, n)[:, None] / n_blocks
        self._scale = np.where(self._complemented, -scale, scale)[:, None]

    def __len__(self) -> int:
        return len(self.n)

    def take(self, which: Bool) -> "Bilinear":
        """Return the affinity of some of the features.

        Parameters
        ----------
        which : ndarray of shape (n,), bool

        Returns
        -------
        Bilinear
        """
        some = self.n[which], self.bits[which]
        return Bilinear(self.measure, self.n_blocks, *some, self._device)

    def dot(self, vectors: F) -> F:
        """Multiply it with vectors, slab by slab of blocks."""
        product = np.empty_like(vectors)
        for first in range(0, vectors.shape[1], VECTORS):
            part = vectors[:, first : first + VECTORS]
            wide = part.astype(np.float64)
            shared = self.common @ (self.common.T @ wide) - self.top * wide
            product[:, first : first + VECTORS] = self.own(part) + shared
        return product

    def own(self, vectors: F) -> F:
        """Multiply vectors with Z Z^T, in their precision.

        Parameters
        ----------
        vectors : ndarray of shape (n, m), float32 or float64

        Returns
        -------
        ndarray of shape (n, m)
        """
        import torch

        dtype = torch.float32 if vectors.dtype == np.float32 else torch.float64
        wide = vectors * self._scale  # float64
        mean = self._share.T @ wide
        scaled = torch.from_numpy(wide).to(self._where, dtype)
        shift = torch.from_numpy(mean).to(self._where, dtype)
        image = torch.zeros_like(scaled)
        total = torch.zeros(mean.shape, dtype=torch.float64, device=self._where)
        for ones in self._slabs(dtype):
            inner = ones.T @ scaled - shift  # (n_slab, m): Z^T
            image.addmm_(ones, inner)
            total += inner.sum(dim=0, dtype=torch.float64)
        # the total is 0, but for rounding, which all blocks have in common and which would add up
        product: Float64 = image.cpu().numpy() - self._share * total.cpu().numpy()
        return (product * self._scale).astype(vectors.dtype, copy=False)

    def survey(self) -> tuple[Float64, bool]:
        """Sum the rows, and check whether its values differ.

        A matrix of one number w takes any x to w (sum(x) - x); no other does so with random x.
        """
        n = len(self)
        probes = np.random.default_rng(0).standard_normal((n, _PROBES))
        vectors: Float64 = np.hstack([np.ones((n, 1)), probes])
        image = self.dot(vectors)
        degrees = image[:, 0].copy()
        mean = degrees.sum() / (n * (n - 1))
        away = np.abs(image[:, 1:] - mean * (probes.sum(axis=0) - probes)).max()
        return degrees, bool(away > SAME * max(abs(mean), SAME * self.top))

    @cached_property
    def _where(self) -> "torch.device":
        import torch

        return torch.device(self._device or ("cuda" if torch.cuda.is_available() else "cpu"))

    @cached_property
    def _packed(self) -> "torch.Tensor":
        import torch

        return torch.from_numpy(self.bits).to(self._where)

    def _slabs(self, dtype: "torch.dtype") -> Iterator["torch.Tensor"]:
        """Unpack the bits, some blocks at a time, to shape (n, n_slab)."""
        import torch

        from saeatlas.analyses.counting.torch_engine import unpacked

        step = max(8, min(SLAB // (8 * len(self)), self.bits.shape[1]))
        flip = torch.from_numpy(np.where(self._complemented, 0xFF, 0).astype(np.uint8)[:, None])
        flip = flip.to(self._where)
        # one for all slabs: fresh memory takes as long as the product
        numbers = torch.empty((len(self), 8 * step), dtype=dtype, device=self._where)
        for first in range(0, self.bits.shape[1], step):
            ones = unpacked(self._packed[:, first : first + step] ^ flip)
            n_slab = min(ones.shape[1], self.n_blocks - 8 * first)
            yield numbers[:, :n_slab].copy_(ones[:, :n_slab])


class Deflated:
    """D^-1/2 W D^-1/2 - v v^T for a bilinear W and the first eigenvector v, to multiply with.

    Parameters
    ----------
    affinity : Bilinear
        W.
    root : ndarray of shape (n,), float64
        Roots of its degrees; 1 where a degree is 0.
    first : ndarray of shape (n,), float64
        v.
    """

    def __init__(self, affinity: Bilinear, root: Float64, first: Float64) -> None:
        self._affinity, self._root = affinity, root[:, None]
        # nearly the same as v: in float64, where the difference is left
        self._shared = np.hstack([affinity.common / self._root, first[:, None]])
        self._signs = np.append(np.ones(affinity.common.shape[1]), -1)
        self._diagonal = affinity.top / self._root**2

    def __len__(self) -> int:
        return len(self._root)

    def __matmul__(self, vectors: Float32) -> Float32:
        wide = vectors.astype(np.float64)
        image: Float64 = (self._shared * self._signs) @ (self._shared.T @ wide)
        image -= self._diagonal * wide
        image += self._affinity.own((wide / self._root).astype(np.float32)) / self._root
        return image.astype(np.float32)

    @property
    def floor(self) -> float:
        """No eigenvalue is lower: W plus its `top` on the diagonal is a product."""
        return -float(min(self._diagonal.max(), 1))

    @property
    def typical_floor(self) -> float:
        """What `floor` would be if all features had the median degree."""
        return -float(np.median(self._diagonal))
