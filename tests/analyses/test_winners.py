"""Winning lobes and document types' preferences equal plain loops, and mean what they say."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saeatlas.analyses import winners as module
from saeatlas.analyses.winners import count_active, prefer, winners

Array = np.ndarray[Any, Any]


@given(st.integers(0, 2**32), st.integers(1, 40), st.integers(1, 200), st.integers(1, 4))
def test_active_features_are_counted_lobe_by_lobe(
    seed: int, d_sae: int, n_blocks: int, k: int
) -> None:
    rng = np.random.default_rng(seed)
    active = rng.random((d_sae, n_blocks)) < rng.random()
    bits = np.packbits(np.pad(active, ((0, 0), (0, -n_blocks % 64))), axis=1)
    members = [np.flatnonzero(rng.random(d_sae) < 0.7), np.arange(d_sae)]
    members = [m if len(m) else np.array([0]) for m in members]
    lobes = [rng.integers(0, k, len(m)) for m in members]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(module, "_SLAB_BLOCKS", 64)
        counted = count_active(bits, lobes, members)
    for labels, features, counts in zip(lobes, members, counted, strict=True):
        twin = np.zeros((n_blocks, labels.max() + 1))
        for label, feature in zip(labels, features, strict=True):
            twin[:, label] += active[feature]
        assert (counts[:n_blocks] == twin).all() and not counts[n_blocks:].any()


def _winner(active: list[int], sizes: list[int], activity: list[int], preset: str) -> int:
    """Who wins one block, the plain way; -1 for nobody."""
    total = sum(active)
    if total == 0:
        return -1
    if len(sizes) == 1:
        return 0
    scores = []
    for a, size, own in zip(active, sizes, activity, strict=True):
        p = own / sum(activity)
        spread = (total * p * (1 - p)) ** 0.5
        scores.append(a / size if preset == "paper" else (a - total * p) / spread)
    best = [i for i, s in enumerate(scores) if s >= max(scores) - 1e-12 * abs(max(scores))]
    return best[0] if len(best) == 1 else -1


@given(st.data(), st.sampled_from(["default", "paper"]))
def test_the_winner_is_the_plain_one(data: st.DataObject, preset: Any) -> None:
    sizes = data.draw(st.lists(st.integers(1, 9), min_size=1, max_size=4))
    activity = [data.draw(st.integers(1, 50)) for _ in sizes]
    blocks = data.draw(
        st.lists(st.tuples(*(st.integers(0, size) for size in sizes)), min_size=1, max_size=9)
    )
    won = winners(np.array(blocks, float), np.array(sizes), np.array(activity), preset)
    assert won.tolist() == [_winner(list(b), sizes, activity, preset) for b in blocks]


def test_ties_and_empty_blocks_have_no_winner() -> None:
    active = np.array([[0, 0], [3, 3], [3, 1]])
    for preset in ("default", "paper"):
        assert winners(active, np.array([5, 5]), np.array([9, 9]), preset).tolist() == [-1, -1, 0]


def test_neither_size_nor_frequency_wins_by_itself() -> None:
    """Independent features: shares of unequal lobes differ, corrected winners do not."""
    rng = np.random.default_rng(0)
    sizes = np.array([400, 60, 40])
    labels = np.repeat([0, 1, 2], sizes)
    density = np.where(labels == 2, 0.3, 0.1)
    active = rng.random((4000, len(labels))) < density
    counts = np.stack([active[:, labels == lobe].sum(axis=1) for lobe in range(3)], axis=1)
    activity = np.bincount(labels, active.sum(axis=0))
    share = {
        preset: np.bincount(winners(counts, sizes, activity, preset) + 1, minlength=4)[1:] / 4000
        for preset in ("default", "paper")
    }
    assert share["paper"][2] > 0.99  # the frequent lobe wins nearly always
    assert (np.abs(share["default"] - 1 / 3) < 0.06).all()


def _corpus(rng: np.random.Generator, n: int, rates: Array) -> tuple[Array, Array, Array]:
    """Blocks of n documents of each type, three of each, that lobe 0 wins at these rates."""
    types = np.repeat(np.arange(len(rates)), 3 * n)
    documents = np.repeat(np.arange(len(rates) * n), 3)
    # half of a document's wins are its own nature: blocks of one document are not independent
    nature = np.repeat(rng.random(len(rates) * n) < np.repeat(rates, n), 3)
    apart = rng.random(len(types)) < rates[types]
    won = np.where(rng.random(len(types)) < 0.5, nature, apart)
    return np.where(won, 0, 1), types, documents


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 2**32), st.integers(1, 5))
def test_preferences_equal_plain_loops(seed: int, n_types: int) -> None:
    rng = np.random.default_rng(seed)
    n_blocks = int(rng.integers(1, 60))
    documents = np.sort(rng.integers(0, 12, n_blocks))
    types = rng.integers(-1, n_types, 12)[documents]
    won, shares = rng.integers(-1, 3, n_blocks), rng.random((n_blocks, 3))
    found = prefer(won, shares, types, documents, n_types=n_types, seed=0)
    for kind in range(n_types):
        here = types == kind
        assert found.n_blocks[kind] == here.sum()
        for lobe in range(3):
            assert found.n_won[lobe, kind] == (won[here] == lobe).sum()
            values = [found.enrichment, found.low, found.high]
            enrichment, low, high = (value[lobe, kind] for value in values)
            if not here.any() or not (won == lobe).any():
                assert np.isnan([enrichment, low, high]).all()
                continue
            expected = (won[here] == lobe).mean() / (won == lobe).mean()
            assert enrichment == pytest.approx(expected)
            assert found.mean_share[lobe, kind] == pytest.approx(shares[here, lobe].mean())
            few = len(np.unique(documents[here])) < 2
            assert np.isnan(low) == np.isnan(high) == few
            assert few or low <= high


def test_intervals_cover_the_truth() -> None:
    """Of 200 corpora the 95% interval holds the true enrichment in about 95%."""
    rates = np.array([0.6, 0.3, 0.3])
    truth = rates / rates.mean()
    rng = np.random.default_rng(1)
    inside = np.zeros(3)
    for _ in range(200):
        won, types, documents = _corpus(rng, 40, rates)
        found = prefer(won, np.zeros((len(won), 2)), types, documents, n_types=3, seed=0)
        inside += (found.low[0] <= truth) & (truth <= found.high[0])
    assert (inside / 200 > 0.88).all() and (inside / 200 < 0.99).all()


def test_a_lobe_without_preference_has_an_interval_around_1() -> None:
    won, types, documents = _corpus(np.random.default_rng(2), 60, np.full(4, 0.4))
    found = prefer(won, np.zeros((len(won), 2)), types, documents, n_types=4, seed=0)
    assert (found.low < 1).all() and (found.high > 1).all()
    strong, types, documents = _corpus(np.random.default_rng(2), 60, np.array([0.9, 0.1, 0.1]))
    found = prefer(strong, np.zeros((len(strong), 2)), types, documents, n_types=3, seed=0)
    assert found.low[0, 0] > 1.5 and (found.high[0, 1:] < 1).all()
