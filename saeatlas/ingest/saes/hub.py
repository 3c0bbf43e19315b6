"""SAEs from the hub: of sae-lens' registry, or of any repository."""

from pathlib import Path, PurePosixPath
from typing import Any

from saeatlas import errors
from saeatlas.ingest.saes import config_types, files, reading, registry
from saeatlas.ingest.saes.folders import sae_lens, sae_lens_fields
from saeatlas.ingest.saes.raw_sae import RawSae, of_sae, quiet

_BESIDE = ("config.json", "config.yaml")
"""Files of the folders above an SAE's that say something of it."""


def read_sae(release: str, sae_id: str) -> RawSae:
    """Read an SAE that sae-lens' registry names, or one of another hub repository.

    Parameters
    ----------
    release : str
        A release of the registry, or a repository ``owner/name``.
    sae_id : str
        The SAE in the release; of a repository, its folder or file, or ``.`` for all of it.

    Returns
    -------
    RawSae

    Raises
    ------
    UnknownName
        The repository has no such folder.
    BadWeights, UnsupportedSae
        See `files.read_sae_files`.
    """
    if release in registry.releases():
        return _from_registry(release, sae_id)
    return files.read_sae_files(_fetch(release, sae_id))


def _from_registry(release: str, sae_id: str) -> RawSae:
    from huggingface_hub import hf_hub_download
    from sae_lens import SAE
    from sae_lens.loading import pretrained_sae_loaders as loaders

    name = f"{release}/{sae_id}"
    loader = loaders.get_conversion_loader_name(release)
    said: dict[str, Any] = {}

    def convert(**terms: Any) -> Any:
        config, weights, sparsity = loaders.NAMED_PRETRAINED_SAE_LOADERS[loader](**terms)
        said.update(config)
        if loader == "sae_lens":  # which changes entries while it reads them
            file = hf_hub_download(terms["repo_id"], f"{terms['folder_name']}/cfg.json")
            said.update(reading.read_config(Path(file)) | terms["cfg_overrides"])
        sae_lens.require_architecture(name, said)
        sae_lens_fields.require_known_activation(name, said)
        config = sae_lens_fields.in_form_of_version_6(config)
        return config_types.checked(name, config), weights, sparsity

    with quiet():
        sae = SAE.from_pretrained(release, sae_id, device="cpu", dtype="float32", converter=convert)
    if loader == "sae_lens":  # the others' configurations are written by sae-lens itself
        sae_lens_fields.require_honoured(name, said, sae, published=True)
    return of_sae(name, sae)


def _fetch(repository: str, sae_id: str) -> Path:
    """Download an SAE's folder, or find it in the hub's cache; return where it is."""
    from huggingface_hub import snapshot_download
    from huggingface_hub.constants import HF_HUB_CACHE

    inside = PurePosixPath(sae_id.strip("/") or ".")
    if ".." in inside.parts:
        raise errors.UnknownName(
            f"{sae_id!r} is no folder of a repository.",
            hint="Name the SAE's folder or file in it, such as layers.12.",
        )
    above = [*inside.parents, PurePosixPath(".")] if inside.parts else []
    wanted = [str(folder / name) for folder in above for name in _BESIDE]
    root = snapshot_download(
        repository,
        cache_dir=HF_HUB_CACHE,
        allow_patterns=[str(inside), f"{inside}/*", *wanted] if inside.parts else None,
        ignore_patterns=None if inside.parts else ["*/*"],
    )
    path = Path(root) / inside
    if not path.exists():
        known = sorted(p.relative_to(root).as_posix() for p in Path(root).glob("*"))
        raise errors.UnknownName(
            f"Repository {repository} has no {sae_id!r}, or it is not in the hub's cache.",
            available=errors.nearest(sae_id, known),
            hint="--sae-id names the SAE's folder or file in the repository.",
        )
    return path
