"""SAEs from every kind of file and from the hub's cache; what is refused, and in which words."""

import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import numpy as np
import pytest
import torch
from sae_lens import SAE
from sae_lens.loading.pretrained_saes_directory import get_pretrained_saes_directory
from safetensors.torch import load_file, save_file

from saeatlas import errors
from saeatlas.ingest.saes.load import load_sae
from saeatlas.ingest.saes.loaded_sae import LoadedSae
from tests.support import tiny

GEMMA = "gemma-scope-2b-pt-{}/layer_7/width_16k/average_l0_41"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny.make_sae(tmp_path / "mine" / "one", b_dec=0.5)


@pytest.fixture
def params() -> dict[str, np.ndarray]:
    """As in Gemma Scope's params.npz."""
    random = np.random.default_rng(0)
    shapes: dict[str, Any] = {
        "W_enc": (6, 10),
        "W_dec": (10, 6),
        "b_enc": 10,
        "b_dec": 6,
        "threshold": 10,
    }
    return {k: random.normal(size=shape).astype(np.float32) for k, shape in shapes.items()}


def _write(path: Path, **arrays: Any) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    np.savez(path, **arrays)
    return path


def _edit_config(folder: Path, **changes: Any) -> None:
    path = folder / "cfg.json"
    config = json.loads(path.read_text())
    metadata = changes.pop("metadata", {})
    path.write_text(json.dumps(config | changes | {"metadata": config["metadata"] | metadata}))


def _edit_weights(folder: Path, edit: Callable[[dict[str, torch.Tensor]], Any]) -> None:
    path = folder / "sae_weights.safetensors"
    weights = load_file(path)
    edit(weights)
    save_file(weights, path)


def _refused(kind: type[errors.AtlasError], message: str, path: Path, **options: Any) -> None:
    """An error of our own, with a way out, and without sae-lens' many lines."""
    with pytest.raises(kind, match=message) as caught:
        load_sae(path=path, **options)
    assert type(caught.value) is kind
    assert caught.value.hint
    assert "\n" not in caught.value.wrong


# what is read


def test_a_sae_lens_folder(folder: Path) -> None:
    loaded, sae = load_sae(path=folder), SAE.load_from_disk(folder)
    assert (loaded.release, loaded.sae_id, loaded.source) == ("mine", "one", str(folder))
    assert (loaded.architecture, loaded.hook_name) == ("jumprelu", "blocks.1.hook_resid_post")
    assert (loaded.layer, loaded.site, loaded.prepend_bos) == (1, "resid", True)
    assert (loaded.model_name, loaded.neuronpedia_id) == ("tiny", None)
    assert (loaded.l0, loaded.explained_variance) == (None, None)
    np.testing.assert_array_equal(loaded.decoder, sae.W_dec.detach().numpy())
    np.testing.assert_array_equal(loaded.threshold, sae.threshold.detach().numpy())
    assert loaded.decoder_norm == pytest.approx(np.ones(tiny.D_SAE), abs=1e-6)
    assert loaded.config["metadata"]["model_name"] == "tiny"


@pytest.mark.parametrize("name", ["cfg.json", "sae_weights.safetensors"])
def test_a_file_of_the_folder_stands_for_it(folder: Path, name: str) -> None:
    loaded = load_sae(path=folder / name)
    assert (loaded.release, loaded.sae_id) == ("mine", "one")
    assert loaded.weights_sha256 == load_sae(path=folder).weights_sha256


