"""SAEs of hub repositories that sae-lens' registry does not name, and what the registry's say."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import numpy as np
import pytest
import torch
from sae_lens.loading.pretrained_saes_directory import get_pretrained_saes_directory
from safetensors.numpy import save_file

from saeatlas import errors
from saeatlas.ingest.saes.load import load_sae
from tests.support import tiny

F, D = 10, 4
Put = Callable[[str, str, Path], None]


@pytest.fixture
def put(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Put:
    """Put a folder in a hub cache of this test's own, as if it had been downloaded."""
    cache = tmp_path / "hub"
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(cache))

    def copy(repository: str, inside: str, folder: Path) -> None:
        root = cache / f"models--{repository.replace('/', '--')}"
        (root / "refs").mkdir(parents=True, exist_ok=True)
        (root / "refs" / "main").write_text("0" * 40)
        shutil.copytree(folder, root / "snapshots" / ("0" * 40) / inside, dirs_exist_ok=True)

    return copy


@pytest.fixture
def w() -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    shapes: dict[str, Any] = {"D": (F, D), "E": (F, D), "e": F, "d": D, "t": F}
    return {name: random.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def _sparsify(folder: Path, w: dict[str, np.ndarray]) -> Path:
    folder.mkdir(parents=True)
    said = {"expansion_factor": 2, "k": 2, "d_in": D, "num_latents": F, "normalize_decoder": True}
    (folder / "cfg.json").write_text(json.dumps(said))
    arrays = {"encoder.weight": w["E"], "encoder.bias": w["e"], "W_dec": w["D"], "b_dec": w["d"]}
    save_file(arrays, folder / "sae.safetensors")
    return folder


def test_a_folder_of_another_trainer(put: Put, tmp_path: Path, w: Any) -> None:
    put("EleutherAI/sae-pythia", "layers.3", _sparsify(tmp_path / "any", w))
    above = tmp_path / "above"
    above.mkdir()
    (above / "config.json").write_text(json.dumps({"model": "EleutherAI/pythia-160m"}))
    put("EleutherAI/sae-pythia", ".", above)
    for name in ("layers.3", "layers.3/", "/layers.3"):
        loaded = load_sae("EleutherAI/sae-pythia", name)
        assert (loaded.release, loaded.sae_id) == ("EleutherAI/sae-pythia", name)
        assert (loaded.architecture, loaded.hook_name) == ("topk", "blocks.3.hook_resid_post")
        assert loaded.model_name == "EleutherAI/pythia-160m"
        assert loaded.source == f"EleutherAI/sae-pythia:{name}"
    x = torch.randn(20, D)
    pre = ((x.numpy() - w["d"]) @ w["E"].T + w["e"]).clip(0)
    cut = np.sort(pre, axis=1)[:, -2:-1]
    assert loaded.sae is not None
    acts = loaded.sae.encode(x).detach().numpy()
    np.testing.assert_allclose(acts, pre * (pre >= cut), atol=1e-5)


def test_a_whole_repository_that_is_one_sae(put: Put, tmp_path: Path) -> None:
    put("me/one", ".", tiny.make_sae(tmp_path / "sae"))
    for name in (".", "./", "/"):
        assert load_sae("me/one", name).hook_name == "blocks.1.hook_resid_post"


@pytest.mark.slow
def test_files_of_a_repository(put: Put, tmp_path: Path, w: Any) -> None:
    folder = tmp_path / "set"
    folder.mkdir()
    arrays = {"W_enc": w["E"], "W_dec": w["D"].T.copy(), "b_enc": w["e"], "b_dec": w["d"]}
    save_file(arrays, folder / "layer_5.safetensors")
    (folder / "config.yaml").write_text("feature_input_hook: mlp.hook_in\nmodel_name: me/model\n")
    put("me/transcoders", ".", folder)
    loaded = load_sae("me/transcoders", "layer_5.safetensors")
    assert (loaded.architecture, loaded.hook_name) == ("transcoder", "blocks.5.mlp.hook_in")
    torch.save({k: torch.from_numpy(v) for k, v in arrays.items()}, folder / "layer7.sae.pt")
    put("Qwen/SAE-Res-Qwen3-8B-Base-W64K-L0_2", ".", folder)
    loaded = load_sae("Qwen/SAE-Res-Qwen3-8B-Base-W64K-L0_2", "layer7.sae.pt")
    assert (loaded.architecture, loaded.config["k"], loaded.layer) == ("topk", 2, 7)
    np.testing.assert_array_equal(loaded.decoder, w["D"])


def test_gemma_scopes_repository_by_its_own_name(put: Put, tmp_path: Path, w: Any) -> None:
    folder = tmp_path / "any"
    folder.mkdir()
    arrays = {"W_enc": w["E"].T, "W_dec": w["D"], "b_enc": w["e"], "b_dec": w["d"]}
    np.savez(folder / "params.npz", threshold=np.abs(w["t"]), **arrays)
    put("google/gemma-scope-2b-pt-res", "layer_20/width_16k/average_l0_71", folder)
    loaded = load_sae("google/gemma-scope-2b-pt-res", "layer_20/width_16k/average_l0_71")
    assert (loaded.layer, loaded.hook_name) == (20, "blocks.20.hook_resid_post")
    assert loaded.model_name == "google/gemma-2-2b"


def test_names_that_a_repository_lacks(put: Put, tmp_path: Path, w: Any) -> None:
    put("me/saes", "layers.3", _sparsify(tmp_path / "any", w))
    with pytest.raises(errors.UnknownName, match=r"no 'layers.4'(.|\n)*layers.3"):
        load_sae("me/saes", "layers.4")
    for name in ("../../../etc", "layers.3/../.."):
        with pytest.raises(errors.UnknownName, match="no folder of a repository"):
            load_sae("me/saes", name)
    with pytest.raises(errors.UnknownName, match="no SAE that is read whole"):
        load_sae("me/saes", ".")
    with pytest.raises(errors.UnknownName, match="hub can be reached"):
        load_sae("nobody/saes", "one")


# the registry


def _registered(put: Put, tmp_path: Path, **changes: Any) -> tuple[str, str]:
    release, sae_id = "gpt2-small-res-jb", "blocks.8.hook_resid_pre"
    folder = tiny.make_sae(tmp_path / "one", "standard")
    said = {
        "d_in": tiny.D_MODEL, "d_sae": tiny.D_SAE, "dtype": "float32", "model_name": "gpt2-small",
        "hook_point": sae_id, "architecture": "standard",
    }  # fmt: skip
    (folder / "cfg.json").write_text(json.dumps(said | changes))
    lookup = get_pretrained_saes_directory()[release]
    put(lookup.repo_id, lookup.saes_map[sae_id], folder)
    return release, sae_id


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"activation_fn_str": "tanh-relu"}, "tanh-relu"),
        ({"activation_fn_str": "topk"}, "topk' without k"),
        ({"finetuning_scaling_factor": True}, "finetuning_scaling_factor"),
        ({"hook_point_head_index": 2}, "hook_head_index = 2"),
        ({"architecture": "crosscoder"}, "crosscoder"),
    ],
)
def test_entries_that_the_registrys_saes_have_and_sae_lens_drops(
    put: Put, tmp_path: Path, changes: dict[str, Any], named: str
) -> None:
    with pytest.raises(errors.UnsupportedSae, match=named) as caught:
        load_sae(*_registered(put, tmp_path, **changes))
    assert "gpt2-small-res-jb/blocks.8" in caught.value.wrong


