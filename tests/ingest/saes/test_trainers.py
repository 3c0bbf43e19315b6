"""SAEs as other projects write them, against their own forward pass written from its formula."""

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import yaml
from safetensors.numpy import save_file

from saeatlas import errors
from saeatlas.ingest.activations.block_maxima import block_maxima
from saeatlas.ingest.saes.load import load_sae
from saeatlas.ingest.saes.loaded_sae import LoadedSae

D, F, K = 6, 12, 3
Array = np.ndarray[Any, Any]


@pytest.fixture
def w() -> dict[str, Array]:
    """Weights in neutral names: E and D of shape (F, D), a row a feature."""
    random = np.random.default_rng(0)
    shapes: dict[str, Any] = {
        "E": (F, D), "D": (F, D), "e": F, "d": D, "t": F, "r": F, "g": F, "m": F, "S": (D, D),
    }  # fmt: skip
    drawn = {name: random.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}
    return drawn | {"t": np.abs(drawn["t"]) / 2}


@pytest.fixture
def x() -> Array:
    return np.random.default_rng(1).normal(size=(40, D)).astype(np.float32)


def relu(values: Array) -> Array:
    return np.maximum(values, 0)


def largest(values: Array, k: int, by: Array | None = None) -> Array:
    """Keep the k largest of each row, or those with the k largest of `by`."""
    order = np.argsort(-(values if by is None else by), axis=1, kind="stable")[:, :k]
    kept = np.zeros_like(values)
    np.put_along_axis(kept, order, np.take_along_axis(values, order, 1), 1)
    return kept


def _tensors(path: Path, **arrays: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    arrays = {name.replace("__", "."): np.array(a, order="C") for name, a in arrays.items()}
    if path.suffix == ".safetensors":
        save_file(arrays, path)
    else:
        torch.save({name: torch.from_numpy(a.copy()) for name, a in arrays.items()}, path)


def _json(path: Path, **content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))


def _check(loaded: LoadedSae, x: Array, expected: Array, output: Array | None = None) -> None:
    """Activations, reconstruction, and the block maxima that are recorded."""
    assert loaded.sae is not None
    with torch.inference_mode():
        acts = loaded.sae.encode(torch.from_numpy(x))
        np.testing.assert_allclose(acts.numpy(), expected, atol=1e-5)
        if output is not None:
            np.testing.assert_allclose(loaded.sae(torch.from_numpy(x)).numpy(), output, atol=1e-4)
    assert 0 < (expected != 0).mean() < 0.9  # else it shows little
    counts = np.ones(len(x), bool)
    (features, peaks) = block_maxima(loaded.sae, torch.from_numpy(x), [(0, len(x))], counts).blocks[
        0
    ]
    top = expected.max(axis=0)
    np.testing.assert_array_equal(features, np.flatnonzero(top > 0))
    np.testing.assert_allclose(peaks, top[top > 0], atol=1e-5)


# sparsify


def _sparsify(folder: Path, w: dict[str, Array], **said: Any) -> Path:
    terms = {
        "expansion_factor": 2, "normalize_decoder": True, "num_latents": 0, "k": K,
        "multi_topk": False, "skip_connection": False, "transcode": False, "d_in": D,
    }  # fmt: skip
    _json(folder / "cfg.json", **(terms | said))
    skip = {"W_skip": w["S"]} if said.get("skip_connection") else {}
    _tensors(
        folder / "sae.safetensors",
        encoder__weight=w["E"], encoder__bias=w["e"], W_dec=w["D"], b_dec=w["d"], **skip,
    )  # fmt: skip
    return folder


@pytest.mark.parametrize("said", [{}, {"activation": "topk"}, {"signed": False}])
def test_sparsifys_topk(tmp_path: Path, w: Any, x: Array, said: dict[str, Any]) -> None:
    folder = _sparsify(tmp_path / "run" / "layers.1", w, **said)
    _json(folder.parent / "config.json", model="EleutherAI/pythia-160m", ctx_len=2048)
    for path in (folder, folder / "cfg.json", folder / "sae.safetensors"):
        loaded = load_sae(path=path)
        acts = largest(relu((x - w["d"]) @ w["E"].T + w["e"]), K)
        _check(loaded, x, acts, acts @ w["D"] + w["d"])
        assert (loaded.release, loaded.sae_id) == ("run", "layers.1")
        assert (loaded.architecture, loaded.config["k"]) == ("topk", K)
        assert (loaded.hook_name, loaded.layer) == ("blocks.1.hook_resid_post", 1)
        assert loaded.model_name == "EleutherAI/pythia-160m"
        np.testing.assert_array_equal(loaded.decoder, w["D"])