def test_names_are_given_or_the_folders(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    loaded = load_sae("r", "s", folder)
    assert (loaded.release, loaded.sae_id, loaded.source) == ("r", "s", str(folder))
    monkeypatch.chdir(folder.parent)
    relative = load_sae(path=Path("one"))
    assert (relative.release, relative.sae_id, relative.source) == ("mine", "one", str(folder))
    monkeypatch.setenv("HOME", str(folder.parent))
    assert load_sae(path=Path("~/one")).source == str(folder)


def test_links_keep_their_names_as_in_the_hubs_cache(folder: Path, tmp_path: Path) -> None:
    linked = tmp_path / "snapshots" / "one"
    linked.mkdir(parents=True)
    for i, file in enumerate(sorted(folder.iterdir())):
        blob = tmp_path / f"blob{i}"
        shutil.copy(file, blob)
        (linked / file.name).symlink_to(blob)
    assert load_sae(path=linked / "cfg.json").weights_sha256 == load_sae(path=folder).weights_sha256
    np.save(tmp_path / "blob.npy", np.eye(3, dtype=np.float32))
    (tmp_path / "blob.npy").rename(tmp_path / "blob")
    (linked / "W.npy").symlink_to(tmp_path / "blob")
    assert load_sae(path=linked / "W.npy").sae_id == "W"


def test_half_precision_weights(folder: Path) -> None:
    _edit_weights(folder, lambda w: w.update({k: v.to(torch.bfloat16) for k, v in w.items()}))
    _edit_config(folder, dtype="bfloat16")
    loaded = load_sae(path=folder)
    assert loaded.decoder.dtype == np.float32
    assert loaded.sae is not None and loaded.sae.W_enc.dtype == torch.float32


def test_a_configuration_of_sae_lens_before_6(folder: Path) -> None:
    old = {
        "d_in": tiny.D_MODEL, "d_sae": tiny.D_SAE, "dtype": "torch.float32", "device": "cuda",
        "hook_point": "blocks.2.hook_mlp_out", "model_name": "gpt2-small", "prepend_bos": False,
        "architecture": "jumprelu", "normalize_activations": False,
    }  # fmt: skip
    (folder / "cfg.json").write_text(json.dumps(old))
    loaded = load_sae(path=folder)
    assert (loaded.hook_name, loaded.layer, loaded.site) == ("blocks.2.hook_mlp_out", 2, "mlp")
    assert (loaded.prepend_bos, loaded.architecture) == (False, "jumprelu")
    assert loaded.model_name in {"gpt2", "openai-community/gpt2"}  # as the hub calls it


def test_the_users_hook_and_model_name(folder: Path) -> None:
    loaded = load_sae(
        path=folder, hook_name="blocks.2.hook_mlp_out", model_name="google/gemma-2-2b"
    )
    assert (loaded.hook_name, loaded.layer, loaded.site) == ("blocks.2.hook_mlp_out", 2, "mlp")
    assert loaded.model_name == "google/gemma-2-2b"
    assert loaded.config["metadata"]["hook_name"] == "blocks.2.hook_mlp_out"


@pytest.mark.parametrize(
    ("repository", "model", "hook", "site"),
    [
        ("res", "google/gemma-2-2b", "blocks.7.hook_resid_post", "resid"),
        ("mlp", "google/gemma-2-2b", "blocks.7.hook_mlp_out", "mlp"),
        ("att", "google/gemma-2-2b", "blocks.7.attn.hook_z", "att"),
        ("transcoders", "google/gemma-2-2b", "blocks.7.ln2.hook_normalized", "mlp"),
    ],
)
def test_a_gemma_scope_folder(
    tmp_path: Path, params: dict[str, Any], repository: str, model: str, hook: str, site: str
) -> None:
    # "researcher" must not count as residual, nor "9b" as the model
    path = tmp_path / "researcher9b-it" / GEMMA.format(repository) / "params.npz"
    _write(path, **params)
    for place in (path, path.parent):
        loaded = load_sae(path=place)
        assert (loaded.hook_name, loaded.layer, loaded.site) == (hook, 7, site)
        assert (loaded.model_name, loaded.prepend_bos) == (model, True)
        np.testing.assert_array_equal(loaded.decoder, params["W_dec"])
        np.testing.assert_array_equal(loaded.threshold, params["threshold"])
    assert ("transcoder" in str(loaded.architecture)) == (repository == "transcoders")
    assert loaded.neuronpedia_id is None  # the canonical SAE's page would be another's
    x = np.random.default_rng(1).normal(size=(50, 6)).astype(np.float32)
    pre = x @ params["W_enc"] + params["b_enc"]  # b_dec is not subtracted
    expected = np.where(pre > params["threshold"], np.maximum(pre, 0), 0)
    assert loaded.sae is not None
    acts = loaded.sae.encode(torch.from_numpy(x)).detach().numpy()
    np.testing.assert_allclose(acts, expected, atol=1e-5)


def test_a_gemma_scope_folder_whose_path_says_nothing(
    tmp_path: Path, params: dict[str, Any]
) -> None:
    # the older spelling, as in some releases
    renamed = {name.replace("W_", "w_"): values for name, values in params.items()}
    path = _write(tmp_path / "layer_3_mlp_res_2b" / "params.npz", **renamed)
    loaded = load_sae(path=path)
    assert (loaded.hook_name, loaded.model_name, loaded.layer) == (None, None, None)
    assert loaded.architecture == "jumprelu"
    np.testing.assert_array_equal(loaded.decoder, params["W_dec"])
    named = load_sae(path=path, hook_name="blocks.3.hook_resid_post", model_name="gemma-2-9b")
    assert (named.layer, named.model_name) == (3, "google/gemma-2-9b")


def test_gemma_scopes_embedding_saes_are_scaled_as_sae_lens_does(
    tmp_path: Path, params: dict[str, Any]
) -> None:
    path = tmp_path / "gemma-scope-2b-pt-res" / "embedding" / "width_4k" / "average_l0_6"
    loaded = load_sae(path=_write(path / "params.npz", **params))
    np.testing.assert_allclose(loaded.decoder, params["W_dec"] * np.sqrt(6), rtol=1e-6)
    assert (loaded.hook_name, loaded.site) == ("hook_embed", None)


@pytest.mark.parametrize("name", ["W_dec", "w_dec", "decoder.weight"])
@pytest.mark.parametrize("suffix", [".npz", ".safetensors"])
def test_a_bare_decoder(tmp_path: Path, suffix: str, name: str) -> None:
    decoder = np.arange(12, dtype=np.float32).reshape(4, 3) + 1
    stored = np.ascontiguousarray(decoder.T) if name == "decoder.weight" else decoder
    path = tmp_path / "folder" / f"sae{suffix}"
    others = {"b_enc": np.ones(4, np.float32), "steps": np.array([7])}
    if suffix == ".npz":
        _write(path, **{name: stored}, **others)
    else:
        path.parent.mkdir()
        tensors = {key: torch.from_numpy(value) for key, value in ({name: stored} | others).items()}
        save_file(tensors, path)
    loaded = load_sae(path=path, hook_name="blocks.3.hook_resid_post")
    np.testing.assert_array_equal(loaded.decoder, decoder)
    assert (loaded.release, loaded.sae_id) == ("folder", "sae")
    assert (loaded.sae, loaded.architecture, loaded.threshold) == (None, None, None)
    assert (loaded.layer, loaded.site, loaded.prepend_bos) == (3, "resid", None)
    assert load_sae(path=path).hook_name is None


@pytest.mark.parametrize("dtype", ["float16", "float32", "float64", ">f4"])
def test_a_bare_array(tmp_path: Path, dtype: str) -> None:
    decoder = np.arange(12).reshape(4, 3) + 1
    np.save(tmp_path / "W.npy", decoder.astype(dtype))
    loaded = load_sae(path=tmp_path / "W.npy")
    np.testing.assert_array_equal(loaded.decoder, decoder)
    assert loaded.decoder.dtype == np.float32


def test_weights_without_configuration_are_a_bare_decoder(folder: Path, tmp_path: Path) -> None:
    (folder / "cfg.json").unlink()
    loaded = load_sae(path=folder / "sae_weights.safetensors")
    assert loaded.sae is None and loaded.decoder.shape == (tiny.D_SAE, tiny.D_MODEL)
    _refused(errors.UnknownName, "no SAE that is read whole", folder)


# the hash


def test_the_hash_knows_no_order_of_keys_and_no_precision(folder: Path, tmp_path: Path) -> None:
    first = load_sae(path=folder).weights_sha256
    path = folder / "cfg.json"
    config = json.loads(path.read_text())
    config["metadata"] = dict(reversed(config["metadata"].items()))
    path.write_text(json.dumps(dict(reversed(config.items())), indent=3))
    _edit_config(folder, device="cuda", dtype="float64", metadata={"dataset_path": "x", "new": 1})
    _edit_weights(folder, lambda w: w.update({k: v.double() for k, v in w.items()}))
    moved = shutil.move(folder, tmp_path / "elsewhere")
    assert load_sae(path=Path(moved)).weights_sha256 == first


@pytest.mark.parametrize("tensor", ["W_enc", "W_dec", "b_enc", "b_dec", "threshold"])
def test_the_hash_knows_every_number(folder: Path, tensor: str) -> None:
    first = load_sae(path=folder).weights_sha256
    _edit_weights(folder, lambda w: w[tensor].view(-1)[3].add_(1e-3))
    assert load_sae(path=folder).weights_sha256 != first


@pytest.mark.parametrize(
    ("kind", "changes"),
    [
        ("jumprelu", {"apply_b_dec_to_input": False}),
        ("jumprelu", {"normalize_activations": "layer_norm"}),
        ("jumprelu", {"metadata": {"hook_name": "blocks.0.hook_mlp_out"}}),
        (
            "jumprelu",
            {"metadata": {"model_from_pretrained_kwargs": {"center_writing_weights": True}}},
        ),
        ("topk", {"k": 6}),
        ("topk", {"rescale_acts_by_decoder_norm": True}),
        ("topk", {"architecture": "abstopk"}),
        ("matching_pursuit", {"max_iterations": 7}),
        ("matching_pursuit", {"residual_threshold": 1.0}),
        ("matching_pursuit", {"stop_on_duplicate_support": False}),
        ("temporal", {"kval_topk": 4}),
        ("temporal", {"sae_diff_type": "relu"}),
        ("temporal", {"activation_normalization_factor": 0.25}),
        ("temporal", {"n_heads": 1}),
    ],
)
def test_the_hash_knows_what_changes_activations(
    tmp_path: Path, kind: str, changes: dict[str, Any]
) -> None:
    folder = tiny.make_sae(tmp_path / kind, kind)
    first = load_sae(path=folder).weights_sha256
    _edit_config(folder, **changes)
    assert load_sae(path=folder).weights_sha256 != first


@pytest.mark.parametrize(
    ("repository", "begins"), [("res", "13e30b0bd70f4395"), ("att", "1a350271baf73c57")]
)
def test_the_hash_is_that_of_catalogs_there_are(
    tmp_path: Path, params: dict[str, Any], repository: str, begins: str
) -> None:
    path = _write(tmp_path / GEMMA.format(repository) / "params.npz", **params)
    assert load_sae(path=path).weights_sha256.startswith(begins)


def test_processing_that_changes_nothing_is_not_hashed(folder: Path) -> None:
    first = load_sae(path=folder).weights_sha256
    for kwargs in ({}, {"center_writing_weights": False}, {"n_devices": 2}, None):
        _edit_config(folder, metadata={"model_from_pretrained_kwargs": kwargs})
        assert load_sae(path=folder).weights_sha256 == first


# what is refused


def test_a_path_that_does_not_exist(folder: Path) -> None:
    _refused(errors.UnknownName, "There is no .*/mine/on", folder.parent / "on")
    with pytest.raises(errors.UnknownName, match="Nearest: one"):
        load_sae(path=folder.parent / "on")
    _refused(errors.UnknownName, "There is no", folder / "no" / "where")
    _refused(errors.UnknownName, "There is no", folder / "params.npz")


def test_a_folder_without_any_known_file(tmp_path: Path) -> None:
    _refused(errors.UnknownName, "holds no SAE", tmp_path)
    (tmp_path / "weights.pt").write_bytes(b"")
    with pytest.raises(errors.UnknownName, match=r"holds weights\.pt"):
        load_sae(path=tmp_path)
    (tmp_path / "weights.h5").write_bytes(b"")
    with pytest.raises(errors.UnknownName, match=r"weights\.h5 is not a file(.|\n)*\.safetensors"):
        load_sae(path=tmp_path / "weights.h5")


@pytest.mark.parametrize("name", ["W.npy", "sae.npz", "cfg.json", "ae.pt", "x.safetensors", "pipe"])
def test_pipes_are_not_read(tmp_path: Path, name: str) -> None:
    os.mkfifo(tmp_path / name)
    with pytest.raises(errors.AtlasError) as caught:
        load_sae(path=tmp_path / name)
    assert "pipe" in str(caught.value)


def test_paths_that_are_none(tmp_path: Path) -> None:
    for path in (Path("a\0b"), Path("/dev/null"), tmp_path / ("x" * 5000), Path("\ud800")):
        with pytest.raises(errors.AtlasError):
            load_sae(path=path)


def test_neither_name_nor_path() -> None:
    given: tuple[dict[str, Any], ...] = ({}, {"release": "gpt2-small-res-jb"}, {"sae_id": "x"})
    for names in given:
        with pytest.raises(errors.InputError, match=r"--release and --sae-id, or by --path"):
            load_sae(**names)


def test_weights_are_missing(folder: Path) -> None:
    (folder / "sae_weights.safetensors").unlink()
    _refused(errors.BadWeights, "no file .*sae_weights.safetensors", folder)


@pytest.mark.parametrize("part", [0.0, 0.001, 0.5, 0.999])
def test_truncated_safetensors(folder: Path, part: float) -> None:
    path = folder / "sae_weights.safetensors"
    content = path.read_bytes()
    path.write_bytes(content[: int(part * len(content))])
    _refused(errors.BadWeights, "cannot be read", folder)
    bare = folder.parent / "bare.safetensors"
    path.rename(bare)
    _refused(errors.BadWeights, "cannot be read", bare)


@pytest.mark.parametrize("compressed", [False, True])
@pytest.mark.parametrize("part", [0.0, 0.01, 0.5, 0.999])
def test_truncated_npz(
    tmp_path: Path, params: dict[str, Any], part: float, compressed: bool
) -> None:
    path = tmp_path / "params.npz"
    (np.savez_compressed if compressed else np.savez)(path, **params)
    content = path.read_bytes()
    path.write_bytes(content[: int(part * len(content))])
    _refused(errors.BadWeights, "cannot be read", tmp_path)


def test_damaged_npz(tmp_path: Path, params: dict[str, Any]) -> None:
    path = tmp_path / "params.npz"
    np.savez_compressed(path, **params)
    content = bytearray(path.read_bytes())
    content[80:200] = b"\xff" * 120
    path.write_bytes(content)
    _refused(errors.BadWeights, "cannot be read", tmp_path)


@pytest.mark.parametrize("part", [0.0, 0.2, 0.9])
def test_truncated_npy(tmp_path: Path, part: float) -> None:
    path = tmp_path / "W.npy"
    np.save(path, np.ones((30, 20), np.float32))
    content = path.read_bytes()
    path.write_bytes(content[: int(part * len(content))])
    _refused(errors.BadWeights, "is cut off", path)


class _Trap:
    """An object that leaves a trace when it is unpickled."""

    def __init__(self, trace: Path) -> None:
        self.trace = trace

    def __reduce__(self) -> Any:
        return Path.touch, (self.trace,)


def test_pickled_arrays_are_not_read(tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    np.save(tmp_path / "W.npy", np.array([_Trap(trace)], object), allow_pickle=True)
    np.savez(tmp_path / "W.npz", W_dec=np.array([_Trap(trace)], object))
    shutil.copy(tmp_path / "W.npz", tmp_path / "params.npz")
    np.array([_Trap(trace)], object).dump(tmp_path / "dumped.npy")
    for name in ("W.npy", "W.npz", "params.npz"):
        _refused(errors.BadWeights, "Python objects", tmp_path / name)
    _refused(errors.BadWeights, "pickled", tmp_path / "dumped.npy")
    assert not trace.exists()


@pytest.mark.parametrize(
    ("decoder", "message"),
    [
        (np.ones(5, np.float32), r"shape \(5,\)"),
        (np.ones((2, 3, 4), np.float32), r"shape \(2, 3, 4\)"),
        (np.float32(1), r"shape \(\)"),
        (np.ones((0, 4), np.float32), r"shape \(0, 4\)"),
        (np.ones((5, 4), np.int64), "type int64"),
        (np.ones((5, 4), bool), "type bool"),
        (np.ones((5, 4), np.complex64), "type complex64"),
        (np.full((5, 4), "x"), "type <U1"),
    ],
)
def test_bare_decoders_that_are_none(tmp_path: Path, decoder: np.ndarray, message: str) -> None:
    np.save(tmp_path / "W.npy", decoder)
    _refused(errors.BadWeights, message, tmp_path / "W.npy")
    np.savez(tmp_path / "W.npz", W_dec=decoder)
    _refused(errors.BadWeights, message, tmp_path / "W.npz")


def test_integers_in_safetensors(tmp_path: Path) -> None:
    save_file({"W_dec": torch.ones(5, 4, dtype=torch.int64)}, tmp_path / "W.safetensors")
    _refused(errors.BadWeights, r"type int64", tmp_path / "W.safetensors")


def test_a_decoder_of_another_name(tmp_path: Path) -> None:
    path = _write(tmp_path / "W.npz", dec=np.ones((2, 2)), enc=np.ones((2, 2)))
    _refused(errors.BadWeights, "holds no decoder", path)
    with pytest.raises(
        errors.BadWeights, match=r"It holds dec, enc\.(.|\n)*W_dec, w_dec, .*decoder"
    ):
        load_sae(path=path)
    _refused(errors.BadWeights, "holds no decoder", _write(tmp_path / "none.npz"))


def test_a_decoder_that_lies_on_its_side(tmp_path: Path) -> None:
    np.save(tmp_path / "W.npy", np.ones((2, 16_001), np.float32))
    _refused(errors.BadWeights, "2 features of 16,001 dimensions", tmp_path / "W.npy")
    with pytest.raises(errors.BadWeights, match="Transpose"):
        load_sae(path=tmp_path / "W.npy")


def test_gemma_scope_without_encoder(tmp_path: Path, params: dict[str, Any]) -> None:
    del params["W_enc"], params["threshold"]
    _refused(errors.BadWeights, "lacks W_enc, threshold", _write(tmp_path / "params.npz", **params))


def test_gemma_scope_with_a_factor_that_is_left_out(tmp_path: Path, params: dict[str, Any]) -> None:
    path = _write(tmp_path / "params.npz", **params, scaling_factor=np.full(10, 2.0))
    _refused(errors.UnsupportedSae, "scaling_factor", path)
    load_sae(path=_write(path, **params, scaling_factor=np.ones(10)))


def test_gemma_scope_whose_shapes_disagree(tmp_path: Path, params: dict[str, Any]) -> None:
    params["W_dec"] = params["W_dec"][:9]
    _refused(errors.BadWeights, "W_dec", _write(tmp_path / "params.npz", **params))
    params["W_enc"] = params["W_enc"][0]
    _refused(errors.BadWeights, "contradict", _write(tmp_path / "params.npz", **params))


@pytest.mark.parametrize("tensor", ["W_dec", "W_enc", "b_enc", "b_dec", "threshold"])
@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_numbers_that_are_none(folder: Path, tensor: str, value: float) -> None:
    _edit_weights(folder, lambda w: w[tensor].view(-1)[5].fill_(value))
    _refused(errors.BadWeights, f"1 NaN or infinite numbers in {tensor}", folder)


def test_numbers_too_large_for_float32(tmp_path: Path) -> None:
    decoder = np.ones((3, 2))
    decoder[1, 1] = 1e300
    np.save(tmp_path / "W.npy", decoder)
    _refused(errors.BadWeights, "1 NaN or infinite", tmp_path / "W.npy")


def test_features_without_direction(folder: Path, tmp_path: Path) -> None:
    def zero(weights: dict[str, torch.Tensor]) -> None:
        weights["W_dec"][4] = weights["W_dec"][9] = 0

    _edit_weights(folder, zero)
    _refused(errors.BadWeights, r"2 of 96 features .* the first is 4", folder)
    assert load_sae(path=folder, allow_zero_rows=True).decoder_norm[[4, 9]].tolist() == [0, 0]
    np.save(tmp_path / "W.npy", np.zeros((2, 2), np.float32))
    _refused(errors.BadWeights, r"2 of 2 features", tmp_path / "W.npy")


@pytest.mark.parametrize(
    ("changes", "kind", "message"),
    [
        ({"d_sae": 95}, errors.BadWeights, "size mismatch for W_dec.*96.*95"),
        ({"d_in": 25}, errors.BadWeights, "size mismatch"),
        ({"d_sae": "many"}, errors.BadWeights, "'d_sae' should be a valid integer"),
        ({"d_sae": -1}, errors.BadWeights, "'d_sae' should be greater than 0"),
        ({"architecture": "gated"}, errors.BadWeights, "Missing key.*b_gate"),
        ({"architecture": "crosscoder"}, errors.UnsupportedSae, "architecture 'crosscoder'"),
        ({"architecture": "batchtopk"}, errors.UnsupportedSae, "architecture 'batchtopk'"),
        ({"architecture": None}, errors.UnsupportedSae, "architecture None"),
        ({"architecture": ["topk"]}, errors.UnsupportedSae, "architecture"),
        ({"normalize_activations": "as usual"}, errors.BadWeights, "normalize_activations must"),
        (
            {"normalize_activations": "expected_average_only_in"},
            errors.UnsupportedSae,
            "'expected_average_only_in'",
        ),
        (
            {"normalize_activations": "covariance_whitening"},
            errors.UnsupportedSae,
            "'covariance_whitening'",
        ),
        (
            {"reshape_activations": "hook_z"},
            errors.BadWeights,
            "only be called for hook_z",
        ),
    ],
)
def test_configurations_that_contradict_the_weights(
    folder: Path, changes: dict[str, Any], kind: type[errors.AtlasError], message: str
) -> None:
    _edit_config(folder, **changes)
    _refused(kind, message, folder)


def test_an_unknown_architecture_shows_the_known(folder: Path) -> None:
    _edit_config(folder, architecture="crosscoder")
    with pytest.raises(errors.UnsupportedSae, match=r"jumprelu, .*topk(.|\n)*decoder alone"):
        load_sae(path=folder)


@pytest.mark.parametrize(
    "content", ["", "{", "[]", "7", '{"metadata": null}', '{"d_in": 3}', "\xff"]
)
def test_configurations_that_are_none(folder: Path, content: str) -> None:
    (folder / "cfg.json").write_text(content, "latin-1")
    _refused(errors.BadWeights, str(folder), folder)


# the registry and the hub's cache


@pytest.fixture
def hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str, str, Path], None]:
    """Put a folder in a hub cache of this test's own, as if it had been downloaded."""
    cache = tmp_path / "hub"
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(cache))

    def put(repository: str, path: str, folder: Path) -> None:
        root = cache / f"models--{repository.replace('/', '--')}"
        (root / "refs").mkdir(parents=True, exist_ok=True)
        (root / "refs" / "main").write_text("0" * 40)
        shutil.copytree(folder, root / "snapshots" / ("0" * 40) / path)

    return put


