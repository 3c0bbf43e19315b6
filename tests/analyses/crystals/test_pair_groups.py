"""Pairs that share words stay together; relations change places among groups of one size."""

from typing import Any

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from saeatlas.analyses.crystals import pair_groups

Array = np.ndarray[Any, Any]


def _draw(seed: int, n: int, k: int, words: int) -> tuple[Array, Array, Array]:
    rng = np.random.default_rng(seed)
    return rng.integers(0, k, n), rng.integers(0, words, n), rng.integers(0, words, n)


def _plain(labels: Array, inputs: Array, outputs: Array) -> Array:
    """Join pair after pair until nothing changes; groups in the order of their first pairs."""
    own = np.arange(len(labels))
    changed = True
    while changed:
        changed = False
        for i in range(len(labels)):
            for j in range(len(labels)):
                share = {inputs[i], outputs[i]} & {inputs[j], outputs[j]}
                if labels[i] == labels[j] and share and own[j] > own[i]:
                    own[j], changed = own[i], True
    return np.unique(own, return_inverse=True)[1]


@settings(max_examples=60, deadline=None)
@given(
    seed=st.integers(0, 2**32), n=st.integers(1, 25), k=st.integers(1, 4), words=st.integers(1, 60)
)
def test_groups_are_those_joined_one_by_one(seed: int, n: int, k: int, words: int) -> None:
    labels, inputs, outputs = _draw(seed, n, k, words)
    found = pair_groups.connected_pairs(labels, inputs, outputs)
    assert (found == _plain(labels, inputs, outputs)).all()


def test_a_word_of_two_relations_joins_nothing() -> None:
    labels, inputs, outputs = np.array([0, 1, 1, 0]), np.array([7, 7, 7, 3]), np.array([1, 2, 3, 7])
    assert pair_groups.connected_pairs(labels, inputs, outputs).tolist() == [0, 1, 1, 0]


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), n=st.integers(1, 200), folds=st.integers(1, 7))
def test_folds_hold_whole_groups_and_are_about_as_large(seed: int, n: int, folds: int) -> None:
    rng = np.random.default_rng(seed)
    groups = rng.integers(0, 1 + n // 3, n)
    dealt = pair_groups.deal_folds(groups, folds, rng)
    assert len(np.unique(np.column_stack([groups, dealt]), axis=0)) == len(np.unique(groups))
    sizes = np.bincount(dealt)
    assert len(sizes) == min(folds, len(np.unique(groups)))
    assert sizes.min() > 0
    assert sizes.max() - sizes.min() <= np.bincount(groups).max()


def test_folds_know_no_order() -> None:
    dealt = pair_groups.deal_folds(np.arange(600), 3, np.random.default_rng(0))
    first = np.bincount(dealt[:200], minlength=3)
    assert first.tolist() != [67, 67, 66]  # as if dealt one after the other
    assert np.abs(first - 200 / 3).max() < 25


@settings(max_examples=60, deadline=None)
@given(seed=st.integers(0, 2**32), n=st.integers(1, 60))
def test_relations_keep_their_groups_sizes(seed: int, n: int) -> None:
    labels, inputs, outputs = _draw(seed, n, 3, 50)
    groups = pair_groups.connected_pairs(labels, inputs, outputs)
    sizes = np.bincount(groups)
    for own in pair_groups.shuffle_labels(labels, groups, 5, np.random.default_rng(seed)):
        for group in range(len(sizes)):
            assert len(np.unique(own[groups == group])) == 1
        for relation in range(3):
            before, after = (np.sort(sizes[groups[each == relation]]) for each in (labels, own))
            assert (before == after).all()


def test_only_groups_of_one_size_change_places() -> None:
    labels = np.array([0, 0, 0, 1, 1, 2, 2, 0, 1, 2])
    groups = np.array([0, 0, 0, 1, 1, 2, 2, 3, 4, 5])
    drawn = pair_groups.shuffle_labels(labels, groups, 3000, np.random.default_rng(0))
    assert (drawn[:, :3] == 0).all()
    assert len(np.unique(drawn, axis=0)) == 2 * 6
    assert np.abs((drawn[:, 7:] == 0).mean(axis=0) - 1 / 3).max() < 0.05
