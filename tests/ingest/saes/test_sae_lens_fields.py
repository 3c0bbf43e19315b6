"""Every entry of a sae-lens cfg.json: honoured, about the training only, or refused by name."""

import dataclasses
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sae_lens.config import LanguageModelSAERunnerConfig, LoggingConfig
from sae_lens.registry import SAE_CLASS_REGISTRY, SAE_TRAINING_CLASS_REGISTRY
from safetensors.torch import load_file, save_file

from saeatlas import errors
from saeatlas.ingest.saes.load import load_sae
from tests.support import tiny

FLAT = {
    "d_in": tiny.D_MODEL, "d_sae": tiny.D_SAE, "dtype": "torch.float32", "device": "cuda",
    "hook_name": "blocks.1.hook_resid_post", "hook_layer": 1, "hook_head_index": None,
    "model_name": "tiny", "prepend_bos": True, "architecture": "standard",
    "activation_fn_str": "relu", "activation_fn_kwargs": {}, "apply_b_dec_to_input": True,
    "finetuning_scaling_factor": False, "context_size": 64, "dataset_path": "none",
    "dataset_trust_remote_code": True, "normalize_activations": "none",
    "sae_lens_training_version": "3.22.2", "model_from_pretrained_kwargs": {},
}  # fmt: skip
"""As sae-lens 3 to 5 saved an SAE."""

FIRST = {
    "model_name": "gpt2-small", "hook_point": "blocks.8.hook_resid_pre", "hook_point_layer": 8,
    "hook_point_head_index": None, "dataset_path": "Skylion007/openwebtext",
    "is_dataset_tokenized": False, "context_size": 128, "use_cached_activations": False,
    "cached_activations_path": "activations/openwebtext/gpt2-small", "d_in": tiny.D_MODEL,
    "n_batches_in_buffer": 128, "total_training_tokens": 300000000, "store_batch_size": 32,
    "device": "mps", "seed": 42, "dtype": "torch.float32", "b_dec_init_method": "geometric_median",
    "expansion_factor": 32, "from_pretrained_path": None, "l1_coefficient": 8e-05, "lr": 0.0004,
    "lr_scheduler_name": None, "lr_warm_up_steps": 5000, "train_batch_size": 4096,
    "use_ghost_grads": False, "feature_sampling_window": 1000, "feature_sampling_method": None,
    "resample_batches": 1028, "feature_reinit_scale": 0.2, "dead_feature_window": 5000,
    "dead_feature_estimation_method": "no_fire", "dead_feature_threshold": 1e-08,
    "log_to_wandb": True, "wandb_project": "mats_sae_training_gpt2", "wandb_entity": None,
    "wandb_log_frequency": 100, "n_checkpoints": 10, "checkpoint_path": "checkpoints/k8bxw4hm",
    "d_sae": tiny.D_SAE, "tokens_per_buffer": 67108864, "run_name": "24576-L1-8e-05",
    "unique_id": "k8bxw4hm", "lp_norm": 1, "normalize_sae_decoder": True, "noise_scale": 0.0,
}  # fmt: skip
"""As the first residual SAEs of GPT-2 have it."""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny.make_sae(tmp_path / "mine" / "one", "standard", b_dec=0.5)


def _say(folder: Path, said: dict[str, Any]) -> Path:
    (folder / "cfg.json").write_text(json.dumps(said))
    return folder


def _expected(folder: Path, x: torch.Tensor) -> torch.Tensor:
    w = load_file(folder / "sae_weights.safetensors")
    return ((x - w["b_dec"]) @ w["W_enc"] + w["b_enc"]).relu()


@pytest.mark.parametrize("said", [FLAT, FIRST])
def test_published_forms_are_read(folder: Path, said: dict[str, Any]) -> None:
    loaded = load_sae(path=_say(folder, said))
    x = torch.randn(30, tiny.D_MODEL)
    assert loaded.sae is not None
    torch.testing.assert_close(loaded.sae.encode(x), _expected(folder, x))
    assert loaded.hook_name == said.get("hook_name", said.get("hook_point"))


