"""Activation functions that SAEs of other trainers have and sae-lens has not."""

import torch


class GroupMax(torch.nn.Module):
    """Of each of k equal groups of neighbouring features, the largest one above zero stays.

    Parameters
    ----------
    k : int
        Number of groups; it divides the number of features.
    """

    def __init__(self, k: int) -> None:
        super().__init__()
        self.k = k

    def forward(self, pre: torch.Tensor) -> torch.Tensor:
        """Apply it to pre-activations of shape (..., d_sae)."""
        groups = pre.relu().reshape(*pre.shape[:-1], self.k, -1)  # (..., k, d_sae / k)
        top, which = groups.max(dim=-1, keepdim=True)
        return torch.zeros_like(groups).scatter_(-1, which, top).flatten(-2)


class WeightedTopK(torch.nn.Module):
    """The k features with the largest weighted pre-activation stay, if above zero.

    Parameters
    ----------
    k : int
    weights : Tensor of shape (d_sae,)
        They choose; what stays is not weighted. Positive.
    """

    weights: torch.Tensor

    def __init__(self, k: int, weights: torch.Tensor) -> None:
        super().__init__()
        self.k = k
        self.register_buffer("weights", weights, persistent=False)

    def forward(self, pre: torch.Tensor) -> torch.Tensor:
        """Apply it to pre-activations of shape (..., d_sae)."""
        above = pre.relu()
        which = (above * self.weights).topk(self.k, dim=-1, sorted=False).indices
        return torch.zeros_like(above).scatter_(-1, which, above.gather(-1, which))