def _old_config(folder: Path, **changes: Any) -> None:
    """As the registry's SAEs of the first years have it."""
    config = {
        "d_in": tiny.D_MODEL, "d_sae": tiny.D_SAE, "dtype": "float32", "model_name": "gpt2-small",
        "hook_point": "blocks.8.hook_resid_pre", "architecture": "standard",
    }  # fmt: skip
    (folder / "cfg.json").write_text(json.dumps(config | changes))


def _path(release: str, sae_id: str) -> tuple[str, str]:
    lookup = get_pretrained_saes_directory()[release]
    return lookup.repo_id, lookup.saes_map[sae_id]


def _from_hub(hub: Any, folder: Path, release: str, sae_id: str) -> LoadedSae:
    hub(*_path(release, sae_id), folder)
    return load_sae(release, sae_id)


def test_an_sae_of_the_registry(hub: Any, tmp_path: Path) -> None:
    folder = tiny.make_sae(tmp_path / "one", "standard")
    _old_config(folder)
    release, sae_id = "gpt2-small-res-jb", "blocks.8.hook_resid_pre"
    loaded = _from_hub(hub, folder, release, sae_id)
    assert (loaded.release, loaded.sae_id) == (release, sae_id)
    assert loaded.source == f"{release}:{sae_id}"
    assert (loaded.layer, loaded.site, loaded.hook_name) == (8, "resid", sae_id)
    assert loaded.neuronpedia_id == "gpt2-small/8-res-jb"
    lookup = get_pretrained_saes_directory()[release]
    assert loaded.l0 == lookup.expected_l0[sae_id] > 1
    assert loaded.explained_variance == lookup.expected_var_explained[sae_id] < 1
    kwargs = loaded.config["metadata"]["model_from_pretrained_kwargs"]
    assert kwargs == {"center_writing_weights": True}
    np.testing.assert_array_equal(
        loaded.decoder, load_file(folder / "sae_weights.safetensors")["W_dec"].numpy()
    )


