"""The same counts from matrix products, on a GPU or on the processor's own integer products."""

from typing import TYPE_CHECKING

import numpy as np

from saeatlas.analyses.counting.sql_engine import Workspace
from saeatlas.progress import Progress, Report, silent
from saeatlas.schema.rows.pair_counts import split_tiles
from saeatlas.schema.tables import TILE

if TYPE_CHECKING:
    import torch

SIDE = 16 * TILE
"""Features of a side of a product."""

SLAB = 2**12
"""Blocks of a product: bounds the memory, and keeps sums of ones exact in float32."""


def count_tiles(
    work: Workspace, live: int, report: Report = silent, *, device: str | None = None
) -> None:
    """Count all pairs of a workspace's features and write their tiles.

    Parameters
    ----------
    work : Workspace
        With its bitmaps assembled.
    live : int
        Number of features.
    report : callable, optional
        Called with each `Progress`, in pairs.
    device : str, optional
        Default: cuda where there is one, else cpu.

    Notes
    -----
    Products are of int8 with int32 sums, or of float32 on a processor that has no instructions for
    those, over 4,096 blocks at a time, and are summed in int32: exact, as no float32 sum comes near
    2^24. In memory are all bitmaps, a slab of them as bytes, and the counts of 2,048 features.
    """
    import torch

    where = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    bits = torch.from_numpy(work.bits(live)).to(where)  # (live, n_bytes)
    done = 0
    for first in range(0, live, SIDE):
        stop = min(first + SIDE, live)
        counts = torch.zeros(stop - first, stop, dtype=torch.int32, device=where)
        for begin in range(0, bits.shape[1], SLAB // 8):
            ones = unpacked(bits[:stop, begin : begin + SLAB // 8])
            for other in range(0, stop, SIDE):
                part = slice(other, min(other + SIDE, stop))
                counts[:, part] += _product(ones[first:], ones[part])
        work.put_tiles(split_tiles(counts.cpu().numpy(), first))
        done += sum(range(first + 1, stop + 1))
        report(Progress("count pairs", done, live * (live + 1) // 2))


def _product(a: "torch.Tensor", b: "torch.Tensor") -> "torch.Tensor":
    """Return int32 sums of shape (len(a), len(b)) of products of ones."""
    import torch

    fits = len(a) > 16 and len(b) % 8 == 0  # shapes that CUDA's product takes
    if fits if a.is_cuda else torch.cpu._is_vnni_supported():
        return torch._int_mm(a, b.T)
    return (a.float() @ b.float().T).to(torch.int32)


def unpacked(packed: "torch.Tensor") -> "torch.Tensor":
    """Unpack bits where they are.

    Parameters
    ----------
    packed : torch.Tensor of shape (n, n_bytes), uint8

    Returns
    -------
    torch.Tensor of shape (n, 8 * n_bytes), int8
        Zeros and ones; of a byte the most significant bit first.
    """
    import torch

    if not packed.is_cuda:
        return torch.from_numpy(np.unpackbits(packed.numpy(), axis=1)).view(torch.int8)
    shifts = 7 - torch.arange(8, dtype=torch.uint8, device=packed.device)
    return ((packed[:, :, None] >> shifts) & 1).to(torch.int8).flatten(1)
