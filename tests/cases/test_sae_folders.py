"""Folders and files of SAEs as people have them, through the commands that a user would run."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
import torch
from safetensors.numpy import save_file
from transformers import AutoModel, AutoTokenizer

from saeatlas.schema import tables
from tests.support import tiny
from tests.support.commands import refused, run_command

F, D, K = tiny.D_SAE, tiny.D_MODEL, 8
TEXT = " ".join(tiny.WORDS * 4)


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.make_family(tmp_path_factory.mktemp("llama"), "llama")


@pytest.fixture
def w() -> dict[str, np.ndarray]:
    random = np.random.default_rng(3)
    shapes: dict[str, Any] = {"D": (F, D), "E": (F, D), "e": F, "d": D}
    return {name: random.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def _record(model: Path, folder: Path, sae: str) -> list[str]:
    corpus = folder / "corpus.jsonl"
    corpus.write_text(json.dumps({"text": TEXT}) + "\n")
    words = ["ingest", "activations", "--model", str(model), "--corpus", str(corpus), "--sae", sae]
    return [*words, "--block", "16", "--context", "64", "--force"]


def _stored(engine: sa.Engine) -> list[dict[int, float]]:
    query = "select features, peaks from activation order by block"
    with engine.connect() as connection:
        rows = connection.exec_driver_sql(query).all()
    return [dict(zip(features, peaks, strict=True)) for features, peaks in rows]


def _counts(engine: sa.Engine) -> tuple[int, int]:
    with engine.connect() as connection:
        return tuple(
            connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()
            for table in (tables.sae, tables.feature)
        )  # type: ignore[return-value]


def _blocks(model: Path, layer: int) -> list[np.ndarray]:
    """The residual stream after a layer at the tokens of each block, from transformers itself."""
    tokenizer = AutoTokenizer.from_pretrained(model)
    tokens = tokenizer(TEXT, add_special_tokens=False)["input_ids"]
    ids = torch.tensor([[tokenizer.bos_token_id, *tokens][:64]])
    network = AutoModel.from_pretrained(model)
    with torch.inference_mode():
        hidden = network(ids, output_hidden_states=True).hidden_states[layer + 1][0]
    x = hidden.numpy()[1:]
    return [x[i : i + 16] for i in range(0, len(x) - 15, 16)]


def _sparsify(folder: Path, w: dict[str, np.ndarray], **said: Any) -> Path:
    folder.mkdir(parents=True)
    terms = {"activation": "topk", "expansion_factor": F // D, "normalize_decoder": True,
             "num_latents": 0, "k": K, "multi_topk": False, "skip_connection": False,
             "transcode": False, "d_in": D}  # fmt: skip
    (folder / "cfg.json").write_text(json.dumps(terms | said))
    arrays = {"encoder.weight": w["E"], "encoder.bias": w["e"], "W_dec": w["D"], "b_dec": w["d"]}
    save_file(arrays, folder / "sae.safetensors")
    return folder


# an SAE must not run as another


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"activation_fn_str": "tanh-relu", "activation_fn_kwargs": {}}, "tanh-relu"),
        ({"activation_fn_str": "topk", "activation_fn_kwargs": {}}, "topk' without k"),
        ({"activation_fn_str": "relu", "input_gain": 3.0}, "input_gain = 3.0"),
    ],
)
def test_an_activation_function_that_would_be_dropped(
    engine: sa.Engine, tmp_path: Path, changes: dict[str, Any], named: str
) -> None:
    folder = tiny.make_sae(tmp_path / "old" / "one", "standard")
    said = {
        "architecture": "standard", "d_in": D, "d_sae": F, "hook_name": "blocks.1.hook_resid_post",
        "hook_layer": 1, "model_name": "tiny", "prepend_bos": True, "dtype": "torch.float32",
        "normalize_activations": "none", "sae_lens_training_version": "3.22.2",
    }  # fmt: skip
    (folder / "cfg.json").write_text(json.dumps(said | changes))
    assert named in refused(["ingest", "sae", "--path", str(folder)])
    assert _counts(engine) == (0, 0)


def test_a_configuration_of_version_6_that_does_not_say_so(
    engine: sa.Engine, tmp_path: Path
) -> None:
    folder = tiny.make_sae(tmp_path / "new" / "one", site="hook_mlp_out")
    said = json.loads((folder / "cfg.json").read_text())
    said["metadata"] = {k: v for k, v in said["metadata"].items() if "version" not in k}
    said["metadata"]["prepend_bos"] = False
    (folder / "cfg.json").write_text(json.dumps(said))
    run_command(["ingest", "sae", "--path", str(folder)])
    c = tables.sae.c
    with engine.connect() as connection:
        row = connection.execute(sa.select(c.hook_name, c.layer, c.prepend_bos)).one()
    assert tuple(row) == ("blocks.1.hook_mlp_out", 1, False)


# whole folders of other trainers


@pytest.mark.slow
@pytest.mark.parametrize("activation", ["topk", "groupmax"])
def test_a_sparsify_folder_records_its_own_activations(
    engine: sa.Engine, tmp_path: Path, model: Path, w: dict[str, np.ndarray], activation: str
) -> None:
    folder = _sparsify(tmp_path / "run" / "layers.1", w, activation=activation)
    said = run_command(["ingest", "sae", "--path", str(folder)])
    assert "run/layers.1  96 features of 24 dimensions: ingested" in said
    run_command(_record(model, tmp_path, "run/layers.1"))
    stored = _stored(engine)
    blocks = _blocks(model, 1)
    assert len(stored) == len(blocks) == 3
    for x, found in zip(blocks, stored, strict=True):
        pre = np.maximum((x - w["d"]) @ w["E"].T + w["e"], 0)
        if activation == "topk":
            acts = pre * (pre >= np.sort(pre, axis=1)[:, -K][:, None])
        else:
            groups = pre.reshape(len(pre), K, F // K)
            acts = (groups * (groups == groups.max(axis=2, keepdims=True))).reshape(pre.shape)
        top = acts.max(axis=0)
        assert sorted(found) == np.flatnonzero(top > 0).tolist()
        np.testing.assert_allclose([found[i] for i in sorted(found)], top[top > 0], rtol=1e-4)


def test_a_folder_whose_weights_are_cut_off_is_damaged_and_no_other(
    engine: sa.Engine, tmp_path: Path, w: dict[str, np.ndarray]
) -> None:
    folder = _sparsify(tmp_path / "layers.1", w, activation="softmax")
    assert "damaged" not in refused(["ingest", "sae", "--path", str(folder)])
    (folder / "sae.safetensors").unlink()
    assert "damaged" not in refused(["ingest", "sae", "--path", str(folder)])
    cut = _sparsify(tmp_path / "layers.2", w)
    content = (cut / "sae.safetensors").read_bytes()
    (cut / "sae.safetensors").write_bytes(content[: len(content) // 2])
    assert "damaged" in refused(["ingest", "sae", "--path", str(cut)])
    assert _counts(engine) == (0, 0)


# files of matrices


def test_a_decoder_on_its_side(
    engine: sa.Engine, tmp_path: Path, w: dict[str, np.ndarray], model: Path
) -> None:
    arrays = {"W_dec": w["D"].T.copy(), "W_enc": w["E"], "b_enc": w["e"], "b_dec": w["d"]}
    save_file(arrays, tmp_path / "layer_1.safetensors")
    said = run_command(["ingest", "sae", "--path", str(tmp_path / "layer_1.safetensors")])
    assert "96 features of 24 dimensions" in said and "Not used: b_dec, b_enc" in said
    assert _counts(engine) == (1, F)
    with engine.connect() as connection:
        text = connection.exec_driver_sql("select decoder from feature where feature = 5").scalar()
    np.testing.assert_allclose(json.loads(str(text)), w["D"][5], rtol=1e-5)
    arrays["b_enc"] = w["d"]
    save_file(arrays, tmp_path / "mixed.safetensors")
    assert "contradict" in refused(["ingest", "sae", "--path", str(tmp_path / "mixed.safetensors")])


def test_an_npz_with_an_encoder_is_no_bare_decoder(
    engine: sa.Engine, tmp_path: Path, w: dict[str, np.ndarray], model: Path
) -> None:
    path = tmp_path / "mine" / "sae.npz"
    path.parent.mkdir()
    np.savez(path, W_dec=w["D"], W_enc=w["E"].T, b_enc=w["e"], b_dec=w["d"])
    hook = ["--hook-name", "blocks.1.hook_resid_post"]
    said = run_command(["ingest", "sae", "--path", str(path), "--encoder", *hook])
    assert "Not used: b_dec, b_enc" in said
    with engine.connect() as connection:
        count = sa.select(sa.func.count()).select_from(tables.encoder)
        assert connection.execute(count).scalar_one() == F
    message = refused(_record(model, tmp_path, "mine/sae"))
    assert "which activation function it has" in message and "no encoder" not in message


def test_two_folders_of_gemma_scope_get_two_names(
    engine: sa.Engine, tmp_path: Path, w: dict[str, np.ndarray]
) -> None:
    for layer in (12, 20):
        folder = tmp_path / "gemma-scope-2b-pt-res" / f"layer_{layer}/width_16k/average_l0_71"
        folder.mkdir(parents=True)
        np.savez(
            folder / "params.npz", W_enc=w["E"].T, W_dec=w["D"] + layer, b_enc=w["e"],
            b_dec=w["d"], threshold=np.abs(w["e"]),
        )  # fmt: skip
        said = run_command(["ingest", "sae", "--path", str(folder)])
        assert f"gemma-scope-2b-pt-res/layer_{layer}/width_16k/average_l0_71" in said
    assert _counts(engine) == (2, 2 * F)