def test_the_registrys_placeholders_are_unknown(hub: Any, tmp_path: Path) -> None:
    folder = tiny.make_sae(tmp_path / "one", "standard")
    _old_config(folder)
    release, sae_id = "gpt2-small-mlp-out-v5-32k", "blocks.0.hook_mlp_out"
    lookup = get_pretrained_saes_directory()[release]
    assert (lookup.expected_l0[sae_id], lookup.expected_var_explained[sae_id]) == (0.0, 1.0)
    loaded = _from_hub(hub, folder, release, sae_id)
    assert (loaded.l0, loaded.explained_variance) == (None, None)


def test_a_factor_of_the_registry_is_folded_into_the_weights(hub: Any, tmp_path: Path) -> None:
    folder = tiny.make_sae(tmp_path / "one", "standard", b_dec=1.0)
    _old_config(folder, normalize_activations="expected_average_only_in")
    release, sae_id = "gpt2-small-mlp-tm", "blocks.11.hook_mlp_out"
    factor = get_pretrained_saes_directory()[release].norm_scaling_factor[sae_id]
    loaded = _from_hub(hub, folder, release, sae_id)
    weights = load_file(folder / "sae_weights.safetensors")
    np.testing.assert_allclose(loaded.decoder, weights["W_dec"].numpy() / factor, rtol=1e-6)
    assert loaded.config["normalize_activations"] == "none"
    x = torch.randn(5, tiny.D_MODEL)
    expected = (factor * (x - weights["b_dec"] / factor)) @ weights["W_enc"] + weights["b_enc"]
    assert loaded.sae is not None
    torch.testing.assert_close(loaded.sae.encode(x), expected.relu(), atol=1e-5, rtol=1e-5)


