"""Affinities as matrices: as SQL has them, as the books have them, row by row as a whole."""

from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from saeatlas.analyses.lobes.affinities import MEASURES, Affinity, Angular, ByRows, describe
from tests.support import sparse
from tests.support.matrices import Array, Given, dense, symmetric

NAMES = list(MEASURES)
SEEDS = st.integers(0, 2**32 - 1)


def _active(seed: int, n_blocks: int, n: int, density: float = 0.5) -> Array:
    return sparse.draw(np.random.default_rng(seed), n_blocks, n, density) > 1


def _affinity(active: Array, measure: str, undefined: float | None = None) -> Affinity:
    both = sparse.counts(active)[1].astype(np.int32)
    return Affinity(measure, len(active), both, undefined)


def _plain(active: Array, measure: str) -> Array:
    """Each pair from the two columns themselves, without counts; the diagonal too."""
    values = np.full((active.shape[1], active.shape[1]), np.nan)
    for i, a in enumerate(active.T):
        for j, b in enumerate(active.T):
            both, either = (a & b).sum(), (a | b).sum()
            least = min(a.sum(), b.sum())
            if measure == "simple_matching":
                values[i, j] = (a == b).mean()
            elif measure == "jaccard" and either:
                values[i, j] = both / either
            elif measure == "dice" and either:
                values[i, j] = both / ((a.sum() + b.sum()) / 2)
            elif measure == "overlap" and least:
                values[i, j] = both / least
            elif measure == "phi" and a.std() and b.std():
                values[i, j] = np.corrcoef(a, b)[0, 1]
    return values


@settings(max_examples=25, deadline=None)
@given(SEEDS, st.integers(1, 40), st.integers(1, 12), st.sampled_from(NAMES))
def test_rows_equal_the_plain_measure(seed: int, n_blocks: int, n: int, measure: str) -> None:
    active = _active(seed, n_blocks, n)
    expected = _plain(active, measure) + (measure == "phi")
    np.fill_diagonal(expected, 0)
    for undefined in (None, 0.0, 0.25):
        found = dense(_affinity(active, measure, undefined))
        filled = expected.copy()
        if undefined is not None:
            filled[np.isnan(filled)] = undefined + (measure == "phi")
        assert found.dtype == np.float32
        np.testing.assert_allclose(found, filled, atol=1e-6)


