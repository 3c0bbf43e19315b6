"""Files of matrices: which side is the features', which arrays are used, and their names."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
import torch
from safetensors.numpy import save_file

from saeatlas import errors
from saeatlas.ingest.saes.encoders import encoder_vectors
from saeatlas.ingest.saes.load import load_sae
from saeatlas.ingest.saes.names import default_name
from saeatlas.ingest.saes.store import store_sae
from saeatlas.schema.rows import sae_vectors

F, D = 10, 4


@pytest.fixture
def w() -> dict[str, np.ndarray]:
    random = np.random.default_rng(0)
    shapes: dict[str, Any] = {"D": (F, D), "E": (F, D), "e": F, "d": D, "t": F}
    return {name: random.normal(size=shape).astype(np.float32) for name, shape in shapes.items()}


def _write(path: Path, arrays: dict[str, np.ndarray]) -> Path:
    arrays = {name: np.array(values, order="C") for name, values in arrays.items()}
    if path.suffix == ".npz":
        np.savez(path, **arrays)  # type: ignore[arg-type]
    elif path.suffix == ".safetensors":
        save_file(arrays, path)
    else:
        torch.save({name: torch.from_numpy(values) for name, values in arrays.items()}, path)
    return path


@pytest.mark.parametrize("suffix", [".npz", ".safetensors", ".pt"])
@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("name", ["W_dec", "w_dec", "decoder.weight"])
@pytest.mark.parametrize("beside", ["e", "d", "t", "e d", "E e d", "E d", "e d row"])
def test_biases_and_thresholds_decide(
    tmp_path: Path, w: Any, suffix: str, transposed: bool, name: str, beside: str
) -> None:
    names = {"e": "b_enc", "d": "b_dec", "t": "threshold", "E": "W_enc"}
    arrays = {names[key]: w[key] for key in beside.split() if key in names}
    if "row" in beside:
        arrays = {key: values[None] for key, values in arrays.items()}
    arrays[name] = w["D"].T if transposed else w["D"]
    loaded = load_sae(path=_write(tmp_path / f"file{suffix}", arrays))
    np.testing.assert_array_equal(loaded.decoder, w["D"])
    assert loaded.sae is None
    if "E" in beside:
        np.testing.assert_array_equal(encoder_vectors(loaded), w["E"])


@pytest.mark.parametrize(
    ("decoder", "encoder", "n_features"),
    [
        (("W_dec", (F, D)), ("W_enc", (D, F)), F),
        (("decoder.weight", (D, F)), ("encoder.weight", (F, D)), F),
        (("W_dec", (F, D)), ("encoder.weight", (F, D)), F),
        (("W_dec", (F, D)), ("W_enc", (F, D)), None),  # one of them lies on its side
        (("W_dec", (D, F)), ("W_enc", (D, F)), None),
        (("W_dec", (D, F)), ("W_enc", (F, D)), None),  # few features, or both on their sides
        (("decoder.weight", (F, D)), ("encoder.weight", (F, D)), None),
        (("W_dec", (F, D)), ("W_enc", (D, F + 1)), None),
        (("W_dec", (F, D)), ("W_enc", (F,)), None),
        (("W_dec", (F, F)), ("W_enc", (F, F)), F),
    ],
)
def test_an_encoder_decides_or_contradicts(
    tmp_path: Path, decoder: Any, encoder: Any, n_features: int | None
) -> None:
    random = np.random.default_rng(0)
    arrays = {k: random.normal(size=shape).astype(np.float32) for k, shape in (decoder, encoder)}
    path = _write(tmp_path / "file.npz", arrays)
    if n_features is None:
        with pytest.raises(errors.BadWeights, match=r"contradict(.|\n)*\(") as caught:
            load_sae(path=path)
        assert caught.value.hint
    else:
        assert load_sae(path=path).d_sae == n_features


@pytest.mark.parametrize(
    "vectors",
    [{"b_enc": D, "b_dec": D}, {"b_enc": F, "b_dec": F}, {"b_enc": 7}, {"b_dec": 7},
     {"b_enc": F, "threshold": D}],
)  # fmt: skip
def test_vectors_that_contradict_each_other(tmp_path: Path, w: Any, vectors: Any) -> None:
    arrays = {"W_dec": w["D"]} | {k: np.ones(n, np.float32) for k, n in vectors.items()}
    with pytest.raises(errors.BadWeights, match="contradict each other"):
        load_sae(path=_write(tmp_path / "file.safetensors", arrays))


def test_a_file_that_holds_ten_thousand_arrays(tmp_path: Path, w: Any) -> None:
    arrays = {f"array{i}": np.zeros(1, np.float32) for i in range(3000)}
    path = _write(tmp_path / "file.safetensors", arrays)
    with pytest.raises(errors.BadWeights) as caught:
        load_sae(path=path)
    assert len(str(caught.value)) < 1000
    arrays["W_dec"] = w["D"]
    loaded = load_sae(path=_write(tmp_path / "more.safetensors", arrays))
    np.testing.assert_array_equal(loaded.decoder, w["D"])


def test_an_encoder_beside_a_decoder_is_kept(engine: sa.Engine, tmp_path: Path, w: Any) -> None:
    arrays = {"W_dec": w["D"], "W_enc": w["E"].T, "b_enc": w["e"], "b_dec": w["d"]}
    loaded = load_sae(path=_write(tmp_path / "file.npz", arrays))
    with engine.begin() as connection:
        stored = store_sae(connection, loaded, encoder=True)
    assert stored.encoder_added
    assert "Not used: b_dec, b_enc" in stored.summary
    with engine.connect() as connection:
        np.testing.assert_array_equal(sae_vectors.read(connection, 1, of="encoder"), w["E"])
    other = load_sae(path=_write(tmp_path / "file.npz", arrays | {"W_enc": w["E"].T + 1}))
    assert other.weights_sha256 != loaded.weights_sha256
    arrays["W_enc"] = np.full((D, F), np.nan, np.float32)
    with pytest.raises(errors.BadWeights, match="NaN or infinite numbers in W_enc"):
        load_sae(path=_write(tmp_path / "nan.npz", arrays))


def test_a_pickle_of_tensors_and_what_lies_around_them(tmp_path: Path, w: Any) -> None:
    state = {"W_dec": torch.from_numpy(w["D"]).half(), "b_dec": torch.from_numpy(w["d"])}
    for content in (state, {"sae": state, "step": 7}, {"state_dict": state, "optimizer": {}}):
        torch.save(content, tmp_path / "sae.pt")
        loaded = load_sae(path=tmp_path / "sae.pt")
        np.testing.assert_array_equal(loaded.decoder, w["D"].astype(np.float16))
    torch.save(torch.from_numpy(w["D"]), tmp_path / "one.pt")
    np.testing.assert_array_equal(load_sae(path=tmp_path / "one.pt").decoder, w["D"])
    torch.save([1, 2], tmp_path / "list.pt")
    with pytest.raises(errors.BadWeights, match="list and no tensors"):
        load_sae(path=tmp_path / "list.pt")


# names


@pytest.mark.parametrize(
    ("path", "release", "sae_id"),
    [
        ("mine/one", "mine", "one"),
        ("gemma-scope-2b-pt-res/layer_20/width_16k/average_l0_71", "gemma-scope-2b-pt-res",
         "layer_20/width_16k/average_l0_71"),
        ("res/embedding/width_4k/average_l0_6", "res", "embedding/width_4k/average_l0_6"),
        ("run/layers.1", "run", "layers.1"),
        ("run/layers.1.mlp", "run", "layers.1.mlp"),
        ("bench/resid_post_layer_12/trainer_3", "bench", "resid_post_layer_12/trainer_3"),
        ("gemma-scope-2-1b-pt/resid_post/layer_12_width_16k_l0_small", "gemma-scope-2-1b-pt",
         "resid_post/layer_12_width_16k_l0_small"),
        ("LXR-8x/Llama3_1-8B-Base-L15R-8x", "LXR-8x", "Llama3_1-8B-Base-L15R-8x"),
        ("pythia/l3/run/best", "pythia", "l3/run/best"),
        ("work/blocks.5/v2", "work", "blocks.5/v2"),
        ("a/seed_1/final", "a", "seed_1/final"),
        ("ckpt/abc123/checkpoints/final_122880000", "abc123", "checkpoints/final_122880000"),
        ("hub/models--google--gemma-scope-2b-pt-res/snapshots/0f1/layer_2/width_16k/average_l0_9",
         "gemma-scope-2b-pt-res", "layer_2/width_16k/average_l0_9"),
        ("hub/models--me--saes/snapshots/0f1/one", "saes", "one"),
    ],
)  # fmt: skip
def test_default_names(tmp_path: Path, path: str, release: str, sae_id: str) -> None:
    folder = tmp_path / path
    folder.mkdir(parents=True)
    assert default_name(folder) == (release, sae_id)


def test_two_folders_of_gemma_scope_have_two_names(tmp_path: Path) -> None:
    names = set()
    for layer in (12, 20):
        folder = tmp_path / f"layer_{layer}" / "width_16k" / "average_l0_71"
        folder.mkdir(parents=True)
        names.add(default_name(folder))
    assert len(names) == 2
    assert default_name(Path("/params"))[0] == "local"
