"""Arrays and entries that another trainer's folder has beyond its formula: refused by name."""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from safetensors.numpy import save_file

from saeatlas import errors
from saeatlas.ingest.saes.load import load_sae
from tests.support import tiny

D, F, K = 6, 12, 3
Arrays = dict[str, np.ndarray[Any, Any]]
Said = dict[str, Any]
MLP_IN = "model.layers.5.pre_feedforward_layernorm.output"
MLP_OUT = "model.layers.5.post_feedforward_layernorm.output"
HOOK = "blocks.15.hook_resid_post"


def _drawn(*shape: int) -> np.ndarray[Any, Any]:
    return np.random.default_rng(len(shape)).normal(size=shape).astype(np.float32)


def _linear() -> Arrays:
    weights = {"encoder.weight": _drawn(F, D), "encoder.bias": np.ones(F, np.float32)}
    return weights | {"decoder.weight": _drawn(D, F)}


def _json(path: Path, said: Said) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(said))


def _matrices(upper: str = "W") -> Arrays:
    zeros = {"b_enc": np.zeros(F, np.float32), "b_dec": np.zeros(D, np.float32)}
    return zeros | {f"{upper}_enc": _drawn(D, F), f"{upper}_dec": _drawn(F, D)}


def _sparsify(folder: Path, arrays: Arrays, said: Said) -> Path:
    terms = {  # as its newer versions write them
        "activation": "topk", "expansion_factor": 2, "normalize_decoder": True, "num_latents": 0,
        "k": K, "multi_topk": False, "skip_connection": False, "embed_skip": False,
        "gram_lookup": False, "lookup_max_order": 4, "gram_table_hash": None, "transcode": False,
        "dtype": "none", "d_in": D,
    }  # fmt: skip
    _json(folder / "cfg.json", terms | said)
    own = {"W_dec": _drawn(F, D), "b_dec": np.zeros(D, np.float32)} | _linear()
    del own["decoder.weight"]
    save_file(own | arrays, folder / "sae.safetensors")
    return folder


def _dictionary(folder: Path, arrays: Arrays, said: Said, name: str = "AutoEncoder") -> Path:
    trainer: Said = {
        "trainer_class": "AnyTrainer", "dict_class": name, "lr": 5e-5, "steps": 244140, "seed": 0,
        "auxk_alpha": 0.03, "warmup_steps": 1000, "decay_start": 195312, "threshold_beta": 0.999,
        "threshold_start_step": 1000, "top_k_aux": 2048, "activation_dim": D, "dict_size": F,
        "device": "cuda:0", "layer": 3, "lm_name": "meta-llama/Llama-3.1-8B-Instruct",
        "wandb_name": "AnyTrainer-3", "submodule_name": "resid_post_layer_3", "l1_penalty": 0.1,
        "sparsity_warmup_steps": 2000, "resample_steps": None, "target_l0": 20, "bandwidth": 0.001,
        "k_anneal_steps": None, "sparsity_penalty": 1.0, "group_fractions": [0.1, 0.9],
    }  # fmt: skip
    _json(folder / "config.json", {"trainer": trainer | said, "buffer": {"io": "out"}})
    own = _linear() | {"bias": np.zeros(D, np.float32)}
    if name == "BatchTopKSAE":
        own = _linear() | {"b_dec": np.zeros(D, np.float32), "threshold": np.array(0.5, np.float32)}
        own |= {"k": np.array(K)}
    own = {key: np.array(values) for key, values in (own | arrays).items()}
    torch.save({key: torch.from_numpy(values) for key, values in own.items()}, folder / "ae.pt")
    return folder


def _batch_topk(folder: Path, arrays: Arrays, said: Said) -> Path:
    return _dictionary(folder, arrays, {"k": K} | said, "BatchTopKSAE")


def _gemma(folder: Path, arrays: Arrays, _said: Said) -> Path:
    folder.mkdir()
    own = _matrices() | {"threshold": np.ones(F, np.float32)}
    np.savez(folder / "params.npz", **(own | arrays))  # type: ignore[arg-type]
    return folder


