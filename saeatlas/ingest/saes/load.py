"""SAEs from sae-lens' registry, the hub and local files, checked and ready to be stored."""

import hashlib
import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import numpy.typing as npt

from saeatlas import errors
from saeatlas.ingest.corpora import document
from saeatlas.ingest.models import hooks
from saeatlas.ingest.saes import files, hub, names
from saeatlas.ingest.saes.loaded_sae import (
    MAX_NORM,
    MAX_WIDTH,
    MEASURABLE,
    MIN_NORM,
    LoadedSae,
    named_page,
    neuronpedia_page,
)
from saeatlas.ingest.saes.raw_sae import RawSae, quiet
from saeatlas.messages import first_lines

if TYPE_CHECKING:
    from sae_lens import SAE

_BEHAVIOUR = (
    "architecture", "k", "activation_fn", "apply_b_dec_to_input", "normalize_activations",
    "reshape_activations", "rescale_acts_by_decoder_norm", "hook_name", "d_out", "n_heads",
    "sae_diff_type", "kernel_size", "tied_weights", "n_attn_layers", "bottleneck_factor",
    "residual_threshold", "max_iterations", "stop_on_duplicate_support", "kval_topk",
    "activation_normalization_factor", "weighted_by_decoder_norm",
)  # fmt: skip
"""What changes activations besides the weights, and so belongs to the hash."""

_HONOURED = {None, "none", "layer_norm", "constant_norm_rescale", "constant_scalar_rescale"}
"""Normalisations that sae-lens applies whenever an SAE encodes; any other it leaves out."""

_FOLDING = {
    "expected_average_only_in": "fold_activation_norm_scaling_factor",
    "covariance_whitening": "fold_activation_whitening",
}
"""By normalisation, sae-lens' method that puts it into the weights."""

PROCESSING = ("center_writing_weights", "fold_value_biases", "fold_ln")
"""What TransformerLens does to a model's weights on demand that moves activations."""


def load_sae(
    release: str | None = None,
    sae_id: str | None = None,
    path: Path | None = None,
    *,
    hook_name: str | None = None,
    model_name: str | None = None,
    neuronpedia_id: str | None = None,
    allow_zero_rows: bool = False,
) -> LoadedSae:
    """Load one SAE and check that it can be used.

    Parameters
    ----------
    release, sae_id : str, optional
        Where to find it: a release of sae-lens' registry or a hub repository, and the SAE in it.
        With `path`: its name in the catalog; default: see `names.default_name`.
    path : Path, optional
        An SAE's folder, or a file that holds W_dec: see `files.read_sae_files`.
    hook_name, model_name : str, optional
        Its input site and the model it was trained on, if its files do not say.
    neuronpedia_id : str, optional
        Its page on Neuronpedia, ``model/source``. Default: the one that the registry or its own
        files name.
    allow_zero_rows : bool, default=False
        Accept features whose decoder vector is all zero; their cosine is undefined.

    Returns
    -------
    LoadedSae

    Raises
    ------
    UnknownName
        No such release, SAE or file.
    BadWeights
        NaN, infinity, zero rows, shapes that disagree, a damaged file.
    UnsupportedSae
        An architecture or a normalisation that cannot be honoured.
    InputError
        `neuronpedia_id` is not the name of a page.
    """
    page = named_page(neuronpedia_id)
    if path is not None:
        path = Path(os.path.abspath(path.expanduser()))  # noqa: PTH100  links of the hub's cache
        found = files.read_sae_files(path)
        names_of = names.default_name(files.standing_for(path))
        release, sae_id = release or names_of[0], sae_id or names_of[1]
        loaded = _described(release, sae_id, str(path), found, hook_name, model_name)
    elif release is None or sae_id is None:
        raise errors.InputError(
            "An SAE is named by --release and --sae-id, or by --path.",
            hint="saeatlas ingest sae --release gpt2-small-res-jb --sae-id blocks.8.hook_resid_pre",
        )
    else:
        loaded = _from_registry(release, sae_id, hook_name, model_name)
    _require_numbers(loaded, allow_zero_rows=allow_zero_rows)
    return replace(loaded, neuronpedia_id=page) if page else loaded


def _from_registry(
    release: str, sae_id: str, hook_name: str | None, model_name: str | None
) -> LoadedSae:
    from saeatlas.ingest.saes import registry

    entry = registry.find_entry(release, sae_id)
    source = f"{release}:{sae_id}"
    with _understood(f"{release}/{sae_id}"):
        found = hub.read_sae(release, sae_id)
    model = model_name or entry.model_name
    loaded = _described(release, sae_id, source, found, hook_name, model)
    return replace(
        loaded,
        l0=entry.l0,
        explained_variance=entry.explained_variance,
        neuronpedia_id=entry.neuronpedia_id or loaded.neuronpedia_id,
    )


