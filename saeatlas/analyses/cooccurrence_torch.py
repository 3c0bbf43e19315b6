"""The same counts from matrix products, on a GPU where there is one."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from saeatlas.analyses.workspace import Workspace
from saeatlas.schema.tiles import TILE, cut

if TYPE_CHECKING:
    import torch

_SIDE = 8 * TILE
"""Features of a side of a product."""

_SLAB = 2**14
"""Blocks of a product: bounds the memory, and keeps sums of ones exact in float32."""


def count_tiles(work: Workspace, live: int, *, device: str | None = None) -> Iterator[int]:
    """Count all pairs of a workspace's features and write their tiles.

    Parameters
    ----------
    work : Workspace
        With its bitmaps assembled.
    live : int
        Number of features.
    device : str, optional
        Default: cuda where there is one, else cpu.

    Yields
    ------
    int
        Pairs counted so far.

    Notes
    -----
    Products are int8 with int32 sums on a GPU and float32 on a CPU, over 16,384 blocks at a time,
    and are summed in int32: exact, as no float32 sum comes near 2^24.
    """
    import torch

    where = torch.device(device or ("cuda" if torch.cuda.is_available() else "cpu"))
    bits = torch.from_numpy(work.bits(live)).to(where)  # (live, n_bytes)
    done = 0
    for first in range(0, live, _SIDE):
        for other in range(0, first + 1, _SIDE):
            counts = _product(bits[first : first + _SIDE], bits[other : other + _SIDE])
            work.put_tiles(cut(counts.cpu().numpy(), first, other))
            rows, columns = counts.shape
            done += rows * columns if other < first else rows * (rows + 1) // 2
            yield done


def _product(a: "torch.Tensor", b: "torch.Tensor") -> "torch.Tensor":
    """Return int32 counts of shape (len(a), len(b)) from packed bits."""
    import torch

    total = torch.zeros(len(a), len(b), dtype=torch.int32, device=a.device)
    for begin in range(0, a.shape[1], _SLAB // 8):
        left, right = (_ones(x[:, begin : begin + _SLAB // 8]) for x in (a, b))
        if a.is_cuda and min(len(a), len(b)) > 16 and len(b) % 8 == 0:
            total += torch._int_mm(left, right.T)
        else:
            total += (left.float() @ right.float().T).to(torch.int32)
    return total


def _ones(packed: "torch.Tensor") -> "torch.Tensor":
    """Unpack bits to int8 of shape (n, 8 * n_bytes); their order within a byte does not matter."""
    import torch

    shifts = torch.arange(8, dtype=torch.uint8, device=packed.device)
    return ((packed[:, :, None] >> shifts) & 1).to(torch.int8).flatten(1)