def test_a_factor_that_the_registry_lacks_is_missed(hub: Any, tmp_path: Path) -> None:
    folder = tiny.make_sae(tmp_path / "one", "standard")
    _old_config(folder, normalize_activations="expected_average_only_in")
    with pytest.raises(errors.UnsupportedSae, match="expected_average_only_in"):
        _from_hub(hub, folder, "gpt2-small-res-jb", "blocks.8.hook_resid_pre")


def test_a_hub_repository(hub: Any, tmp_path: Path, folder: Path) -> None:
    hub("somebody/saes", "layer1/one", folder)
    loaded = load_sae("somebody/saes", "layer1/one")
    assert (loaded.release, loaded.sae_id) == ("somebody/saes", "layer1/one")
    assert (loaded.hook_name, loaded.model_name) == ("blocks.1.hook_resid_post", "tiny")
    assert loaded.weights_sha256 == load_sae(path=folder).weights_sha256
    assert (loaded.l0, loaded.explained_variance, loaded.neuronpedia_id) == (None, None, None)


@pytest.mark.parametrize(
    ("said", "page"),
    [
        ("gpt2-small/1-res-jb", "gpt2-small/1-res-jb"),
        (" gemma-2-2b/12-gemmascope-res-16k__l0-41\n", "gemma-2-2b/12-gemmascope-res-16k__l0-41"),
        ("https://www.neuronpedia.org/gpt2-small/1-res-jb", "gpt2-small/1-res-jb"),
        ("neuronpedia.org/gpt2-small/1-res-jb/", "gpt2-small/1-res-jb"),
        ("https://www.neuronpedia.org/gpt2-small/1-res-jb/17", None),
        ("https://example.org/gpt2-small/1-res-jb", None),
        ("1-res-jb", None),
        ("gpt2-small/", None),
        ("gpt2 small/1-res-jb", None),
        ("", None),
        (None, None),
        (17, None),
        (["gpt2-small/1-res-jb"], None),
    ],
)
def test_the_page_that_a_configuration_names(folder: Path, said: Any, page: str | None) -> None:
    _edit_config(folder, metadata={"neuronpedia_id": said})
    assert load_sae(path=folder).neuronpedia_id == page


