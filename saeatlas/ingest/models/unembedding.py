"""A model's way out of the residual stream: final norm and unembedding, without the layers."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from saeatlas import errors
from saeatlas.ingest.models import families, files, hooked_model


@dataclass(frozen=True)
class Unembedding:
    """What turns the residual stream into logits, less the final norm's division.

    Parameters
    ----------
    weight : Tensor of shape (n_tokens, d_model), float32
        W_U, a row per token.
    scale : Tensor of shape (d_model,), float32
        The final norm's learned factors.
    centred : bool
        Whether that norm takes the mean away first, as LayerNorm does.
    """

    weight: torch.Tensor
    scale: torch.Tensor
    centred: bool

    @torch.inference_mode()
    def strongest(
        self, vectors: npt.NDArray[np.float32], top: int
    ) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float32]]:
        """Find the tokens that directions of the residual stream promote most.

        Parameters
        ----------
        vectors : ndarray of shape (n, d_model), float32
        top : int
            Tokens of each; at most n_tokens.

        Returns
        -------
        ids : ndarray of shape (n, top), int64
            The most promoted first, ties by id.
        logits : ndarray of shape (n, top), float32
        """
        x = torch.from_numpy(vectors).to(self.weight.device)
        if self.centred:
            x = x - x.mean(-1, keepdim=True)
        logits = (x * self.scale) @ self.weight.T  # (n, n_tokens)
        least = logits.topk(top).values[:, -1:]
        places = (logits >= least).nonzero(as_tuple=True)  # the top of each row, and their equals
        values: npt.NDArray[np.float32] = logits[places].cpu().numpy()
        rows, ids = (place.cpu().numpy() for place in places)
        order = np.lexsort((ids, -values, rows))
        firsts = np.searchsorted(rows, np.arange(len(vectors)))
        chosen = order[firsts[:, None] + np.arange(top)]
        return ids[chosen], values[chosen]


def load_unembedding(name: str, n_tokens: int, device: str | None = None) -> Unembedding:
    """Load a model's final norm and unembedding.

    Parameters
    ----------
    name : str
        Hub id or folder.
    n_tokens : int
        Tokens that its tokenizer knows: further rows of the unembedding are padding.
    device : str, optional
        Default: cuda or mps where there is one, else cpu.

    Returns
    -------
    Unembedding
        In float32.

    Raises
    ------
    ModelMismatch
        It cannot be loaded, is of an unknown kind, or holds NaN or infinity.
    InputError
        There is no such device.
    """
    where = hooked_model.choose_device(device)
    family = families.family_of(name, files.read_model_config(name).model_type)
    model = files.load_model(name, 0, torch.float32, kind="AutoModelForCausalLM")
    norm = model.base_model.get_submodule(family.norm)
    with torch.inference_mode():
        weight = model.get_output_embeddings().weight[:n_tokens]
        scale = _scale(norm, weight.shape[1])
    if not (weight.isfinite().all() and scale.isfinite().all()):
        raise errors.ModelMismatch(
            f"The unembedding of {name} has NaN or infinity.",
            hint="Its weights may be damaged: fetch them again.",
        )
    return Unembedding(weight.to(where), scale.to(where), isinstance(norm, torch.nn.LayerNorm))


def _scale(norm: torch.nn.Module, d: int) -> torch.Tensor:
    """Measure the factors that a norm applies: kinds differ in what they store, as w or w - 1."""
    x = torch.ones(d)
    x[1::2] = -1
    both: torch.Tensor = norm(x) - norm(-x)  # twice what it does to x, without its bias
    return both / (2 * hooked_model.without_gain(norm, x))
