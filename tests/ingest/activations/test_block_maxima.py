"""Block maxima against plain numpy over ``sae.encode``; how well an SAE explains its input."""

import itertools
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from sae_lens import SAE
from sae_lens.registry import SAE_CLASS_REGISTRY

from saeatlas.ingest.activations import block_maxima
from tests.support import tiny

MONOTONE = {"standard", "jumprelu", "transcoder", "skip_transcoder", "jumprelu_transcoder",
            "jumprelu_skip_transcoder"}  # fmt: skip


@pytest.fixture(scope="module")
def saes(tmp_path_factory: pytest.TempPathFactory) -> dict[str, SAE]:
    folder = tmp_path_factory.mktemp("saes")
    terms: dict[str, Any] = {"bias": 0.5, "b_dec": 0.3}
    made = {}
    for kind in SAE_CLASS_REGISTRY:
        sae = SAE.load_from_disk(tiny.make_sae(folder / kind, kind, **terms))
        made[kind] = sae.requires_grad_(False)
    return made


def _acts(n_tokens: int, seed: int) -> torch.Tensor:
    return 2 * torch.randn(n_tokens, tiny.D_MODEL, generator=torch.Generator().manual_seed(seed))


def _reference(
    acts: np.ndarray, spans: list[tuple[int, int]], counts: np.ndarray, keep_above: float
) -> list[dict[int, float]]:
    """Block maxima of activations of shape (T, d_sae), in plain loops."""
    blocks = []
    for a, b in spans:
        peaks: dict[int, float] = {}
        for token in range(a, b):
            if counts[token]:
                for feature in np.flatnonzero(acts[token] > keep_above).tolist():
                    peaks[feature] = max(peaks.get(feature, 0.0), acts[token, feature])
        blocks.append(peaks)
    return blocks


@st.composite
def documents(draw: st.DrawFn) -> tuple[int, list[tuple[int, int]], np.ndarray]:
    """Length, blocks that may leave tokens out, and what counts."""
    lengths = draw(st.lists(st.integers(1, 9), min_size=1, max_size=5))
    first = draw(st.integers(0, 3))
    edges = np.cumsum([first, *lengths]).tolist()
    n_tokens = edges[-1] + draw(st.integers(0, 4))
    counts = draw(st.lists(st.booleans(), min_size=n_tokens, max_size=n_tokens))
    return n_tokens, list(itertools.pairwise(edges)), np.array(counts, bool)


@pytest.mark.parametrize("kind", sorted(SAE_CLASS_REGISTRY))
@settings(max_examples=25, deadline=None)
@given(document=documents(), keep_above=st.sampled_from([0.0, 0.05, 1.0]), seed=st.integers(0, 99))
def test_block_maxima_are_those_of_encode(
    saes: dict[str, SAE],
    kind: str,
    document: tuple[int, list[tuple[int, int]], np.ndarray],
    keep_above: float,
    seed: int,
) -> None:
    n_tokens, spans, counts = document
    sae, acts = saes[kind], _acts(n_tokens, seed)
    found = block_maxima.block_maxima(sae, acts, spans, counts, keep_above=keep_above)
    expected = _reference(sae.encode(acts[None])[0].numpy(), spans, counts, keep_above)
    assert len(found.blocks) == len(spans)
    for (features, peaks), maxima in zip(found.blocks, expected, strict=True):
        assert features.dtype == np.int32 and peaks.dtype == np.float32
        assert features.tolist() == sorted(maxima)
        assert dict(zip(features.tolist(), peaks.tolist(), strict=True)) == pytest.approx(maxima)


def test_every_architecture_has_something_to_say(saes: dict[str, SAE]) -> None:
    counts = np.ones(40, bool)
    for kind, sae in saes.items():
        maxima = block_maxima.block_maxima(sae, _acts(40, 1), [(0, 20), (20, 40)], counts)
        n_active = [len(features) for features, _ in maxima.blocks]
        assert all(1 <= n < tiny.D_SAE for n in n_active), (kind, n_active)


