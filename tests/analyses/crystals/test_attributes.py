"""What a direction follows: the squared correlation, and an interval that holds the truth."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from saeatlas.analyses.crystals.attributes import ExplainedVariance, explained_variance

Array = np.ndarray[Any, Any]


def _follows(
    coordinates: Array, attribute: Array, groups: Array | None = None
) -> ExplainedVariance:
    found = explained_variance(coordinates, attribute, np.random.default_rng(0), groups)
    assert found is not None
    return found


@settings(max_examples=50, deadline=None)
@given(
    seed=st.integers(0, 2**32), n=st.integers(3, 60), unknown=st.booleans(), grouped=st.booleans()
)
def test_equals_numpys(seed: int, n: int, unknown: bool, grouped: bool) -> None:
    rng = np.random.default_rng(seed)
    x = 1000 + rng.standard_normal(n)
    y = (x - 1000 + rng.standard_normal(n)).astype(np.float32)
    groups = rng.integers(0, n, n) if grouped else None
    attribute = np.where(unknown & (np.arange(n) >= 3) & (rng.random(n) < 0.4), np.nan, x)
    known = ~np.isnan(attribute)
    found = _follows(y, attribute, groups)
    assert found.n == known.sum()
    assert found.r2 == pytest.approx(np.corrcoef(x[known], y[known])[0, 1] ** 2, abs=1e-6)
    assert 0 <= found.r2_low <= found.r2_high <= 1


@pytest.mark.slow
@pytest.mark.parametrize(
    ("r2", "n", "size"), [(0, 60, 1), (0.05, 100, 1), (0.5, 40, 1), (0.9, 100, 1), (0.4, 240, 4)]
)
def test_the_interval_holds_the_truth(r2: float, n: int, size: int) -> None:
    """Groups have both in common, and more of it the larger they are."""
    held = 0
    for seed in range(200):
        rng = np.random.default_rng([seed, n])
        groups = np.arange(n) // size
        x, noise = (rng.standard_normal(n)[groups] + rng.standard_normal(n) for _ in range(2))
        y = np.sqrt(r2) * x + np.sqrt(1 - r2) * noise
        found = _follows(y, x, groups if size > 1 else None)
        held += found.r2_low <= r2 <= found.r2_high
    assert 180 <= held <= 198


def test_no_effect_is_in_the_interval() -> None:
    rng = np.random.default_rng(0)
    found = _follows(rng.standard_normal(500), rng.integers(0, 9, 500).astype(float))
    assert found.r2_low == 0
    assert found.r2_high < 0.05


def test_a_rare_attribute_gives_numbers() -> None:
    """Many draws lack the one point that differs: there it explains nothing."""
    found = _follows(np.arange(10.0), np.eye(10)[0])
    assert np.isfinite([found.r2, found.r2_low, found.r2_high]).all()
    assert found.r2_low == 0


@pytest.mark.parametrize(
    ("coordinates", "attribute"),
    [
        (np.arange(5.0), np.full(5, 3.0)),
        (np.ones(5), np.arange(5.0)),
        (np.arange(5.0), np.full(5, np.nan)),
        (np.arange(5.0), np.array([1, 2, np.nan, np.nan, np.nan])),
    ],
)
def test_nothing_is_said_of_what_does_not_vary(coordinates: Array, attribute: Array) -> None:
    assert explained_variance(coordinates, attribute, np.random.default_rng(0)) is None
