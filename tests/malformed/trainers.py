"""Small whole SAEs as other trainers write them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import torch
from safetensors.numpy import save_file

from tests.malformed.seeds import D_IN, D_SAE, DECODER, Form, of_sae


def _config(path: Path, **said: Any) -> None:
    path.write_text(json.dumps(said))


LINEAR = {"encoder.weight": DECODER, "encoder.bias": np.zeros(D_SAE, np.float32)}


def _sparsify(folder: Path) -> None:
    _config(
        folder / "cfg.json", expansion_factor=4, normalize_decoder=True, num_latents=D_SAE, k=5,
        multi_topk=False, skip_connection=False, transcode=False, d_in=D_IN,
    )  # fmt: skip
    b_dec = np.zeros(D_IN, np.float32)
    save_file(LINEAR | {"W_dec": DECODER, "b_dec": b_dec}, folder / "sae.safetensors")


def _dictionary(folder: Path) -> None:
    trainer = {
        "dict_class": "AutoEncoder", "trainer_class": "T", "activation_dim": D_IN,
        "dict_size": D_SAE, "layer": 8, "lm_name": "m", "submodule_name": "resid_post_layer_8",
    }  # fmt: skip
    _config(folder / "config.json", trainer=trainer, buffer={"ctx_len": 128})
    arrays = LINEAR | {"decoder.weight": DECODER.T.copy(), "bias": np.zeros(D_IN, np.float32)}
    torch.save({name: torch.from_numpy(a) for name, a in arrays.items()}, folder / "ae.pt")


def _llama_scope(folder: Path) -> None:
    hook = "blocks.15.hook_resid_post"
    _config(
        folder / "hyperparams.json", hook_point_in=hook, hook_point_out=hook, d_model=D_IN,
        d_sae=D_SAE, act_fn="jumprelu", jump_relu_threshold=0.4, norm_activation="dataset-wise",
        use_decoder_bias=True, use_glu_encoder=False, top_k=5, sparsity_include_decoder_norm=True,
        dataset_average_activation_norm={"in": 5.0, "out": 4.0},
        apply_decoder_bias_to_pre_encoder=False,
    )  # fmt: skip
    (folder / "checkpoints").mkdir()
    arrays = LINEAR | {"decoder.weight": DECODER.T.copy(), "decoder.bias": np.zeros(D_IN, "f4")}
    save_file(arrays, folder / "checkpoints/final.safetensors")


def _gemma_scope_2(folder: Path) -> None:
    _config(
        folder / "config.json", architecture="jump_relu", model_name="gemma-v3-270m-pt",
        hf_hook_point_in="model.layers.12.output", width=D_SAE,
    )  # fmt: skip
    zeros = {"b_enc": np.zeros(D_SAE, "f4"), "b_dec": np.zeros(D_IN, "f4")}
    arrays = zeros | {
        "w_enc": DECODER.T.copy(),
        "w_dec": DECODER,
        "threshold": np.ones(D_SAE, "f4"),
    }
    save_file(arrays, folder / "params.safetensors")


def _transcoders(folder: Path) -> None:
    (folder / "config.yaml").write_text(
        "model_kind: transcoder_set\nmodel_name: m\nfeature_input_hook: mlp.hook_in\n"
        "feature_output_hook: hook_mlp_out\n"
    )
    zeros = {"b_enc": np.zeros(D_SAE, "f4"), "b_dec": np.zeros(D_IN, "f4")}
    save_file(zeros | {"W_enc": DECODER, "W_dec": DECODER}, folder / "layer_0.safetensors")


FORMS: dict[str, Form] = {
    "sparsify cfg.json": Form("cfg.json", _sparsify, of_sae(""), "json"),
    "sparsify weights": Form("sae.safetensors", _sparsify, of_sae(""), "safetensors"),
    "dictionary_learning ae.pt": Form("ae.pt", _dictionary, of_sae("")),
    "dictionary_learning config": Form("config.json", _dictionary, of_sae(""), "json"),
    "Llama Scope": Form("hyperparams.json", _llama_scope, of_sae(""), "json"),
    "Gemma Scope 2 config": Form("config.json", _gemma_scope_2, of_sae(""), "json"),
    "Gemma Scope 2 weights": Form("params.safetensors", _gemma_scope_2, of_sae(""), "safetensors"),
    "transcoders config.yaml": Form("config.yaml", _transcoders, of_sae("layer_0.safetensors")),
}
"""Forms of files by name."""