def test_only_monotone_architectures_take_the_short_way(saes: dict[str, SAE]) -> None:
    assert {kind for kind, sae in saes.items() if block_maxima.is_monotone(sae)} == MONOTONE


def test_documents_too_large_for_one_product_are_taken_block_by_block(
    saes: dict[str, SAE], monkeypatch: pytest.MonkeyPatch
) -> None:
    acts, counts, spans = _acts(40, 2), np.arange(40) % 5 > 0, [(1, 20), (20, 40)]
    for kind, sae in saes.items():
        monkeypatch.setattr(block_maxima, "MAX_DENSE", 2**26)
        whole = block_maxima.block_maxima(sae, acts, spans, counts)
        monkeypatch.setattr(block_maxima, "MAX_DENSE", 1)
        parts = block_maxima.block_maxima(sae, acts, spans, counts)
        for one, two in zip(whole.blocks, parts.blocks, strict=True):
            np.testing.assert_array_equal(one[0], two[0], err_msg=kind)
            np.testing.assert_allclose(one[1], two[1], rtol=1e-5, err_msg=kind)


def test_activations_at_the_edge_are_reported(saes: dict[str, SAE]) -> None:
    acts, spans, counts = _acts(6, 3), [(0, 6)], np.ones(6, bool)
    sae = saes["jumprelu"]
    pre = sae.process_sae_in(acts) @ sae.W_enc + sae.b_enc
    top = pre.amax(0)
    was = sae.threshold.data.clone()
    try:
        sae.threshold.data = top - 0.1  # clearly above
        assert not block_maxima.block_maxima(sae, acts, spans, counts).near
        sae.threshold.data[7] = top[7] * (1 + 1e-7)
        assert block_maxima.block_maxima(sae, acts, spans, counts).near
        edge = float(top.max())
        assert block_maxima.block_maxima(sae, acts, spans, counts, keep_above=edge).near
    finally:
        sae.threshold.data = was
    assert block_maxima.block_maxima(saes["topk"], acts, spans, counts).near


def test_nothing_counts_nothing_is_active(saes: dict[str, SAE]) -> None:
    for sae in saes.values():
        maxima = block_maxima.block_maxima(sae, _acts(6, 4), [(0, 6)], np.zeros(6, bool))
        assert [len(features) for features, _ in maxima.blocks] == [0]
        assert block_maxima.block_maxima(sae, _acts(6, 4), [], np.ones(6, bool)).blocks == []


@pytest.mark.parametrize("kind", sorted(SAE_CLASS_REGISTRY))
def test_fit_is_explained_variance_and_l0(saes: dict[str, SAE], kind: str) -> None:
    sae, fit = saes[kind], block_maxima.Fit()
    assert (fit.explained_variance, fit.l0) == (None, None)
    xs, recons, active = [], [], []
    for n_tokens, seed in ((9, 1), (1, 2), (14, 3)):
        acts, counts = _acts(n_tokens, seed), np.arange(n_tokens) % 4 != 1
        fit.add(sae, acts, counts)
        xs.append(acts.numpy()[counts])
        recons.append(sae(acts[None])[0].numpy()[counts])
        active.append((sae.encode(acts[None])[0].numpy()[counts] > 0).sum(1))
    x, recon = np.concatenate(xs), np.concatenate(recons)
    assert fit.n_tokens == len(x)
    assert fit.l0 == pytest.approx(np.concatenate(active).mean())
    if "transcoder" in kind:
        assert fit.explained_variance is None
    else:
        explained = 1 - ((x - recon) ** 2).sum() / ((x - x.mean(0)) ** 2).sum()
        assert fit.explained_variance == pytest.approx(explained, rel=1e-5)


def test_no_variance_no_share_of_it(saes: dict[str, SAE]) -> None:
    fit = block_maxima.Fit()
    fit.add(saes["standard"], torch.ones(1, tiny.D_MODEL), np.ones(1, bool))
    assert fit.explained_variance is None and fit.l0 is not None
