"""Silhouettes: scikit-learn's, for many labellings and in more and more dimensions."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import silhouette_score

from saeatlas.analyses.stats import silhouettes

Array = np.ndarray[Any, Any]


def _plain(points: Array, labels: Array) -> float:
    """scikit-learn's, which refuses one class and as many classes as points."""
    k = len(np.unique(labels))
    return float(silhouette_score(points, labels)) if 1 < k < len(labels) else 0.0


SEEDS = {"seed": st.integers(0, 2**32), "n": st.integers(2, 40), "k": st.integers(1, 6)}


@settings(max_examples=80, deadline=None)
@given(**SEEDS, d=st.integers(1, 6), small=st.booleans())
def test_labellings_equal_scikit_learns(seed: int, n: int, k: int, d: int, small: bool) -> None:
    rng = np.random.default_rng(seed)
    points = rng.standard_normal((n, d)).astype(np.float32)
    points[: n // 4] = points[0]  # some in one place
    labels = rng.integers(0, k, (5, n))  # some classes may be empty or of one point
    with pytest.MonkeyPatch.context() as patch:
        if small:
            patch.setattr(silhouettes, "DISTANCES_AT_ONCE", 3 * n)
            patch.setattr(silhouettes, "SUMS_AT_ONCE", 2 * k * n)
        found = silhouettes.of_labellings(points, labels)
    assert found == pytest.approx([_plain(points, own) for own in labels], abs=1e-5)


@settings(max_examples=80, deadline=None)
@given(**SEEDS, d=st.integers(1, 6))
def test_directions_equal_scikit_learns(seed: int, n: int, k: int, d: int) -> None:
    rng = np.random.default_rng(seed)
    points = 5 * rng.standard_normal((n, d)).astype(np.float32)
    points[:, d // 2 :] *= rng.integers(0, 2)  # as where there are no more discriminants
    labels = rng.integers(0, k, n)
    expected = []
    for i in range(d):
        lengths = np.linalg.norm(points[:, : i + 1], axis=1, keepdims=True)
        expected.append(_plain(points[:, : i + 1] / np.maximum(lengths, 1e-9), labels))
    assert silhouettes.of_directions(points, labels) == pytest.approx(expected, abs=1e-5)