def _described(
    release: str,
    sae_id: str,
    source: str,
    found: RawSae,
    hook_name: str | None,
    model_name: str | None,
) -> LoadedSae:
    """Gather what is known of an SAE under the names of table ``sae``."""
    sae = found.sae
    said = {} if sae is None else sae.cfg.to_dict() | found.extra
    config: dict[str, Any] = document.json_safe(said)
    metadata = config.get("metadata", {})
    hook = hook_name or hooks.lens_hook_name(
        metadata.get("hook_name"), metadata.get("hf_hook_name")
    )
    if hook is not None:
        config["metadata"] = metadata | {"hook_name": hook}
    threshold = getattr(sae, "threshold", None)
    if sae is not None:
        _require_honoured(f"{release}/{sae_id}", sae)
        sae.turn_off_forward_pass_hook_z_reshaping()  # the heads stand side by side already
    return LoadedSae(
        release=release,
        sae_id=sae_id,
        source=source,
        sae=sae,
        decoder=np.ascontiguousarray(found.decoder, np.float32),
        encoder=found.encoder,
        left_out=found.left_out,
        threshold=None if threshold is None else threshold.detach().float().numpy(),
        config=config,
        weights_sha256=_hash(found, config),
        architecture=config.get("architecture"),
        hook_name=hook,
        layer=hooks.layer_of_hook(hook),
        site=hooks.region_of_hook(hook),
        model_name=_hub_name(model_name or metadata.get("model_name")),
        neuronpedia_id=neuronpedia_page(metadata.get("neuronpedia_id")),
        prepend_bos=metadata.get("prepend_bos"),
    )


def _hub_name(model: str | None) -> str | None:
    """Turn TransformerLens' short name of a model into the hub's, where it has one."""
    if model is None:
        return None
    from transformer_lens.loading_from_pretrained import get_official_model_name

    with quiet():
        try:
            return str(get_official_model_name(model))
        except ValueError:
            return model


def _require_honoured(name: str, sae: "SAE[Any]") -> None:
    how = sae.cfg.normalize_activations
    if how not in _HONOURED:
        raise errors.UnsupportedSae(
            f"SAE {name} wants its input normalised by {how!r}, and nothing in its files says how.",
            available="sae-lens would leave this out silently, and every activation would be "
            "wrong.",
            hint=f"Fold it into the weights ({_FOLDING.get(how, 'by hand')}), set "
            "normalize_activations to none, save it, and ingest that.",
        )


def _require_numbers(loaded: LoadedSae, *, allow_zero_rows: bool) -> None:
    """Refuse what no later step could use: NaN, infinity, decoder vectors without direction."""
    name = f"{loaded.release}/{loaded.sae_id}"
    n_features, width = loaded.decoder.shape
    if width > MAX_WIDTH:
        raise errors.BadWeights(
            f"The decoder of SAE {name} has {n_features:,} features of {width:,} dimensions.",
            available=f"A vector in PostgreSQL has at most {MAX_WIDTH:,} dimensions.",
            hint="Transpose it if its rows are not the features: W_dec has shape (d_sae, d_in).",
        )
    beside = {} if loaded.encoder is None else {"W_enc": loaded.encoder}
    for tensor, values in (_tensors(loaded.sae) | beside | {"W_dec": loaded.decoder}).items():
        bad = np.argwhere(~np.isfinite(values))
        if len(bad):
            raise errors.BadWeights(
                f"SAE {name} has {len(bad):,} NaN or infinite numbers in {tensor}.",
                available=f"The first is at {tuple(bad[0].tolist())}.",
                hint="The training diverged, or the file was written wrong; take another.",
            )
    zero = np.flatnonzero(~loaded.decoder.any(axis=1))
    if len(zero) and not allow_zero_rows:
        raise errors.BadWeights(
            f"{len(zero):,} of {loaded.d_sae:,} features of SAE {name} have an all-zero decoder "
            f"vector; the first is {zero[0]}.",
            available="They have no direction, so no cosine and no neighbours.",
            hint="If that is meant, say --allow-zero-rows.",
        )
    norms = loaded.decoder_norm
    extreme = np.flatnonzero((norms > 0) & ((norms < MIN_NORM) | (norms > MAX_NORM)))
    if len(extreme):
        raise errors.BadWeights(
            f"The decoder vector of feature {extreme[0]} of SAE {name} has length "
            f"{norms[extreme[0]]:.3g}.",
            available=MEASURABLE,
            hint="Multiply W_dec by a constant, and divide the activations by it.",
        )


def _hash(found: RawSae, config: dict[str, Any]) -> str:
    """Hash weights and behaviour, whatever the files' precision and order of keys."""
    digest = hashlib.sha256()
    bare = {"W_dec": found.decoder} | ({} if found.encoder is None else {"W_enc": found.encoder})
    for name, tensor in sorted((_tensors(found.sae) or bare).items()):
        values = np.ascontiguousarray(tensor, "<f4")
        digest.update(f"{name}{values.shape}".encode())
        digest.update(values.data)
    settings = config | config.get("metadata", {})
    behaviour = {key: settings[key] for key in _BEHAVIOUR if settings.get(key) is not None}
    processed = settings.get("model_from_pretrained_kwargs") or {}
    behaviour |= {key: True for key in PROCESSING if processed.get(key)}
    digest.update(json.dumps(behaviour, sort_keys=True, default=str).encode())
    return digest.hexdigest()


def _tensors(sae: "SAE[Any] | None") -> dict[str, npt.NDArray[np.float32]]:
    state = {} if sae is None else sae.state_dict()
    return {name: tensor.detach().float().numpy() for name, tensor in state.items()}


@contextmanager
def _understood(name: str) -> Iterator[None]:
    """Say in our words what goes wrong on the way from the hub."""
    try:
        yield
    except errors.AtlasError:
        raise
    except files.damage() as error:
        raise errors.UnknownName(
            f"SAE {name} cannot be loaded: {first_lines(error, 2)}",
            hint="Check the name and that the hub can be reached; "
            "files at hand are read with `saeatlas ingest sae --path`.",
        ) from error