def test_sparsifys_groupmax(tmp_path: Path, w: Any, x: Array) -> None:
    loaded = load_sae(path=_sparsify(tmp_path / "layers.0", w, activation="groupmax"))
    pre = relu((x - w["d"]) @ w["E"].T + w["e"]).reshape(len(x), K, F // K)
    acts = np.where(pre == pre.max(axis=2, keepdims=True), pre, 0).reshape(len(x), F)
    _check(loaded, x, acts, acts @ w["D"] + w["d"])
    assert loaded.architecture == "groupmax"
    topk = load_sae(path=_sparsify(tmp_path / "topk", w))
    assert topk.weights_sha256 != loaded.weights_sha256


def test_sparsifys_signed_topk(tmp_path: Path, w: Any, x: Array) -> None:
    loaded = load_sae(path=_sparsify(tmp_path / "layers.0", w, signed=True))
    pre = (x - w["d"]) @ w["E"].T + w["e"]
    _check(loaded, x, largest(pre, K, np.abs(pre)))


@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize("activation", ["topk", "groupmax"])
def test_sparsifys_transcoders(
    tmp_path: Path, w: Any, x: Array, skip: bool, activation: str
) -> None:
    said = {"transcode": True, "skip_connection": skip, "activation": activation}
    loaded = load_sae(path=_sparsify(tmp_path / "layers.3.mlp", w, **said))
    pre = relu(x @ w["E"].T + w["e"])
    acts = largest(pre, K)
    if activation == "groupmax":
        groups = pre.reshape(len(x), K, F // K)
        acts = np.where(groups == groups.max(axis=2, keepdims=True), groups, 0).reshape(len(x), F)
    _check(loaded, x, acts, acts @ w["D"] + w["d"] + (x @ w["S"].T if skip else 0))
    assert str(loaded.architecture).endswith("transcoder")
    assert loaded.hook_name is None  # which of the MLP's inputs is not said


def test_sparsifys_folder_with_a_decoder_alone_elsewhere(tmp_path: Path, w: Any) -> None:
    folder = _sparsify(tmp_path / "layers.1", w)
    alone = tmp_path / "alone" / "sae.safetensors"
    alone.parent.mkdir()
    (folder / "sae.safetensors").rename(alone)
    loaded = load_sae(path=alone)
    assert loaded.sae is None and (loaded.release, loaded.sae_id) == ("alone", "sae")
    np.testing.assert_array_equal(loaded.decoder, w["D"])
    with pytest.raises(errors.BadWeights, match=r"no file .*sae\.safetensors") as caught:
        load_sae(path=folder)
    assert "damaged" not in str(caught.value)


@pytest.mark.parametrize(
    ("said", "kind", "message"),
    [
        ({"activation": "relu"}, errors.UnsupportedSae, "activation 'relu'"),
        ({"activation": ["topk"]}, errors.BadWeights, "'activation' should be a valid string"),
        ({"temperature": 2.0}, errors.UnsupportedSae, "temperature"),
        ({"skip_connection": True}, errors.UnsupportedSae, "skip_connection"),
        ({"k": 0}, errors.BadWeights, "k = 0"),
        ({"k": 13}, errors.BadWeights, "k = 13"),
        ({"k": "3"}, errors.BadWeights, "'k' should be a valid integer"),
        ({"d_in": 7}, errors.BadWeights, "says 7 dimensions; the weights have 6"),
        ({"num_latents": 13}, errors.BadWeights, "says 13 features"),
        ({"transcode": "no"}, errors.BadWeights, "'transcode'"),
        ({"k": 5, "activation": "groupmax"}, errors.BadWeights, "k = 5"),
    ],
)
def test_sparsifys_that_are_refused(
    tmp_path: Path, w: Any, said: dict[str, Any], kind: type[errors.AtlasError], message: str
) -> None:
    with pytest.raises(kind, match=message) as caught:
        load_sae(path=_sparsify(tmp_path / "layers.1", w, **said))
    assert "damaged" not in str(caught.value)


# dictionary_learning


def _dictionary(folder: Path, name: str, arrays: dict[str, Any], **said: Any) -> Path:
    terms = {
        "dict_class": name, "trainer_class": "AnyTrainer", "activation_dim": D, "dict_size": F,
        "layer": 8, "lm_name": "EleutherAI/pythia-70m-deduped", "lr": 1e-4,
        "submodule_name": "resid_post_layer_8",
    }  # fmt: skip
    _json(folder / "config.json", trainer=terms | said, buffer={"ctx_len": 128})
    _tensors(folder / "ae.pt", **arrays)
    return folder


def _linear(w: dict[str, Array]) -> dict[str, Array]:
    return {"encoder__weight": w["E"], "decoder__weight": w["D"].T}


def test_an_autoencoder_of_dictionary_learning(tmp_path: Path, w: Any, x: Array) -> None:
    arrays = _linear(w) | {"encoder__bias": w["e"], "bias": w["d"]}
    folder = _dictionary(
        tmp_path / "run" / "resid_post_layer_8" / "trainer_3", "AutoEncoder", arrays
    )
    for path in (folder, folder / "ae.pt", folder / "config.json"):
        loaded = load_sae(path=path)
        acts = relu((x - w["d"]) @ w["E"].T + w["e"])
        _check(loaded, x, acts, acts @ w["D"] + w["d"])
        assert (loaded.release, loaded.sae_id) == ("run", "resid_post_layer_8/trainer_3")
        assert (loaded.architecture, loaded.hook_name) == ("standard", "blocks.8.hook_resid_post")
        assert loaded.model_name == "EleutherAI/pythia-70m-deduped"


def test_a_new_autoencoder_of_dictionary_learning(tmp_path: Path, w: Any, x: Array) -> None:
    arrays = _linear(w) | {"encoder__bias": w["e"], "decoder__bias": w["d"]}
    loaded = load_sae(path=_dictionary(tmp_path / "a", "AutoEncoderNew", arrays))
    acts = relu(x @ w["E"].T + w["e"])
    _check(loaded, x, acts, acts @ w["D"] + w["d"])


def test_a_gated_sae_of_dictionary_learning(tmp_path: Path, w: Any, x: Array) -> None:
    arrays = _linear(w) | {
        "decoder_bias": w["d"], "gate_bias": w["g"], "mag_bias": w["m"], "r_mag": w["r"],
    }  # fmt: skip
    loaded = load_sae(path=_dictionary(tmp_path / "a", "GatedAutoEncoder", arrays))
    pre = (x - w["d"]) @ w["E"].T
    acts = (pre + w["g"] > 0) * relu(np.exp(w["r"]) * pre + w["m"])
    _check(loaded, x, acts, acts @ w["D"] + w["d"])
    assert loaded.architecture == "gated"


def test_a_topk_sae_of_dictionary_learning(tmp_path: Path, w: Any, x: Array) -> None:
    arrays = _linear(w) | {
        "encoder__bias": w["e"], "b_dec": w["d"], "k": np.array(K),
        "threshold": np.array(0.7, np.float32),
    }  # fmt: skip
    loaded = load_sae(path=_dictionary(tmp_path / "a", "AutoEncoderTopK", arrays, k=K))
    acts = largest(relu((x - w["d"]) @ w["E"].T + w["e"]), K)
    _check(loaded, x, acts, acts @ w["D"] + w["d"])
    assert (loaded.architecture, loaded.config["k"]) == ("topk", K)
    with pytest.raises(errors.BadWeights, match="k = 3 and 4"):
        load_sae(path=_dictionary(tmp_path / "b", "AutoEncoderTopK", arrays, k=4))
    del arrays["k"]
    with pytest.raises(errors.BadWeights, match="k = nothing"):
        load_sae(path=_dictionary(tmp_path / "c", "AutoEncoderTopK", arrays))


def test_a_batch_topk_sae_of_dictionary_learning(tmp_path: Path, w: Any, x: Array) -> None:
    arrays = _linear(w) | {
        "encoder__bias": w["e"], "b_dec": w["d"], "k": np.array(K),
        "threshold": np.array(0.7, np.float32),
    }  # fmt: skip
    loaded = load_sae(path=_dictionary(tmp_path / "a", "BatchTopKSAE", arrays, k=K))
    post = relu((x - w["d"]) @ w["E"].T + w["e"])
    acts = post * (post > np.float32(0.7))
    _check(loaded, x, acts, acts @ w["D"] + w["d"])
    assert loaded.architecture == "jumprelu"
    np.testing.assert_array_equal(loaded.threshold, np.full(F, 0.7, np.float32))
    arrays["threshold"] = np.array(-1, np.float32)
    with pytest.raises(errors.BadWeights, match="never set"):
        load_sae(path=_dictionary(tmp_path / "b", "BatchTopKSAE", arrays, k=K))


def test_a_matryoshka_sae_of_dictionary_learning(tmp_path: Path, w: Any, x: Array) -> None:
    arrays = {
        "W_enc": w["E"].T, "W_dec": w["D"], "b_enc": w["e"], "b_dec": w["d"], "k": np.array(K),
        "threshold": np.array(0.5, np.float32), "group_sizes": np.array([4, 8]),
    }  # fmt: skip
    loaded = load_sae(path=_dictionary(tmp_path / "a", "MatryoshkaBatchTopKSAE", arrays, k=K))
    post = relu((x - w["d"]) @ w["E"].T + w["e"])
    acts = post * (post > np.float32(0.5))
    _check(loaded, x, acts, acts @ w["D"] + w["d"])


def test_a_jumprelu_sae_of_dictionary_learning(tmp_path: Path, w: Any, x: Array) -> None:
    arrays = {
        "W_enc": w["E"].T, "W_dec": w["D"], "b_enc": w["e"], "b_dec": w["d"], "threshold": w["t"],
    }  # fmt: skip
    loaded = load_sae(path=_dictionary(tmp_path / "a", "JumpReluAutoEncoder", arrays))
    pre = x @ w["E"].T + w["e"]
    acts = relu(pre * (pre > w["t"]))
    _check(loaded, x, acts, acts @ w["D"] + w["d"])


def test_dictionaries_that_are_refused(tmp_path: Path, w: Any) -> None:
    arrays = _linear(w) | {"encoder__bias": w["e"], "bias": w["d"]}
    with pytest.raises(errors.UnsupportedSae, match=r"CrossCoder(.|\n)*AutoEncoderTopK"):
        load_sae(path=_dictionary(tmp_path / "a", "CrossCoder", arrays))
    _json(tmp_path / "a" / "config.json", trainer={"layer": 3})
    with pytest.raises(errors.BadWeights, match="dict_class"):
        load_sae(path=tmp_path / "a")
    with pytest.raises(errors.BadWeights, match="holds no threshold"):
        load_sae(path=_dictionary(tmp_path / "a", "BatchTopKSAE", arrays, k=K))


@pytest.mark.parametrize("missing", ["encoder.bias", "b_dec", "encoder.weight", "threshold"])
def test_a_missing_array_is_not_taken_for_zero(tmp_path: Path, w: Any, missing: str) -> None:
    arrays = {
        "encoder.weight": w["E"], "encoder.bias": w["e"], "decoder.weight": w["D"].T,
        "b_dec": w["d"], "threshold": w["t"],
    }  # fmt: skip
    del arrays[missing]
    with pytest.raises(errors.BadWeights, match="holds no "):
        load_sae(path=_dictionary(tmp_path / "a", "BatchTopKSAE", arrays, k=K))


class _Code:
    """What torch.save would pickle whole."""


def test_pickles_beyond_tensors_are_refused_with_the_reason(tmp_path: Path, w: Any) -> None:
    folder = _dictionary(tmp_path / "a", "AutoEncoder", _linear(w))
    torch.save({"model": _Code()}, folder / "ae.pt")
    with pytest.raises(errors.BadWeights, match="pickled objects") as caught:
        load_sae(path=folder)
    assert "damaged" not in str(caught.value)


@pytest.mark.parametrize("part", [0.0, 0.3, 0.9])
def test_truncated_pickles_are_damaged(tmp_path: Path, w: Any, part: float) -> None:
    folder = _dictionary(tmp_path / "a", "AutoEncoder", _linear(w))
    content = (folder / "ae.pt").read_bytes()
    (folder / "ae.pt").write_bytes(content[: int(part * len(content))])
    with pytest.raises(errors.BadWeights, match="damaged"):
        load_sae(path=folder)


# language-model-saes, and Llama Scope of it


def _llama_scope(folder: Path, w: dict[str, Array], **said: Any) -> Path:
    terms = {
        "hook_point_in": "blocks.15.hook_resid_post", "hook_point_out": "blocks.15.hook_resid_post",
        "d_model": D, "d_sae": F, "act_fn": "jumprelu", "jump_relu_threshold": 0.4,
        "norm_activation": "dataset-wise", "use_decoder_bias": True, "use_glu_encoder": False,
        "dataset_average_activation_norm": {"in": 5.0, "out": 4.0}, "top_k": K,
        "sparsity_include_decoder_norm": True, "apply_decoder_bias_to_pre_encoder": False,
    }  # fmt: skip
    _json(folder / "hyperparams.json", **(terms | said))
    _tensors(
        folder / "checkpoints" / "final.safetensors",
        **_linear(w), encoder__bias=w["e"], decoder__bias=w["d"],
    )  # fmt: skip
    return folder


@pytest.mark.parametrize("include", [False, True])
@pytest.mark.parametrize("subtract", [False, True])
@pytest.mark.parametrize("act_fn", ["relu", "jumprelu", "topk"])
def test_llama_scope(
    tmp_path: Path, w: Any, x: Array, act_fn: str, subtract: bool, include: bool
) -> None:
    said = {
        "act_fn": act_fn, "apply_decoder_bias_to_pre_encoder": subtract,
        "sparsity_include_decoder_norm": include,
    }  # fmt: skip
    folder = _llama_scope(tmp_path / "LXR-8x" / "L15R-8x", w, **said)
    loaded = load_sae(path=folder / "hyperparams.json")
    f_in, f_out = math.sqrt(D) / 5, math.sqrt(D) / 4
    b, d, dec, enc = w["e"] / f_in, w["d"] / f_out, w["D"] * f_in / f_out, w["E"]
    if include:
        norm = np.linalg.norm(dec, axis=1)
        dec, enc, b = dec / norm[:, None], enc * norm[:, None], b * norm
    pre = (x - d if subtract else x) @ enc.T + b
    acts = {"relu": relu(pre), "jumprelu": pre * (pre > 0.4), "topk": largest(relu(pre), K)}[act_fn]
    _check(loaded, x, acts, acts @ dec + d)
    assert (loaded.release, loaded.sae_id) == ("LXR-8x", "L15R-8x")
    assert loaded.hook_name == "blocks.15.hook_resid_post"


def _openmoss(folder: Path, w: dict[str, Array], **said: Any) -> Path:
    hook = "blocks.6.hook_resid_post"
    terms = {
        "sae_type": "sae", "hook_point_in": hook, "hook_point_out": hook, "d_model": D,
        "expansion_factor": F / D, "act_fn": "jumprelu", "norm_activation": "dataset-wise",
        "sparsity_include_decoder_norm": True, "top_k": K, "use_decoder_bias": True,
    }  # fmt: skip
    terms |= said
    _json(folder / "config.json", **terms)
    norms = {
        f"dataset_average_activation_norm.{terms['hook_point_in']}": np.array(5, np.float32),
        f"dataset_average_activation_norm.{terms['hook_point_out']}": np.array(5, np.float32),
    }
    if terms["hook_point_out"] != hook:
        norms[f"dataset_average_activation_norm.{terms['hook_point_out']}"] = np.array(
            3, np.float32
        )
    threshold = {"activation_function__log_jumprelu_threshold": np.log(w["t"])}
    arrays = {"W_E": w["E"].T, "b_E": w["e"], "W_D": w["D"], "b_D": w["d"]} | norms
    arrays |= threshold if terms["act_fn"] == "jumprelu" else {}
    _tensors(folder / "sae_weights.safetensors", **arrays)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("include", [False, True])
@pytest.mark.parametrize("norm", ["dataset-wise", "inference", "token-wise"])
@pytest.mark.parametrize("act_fn", ["relu", "jumprelu", "topk"])
@pytest.mark.parametrize("hook_out", ["blocks.6.hook_resid_post", "blocks.6.hook_mlp_out"])
def test_language_model_saes(
    tmp_path: Path, w: Any, x: Array, act_fn: str, norm: str, include: bool, hook_out: str
) -> None:
    said = {
        "act_fn": act_fn, "norm_activation": norm, "sparsity_include_decoder_norm": include,
        "hook_point_out": hook_out,
    }  # fmt: skip
    loaded = load_sae(path=_openmoss(tmp_path / "a", w, **said))
    is_transcoder = hook_out.endswith("mlp_out")
    f_in: Any = 1.0
    f_out: Any = 1.0
    if norm == "dataset-wise":
        f_in, f_out = math.sqrt(D) / 5, math.sqrt(D) / (3 if is_transcoder else 5)
    if norm == "token-wise":
        f_in = f_out = math.sqrt(D) / np.linalg.norm(x, axis=1, keepdims=True)
    pre = (x * f_in) @ w["E"].T + w["e"]
    weighed = pre * np.linalg.norm(w["D"], axis=1) if include else pre
    acts = {
        "relu": pre * (weighed > 0),
        "jumprelu": pre * (weighed > w["t"]),
        "topk": largest(relu(pre), K, relu(weighed)),
    }[act_fn]
    output = (acts @ w["D"] + w["d"]) / f_out
    _check(loaded, x, acts, None if is_transcoder and norm == "token-wise" else output)
    assert ("transcoder" in str(loaded.architecture)) == is_transcoder


@pytest.mark.parametrize(
    ("said", "message"),
    [
        ({"sae_type": "crosscoder"}, "sae_type 'crosscoder'"),
        ({"act_fn": "batchtopk"}, "act_fn 'batchtopk'"),
        ({"use_glu_encoder": True}, "use_glu_encoder"),
        ({"norm_activation": "batch-wise"}, "norm_activation 'batch-wise'"),
    ],
)
def test_language_model_saes_that_are_refused(
    tmp_path: Path, w: Any, said: dict[str, Any], message: str
) -> None:
    folder = _openmoss(tmp_path / "a", w)
    content = json.loads((folder / "config.json").read_text())
    _json(folder / "config.json", **(content | said))
    with pytest.raises(errors.UnsupportedSae, match=message):
        load_sae(path=folder)


@pytest.mark.parametrize("entry", ["act_fn", "norm_activation"])
def test_language_model_saes_that_do_not_say_their_formula(
    tmp_path: Path, w: Any, entry: str
) -> None:
    path = _openmoss(tmp_path / "a", w) / "config.json"
    content = json.loads(path.read_text())
    del content[entry]
    _json(path, **content)
    with pytest.raises(errors.BadWeights, match=f"'{entry}' should be"):
        load_sae(path=path)
    _json(path, **(content | {entry: 7}))
    with pytest.raises(errors.BadWeights, match=f"'{entry}' should be"):
        load_sae(path=path)


def test_language_model_saes_without_their_norm(tmp_path: Path, w: Any) -> None:
    folder = _llama_scope(tmp_path / "a", w, dataset_average_activation_norm=None)
    with pytest.raises(errors.BadWeights, match="no average norm"):
        load_sae(path=folder)


# Gemma Scope 2, circuit-tracer, Qwen-Scope


def _gemma_scope_2(w: dict[str, Array]) -> dict[str, Array]:
    return {
        "w_enc": w["E"].T, "w_dec": w["D"], "b_enc": w["e"], "b_dec": w["d"], "threshold": w["t"],
    }  # fmt: skip


@pytest.mark.parametrize("has_config", [True, False])
@pytest.mark.parametrize(
    ("site", "module", "hook"),
    [
        ("resid_post", "output", "blocks.12.hook_resid_post"),
        ("attn_out", "self_attn.o_proj.input", "blocks.12.attn.hook_z"),
        ("mlp_out", "post_feedforward_layernorm.output", "blocks.12.hook_mlp_out"),
    ],
)
def test_gemma_scope_2(
    tmp_path: Path, w: Any, x: Array, has_config: bool, site: str, module: str, hook: str
) -> None:
    release = tmp_path / "gemma-scope-2-270m-pt"
    folder = release / site / "layer_12_width_16k_l0_small"
    if has_config:
        folder = tmp_path / "elsewhere"
        _json(
            folder / "config.json", architecture="jump_relu", model_name="gemma-v3-270m-pt",
            hf_hook_point_in=f"model.layers.12.{module}", width=F,
        )  # fmt: skip
    _tensors(folder / "params.safetensors", **_gemma_scope_2(w))
    loaded = load_sae(path=folder)
    pre = x @ w["E"].T + w["e"]
    acts = relu(pre) * (pre > w["t"])
    _check(loaded, x, acts, acts @ w["D"] + w["d"])
    assert (loaded.hook_name, loaded.layer) == (hook, 12)
    assert loaded.model_name == "google/gemma-3-270m"
    if not has_config:
        name = f"{site}/layer_12_width_16k_l0_small"
        assert (loaded.release, loaded.sae_id) == (release.name, name)


@pytest.mark.parametrize("skip", [False, True])
def test_a_transcoder_of_gemma_scope_2(tmp_path: Path, w: Any, x: Array, skip: bool) -> None:
    extra = {"affine_skip_connection": w["S"]} if skip else {}
    _tensors(tmp_path / "a" / "params.safetensors", **_gemma_scope_2(w), **extra)
    _json(
        tmp_path / "a" / "config.json", architecture="jump_relu", model_name="gemma-3-1b-it",
        hf_hook_point_in="model.layers.5.pre_feedforward_layernorm.output",
        hf_hook_point_out="model.layers.5.post_feedforward_layernorm.output",
        affine_connection=skip,
    )  # fmt: skip
    loaded = load_sae(path=tmp_path / "a")
    pre = x @ w["E"].T + w["e"]
    acts = relu(pre) * (pre > w["t"])
    _check(loaded, x, acts, acts @ w["D"] + w["d"] + (x @ w["S"] if skip else 0))
    assert loaded.hook_name == "blocks.5.mlp.hook_in"
    assert loaded.model_name == "google/gemma-3-1b-it"


def test_gemma_scope_2_that_writes_to_several_layers(tmp_path: Path, w: Any) -> None:
    arrays = _gemma_scope_2(w) | {"w_dec": np.ones((F, 3, D), np.float32)}
    _tensors(tmp_path / "a" / "params.safetensors", **arrays)
    with pytest.raises(errors.UnsupportedSae, match="crosscoder"):
        load_sae(path=tmp_path / "a")


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("skip", [False, True])
@pytest.mark.parametrize("threshold", [False, True])
def test_a_set_of_transcoders(
    tmp_path: Path, w: Any, x: Array, transposed: bool, skip: bool, threshold: bool
) -> None:
    folder = tmp_path / "set"
    extra = {"W_skip": w["S"]} if skip else {}
    extra |= {"activation_function__threshold": w["t"]} if threshold else {}
    decoder = w["D"].T if transposed else w["D"]
    _tensors(
        folder / "layer_7.safetensors", W_enc=w["E"], W_dec=decoder, b_enc=w["e"], b_dec=w["d"],
        **extra,
    )  # fmt: skip
    said = {
        "model_name": "Qwen/Qwen3-4B", "model_kind": "transcoder_set",
        "feature_input_hook": "mlp.hook_in", "feature_output_hook": "hook_mlp_out",
    }  # fmt: skip
    (folder / "config.yaml").write_text(yaml.safe_dump(said))
    loaded = load_sae(path=folder / "layer_7.safetensors")
    pre = x @ w["E"].T + w["e"]
    acts = pre * (pre > w["t"]) if threshold else relu(pre)
    _check(loaded, x, acts, acts @ w["D"] + w["d"] + (x @ w["S"].T if skip else 0))
    assert (loaded.hook_name, loaded.layer) == ("blocks.7.mlp.hook_in", 7)
    assert (loaded.model_name, loaded.sae_id) == ("Qwen/Qwen3-4B", "layer_7")


def test_qwen_scope(tmp_path: Path, w: Any, x: Array) -> None:
    folder = tmp_path / "SAE-Res-Qwen3-1.7B-Base-W32K-L0_3"
    arrays = {"W_enc": w["E"], "W_dec": w["D"].T, "b_enc": w["e"], "b_dec": w["d"]}
    _tensors(folder / "layer9.sae.pt", **arrays)
    loaded = load_sae(path=folder / "layer9.sae.pt")
    acts = largest(relu(x @ w["E"].T + w["e"]), K)
    _check(loaded, x, acts, acts @ w["D"] + w["d"])
    assert (loaded.architecture, loaded.config["k"]) == ("topk", 3)
    assert (loaded.hook_name, loaded.model_name) == (
        "blocks.9.hook_resid_post", "Qwen/Qwen3-1.7B-Base",
    )  # fmt: skip
    _tensors(tmp_path / "renamed" / "layer9.sae.pt", **arrays)
    bare = load_sae(path=tmp_path / "renamed" / "layer9.sae.pt")  # no k: not run, but turned right
    assert bare.sae is None
    np.testing.assert_array_equal(bare.decoder, w["D"])