def test_every_entry_of_a_training_is_known(folder: Path) -> None:
    """Whatever sae-lens' runner or a training class of today could save beside an SAE's own."""
    classes = [c for _, c in SAE_TRAINING_CLASS_REGISTRY.values()]
    kinds = [LanguageModelSAERunnerConfig, LoggingConfig, *classes]
    names = {f.name for kind in kinds for f in dataclasses.fields(kind)}
    own = {f.name for _, kind in SAE_CLASS_REGISTRY.values() for f in dataclasses.fields(kind)}
    changing = {"hook_head_index", "metadata", "sae", "exclude_special_tokens"}
    training = dict.fromkeys(names - own - changing, "something")
    for name in ("hook_name", "model_name", "prepend_bos", "model_from_pretrained_kwargs"):
        training.pop(name, None)
    assert len(training) > 50
    load_sae(path=_say(folder, FLAT | training))


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"activation_fn_str": "tanh-relu"}, "activation_fn_str 'tanh-relu'"),
        ({"activation_fn": "tanh-relu", "activation_fn_str": None}, "activation_fn 'tanh-relu'"),
        ({"activation_fn_str": "gelu"}, "'gelu'"),
        ({"activation_fn_str": ["relu"]}, "activation_fn_str"),
        ({"activation_fn_str": "topk"}, "topk' without k"),
        ({"activation_fn_str": "topk", "activation_fn_kwargs": {"k": None}}, "topk' without k"),
        ({"activation_fn_str": "topk", "activation_fn_kwargs": None}, "topk' without k"),
        ({"activation_fn_str": "topk", "activation_fn_kwargs": {"k": 3, "signed": True}},
         "activation_fn_kwargs.signed = True"),
        ({"activation_fn_str": "topk", "activation_fn_kwargs": {"k": 3, "postact_fn": "id"}},
         "activation_fn_kwargs.postact_fn"),
        ({"activation_fn_str": "topk", "architecture": "gated", "activation_fn_kwargs": {"k": 3}},
         "architecture gated"),
        ({"activation_fn_kwargs": {"k": 3}}, "activation_fn_kwargs.k = 3"),
        ({"activation_fn_kwargs": [1]}, "activation_fn_kwargs"),
        ({"k": 8}, "k = 8"),
        ({"finetuning_scaling_factor": True}, "finetuning_scaling_factor"),
        ({"rescale_acts_by_decoder_norm": True}, "rescale_acts_by_decoder_norm = True"),
        ({"residual_threshold": 0.5}, "residual_threshold = 0.5"),
        ({"hook_head_index": 3}, "hook_head_index = 3"),
        ({"d_out": 7}, "d_out = 7"),
        ({"temperature": 0.7, "input_scale": 2.0}, "temperature = 0.7, input_scale = 2.0"),
        ({"activation_threshold": "x" * 500}, "activation_threshold = 'xxx"),
        ({f"unknown{i}": 1 for i in range(5000)}, "and 4994 more"),
    ],
)  # fmt: skip
@pytest.mark.parametrize("form", ["flat", "with metadata"])
def test_entries_that_are_not_honoured_are_named(
    folder: Path, form: str, changes: dict[str, Any], named: str
) -> None:
    said = json.loads((folder / "cfg.json").read_text()) if form == "with metadata" else FLAT
    with pytest.raises(errors.UnsupportedSae) as caught:
        load_sae(path=_say(folder, said | changes))
    assert named in caught.value.wrong
    assert len(str(caught.value)) < 2000


