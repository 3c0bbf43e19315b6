"""The registry as sae-lens ships it: names, layers and the two layer 12s of Gemma Scope."""

import pytest

from saeatlas import errors
from saeatlas.ingest.saes import registry

GEMMA = "gemma-scope-2b-pt-res"


def test_nearly_every_id_tells_its_layer() -> None:
    ids = [(name, i) for name, look in registry.releases().items() for i in look.saes_map]
    without = [i for name, i in ids if registry.read_id(name, i)["layer"] is None]
    assert len(ids) > 13_000
    assert all("embedding" in i for i in without)


def test_one_sae_a_layer() -> None:
    chosen = registry.select_entries(GEMMA, range(26), width="16k", l0="closest:50")
    assert [entry.layer for entry in chosen] == list(range(26))
    assert {entry.width for entry in chosen} == {"16k"}
    for entry in chosen:
        others = registry.lookup_release(GEMMA).saes_map
        l0s = [
            int(i.rsplit("_", 1)[1])
            for i in others
            if i.startswith(f"layer_{entry.layer}/width_16k/")
        ]
        assert entry.l0 is not None and abs(entry.l0 - 50) == min(abs(l0 - 50) for l0 in l0s)


def test_the_two_layer_twelves_are_kept_apart() -> None:
    (paper,) = registry.select_entries(GEMMA, [12], width="16k", l0="41")
    (canonical,) = registry.select_entries(GEMMA, [12], width="16k", l0="canonical")
    (same,) = registry.select_entries(f"{GEMMA}-canonical", [12], width="16k")
    assert (paper.sae_id, paper.l0) == ("layer_12/width_16k/average_l0_41", 41)
    assert (canonical.sae_id, canonical.l0) == ("layer_12/width_16k/average_l0_82", 82)
    assert (same.sae_id, same.l0) == ("layer_12/width_16k/canonical", 82)
    assert paper.neuronpedia_id == "gemma-2-2b/12-gemmascope-res-16k__l0-41"
    assert canonical.neuronpedia_id == same.neuronpedia_id == "gemma-2-2b/12-gemmascope-res-16k"


def test_placeholders_are_unknown() -> None:
    entry = registry.find_entry(f"{GEMMA}-canonical", "layer_0/width_16k/canonical")
    assert entry.explained_variance is None
    assert entry.l0 == 105  # the folder that it stands for says so
    assert registry.find_entry("gpt2-small-mlp-out-v5-128k", "blocks.0.hook_mlp_out").l0 is None


def test_gpt2_stands_before_each_layer() -> None:
    chosen = registry.select_entries("gpt2-small-res-jb", range(12))
    assert [e.sae_id for e in chosen] == [f"blocks.{n}.hook_resid_pre" for n in range(12)]
    assert {e.site for e in chosen} == {"resid"}
    assert registry.find_entry("gpt2-small-res-jb", "blocks.11.hook_resid_post").layer == 11


@pytest.mark.parametrize(
    ("release", "sae_id", "site"),
    [
        ("llama_scope_lxm_32x", "l3m_32x", "mlp"),
        ("llama_scope_lxa_32x", "l3a_32x", "att"),
        ("gpt2-small-hook-z-kk", "blocks.3.hook_z", "att"),
        ("gemma-scope-2b-pt-mlp-canonical", "layer_3/width_16k/canonical", "mlp"),
        ("gemma-scope-2b-pt-att-canonical", "layer_3/width_16k/canonical", "att"),
    ],
)
def test_sites(release: str, sae_id: str, site: str) -> None:
    entry = registry.find_entry(release, sae_id)
    assert (entry.site, entry.layer) == (site, 3)


def test_a_hub_repository_is_taken_as_it_is() -> None:
    entry = registry.find_entry("somebody/my-saes", "blocks.7.hook_mlp_out")
    assert (entry.layer, entry.site, entry.l0) == (7, "mlp", None)


@pytest.mark.parametrize(
    ("release", "layer", "options", "message"),
    [
        ("gemma-scope-2b-res", 12, {}, f"no release(.|\n)*{GEMMA}"),
        (GEMMA, 26, {}, "no layer 26(.|\n)*Available: 0, 1"),
        (GEMMA, 12, {"width": "17k"}, "width 17k(.|\n)*16k, 1m"),
        (GEMMA, 12, {"width": "16k", "l0": "42"}, "--l0 42(.|\n)*176, 22, 41"),
        (GEMMA, 12, {"width": "16k", "l0": "closest:many"}, "closest:50"),
        (GEMMA, 12, {"width": "16k"}, "has 5 SAEs(.|\n)*average_l0_41(.|\n)*--l0"),
        (GEMMA, 12, {}, "--width and --l0"),
        (GEMMA, 12, {"site": "mlp"}, "--site mlp"),
    ],
)
def test_mistakes(release: str, layer: int, options: dict[str, str], message: str) -> None:
    with pytest.raises(errors.InputError, match=message):
        registry.select_entries(release, [layer], **options)


def test_an_unknown_sae_shows_the_nearest() -> None:
    with pytest.raises(errors.UnknownName, match=r"average_l0_41(.|\n)*ingest layers"):
        registry.find_entry(GEMMA, "layer_12/width_16k/average_l0_40")
