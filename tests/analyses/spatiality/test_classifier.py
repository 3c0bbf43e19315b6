"""Batched logistic regression: scikit-learn's, fold by fold; many labellings as one by one."""

from typing import Any

import numpy as np
import pytest
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.model_selection import StratifiedKFold, cross_val_predict

from saeatlas.analyses.spatiality import classifier
from saeatlas.analyses.spatiality.classifier import balanced_accuracies
from tests.support.matrices import unit

Array = np.ndarray[Any, Any]


def _draw(seed: int, n: int, d: int, k: int) -> tuple[Array, Array]:
    """Vectors around a common mean; lobes of unequal sizes that follow them, with noise."""
    rng = np.random.default_rng(seed)
    points = rng.standard_normal((n, d))
    labels = (points[:, :k] + rng.standard_normal((n, k)) + np.linspace(0, 2, k)).argmax(1)
    return (points + 0.5).astype(np.float32), labels


SIZES = pytest.mark.parametrize(("n", "d", "k"), [(300, 20, 2), (400, 30, 5), (500, 64, 8)])


@pytest.mark.slow
@SIZES
@pytest.mark.parametrize("C", [1.0, 30.0])
def test_equals_scikit_learns(n: int, d: int, k: int, C: float) -> None:
    vectors, labels = _draw(0, n, d, k)
    kept = np.isin(labels, np.flatnonzero(np.bincount(labels) >= 5))
    told = cross_val_predict(
        LogisticRegression(C=C, class_weight="balanced", max_iter=2000),
        unit(vectors)[kept],
        labels[kept],
        cv=StratifiedKFold(5, shuffle=True, random_state=3),
    )
    expected = balanced_accuracy_score(labels[kept], told)
    found = balanced_accuracies(vectors, labels[None], k, seed=3, C=C)
    assert found[0] == pytest.approx(expected, abs=0.01)
    assert expected > 1 / k + 0.1  # else anything would do


@SIZES
def test_the_published_split_equals_scikit_learns(n: int, d: int, k: int) -> None:
    vectors, labels = _draw(1, n, d, k)
    cut = int(0.8 * n)
    fit = LogisticRegression(max_iter=2000).fit(unit(vectors)[:cut], labels[:cut])
    expected = balanced_accuracy_score(labels[cut:], fit.predict(unit(vectors)[cut:]))
    found = balanced_accuracies(vectors, labels[None], k, preset="paper")
    assert found[0] == pytest.approx(expected, abs=0.01)


def test_many_labellings_are_scored_as_each_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    vectors, labels = _draw(2, 200, 10, 3)
    rng = np.random.default_rng(0)
    many = np.stack([labels, rng.permutation(labels), rng.integers(0, 3, 200)])
    together = balanced_accuracies(vectors, many, 3)
    monkeypatch.setattr(classifier, "LOGITS_AT_ONCE", 1)
    alone = np.concatenate([balanced_accuracies(vectors, each[None], 3) for each in many])
    assert together == pytest.approx(alone, abs=0.01)
    assert together[0] > together[1:].max() + 0.15


@pytest.mark.slow
def test_separable_lobes_are_told_and_unrelated_ones_are_not() -> None:
    rng = np.random.default_rng(0)
    centres = 4 * np.eye(10)[:4]
    labels = np.repeat([0, 1, 2, 3], [20, 40, 140, 200])
    vectors = (centres[labels] + 0.5 * rng.standard_normal((400, 10))).astype(np.float32)
    assert balanced_accuracies(vectors, labels[None], 4)[0] > 0.99
    shuffled = np.stack([rng.permutation(labels) for _ in range(40)])
    assert balanced_accuracies(vectors, shuffled, 4).mean() == pytest.approx(0.25, abs=0.03)


def test_lobes_smaller_than_the_folds_are_left_out() -> None:
    vectors, labels = _draw(0, 200, 10, 2)
    with_small = np.concatenate([labels, [2, 2, 2, 2]])
    more = np.concatenate([vectors, -vectors[:4]])
    found = balanced_accuracies(more, np.stack([with_small, 2 * (with_small == 2)]), 3)
    assert found[0] == pytest.approx(balanced_accuracies(vectors, labels[None], 2)[0], abs=0.02)
    assert np.isnan(found[1])