@pytest.mark.parametrize(
    ("entry", "value"),
    [
        ("hook_name", 5), ("hook_name", ["blocks.1.hook_resid_post"]), ("hf_hook_name", 5),
        ("model_name", ["tiny"]), ("model_name", 5), ("prepend_bos", "false"), ("prepend_bos", []),
        ("prepend_bos", 1), ("prepend_bos", 0.0), ("model_from_pretrained_kwargs", ["fold_ln"]),
        ("model_from_pretrained_kwargs", "fold_ln"),
    ],
)  # fmt: skip
def test_entries_of_another_type(folder: Path, entry: str, value: Any) -> None:
    _edit_config(folder, metadata={entry: value})
    with pytest.raises(errors.AtlasError, match=entry):
        load_sae(path=folder)


def test_a_layer_in_digits_of_another_script_is_unknown(folder: Path) -> None:
    _edit_config(folder, metadata={"hook_name": "blocks.\u0661.hook_resid_post"})
    assert load_sae(path=folder).layer is None


def test_a_page_in_a_configuration_of_sae_lens_before_6(folder: Path) -> None:
    _old_config(folder, neuronpedia_id="gpt2-small/8-res-jb", architecture="jumprelu")
    assert load_sae(path=folder).neuronpedia_id == "gpt2-small/8-res-jb"


