from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.spatial import cKDTree
from scipy.spatial.distance import cdist

from saeatlas.analyses.spectra import exact_neighbours
from saeatlas.analyses.spectra.exact_neighbours import nearest

Array = np.ndarray[Any, Any]


def _points(kind: str, rng: np.random.Generator, n: int, d: int) -> Array:
    points = rng.standard_normal((n, d))
    match kind:
        case "far":
            points += 1e4
        case "lattice":
            points = rng.integers(0, 3, (n, d)).astype(float)
        case "duplicates":
            points = points[rng.integers(0, n // 3 + 1, n)]
        case "tight":  # closer than float32 can tell
            points = points[rng.integers(0, 3, n) % n] + 1e-6 * points
        case "tails":
            points *= 10 ** rng.uniform(-8, 8, (n, 1))
        case "huge":
            points *= 1e30
    return points


def _exact(points: Array, k: int) -> tuple[Array, Array]:
    table = cdist(points.astype(np.float64), points.astype(np.float64))
    np.fill_diagonal(table, np.inf)
    order = np.argsort(table, axis=1, kind="stable")[:, :k]
    return np.take_along_axis(table, order, 1), order


@pytest.mark.slow
@settings(max_examples=150, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    kind=st.sampled_from(["plain", "far", "lattice", "duplicates", "tight", "tails", "huge"]),
    n=st.integers(2, 300),
    d=st.integers(1, 40),
    k=st.integers(1, 12),
    single=st.booleans(),
)
def test_equals_comparing_all(seed: int, kind: str, n: int, d: int, k: int, single: bool) -> None:
    points = _points(kind, np.random.default_rng(seed), n, d)
    points = points.astype(np.float32) if single else points
    k = min(k, n - 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(exact_neighbours, "TILE", 64)  # several tiles, the last one narrower
        patch.setattr(exact_neighbours, "SAMPLE", (100, 2))
        distances, indices = nearest(points, k)
    exact, order = _exact(points, k)
    assert distances == pytest.approx(exact, rel=1e-12, abs=0)
    own = np.linalg.norm(points[indices].astype(np.float64) - points[:, None], axis=2)
    assert own == pytest.approx(exact, rel=1e-12, abs=0)
    if kind == "lattice":  # sums of integers are exact: so are ties
        assert (indices == order).all()


def test_of_many_points_equals_a_tree() -> None:
    rng = np.random.default_rng(0)
    points = rng.standard_normal((5000, 12)) * np.arange(1, 13) ** -0.5
    distances, indices = nearest(points.astype(np.float32), 9)
    exact, order = cKDTree(points.astype(np.float32)).query(points.astype(np.float32), 10)
    assert distances == pytest.approx(exact[:, 1:], rel=1e-12)
    assert (indices == order[:, 1:]).all()


@pytest.mark.parametrize("kind", ["plain", "far", "tails"])
def test_bound_holds(kind: str) -> None:
    """Of all pairs that are as near as said, and it is not idle: float32 comes within 2 %."""
    points = _points(kind, np.random.default_rng(0), 500, 100)
    search = exact_neighbours.Search(points, 8)
    x = (search.points - search.points.mean(axis=0))[search.order] / search.scale
    halves = cdist(x, x, "sqeuclidean") / 2
    off = np.abs(search.left @ search.right.T - halves)
    ratio = np.concatenate(
        [
            off[part] / np.array([search.bound(i, column) for column in halves[part].T]).T
            for i, part in enumerate(search.parts)
        ]
    )
    assert ratio.max() <= 1
    assert kind == "tails" or ratio.max() > 0.02


@pytest.mark.slow
def test_without_the_certificate_neighbours_are_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(0)
    points = rng.standard_normal((20, 30))[rng.integers(0, 20, 3000)]
    points += 1e-4 * rng.standard_normal(points.shape)
    exact, _ = _exact(points, 3)
    compared = _compared(monkeypatch)
    assert nearest(points, 3)[0] == pytest.approx(exact, rel=1e-9)
    assert sum(compared) > 2000
    monkeypatch.setattr(exact_neighbours.Search, "bound", lambda *_: -np.inf)
    assert nearest(points, 3)[0] != pytest.approx(exact, rel=1e-9)


def test_few_points_need_the_slow_way(monkeypatch: pytest.MonkeyPatch) -> None:
    compared = _compared(monkeypatch)
    nearest(np.random.default_rng(0).standard_normal((4000, 50)) + 100, 8)
    assert 0 < sum(compared) < 40


def _compared(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Count the points of each call that are compared with all others."""
    counts: list[int] = []
    compare = exact_neighbours.search_exhaustively

    def counted(points: Array, k: int, rows: Array, *rest: Array) -> None:
        counts.append(len(rows))
        compare(points, k, rows, *rest)

    monkeypatch.setattr(exact_neighbours, "search_exhaustively", counted)
    return counts


def test_what_cannot_be_answered() -> None:
    points = np.zeros((5, 2))
    for k in (0, 5):
        with pytest.raises(ValueError, match="k must be from 1 to 4"):
            nearest(points, k)
    points[3, 1] = np.nan
    with pytest.raises(ValueError, match="finite"):
        nearest(points, 1)