def test_entries_that_only_the_registrys_makers_know(put: Put, tmp_path: Path) -> None:
    loaded = load_sae(*_registered(put, tmp_path, ajt_variant="sce", e2e=True))
    assert loaded.architecture == "standard"


def test_the_new_form_without_its_version_in_the_registry(put: Put, tmp_path: Path) -> None:
    metadata = {"hook_name": "blocks.3.hook_mlp_out", "prepend_bos": False, "model_name": "tiny"}
    loaded = load_sae(*_registered(put, tmp_path, metadata=metadata))
    assert (loaded.hook_name, loaded.prepend_bos) == ("blocks.3.hook_mlp_out", False)


def test_another_trainers_sae_of_the_registry(put: Put, tmp_path: Path, w: Any) -> None:
    directory = get_pretrained_saes_directory()
    release, lookup = next(
        (name, one) for name, one in directory.items()
        if one.conversion_func == "dictionary_learning_1"
    )  # fmt: skip
    sae_id, inside = next(iter(lookup.saes_map.items()))
    folder = tmp_path / "any"
    folder.mkdir()
    said = {"dict_class": "AutoEncoderTopK", "k": 2, "activation_dim": D, "dict_size": F,
            "layer": 3, "lm_name": "EleutherAI/pythia-70m"}  # fmt: skip
    config = {"trainer": said, "buffer": {"ctx_len": 128}}
    (folder / "config.json").write_text(json.dumps(config))
    arrays = {"encoder.weight": w["E"], "encoder.bias": w["e"], "decoder.weight": w["D"].T.copy()}
    state = {name: torch.from_numpy(a) for name, a in (arrays | {"b_dec": w["d"]}).items()}
    torch.save(state, folder / "ae.pt")
    put(lookup.repo_id, inside, folder)
    loaded = load_sae(release, sae_id)
    assert (loaded.architecture, loaded.config["k"]) == ("topk", 2)
    put("me/copy", "sae", folder)
    ours = load_sae("me/copy", "sae")  # read here, not by sae-lens
    x = torch.randn(20, D)
    assert loaded.sae is not None and ours.sae is not None
    torch.testing.assert_close(loaded.sae.encode(x), ours.sae.encode(x))