def test_a_page_that_a_hub_repository_names(hub: Any, folder: Path) -> None:
    _edit_config(folder, metadata={"neuronpedia_id": "gpt2-small/1-mine"})
    hub("somebody/saes", "layer1/one", folder)
    assert load_sae("somebody/saes", "layer1/one").neuronpedia_id == "gpt2-small/1-mine"


def test_the_registrys_page_goes_before_the_files(hub: Any, tmp_path: Path) -> None:
    folder = tiny.make_sae(tmp_path / "one", "standard")
    _old_config(folder, neuronpedia_id="gpt2-small/1-mine")
    loaded = _from_hub(hub, folder, "gpt2-small-res-jb", "blocks.8.hook_resid_pre")
    assert loaded.neuronpedia_id == "gpt2-small/8-res-jb"


def test_the_page_that_a_user_names(folder: Path) -> None:
    page = "https://neuronpedia.org/gpt2-small/2-mine"
    assert load_sae(path=folder, neuronpedia_id=page).neuronpedia_id == "gpt2-small/2-mine"
    with pytest.raises(errors.InputError, match="'2-mine' is not the name of a page"):
        load_sae(path=folder, neuronpedia_id="2-mine")


def test_names_that_are_not_there() -> None:
    with pytest.raises(errors.UnknownName, match="no release 'gpt2-smal-res-jb'") as caught:
        load_sae("gpt2-smal-res-jb", "blocks.8.hook_resid_pre")
    assert "Nearest: gpt2-small-res-jb," in str(caught.value)
    with pytest.raises(errors.UnknownName, match="no SAE 'blocks.8.hook_resid'") as caught:
        load_sae("gpt2-small-res-jb", "blocks.8.hook_resid")
    assert "blocks.8.hook_resid_pre" in str(caught.value)


def test_a_hub_that_cannot_be_reached(hub: Any) -> None:
    for names in (("gpt2-small-res-jb", "blocks.8.hook_resid_pre"), ("nobody/saes", "one")):
        with pytest.raises(errors.UnknownName, match=r"cannot be loaded(.|\n)*hub can be reached"):
            load_sae(*names)


def test_damaged_files_from_the_hub(hub: Any, folder: Path) -> None:
    path = folder / "sae_weights.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    hub("somebody/saes", "one", folder)
    with pytest.raises(errors.BadWeights, match="cannot be read(.|\n)*fetch or write it again"):
        load_sae("somebody/saes", "one")


def test_loading_leaves_the_terminal_and_the_switches_alone(
    folder: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    import logging

    before = (logging.root.manager.disable, dict(os.environ))
    _edit_config(folder, metadata={"model_from_pretrained_kwargs": {"fold_ln": True}})
    load_sae(path=folder)
    assert capfd.readouterr() == ("", "")
    assert (logging.root.manager.disable, dict(os.environ)) == before
