"""The name that an SAE gets in the catalog from where its files are."""

import re
from pathlib import Path

_AT_LAYER = (
    r"(?:(?:resid|mlp|attn|att|transcoder|model|transformer|gpt_neox)[a-z_]*[_.-])?"
    r"(?:layers?|blocks?|h)[-_.]?\d+(?:[-_.].*)?|l\d+[a-z]?"
)
_LAYER = re.compile(_AT_LAYER)
_PART = re.compile(
    rf"{_AT_LAYER}|width[-_]\w+|(?:average_)?l0[-_]\w+|k[-_=]?\d+"
    r"|(?:trainer|seed|step|epoch|final|checkpoint)[-_=]?\d*|checkpoints|embedding|embed_tokens"
    r"|(?:resid|mlp|attn|att|transcoder)(?:_(?:pre|mid|post|out|all))*"
)
"""What a folder inside a release is called: a layer, a width, a site, a step of the training."""

_CACHE = re.compile(r"models--[^-].*?--(.+)")


def default_name(path: Path) -> tuple[str, str]:
    """Name an SAE after its folder or file, far enough up to tell it from its neighbours.

    Parameters
    ----------
    path : Path
        Absolute: the SAE's folder, or a file that is an SAE on its own.

    Returns
    -------
    (str, str)
        Release and sae_id, as in sae-lens' registry: ``layer_20/width_16k/average_l0_71`` of
        ``gemma-scope-2b-pt-res``. Folders above that name a layer, a width or the like belong to
        the sae_id; the first that does not is the release. In the hub's cache the release is the
        repository's name.
    """
    last = path.name if path.is_dir() else path.stem
    above = list(path.parent.parts[1:])
    for i, part in enumerate(above[:-2]):
        cached = _CACHE.fullmatch(part)
        if cached and above[i + 1] == "snapshots":
            return cached[1], "/".join([*above[i + 3 :], last])
    n_inside = 0
    while n_inside < min(len(above) - 1, 4) and _PART.fullmatch(above[-1 - n_inside]):
        n_inside += 1
    if not _LAYER.fullmatch(last):
        named = [
            i for i in range(n_inside, min(len(above) - 1, 4)) if _LAYER.fullmatch(above[-1 - i])
        ]
        n_inside = max([n_inside, *(i + 1 for i in named)])
    inside = above[len(above) - n_inside :]
    release = above[len(above) - n_inside - 1] if len(above) > n_inside else ""
    return release or "local", "/".join([*inside, last])
