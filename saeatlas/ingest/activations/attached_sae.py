"""SAEs of the catalog, loaded and attached to a model."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import torch

from saeatlas import errors
from saeatlas.ingest.models.tokenizer import Tokenizer
from saeatlas.ingest.saes import load as saes
from saeatlas.schema.rows.saes import weights

if TYPE_CHECKING:
    import sqlalchemy as sa
    from sae_lens import SAE


_WHOLE = "Ingest its whole folder under another name, with cfg.json or what its trainer wrote."

InputSite = tuple[str, bool]
"""Hook name, and whether the mean is taken out: all that decides an SAE's input activations."""


@dataclass(frozen=True)
class AttachedSae:
    """An SAE that reads the activations of a model at one hook.

    Parameters
    ----------
    sae : int
        ``sae.id``.
    name : str
        ``release/sae_id``, for messages.
    weights : sae_lens.SAE
    hook_name : str
    centred : bool, default=False
        Whether it was trained on a model whose every write to the residual stream has mean zero.
    """

    sae: int
    name: str
    weights: "SAE[Any]"
    hook_name: str
    centred: bool = False

    @property
    def input_site(self) -> InputSite:
        """SAEs with the same input site have the same input activations."""
        return self.hook_name, self.centred

    def inputs(self, acts: torch.Tensor) -> torch.Tensor:
        """Return the SAE's input activations, of shape (T, d_in), from those at its hook."""
        if not bool(acts.isfinite().all()):
            raise errors.ModelMismatch(
                f"The model gives NaN or infinity at {self.hook_name}.",
                hint="float16 may be too narrow for it: use --dtype bfloat16 or float32.",
            )
        return acts - acts.mean(-1, keepdim=True) if self.centred else acts


def agreed_bos(
    rows: "Sequence[sa.Row[Any]]", tokenizer: Tokenizer, wanted: bool | None = None
) -> bool:
    """Say whether BOS stands before each document: what all these SAEs were trained on.

    Parameters
    ----------
    rows : sequence of sqlalchemy.Row
        Rows of ``sae``.
    tokenizer : Tokenizer
        The model's.
    wanted : bool, optional
        What the user says, whatever the SAEs' files say.

    Returns
    -------
    bool
        Where the files of no SAE say, whether the tokenizer has BOS.

    Raises
    ------
    ModelMismatch
        Some were trained with it, some without; or BOS is wanted and the tokenizer has none.
    """
    said = {row.prepend_bos for row in rows} - {None} if wanted is None else {wanted}
    if len(said) > 1:
        with_bos = [f"{row.release}/{row.sae_id}" for row in rows if row.prepend_bos]
        raise errors.ModelMismatch(
            "Some of these SAEs were trained with BOS before the text, some without.",
            available=f"With BOS: {', '.join(with_bos)}.",
            hint="Record the two kinds one after the other, or say what holds for all of them: "
            "--bos or --no-bos.",
        )
    bos = bool(said.pop()) if said else tokenizer.has_bos
    if bos and not tokenizer.has_bos:
        with_bos = [f"{row.release}/{row.sae_id}" for row in rows if row.prepend_bos]
        raise errors.ModelMismatch(
            f"The tokenizer of {tokenizer.name} has no BOS token"
            + (f", but SAE {with_bos[0]} was trained with one." if with_bos else "."),
            available="The files of many SAEs say so by default, though no BOS stood there.",
            hint="Check --model. To record without BOS: --no-bos.",
        )
    return bos


def hook_name_of(row: "sa.Row[Any]") -> str:
    """Return the hook name of an SAE's input site.

    Parameters
    ----------
    row : sqlalchemy.Row
        Of ``sae``.

    Returns
    -------
    str

    Raises
    ------
    UnsupportedSae
        It is not known, or nothing but vectors is.
    """
    if row.hook_name is None and row.weights_sha256 is not None and not row.config:
        raise errors.UnsupportedSae(
            f"SAE {row.release}/{row.sae_id} is a file of vectors without a configuration, such as "
            "a bare decoder: its activations cannot be computed.",
            hint=_WHOLE,
        )
    if row.hook_name is None:
        raise errors.UnsupportedSae(
            f"The input site of SAE {row.release}/{row.sae_id} is not known.",
            hint=f"`saeatlas remove sae {row.release}/{row.sae_id}` and ingest it again with "
            "--hook-name.",
        )
    return str(row.hook_name)


def model_processing(row: "sa.Row[Any]") -> dict[str, Any]:
    """Return what was done to the model's weights when the SAE was trained.

    Parameters
    ----------
    row : sqlalchemy.Row
        Of ``sae``.

    Returns
    -------
    dict
        Those of `saes.PROCESSING` that its files name.
    """
    said = row.config.get("metadata", {}).get("model_from_pretrained_kwargs") or {}
    return {key: said[key] for key in saes.PROCESSING if said.get(key)}


def load_weights(row: "sa.Row[Any]") -> "SAE[Any]":
    """Load an SAE's weights again and make sure that they are the catalog's.

    Parameters
    ----------
    row : sqlalchemy.Row
        Of ``sae``.

    Returns
    -------
    sae_lens.SAE
        In float32 on the CPU.

    Raises
    ------
    NameTaken
        They have changed.
    UnsupportedSae
        A bare decoder, or an encoder without configuration.
    WithoutWeights
    """
    stored = weights(row)
    name = f"{row.release}/{row.sae_id}"
    path = Path(row.source) if Path(row.source).is_absolute() else None
    loaded = saes.load_sae(
        row.release, row.sae_id, path, hook_name=row.hook_name, allow_zero_rows=True
    )
    if loaded.weights_sha256 != stored:
        raise errors.NameTaken(
            f"The weights of {name} are not those in the catalog any more.",
            available=f"They came from {row.source}.",
            hint=f"Restore them, or `saeatlas remove sae {name}` and ingest it again.",
        )
    if loaded.sae is None:
        raise errors.UnsupportedSae(
            f"SAE {name} is a file without configuration: which activation function it has, and "
            "whether b_dec is taken from its input, is not known."
            if loaded.encoder is not None
            else f"SAE {name} is a bare decoder: without an encoder it has no activations.",
            hint=_WHOLE,
        )
    return loaded.sae