@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    st.lists(
        st.tuples(*[st.integers(0, 2**31 - 1)] * 4) | st.tuples(*[st.integers(0, 9)] * 4),
        min_size=1,
        max_size=200,
    )
)
def test_measures_equal_their_sql_functions(
    connection: sa.Connection, cells: list[tuple[int, ...]]
) -> None:
    # blocks with both, with one, with the other, with neither: any four numbers can be
    both, one, other, neither = (np.array(column) // 4 for column in zip(*cells, strict=True))
    counts = [both + one + other + neither, both + one, both + other, both]
    query = sa.text(
        f"select {', '.join(f'{name}(n, i, j, ij)' for name in NAMES)} from "
        "unnest(cast(:n as int[]), cast(:i as int[]), cast(:j as int[]), cast(:ij as int[])) "
        "with ordinality as t (n, i, j, ij, place) order by place"
    )
    values = dict(zip(("n", "i", "j", "ij"), (x.tolist() for x in counts), strict=True))
    rows = connection.execute(query, values).all()
    with np.errstate(invalid="ignore", divide="ignore"):
        ours = [MEASURES[name](*(x.astype(float) for x in counts)) for name in NAMES]
    theirs = np.array(rows, dtype=float).T  # NULL becomes NaN
    np.testing.assert_allclose(ours, theirs, rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("n_blocks", [200_000, 1_000_000, 2**31 - 1])
def test_phi_of_large_counts_is_exact(n_blocks: int) -> None:
    rng = np.random.default_rng(n_blocks)
    n_i, n_j = (int(n_blocks * share) for share in rng.uniform(0.3, 0.7, 2))
    n_ij = min(n_i, n_j) * 4 // 5
    # in Python's integers, which do not overflow
    square = n_i * (n_blocks - n_i) * n_j * (n_blocks - n_j)
    assert square > 2**63
    exact = (n_blocks * n_ij - n_i * n_j) / square**0.5
    both = np.array([[n_i, n_ij], [n_ij, n_j]], np.int32)
    found = dense(Affinity("phi", n_blocks, both))
    assert found[0, 1] == found[1, 0] == pytest.approx(1 + exact, rel=1e-7)
    assert found.diagonal().tolist() == [0, 0]


def test_phi_equals_numpys_correlation() -> None:
    active = _active(3, 400, 60, 1.0)
    active = active[:, active.any(axis=0) & ~active.all(axis=0)]
    expected = np.corrcoef(active.T) + 1
    np.fill_diagonal(expected, 0)
    np.testing.assert_allclose(dense(_affinity(active, "phi")), expected, atol=1e-6)


@pytest.mark.parametrize(
    ("measure", "undefined"),
    [("phi", [0, 1]), ("jaccard", []), ("dice", []), ("overlap", [0]), ("simple_matching", [])],
)
def test_undefined_is_nan(measure: str, undefined: list[int]) -> None:
    active = _active(4, 50, 5, 1.0)
    active[:, 0], active[:, 1] = False, True
    isnan = np.isnan(dense(_affinity(active, measure)))
    expected = np.zeros((5, 5), bool)
    expected[undefined] = expected[:, undefined] = True
    np.fill_diagonal(expected, False)
    assert (isnan == expected).all()


@pytest.mark.parametrize("n", [1, 127, 128, 129, 300])
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_product_by_rows_is_the_product(n: int, dtype: Any) -> None:
    rng = np.random.default_rng(n)
    active = rng.random((40, n)) < 0.4
    vectors = rng.standard_normal((n, 3)).astype(dtype)
    unit = rng.standard_normal((n, 5)).astype(np.float32)
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    for affinity in (_affinity(active, "simple_matching"), Angular(unit)):
        whole = dense(affinity)
        assert whole.shape == (n, n) == (len(affinity), len(affinity))
        assert not whole.diagonal().any()
        assert (whole == whole.T).all() or np.abs(whole - whole.T).max() < 1e-5
        product = affinity.dot(vectors)
        assert product.dtype == dtype
        expected = whole.astype(np.float64) @ vectors
        # float64 adds up the same numbers without loss
        np.testing.assert_allclose(product, expected, atol=2e-5 if dtype == np.float32 else 1e-12)


def test_angular_is_one_less_the_angle() -> None:
    angles = np.array([0, 1, 45, 90, 135, 179, 180, 0])
    vectors = np.stack([np.cos(np.radians(angles)), np.sin(np.radians(angles))], axis=1)
    found = dense(Angular(vectors.astype(np.float32)))
    expected = 1 - np.abs(angles[:, None] - angles) / 180
    np.fill_diagonal(expected, 0)
    np.testing.assert_allclose(found, expected, atol=2e-4)
    assert found.dtype == np.float32 and found[0, 6] == 0 and found[0, 7] == 1


def test_angular_of_many_dimensions() -> None:
    unit = np.random.default_rng(0).standard_normal((200, 50))
    unit /= np.linalg.norm(unit, axis=1, keepdims=True)
    expected = 1 - np.arccos(np.clip(unit @ unit.T, -1, 1)) / np.pi
    np.fill_diagonal(expected, 0)
    np.testing.assert_allclose(dense(Angular(unit.astype(np.float32))), expected, atol=1e-6)


@pytest.mark.parametrize(("measure", "top"), [("phi", 2.0), ("jaccard", 1.0), ("overlap", 1.0)])
def test_top_is_the_largest_value(measure: str, top: float) -> None:
    active = np.zeros((9, 3), bool)
    active[:4, :2], active[4:, 2] = True, True  # the same twice, and their opposite
    affinity = _affinity(active, measure)
    assert dense(affinity)[0, 1] == pytest.approx(top) == affinity.top
    assert dense(affinity)[0, 2] == pytest.approx(0, abs=1e-12)


def _off_diagonal(matrix: Array) -> Array:
    return matrix[~np.eye(len(matrix), dtype=bool)]


@settings(max_examples=20, deadline=None)
@given(SEEDS, st.integers(2, 200), st.sampled_from([1e-3, 1.0, 2.0]))
def test_describe_sums_and_finds_the_range(seed: int, n: int, scale: float) -> None:
    matrix = symmetric(np.random.default_rng(seed), n) * scale + scale / 10
    np.fill_diagonal(matrix, 0)
    affinity: ByRows = Given(matrix, scale)
    degrees, low, high = describe(affinity)
    assert degrees.dtype == np.float64
    np.testing.assert_allclose(degrees, dense(affinity).astype(np.float64).sum(axis=1), rtol=1e-12)
    off = _off_diagonal(dense(affinity))
    assert (low, high) == (off.min(), off.max())