def _gemma_2(folder: Path, arrays: Arrays, said: Said) -> Path:
    terms = {
        "hf_hook_point_in": MLP_IN, "hf_hook_point_out": MLP_IN, "width": F, "l0": 120,
        "model_name": "google/gemma-3-1b-it", "architecture": "jump_relu", "type": "sae",
        "affine_connection": False,
    }  # fmt: skip
    _json(folder / "config.json", terms | said)
    own = _matrices("w") | {"threshold": np.ones(F, np.float32)}
    save_file(own | arrays, folder / "params.safetensors")
    return folder


def _llama_scope(folder: Path, arrays: Arrays, said: Said) -> Path:
    terms: Said = {
        "device": "cuda:0", "seed": 42, "dtype": "torch.bfloat16", "hook_point_in": HOOK,
        "hook_point_out": HOOK, "use_decoder_bias": True, "expansion_factor": 2, "d_model": D,
        "apply_decoder_bias_to_pre_encoder": False, "d_sae": F, "bias_init_method": "all_zero",
        "act_fn": "jumprelu", "jump_relu_threshold": 0.75, "norm_activation": "dataset-wise",
        "dataset_average_activation_norm": {"in": 29.125, "out": 29.125}, "lp": 1, "top_k": 50,
        "decoder_exactly_fixed_norm": False, "sparsity_include_decoder_norm": True,
        "use_glu_encoder": False, "init_decoder_norm": 0.5, "init_encoder_norm": None,
        "init_encoder_with_decoder_transpose": True, "l1_coefficient": 8e-05,
        "l1_coefficient_warmup_steps": 78125, "k_warmup_steps": 78125, "use_batch_norm_mse": True,
        "use_ghost_grads": False, "tp_size": 1, "ddp_size": 1,
    }  # fmt: skip
    _json(folder / "hyperparams.json", terms | said)
    own = _linear() | {"decoder.bias": np.zeros(D, np.float32)}
    save_file(own | arrays, folder / "sae_weights.safetensors")
    return folder


def _openmoss(folder: Path, arrays: Arrays, said: Said) -> Path:
    terms = {
        "sae_type": "sae", "hook_point_in": HOOK, "hook_point_out": HOOK, "d_model": D,
        "expansion_factor": 2.0, "use_decoder_bias": True, "act_fn": "relu", "top_k": 50,
        "norm_activation": "inference", "sparsity_include_decoder_norm": True,
        "use_triton_kernel": False, "sparsity_threshold_for_triton_spmm_kernel": 0.996,
        "sparsity_threshold_for_csr": 0.05, "jumprelu_threshold_window": 2.0,
        "use_glu_encoder": False,
    }  # fmt: skip
    _json(folder / "config.json", terms | said)
    own = {"W_E": _drawn(D, F), "W_D": _drawn(F, D), "b_E": np.zeros(F, np.float32)}
    own |= {"b_D": np.zeros(D, np.float32)}
    save_file(own | arrays, folder / "sae_weights.safetensors")
    return folder


def _transcoder(folder: Path, arrays: Arrays, said: Said) -> Path:
    folder.mkdir()
    terms = {
        "model_name": "Qwen/Qwen3-4B", "model_kind": "transcoder_set",
        "feature_input_hook": "mlp.hook_in", "feature_output_hook": "mlp.hook_out",
        "scan": "mwhanna/qwen3-4b-transcoders", "transcoders": ["hf://a/b/layer_0.safetensors"],
    }  # fmt: skip
    (folder / "config.yaml").write_text(yaml.safe_dump(terms | said))
    save_file(_matrices() | {"W_enc": _drawn(F, D)} | arrays, folder / "layer_0.safetensors")
    return folder / "layer_0.safetensors"


def _qwen(folder: Path, arrays: Arrays, _said: Said) -> Path:
    path = folder / "SAE-Res-Qwen3-1.7B-Base-W32K-L0_3" / "layer9.sae.pt"
    path.parent.mkdir(parents=True)
    tensors = {k: torch.from_numpy(np.array(v)) for k, v in (_matrices() | arrays).items()}
    torch.save(tensors, path)
    return path


KINDS: list[Callable[[Path, Arrays, Said], Path]] = [
    _sparsify, _dictionary, _batch_topk, _gemma, _gemma_2, _llama_scope, _openmoss, _transcoder,
    _qwen,
]  # fmt: skip


@pytest.mark.parametrize("make", KINDS)
def test_folders_as_they_are_published(tmp_path: Path, make: Any) -> None:
    assert load_sae(path=make(tmp_path / "a", {}, {})).sae is not None