@pytest.mark.parametrize(
    "changes",
    [
        {"activation_fn_str": None, "activation_fn_kwargs": None},
        {"rescale_acts_by_decoder_norm": False, "threshold": None, "extra": {}, "list": []},
        {"finetuning_scaling_factor": None, "noise_scale": 0.1, "seqpos_slice": [1, None]},
        {"d_out": tiny.D_MODEL, "author": "me", "notes": "the best", "l0": 40.0},
        {"model_kwargs": {"a": 1}, "exclude_special_tokens": [1, 2], "dtype": "bfloat16"},
        {"reshape_activations": "none", "hook_name": None, "metadata": {}},
    ],
)
def test_entries_that_change_nothing(folder: Path, changes: dict[str, Any]) -> None:
    loaded = load_sae(path=_say(folder, FLAT | changes))
    x = torch.randn(30, tiny.D_MODEL)
    assert loaded.sae is not None
    torch.testing.assert_close(loaded.sae.encode(x), _expected(folder, x))


@pytest.mark.parametrize(
    ("entry", "value"),
    [
        ("hook_name", 7), ("hook_name", ["blocks.1.hook_resid_post"]), ("hook_name", "a\0b"),
        ("hook_name", "\ud800"), ("hook_name", "x" * 5000), ("model_name", True),
        ("prepend_bos", "yes"), ("prepend_bos", 1), ("model_from_pretrained_kwargs", [1]),
        ("hf_hook_name", 1.5), ("d_in", "24"), ("d_sae", -1), ("d_sae", 10**40),
        ("architecture", 7), ("apply_b_dec_to_input", "no"), ("reshape_activations", "heads"),
        ("normalize_activations", 3),
    ],
)  # fmt: skip
@pytest.mark.parametrize("form", ["flat", "with metadata"])
def test_entries_of_another_type(folder: Path, form: str, entry: str, value: Any) -> None:
    new = json.loads((folder / "cfg.json").read_text())
    said: dict[str, Any] = new if form == "with metadata" else dict(FLAT)
    (said["metadata"] if entry in said.get("metadata", {}) else said)[entry] = value
    with pytest.raises((errors.BadWeights, errors.UnsupportedSae)) as caught:
        load_sae(path=_say(folder, said))
    assert caught.value.hint and len(str(caught.value)) < 1000


@pytest.mark.parametrize("k", [0, -3, 97, 10**30, 2.5, "5", [5], True, None])
def test_a_k_that_is_none(tmp_path: Path, k: Any) -> None:
    folder = tiny.make_sae(tmp_path / "topk", "topk")
    said = json.loads((folder / "cfg.json").read_text())
    with pytest.raises((errors.BadWeights, errors.UnsupportedSae)):
        load_sae(path=_say(folder, said | {"k": k}))
    del said["k"]  # sae-lens would take 100
    with pytest.raises(errors.UnsupportedSae, match="'topk' without k"):
        load_sae(path=_say(folder, said))


@pytest.mark.parametrize("form", ["flat", "with metadata"])
@pytest.mark.parametrize("architecture", ["standard", "topk"])
@pytest.mark.parametrize("beside", [{}, {"k": 4}])
def test_a_topk_sae_of_sae_lens_before_6(
    folder: Path, form: str, architecture: str, beside: dict[str, Any]
) -> None:
    said = json.loads((folder / "cfg.json").read_text()) if form == "with metadata" else FLAT
    topk = {"activation_fn_str": "topk", "activation_fn_kwargs": {"k": 4}}
    with pytest.raises(errors.UnsupportedSae, match="k = 5"):
        load_sae(path=_say(folder, said | topk | {"architecture": architecture, "k": 5}))
    loaded = load_sae(path=_say(folder, said | topk | beside | {"architecture": architecture}))
    path = folder / "sae_weights.safetensors"
    weights = load_file(path)
    x = 3 * torch.randn(30, tiny.D_MODEL)
    pre = (x - weights["b_dec"]) @ weights["W_enc"] + weights["b_enc"]
    top = pre.topk(4, dim=1)
    expected = torch.zeros_like(pre).scatter_(1, top.indices, top.values.relu())
    assert loaded.sae is not None
    torch.testing.assert_close(loaded.sae.encode(x), expected)
    assert loaded.architecture == "topk"


