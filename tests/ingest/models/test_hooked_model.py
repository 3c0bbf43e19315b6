"""Models of every kind: activations at each hook, compared with TransformerLens' own."""

import json
import shutil
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from transformer_lens.model_bridge import TransformerBridge

from saeatlas import errors
from saeatlas.ingest.models import families, files, hooked_model
from saeatlas.ingest.models import hooks as sites
from tests.support import tiny

pytestmark = pytest.mark.slow

PLACES = (
    "hook_resid_pre", "hook_resid_mid", "hook_resid_post", "hook_mlp_out", "hook_attn_out",
    "attn.hook_z", "mlp.hook_in", "ln2.hook_normalized",
)  # fmt: skip
LAYER = 2
CENTRED = {"hook_resid_pre", "hook_resid_mid", "hook_resid_post", "hook_mlp_out", "hook_attn_out"}


@pytest.fixture(scope="module", params=sorted(tiny.FAMILIES))
def family(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.make_family(tmp_path_factory.mktemp(request.param), request.param)


@pytest.fixture(scope="module")
def gpt2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.make_family(tmp_path_factory.mktemp("gpt2"), "gpt2")


@pytest.fixture(scope="module")
def gemma2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tiny.make_family(tmp_path_factory.mktemp("gemma2"), "gemma2")


def _ids(*shape: int) -> torch.Tensor:
    return torch.randint(3, 300, shape, generator=torch.Generator().manual_seed(5))


def _places(folder: Path) -> list[str]:
    parallel = "neox" in files.read_model_config(str(folder)).model_type
    return [place for place in PLACES if not (parallel and place == "hook_resid_mid")]


def _hooks(folder: Path, layer: int = LAYER) -> dict[str, str]:
    return {place: f"blocks.{layer}.{place}" for place in _places(folder)}


def _run(folder: Path, hooks: list[str], ids: torch.Tensor, mask: Any = None) -> dict[str, Any]:
    hooked = hooked_model.open_model(str(folder), hooks, device="cpu")
    return hooked(ids, torch.ones_like(ids) if mask is None else mask)


def _lens(folder: Path, ids: torch.Tensor, *, processed: bool = False) -> Any:
    """What TransformerLens has at its own hooks, in the whole model."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        bridge = TransformerBridge.boot_transformers(str(folder), device="cpu")
        if processed:
            bridge.enable_compatibility_mode()
        with torch.inference_mode():
            return bridge.run_with_cache(ids)[1]


def test_the_tiny_models_are_all_that_are_known() -> None:
    assert tiny.FAMILIES.keys() == families.FAMILIES.keys()


def test_each_place_is_where_transformerlens_has_it(family: Path) -> None:
    ids = _ids(1, 24)  # longer than the sliding window
    hooks = _hooks(family)
    acts, cache = _run(family, list(hooks.values()), ids), _lens(family, ids)
    for hook in hooks.values():
        expected = cache[hook].reshape(*ids.shape, -1)
        assert acts[hook].shape == expected.shape, hook
        assert expected.std() > 0.1, hook
        torch.testing.assert_close(acts[hook], expected, atol=2e-5, rtol=0, msg=hook)


def test_each_layer_gives_the_full_models_hidden_states(family: Path) -> None:
    ids = _ids(2, 24)
    full = transformers.AutoModel.from_pretrained(family)
    with torch.inference_mode():
        states = full(ids, output_hidden_states=True).hidden_states
    for layer in range(4):
        hook = f"blocks.{layer}.hook_resid_pre"
        torch.testing.assert_close(
            _run(family, [hook], ids)[hook], states[layer], atol=1e-5, rtol=0
        )
    before, after = (
        _run(family, [hook], ids)[hook] for hook in ("blocks.2.hook_resid_post", "model.layers.2")
    )
    assert torch.equal(before, after)
    torch.testing.assert_close(before, states[3], atol=1e-5, rtol=0)


def test_the_residual_stream_adds_up(family: Path) -> None:
    ids = _ids(2, 24)
    hooks = _hooks(family)
    acts = _run(family, list(hooks.values()), ids)
    pre, post, mlp, attn = (
        acts[hooks[place]]
        for place in ("hook_resid_pre", "hook_resid_post", "hook_mlp_out", "hook_attn_out")
    )
    torch.testing.assert_close(pre + attn + mlp, post, atol=1e-5, rtol=0)
    if "hook_resid_mid" in hooks:
        torch.testing.assert_close(pre + attn, acts[hooks["hook_resid_mid"]], atol=1e-5, rtol=0)


def test_padded_batches_equal_documents_alone(family: Path) -> None:
    lengths = [24, 1, 13, 20]
    ids, mask = _ids(4, 24), torch.zeros(4, 24, dtype=torch.int64)
    for row, n in enumerate(lengths):
        ids[row, n:], mask[row, :n] = 0, 1
    hooks = list(_hooks(family).values())
    hooked = hooked_model.open_model(str(family), hooks, device="cpu")
    together = hooked(ids, mask)
    for row, n in enumerate(lengths):
        alone = hooked(ids[row : row + 1, :n], mask[row : row + 1, :n])
        for hook in hooks:
            torch.testing.assert_close(
                together[hook][row, :n], alone[hook][0], atol=1e-5, rtol=1e-5, msg=hook
            )


def test_no_more_is_loaded_than_the_hooks_need(family: Path) -> None:
    full = transformers.AutoModel.from_pretrained(family)
    hooked = hooked_model.open_model(
        str(family), ["blocks.0.hook_resid_post", "blocks.1.hook_mlp_out"], device="cpu"
    )
    cut = hooked.module
    kind = families.FAMILIES[hooked.config.model_type]
    assert len(cut.get_submodule(kind.layers)) == 2
    assert isinstance(cut.get_submodule(kind.norm), torch.nn.Identity)
    left_out = [*full.get_submodule(kind.layers)[2:], full.get_submodule(kind.norm)]
    n_left_out = sum(p.numel() for module in left_out for p in module.parameters())
    n_full, n_cut = (sum(p.numel() for p in m.parameters()) for m in (full, cut))
    assert n_cut == n_full - n_left_out < n_full
    types = getattr(full.config, "layer_types", None)
    if types:
        assert cut.config.layer_types == types[:2]
    assert hooked.facts["n_layers"] == 4  # the model's own


def test_processing_that_transformerlens_does_on_demand(gpt2: Path) -> None:
    ids = _ids(1, 24)
    hooks = _hooks(gpt2)
    found, cache = _run(gpt2, list(hooks.values()), ids), _lens(gpt2, ids, processed=True)
    processing = {"center_writing_weights": True}
    for place, hook in hooks.items():
        if place in {"attn.hook_z", "mlp.hook_in"}:
            continue
        acts = found[hook]
        assert sites.is_centred(hook, families.FAMILIES["gpt2"], processing) == (place in CENTRED)
        if place in CENTRED:
            assert (acts - cache[hook]).abs().max() > 0.01, hook
            acts = acts - acts.mean(-1, keepdim=True)
        torch.testing.assert_close(acts, cache[hook], atol=1e-5, rtol=0, msg=hook)


def test_processing_that_cannot_be_followed_is_refused() -> None:
    family = families.FAMILIES["gpt2"]
    with pytest.raises(errors.UnsupportedSae, match="fold_value_biases"):
        sites.is_centred("blocks.1.attn.hook_z", family, {"fold_value_biases": True})
    with pytest.raises(errors.UnsupportedSae, match="fold_ln"):
        sites.is_centred("blocks.1.mlp.hook_in", family, {"fold_ln": True})
    assert not sites.is_centred("blocks.1.hook_resid_post", family, {"fold_ln": True})
    centre = {"center_writing_weights": True}
    assert not sites.is_centred("blocks.1.hook_resid_post", families.FAMILIES["gemma2"], centre)


def test_several_sites_at_once_give_the_activations_of_each_alone(gemma2: Path) -> None:
    ids = _ids(1, 24)
    hooks = [f"blocks.{layer}.{place}" for layer in (0, 3) for place in PLACES]
    together = _run(gemma2, hooks, ids)
    for hook in hooks:
        torch.testing.assert_close(together[hook], _run(gemma2, [hook], ids)[hook], msg=hook)


@pytest.mark.parametrize(
    ("hook", "layer", "kind"),
    [
        ("blocks.12.hook_resid_post", 12, "resid_post"),
        ("blocks.0.attn.hook_z", 0, "z"),
        ("blocks.3.ln2.hook_normalized", 3, "mlp_normalized"),
        ("blocks.3.mlp.hook_in", 3, "mlp_in"),
        ("blocks.3.hook_mlp_in", 3, "resid_mid"),
        ("model.layers.7", 7, "resid_post"),
        ("layers.7", 7, "resid_post"),
        ("transformer.h.7", 7, "resid_post"),
        ("gpt_neox.layers.7", 7, "resid_post"),
    ],
)
def test_names_of_places(hook: str, layer: int, kind: str) -> None:
    assert sites.parse_hook(hook) == sites.Site(layer, kind)  # type: ignore[arg-type]
    assert sites.layer_of_hook(hook) == layer


@pytest.mark.parametrize(
    "hook", ["", "hook_embed", "blocks.1.hook_resid", "blocks.x.hook_z", "model.layers.1.mlp", "7"]
)
def test_names_that_are_no_places(hook: str) -> None:
    with pytest.raises(errors.UnsupportedSae, match=r"not known where(.|\n)*hook_resid_post"):
        sites.parse_hook(hook)


def test_gemma_scope_2_calls_the_mlps_input_by_another_name() -> None:
    module = "model.layers.3.pre_feedforward_layernorm.output"
    assert sites.lens_hook_name("blocks.3.hook_mlp_in", module) == "blocks.3.mlp.hook_in"
    assert sites.lens_hook_name("blocks.3.hook_mlp_in", None) == "blocks.3.hook_mlp_in"
    named = sites.lens_hook_name("blocks.3.hook_resid_post", "model.layers.3.output")
    assert named is not None and named.endswith("resid_post")
    assert sites.lens_hook_name(None, None) is None


@pytest.mark.parametrize(
    ("hook", "site"),
    [
        ("blocks.1.hook_resid_mid", "resid"),
        ("blocks.1.hook_mlp_out", "mlp"),
        ("blocks.1.ln2.hook_normalized", "mlp"),
        ("blocks.1.hook_mlp_in", "resid"),
        ("blocks.1.hook_attn_out", "att"),
        ("blocks.1.attn.hook_z", "att"),
        ("model.layers.1", "resid"),
        ("hook_embed", None),
        (None, None),
    ],
)
def test_sites_of_places(hook: str | None, site: str | None) -> None:
    assert sites.region_of_hook(hook) == site


@pytest.fixture
def bones(gemma2: Path, tmp_path: Path) -> Path:
    """A model's configuration alone: whoever wants weights fails."""
    shutil.copy(gemma2 / "config.json", tmp_path)
    return tmp_path


def test_fit_is_checked_without_weights(bones: Path) -> None:
    name = str(bones)
    hooked_model.require_fit(name, [("blocks.3.hook_resid_post", 24), ("blocks.0.attn.hook_z", 48)])
    with pytest.raises(errors.ModelMismatch, match=r"reads 24 dimensions.* has 48 there"):
        hooked_model.require_fit(name, [("blocks.0.attn.hook_z", 24)])
    with pytest.raises(errors.ModelMismatch, match="25 dimensions"):  # of two at one hook
        hooked_model.require_fit(
            name, [("blocks.0.hook_mlp_out", 25), ("blocks.0.hook_mlp_out", 24)]
        )
    with pytest.raises(errors.ModelMismatch, match="layers 0 to 3"):
        hooked_model.require_fit(name, [("blocks.4.hook_resid_post", 24)])
    with pytest.raises(errors.ModelMismatch, match=r"layers 0 to 3"):
        hooked_model.open_model(name, ["blocks.4.hook_resid_post"])


def test_a_place_that_a_model_does_not_have_is_refused(tmp_path: Path) -> None:
    transformers.AutoConfig.for_model("gpt_neox").save_pretrained(tmp_path)
    with pytest.raises(errors.UnsupportedSae, match="gpt_neox model has no input site"):
        hooked_model.require_fit(str(tmp_path), [("blocks.1.hook_resid_mid", 24)])


def test_an_unknown_kind_of_model_is_refused(tmp_path: Path) -> None:
    transformers.AutoConfig.for_model("bert").save_pretrained(tmp_path)
    with pytest.raises(errors.ModelMismatch, match=r"kind 'bert'(.|\n)*gemma2(.|\n)*ingest table"):
        hooked_model.open_model(str(tmp_path), ["blocks.1.hook_resid_post"])


def test_models_that_cannot_be_loaded(bones: Path, gemma2: Path, tmp_path: Path) -> None:
    hooks = ["blocks.1.hook_resid_post"]
    with pytest.raises(errors.ModelMismatch, match="cannot be loaded"):
        hooked_model.open_model("nobody/has-this", hooks)
    with pytest.raises(errors.ModelMismatch, match="cannot be loaded"):
        hooked_model.open_model(str(bones), hooks)
    weights = (gemma2 / "model.safetensors").read_bytes()
    (bones / "model.safetensors").write_bytes(weights[: len(weights) // 2])
    with pytest.raises(errors.ModelMismatch, match="cannot be loaded"):
        hooked_model.open_model(str(bones), hooks)
    (bones / "model.safetensors").write_bytes(weights)
    config = json.loads((bones / "config.json").read_text())
    (bones / "config.json").write_text(json.dumps(config | {"hidden_size": 48}))
    with pytest.raises(errors.ModelMismatch, match="cannot be loaded"):
        hooked_model.open_model(str(bones), hooks)
    (bones / "config.json").write_text(json.dumps(config | {"num_hidden_layers": "four"}))
    with pytest.raises(errors.ModelMismatch, match="cannot be loaded"):
        hooked_model.open_model(str(bones), hooks)
    (bones / "config.json").write_text("{")
    with pytest.raises(errors.ModelMismatch, match="cannot be loaded"):
        hooked_model.open_model(str(bones), hooks)


def test_weights_of_another_model_are_refused(gpt2: Path, tmp_path: Path) -> None:
    shutil.copy(gpt2 / "model.safetensors", tmp_path)
    config = transformers.AutoConfig.for_model(
        "llama", hidden_size=24, num_hidden_layers=4, vocab_size=300, **tiny.FAMILIES["llama"]
    )
    config.save_pretrained(tmp_path)
    with pytest.raises(errors.ModelMismatch, match="lacks weights"):
        hooked_model.open_model(str(tmp_path), ["blocks.1.hook_resid_post"])


def test_fingerprints_tell_models_apart(gemma2: Path, tmp_path: Path) -> None:
    hooks = ["blocks.0.hook_resid_post"]
    copy = shutil.copytree(gemma2, tmp_path / "copy")
    first = hooked_model.open_model(str(gemma2), hooks).fingerprint
    config = json.loads((copy / "config.json").read_text())
    (copy / "config.json").write_text(json.dumps(dict(reversed(config.items()))))
    assert hooked_model.open_model(str(copy), hooks).fingerprint == first  # another order of keys
    other = tiny.make_model(tmp_path / "other")
    assert hooked_model.open_model(str(other), hooks).fingerprint != first
    weights = bytearray((copy / "model.safetensors").read_bytes())
    weights[-1] ^= 1
    (copy / "model.safetensors").write_bytes(weights)
    assert hooked_model.open_model(str(copy), hooks).fingerprint != first


def test_precisions(gemma2: Path) -> None:
    ids, hook = _ids(1, 24), "blocks.2.hook_resid_post"
    exact = _run(gemma2, [hook], ids)[hook]
    half = hooked_model.open_model(str(gemma2), [hook], dtype="bfloat16", device="cpu")
    acts = half(ids, torch.ones_like(ids))[hook]
    assert acts.dtype == torch.bfloat16
    assert 0 < (acts.float() - exact).norm() / exact.norm() < 0.05
