"""Qwen-Scope's files: layer12.sae.pt in a folder that is called as the repository.

Of x W_enc^T + b_enc, the k largest above zero stay; b_dec is not taken from x. Only the
repository's name says k.
"""

import re
from pathlib import Path
from typing import Any

from saeatlas.ingest.saes import reading
from saeatlas.ingest.saes.folders.matrices import read_weights
from saeatlas.ingest.saes.raw_sae import RawSae, build, of_sae

_PATH = re.compile(r"SAE-Res-([^/]+?)-W\d+K-L0_(\d+)(?:/.*)?/layer(\d+)\.sae\.pt")


def is_qwen_scope(path: Path) -> bool:
    """Say whether a file's path is Qwen-Scope's."""
    return _PATH.search(path.as_posix()) is not None


def read_qwen_scope(path: Path) -> RawSae:
    """Read the TopK SAE of one layer.

    Parameters
    ----------
    path : Path

    Returns
    -------
    RawSae

    Raises
    ------
    BadWeights
        Its shapes contradict each other.
    """
    said = _PATH.search(path.as_posix())
    assert said is not None
    weights = read_weights(path.name, reading.read_arrays(path)).sae_lens("b_enc", "b_dec")
    config: dict[str, Any] = {
        "architecture": "topk",
        "k": min(int(said[2]), len(weights["W_dec"])),
        "metadata": {
            "hook_name": f"blocks.{said[3]}.hook_resid_post",
            "model_name": f"Qwen/{said[1]}",
        },
    }
    return of_sae(str(path), build(str(path), config, weights))