@pytest.mark.parametrize("version", [None, "5.11.0", "3", "nonsense", 6, "6.0.0rc3", "6.54.12"])
def test_the_new_form_keeps_its_metadata_whatever_version_it_names(
    folder: Path, version: Any
) -> None:
    said = json.loads((folder / "cfg.json").read_text())
    metadata = {
        "hook_name": "blocks.2.hook_mlp_out", "prepend_bos": False, "model_name": "gpt2",
        "model_from_pretrained_kwargs": {"center_writing_weights": True},
        "sae_lens_version": version,
    }  # fmt: skip
    if version is None:
        del metadata["sae_lens_version"]
    loaded = load_sae(path=_say(folder, said | {"metadata": metadata}))
    assert (loaded.hook_name, loaded.layer, loaded.site) == ("blocks.2.hook_mlp_out", 2, "mlp")
    assert (loaded.prepend_bos, loaded.model_name) == (False, "gpt2")
    kept = loaded.config["metadata"]["model_from_pretrained_kwargs"]
    assert kept == {"center_writing_weights": True}


def test_the_new_form_with_its_metadata_beside_the_block(folder: Path) -> None:
    said = json.loads((folder / "cfg.json").read_text())
    said["metadata"] = {"sae_lens_version": "6.2.0"}
    beside = {"hook_name": "blocks.2.hook_mlp_out", "prepend_bos": False, "model_name": "tiny"}
    loaded = load_sae(path=_say(folder, said | beside))
    assert (loaded.hook_name, loaded.prepend_bos) == ("blocks.2.hook_mlp_out", False)


@pytest.mark.parametrize("kind", sorted(SAE_CLASS_REGISTRY))
def test_every_architecture_as_sae_lens_saves_it(tmp_path: Path, kind: str) -> None:
    folder = tiny.make_sae(tmp_path / kind, kind)
    assert load_sae(path=folder).architecture == kind
    said = json.loads((folder / "cfg.json").read_text())
    del said["metadata"]["sae_lens_version"]
    loaded = load_sae(path=_say(folder, said))
    assert (loaded.architecture, loaded.hook_name) == (kind, "blocks.1.hook_resid_post")


def test_a_transcoder_in_the_old_form(tmp_path: Path) -> None:
    folder = tiny.make_sae(tmp_path / "one", "transcoder")
    said = FLAT | {
        "architecture": "transcoder", "apply_b_dec_to_input": False, "d_out": tiny.D_MODEL,
        "hook_name": "blocks.1.ln2.hook_normalized", "hook_name_out": "blocks.1.hook_mlp_out",
        "hook_layer_out": 1, "hook_head_index_out": None, "adam_beta3": 0.1, "aux_loss_coeff": 3,
    }  # fmt: skip
    loaded = load_sae(path=_say(folder, said))
    assert (loaded.hook_name, loaded.architecture) == (said["hook_name"], "transcoder")
    assert loaded.config["metadata"]["hook_name_out"] == "blocks.1.hook_mlp_out"


def test_a_factor_among_the_weights(folder: Path) -> None:
    path = folder / "sae_weights.safetensors"
    weights = load_file(path)
    save_file(weights | {"scaling_factor": torch.ones(tiny.D_SAE)}, path)
    loaded = load_sae(path=_say(folder, FLAT))  # some versions wrote ones
    np.testing.assert_array_equal(loaded.decoder, weights["W_dec"].numpy())
    save_file(weights | {"scaling_factor": torch.full((tiny.D_SAE,), 2.0)}, path)
    with pytest.raises(errors.UnsupportedSae, match="scaling_factor"):
        load_sae(path=folder)


def test_a_byte_order_mark(folder: Path) -> None:
    path = folder / "cfg.json"
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert load_sae(path=folder).hook_name == "blocks.1.hook_resid_post"