@pytest.mark.parametrize("name", ["gain", "encoder_glu.weight", "b_enc_2", "W_skip", "r_mag"])
@pytest.mark.parametrize("make", KINDS)
def test_an_array_that_nothing_uses_is_named(tmp_path: Path, make: Any, name: str) -> None:
    if (make, name) == (_transcoder, "W_skip"):
        return
    path = make(tmp_path / "a", {name: _drawn(F)}, {})
    with pytest.raises(errors.UnsupportedSae) as caught:
        load_sae(path=path)
    assert name in caught.value.wrong and caught.value.hint


@pytest.mark.parametrize(
    ("make", "name", "values"),
    [
        (_transcoder, "log_threshold", _drawn(F)),
        (_transcoder, "threshold", _drawn(2, F // 2)),  # of no length that is known
        (_transcoder, "b_D", np.zeros(D, np.float32)),  # b_dec a second time
        (_sparsify, "post_enc", _drawn(F)),
        (_sparsify, "post_enc_scale", _drawn(F)),
        (_dictionary, "threshold", np.abs(_drawn(F))),
        (_openmoss, "log_threshold", _drawn(F)),
        (_openmoss, "feature_act_scale", _drawn(F)),
        (_llama_scope, "log_jumprelu_threshold", _drawn(F)),
        (_gemma, "scale", np.ones(F, "U3")),
        (_gemma_2, "affine_skip_connection", _drawn(D, D)),
    ],
)
def test_further_arrays(tmp_path: Path, make: Any, name: str, values: Any) -> None:
    with pytest.raises(errors.UnsupportedSae) as caught:
        load_sae(path=make(tmp_path / "a", {name: values}, {}))
    assert name in caught.value.wrong


@pytest.mark.parametrize("beside", [{"scale": 2.0}, {"gain": torch.ones(F)}, {"shift": 1}])
@pytest.mark.parametrize("make", [_dictionary, _qwen])
@pytest.mark.parametrize("nested", [False, True])
def test_what_lies_around_the_weights_in_a_checkpoint(
    tmp_path: Path, make: Any, nested: bool, beside: dict[str, Any]
) -> None:
    path = make(tmp_path / "a", {}, {})
    file = path / "ae.pt" if path.is_dir() else path
    state = torch.load(file)
    training = {"step": 7, "epoch": 1, "loss": 0.1, "optimizer": {"lr": 0.1}, "note": "best"}
    torch.save({"state_dict": state} | training if nested else state | training, file)
    assert load_sae(path=path).sae is not None
    torch.save({"state_dict": state} | beside if nested else state | beside, file)
    with pytest.raises(errors.UnsupportedSae) as caught:
        load_sae(path=path)
    assert next(iter(beside)) in caught.value.wrong


@pytest.mark.parametrize("entry", ["scale", "input_gain", "log_threshold", "l0_norm", "post_fn"])
@pytest.mark.parametrize("make", [make for make in KINDS if make not in (_gemma, _qwen)])
def test_an_entry_that_is_set_is_named(tmp_path: Path, make: Any, entry: str) -> None:
    with pytest.raises(errors.UnsupportedSae) as caught:
        load_sae(path=make(tmp_path / "a", {}, {entry: 2.0}))
    assert f"{entry} = 2.0" in caught.value.wrong
    for i, value in enumerate((None, False, 1.0)):
        load_sae(path=make(tmp_path / f"b{i}", {}, {entry: value}))


@pytest.mark.parametrize(
    ("make", "said", "message"),
    [
        (_gemma_2, {"affine_connection": True}, "no affine_skip_connection"),
        (_gemma_2, {"affine_connection": True, "hf_hook_point_out": MLP_OUT}, "no affine_skip"),
        (_gemma_2, {"type": "crosscoder"}, "crosscoder"),
        (_gemma_2, {"type": "lorsa"}, "lorsa"),
        (_gemma_2, {"width": F + 1}, "13 features"),
        (_openmoss, {"use_decoder_bias": False}, "use_decoder_bias"),
        (_dictionary, {"k": 5}, "k = 5"),
        (_sparsify, {"signed": True, "activation": "groupmax"}, "signed"),
        (_sparsify, {"signed": True, "transcode": True}, "signed"),
        (_transcoder, {"model_kind": "cross_layer_transcoder"}, "cross_layer_transcoder"),
        (_transcoder, {"model_kind": ["transcoder_set"]}, "model_kind"),
        (_transcoder, {"activation": "topk"}, "activation = 'topk'"),
    ],
)
def test_entries_that_contradict_the_weights(
    tmp_path: Path, make: Any, said: Said, message: str
) -> None:
    with pytest.raises((errors.BadWeights, errors.UnsupportedSae), match=message):
        load_sae(path=make(tmp_path / "a", {}, said))


def test_a_skip_connection_that_the_configuration_denies(tmp_path: Path) -> None:
    said = {"hf_hook_point_out": MLP_OUT, "affine_connection": False, "type": "transcoder"}
    with pytest.raises(errors.UnsupportedSae, match="affine_skip_connection"):
        load_sae(path=_gemma_2(tmp_path / "a", {"affine_skip_connection": _drawn(D, D)}, said))


@pytest.mark.slow
@pytest.mark.parametrize(
    "content",
    ["", "model_kind: [", "\tmodel_kind: transcoder_set", "model_ki", "- a\n- b", "a: !!python/x 1",
     "a: " + "[" * 3000, "\x00", "\xff\xfe", "[a]: {[b]: c}", "x: " + "y" * (1 << 21)],
)  # fmt: skip
def test_a_config_yaml_that_cannot_be_read(tmp_path: Path, content: str) -> None:
    path = _transcoder(tmp_path / "a", {}, {})
    (path.parent / "config.yaml").write_bytes(content.encode("latin1"))
    with pytest.raises(errors.BadWeights, match=r"config\.yaml cannot be read") as caught:
        load_sae(path=path)
    assert "damaged" in str(caught.value.hint) and len(str(caught.value)) < 1000


@pytest.mark.parametrize("kind", ["transcoder_set", "cross_layer_transcoder"])
def test_the_folder_of_a_whole_set(tmp_path: Path, kind: str) -> None:
    path = _transcoder(tmp_path / "a", {}, {"model_kind": kind})
    with pytest.raises(errors.AtlasError, match=r"layer_12|cross_layer_transcoder"):
        load_sae(path=path.parent)


POINTER = "version https://git-lfs.github.com/spec/v1\noid sha256:0f\nsize 7\n"
PAGE = "\n<!DOCTYPE html>\n<html><head></head></html>"


@pytest.mark.parametrize(("content", "message"), [(POINTER, "git LFS"), (PAGE, "web page")])
@pytest.mark.parametrize(
    ("make", "name"),
    [
        (_dictionary, "ae.pt"), (_dictionary, "config.json"), (_sparsify, "sae.safetensors"),
        (_gemma, "params.npz"), (_transcoder, "config.yaml"), (_transcoder, "layer_0.safetensors"),
    ],
)  # fmt: skip
def test_what_stands_in_place_of_a_file(
    tmp_path: Path, make: Any, name: str, content: str, message: str
) -> None:
    path = make(tmp_path / "a", {}, {})
    (tmp_path / "a" / name).write_text(content)
    with pytest.raises(errors.AtlasError, match=message) as caught:
        load_sae(path=path)
    assert "Fetch the file itself" in str(caught.value.hint)


def test_pointers_in_place_of_bare_files(tmp_path: Path) -> None:
    for suffix in (".npy", ".npz", ".pt", ".safetensors"):
        (tmp_path / f"W_dec{suffix}").write_text(POINTER)
        with pytest.raises(errors.BadWeights, match="git LFS"):
            load_sae(path=tmp_path / f"W_dec{suffix}")


def test_sparse_and_quantized_tensors(tmp_path: Path) -> None:
    dense = torch.from_numpy(_drawn(F, D))
    quantized = torch.quantize_per_tensor(dense, 0.1, 0, torch.qint8)
    kinds = {"to_dense": [dense.to_sparse(), dense.to_sparse_csr()], "dequantize": [quantized]}
    for hint, tensors in kinds.items():
        for tensor in tensors:
            torch.save({"W_dec": tensor}, tmp_path / "a.pt")
            with pytest.raises(errors.BadWeights) as caught:
                load_sae(path=tmp_path / "a.pt")
            assert hint in str(caught.value.hint)


@pytest.mark.parametrize("path", ["x" * 300, "/".join(["x" * 100] * 60)])
def test_a_path_that_is_too_long(tmp_path: Path, path: str) -> None:
    with pytest.raises(errors.BadWeights, match="too long") as caught:
        load_sae(path=tmp_path / path)
    assert "shorter" in str(caught.value.hint) and len(str(caught.value)) < 400


# which side of a bare decoder the features are on


@pytest.mark.parametrize("name", ["encoder_bias", "latent_bias", "b_enc"])
@pytest.mark.parametrize("dtype", ["f4", "f8", "i8", "u1", "?"])
def test_lengths_decide_whatever_the_type(tmp_path: Path, name: str, dtype: str) -> None:
    decoder = _drawn(F, D)
    arrays = {"W_dec": np.array(decoder.T, order="C"), name: np.zeros(F, dtype)}
    np.savez(tmp_path / "a.npz", **arrays)  # type: ignore[arg-type]
    np.testing.assert_array_equal(load_sae(path=tmp_path / "a.npz").decoder, decoder)


@pytest.mark.parametrize("length", [D, F])
def test_a_bias_of_whom_nobody_knows_decides_nothing(tmp_path: Path, length: int) -> None:
    decoder = _drawn(F, D)
    np.savez(tmp_path / "a.npz", W_dec=decoder, bias=np.zeros(length, np.float32))
    loaded = load_sae(path=tmp_path / "a.npz")
    np.testing.assert_array_equal(loaded.decoder, decoder)
    assert loaded.left_out == ("bias",)


# contradictions within a cfg.json of sae-lens


@pytest.mark.parametrize(
    ("kind", "changes", "named"),
    [
        ("topk", {"k": 7, "activation_fn_kwargs": {"k": 5}}, "activation_fn_kwargs.k = 5"),
        ("topk", {"k": 7, "activation_fn": "topk", "activation_fn_kwargs": {"k": 5}}, "k = 7"),
        ("standard", {"hook_name": "blocks.0.hook_mlp_out"}, "metadata.hook_name"),
        ("standard", {"hook_point": "blocks.0.hook_mlp_out"}, "metadata.hook_name"),
        ("standard", {"prepend_bos": False}, "metadata.prepend_bos"),
        ("standard", {"type": "jumprelu"}, "type = 'jumprelu'"),
        ("standard", {"type": "transcoder"}, "type = 'transcoder'"),
        ("standard", {"type": "Top-K"}, "type = 'Top-K'"),
        ("standard", {"hook_layer": 3}, "hook_layer = 3"),
        ("standard", {"metadata": {"architecture": "jumprelu"}}, "metadata.architecture"),
        ("topk", {"metadata": {"k": 77}}, "metadata.k = 77"),
        ("standard", {"jumprelu_threshold": 0.7}, "jumprelu_threshold = 0.7"),
        ("standard", {"log_threshold": 0.7}, "log_threshold = 0.7"),
        ("standard", {"model_scale": 3.0}, "model_scale = 3.0"),
    ],
)
def test_a_configuration_that_contradicts_itself(
    tmp_path: Path, kind: str, changes: Said, named: str
) -> None:
    folder = tiny.make_sae(tmp_path / "one", kind)
    said = json.loads((folder / "cfg.json").read_text())
    metadata = said["metadata"] | changes.get("metadata", {})
    (folder / "cfg.json").write_text(json.dumps(said | changes | {"metadata": metadata}))
    with pytest.raises(errors.UnsupportedSae) as caught:
        load_sae(path=folder)
    assert named in caught.value.wrong


def test_a_configuration_that_says_the_same_twice(tmp_path: Path) -> None:
    folder = tiny.make_sae(tmp_path / "one", "jumprelu")
    said = json.loads((folder / "cfg.json").read_text())
    twice = {key: said["metadata"][key] for key in ("hook_name", "model_name", "prepend_bos")}
    more = {
        "type": "JumpReLU", "hook_layer": 1, "jumprelu_init_threshold": 0.01,
        "jumprelu_bandwidth": 0.05, "jumprelu_tanh_scale": 4.0, "lr_decay_factor": 0.1,
    }  # fmt: skip
    (folder / "cfg.json").write_text(json.dumps(said | twice | more))
    assert load_sae(path=folder).architecture == "jumprelu"
