"""Eigenvectors: as LAPACK's in float64, by both solvers, and honest about how good they are."""

from typing import Any

import numpy as np
import pytest
import scipy.linalg
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from saeatlas.analyses.lobes import direct_solver, embedding
from saeatlas.analyses.lobes.embedding import TOLERANCE, Embedding, embed
from tests.support import sparse
from tests.support.matrices import Array, Given, blocks, dense, symmetric


@pytest.fixture(autouse=True)
def _no_matter_how_small(monkeypatch: pytest.MonkeyPatch) -> None:
    """The filter works on few features too; only its speed needs many."""
    monkeypatch.setattr(embedding, "SMALL", 0)
    monkeypatch.setattr(embedding, "PATIENCE", 1000)


def _embed(matrix: Array, k_max: int, seed: int = 0) -> Embedding:
    affinity = Given(matrix)
    return embed(affinity, affinity.degrees, k_max, seed=seed)


def _normalised(matrix: Array) -> tuple[Array, Array]:
    """D^-1/2 W D^-1/2 in float64, and sqrt D."""
    wide = matrix.astype(np.float32).astype(np.float64)
    root = np.sqrt(wide.sum(axis=1))
    return wide / root[:, None] / root, root


def _vectors(matrix: Array, found: Embedding) -> Array:
    """The eigenvectors that the points were made of."""
    root = np.sqrt(matrix.astype(np.float32).astype(np.float64).sum(axis=1))
    vectors: Array = found.points.astype(np.float64) * root[:, None]
    return vectors


def _assert_eigen(matrix: Array, k_max: int, found: Embedding) -> None:
    """Values, subspaces where a gap sets them apart, residual and signs."""
    normal, _ = _normalised(matrix)
    values, exact = np.linalg.eigh(normal)
    values, exact = values[::-1], exact[:, ::-1]
    unit = max(np.abs(values[1:k_max]).max(initial=0), 1 / (len(matrix) - 1))
    assert found.points.shape == (len(matrix), k_max) and found.points.dtype == np.float32
    assert found.eigenvalues[0] == 1 and (np.diff(found.eigenvalues) <= 1e-6 * unit).all()
    np.testing.assert_allclose(found.eigenvalues, values[:k_max], rtol=0, atol=1e-5 * unit)
    vectors = _vectors(matrix, found)
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(k_max), atol=2e-5)
    gaps = np.abs(normal @ vectors - vectors * found.eigenvalues)
    norms = np.linalg.norm(gaps, axis=0)[1:]
    assert found.residual == pytest.approx(norms.max(initial=0) / unit, rel=0.05, abs=2e-6)
    assert found.residual <= 2 * TOLERANCE
    for k in range(1, k_max + 1):
        gap = values[k - 1] - (values[k] if k < len(values) else -np.inf)
        if gap > 0.05 * unit:  # an angle is at most residual over gap
            angles = scipy.linalg.subspace_angles(vectors[:, :k], exact[:, :k])
            assert angles.max() < 1e-5 + found.residual * unit / gap * np.sqrt(k)
    largest = np.abs(found.points).argmax(axis=0)
    assert (found.points[largest, np.arange(k_max)] > 0).all()


@settings(
    max_examples=12,
    deadline=None,
    suppress_health_check=[HealthCheck.function_scoped_fixture],
)
@given(
    seed=st.integers(0, 2**32 - 1),
    k=st.integers(2, 7),
    size=st.integers(1, 12),
    between=st.sampled_from([0.02, 0.3, 1.0]),
    share=st.sampled_from([0.0, 0.5, 1.0]),
)
def test_planted_blocks_directly(
    seed: int, k: int, size: int, between: float, share: float
) -> None:
    matrix, _ = blocks(np.random.default_rng(seed), 10 * k + size, k, between)
    k_max = k + int(share * (len(matrix) - k))
    _assert_eigen(matrix, k_max, _embed(matrix, k_max))


@pytest.mark.slow
@pytest.mark.parametrize("k", [2, 3, 8])
@pytest.mark.parametrize("between", [0.02, 0.3, 1.0])
def test_planted_blocks_filtered(k: int, between: float, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(direct_solver, "direct_eigenpairs", None)  # it must get there by itself
    matrix, _ = blocks(np.random.default_rng(k), 330, k, between)
    for k_max in (k, k + 5):
        _assert_eigen(matrix, k_max, _embed(matrix, k_max))


def test_the_filter_is_for_few_vectors_only(monkeypatch: pytest.MonkeyPatch) -> None:
    matrix = symmetric(np.random.default_rng(0), 81)
    monkeypatch.setattr(direct_solver, "direct_eigenpairs", None)
    _embed(matrix, 5)
    with pytest.raises(TypeError):
        _embed(matrix, 6)


def _counts(measure: str, n_blocks: int) -> Array:
    """An affinity of features that are independent: no eigenvalue but the first stands out."""
    from saeatlas.analyses.lobes.affinities import Affinity

    rng = np.random.default_rng(0)
    active = rng.random((n_blocks, 420)) < rng.beta(0.3, 3, 420)
    active = active[:, active.any(axis=0) & ~active.all(axis=0)]
    return dense(Affinity(measure, n_blocks, sparse.counts(active)[1].astype(np.int32)))


@pytest.mark.slow
@pytest.mark.parametrize("measure", ["phi", "jaccard", "dice", "overlap", "simple_matching"])
def test_counts_without_structure(measure: str, monkeypatch: pytest.MonkeyPatch) -> None:
    # phi and simple matching: the others are a thousandth, or below 0; one far above the rest
    matrix = _counts(measure, 6_000)
    _assert_eigen(matrix, len(matrix), _embed(matrix, len(matrix)))
    monkeypatch.setattr(direct_solver, "direct_eigenpairs", None)
    for k_max in (2, 3, 16):
        _assert_eigen(matrix, k_max, _embed(matrix, k_max))


def test_where_the_filter_takes_too_long_lapack_steps_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(embedding, "PATIENCE", 0.1)
    matrix, _ = blocks(np.random.default_rng(0), 330, 3, 0.3)
    _assert_eigen(matrix, 8, _embed(matrix, 8))


def _star(n: int) -> Array:
    matrix = np.zeros((n, n))
    matrix[0, 1:] = matrix[1:, 0] = 1
    return matrix


def _bipartite(n: int) -> Array:
    odd = np.arange(n) % 2
    return (odd[:, None] != odd).astype(float)


def _rank_one(n: int) -> Array:
    weights = np.random.default_rng(0).random(n) + 0.1
    return np.outer(weights, weights) * (1 - np.eye(n))


def _complete(n: int) -> Array:
    return 1 - np.eye(n)


@pytest.mark.slow
@pytest.mark.parametrize("make", [_star, _bipartite, _rank_one, _complete])
@pytest.mark.parametrize("n", [2, 3, 50, 300])
def test_eigenvalues_that_are_zero_or_below(make: Any, n: int) -> None:
    """The first eigenvector, taken out, has the eigenvalue 0 too: it must not come back."""
    matrix = make(n)
    normal, _ = _normalised(matrix)
    exact = np.linalg.eigvalsh(normal)[::-1]
    for k_max in {1, 2, 3, n // 2, n} & set(range(1, n + 1)):
        found = _embed(matrix, k_max)
        vectors = _vectors(matrix, found)
        np.testing.assert_allclose(found.eigenvalues, exact[:k_max], atol=3e-6)
        np.testing.assert_allclose(vectors.T @ vectors, np.eye(k_max), atol=2e-5)
        gaps = np.linalg.norm(normal @ vectors - vectors * found.eigenvalues, axis=0)
        assert gaps.max() < 5e-6


@pytest.mark.slow
@pytest.mark.parametrize("n_parts", [2, 5])
@pytest.mark.parametrize("k_max", [2, 5, 8, 40, 330])
def test_parts_without_any_affinity_between(n_parts: int, k_max: int) -> None:
    matrix, part = blocks(np.random.default_rng(0), 330, n_parts, between=0.0)
    found = _embed(matrix, k_max)
    _assert_eigen(matrix, k_max, found)
    ones = min(n_parts, k_max)
    assert (found.eigenvalues[:ones] > 1 - 1e-5).all()
    assert (found.eigenvalues[ones:] < 0.9).all()
    if k_max >= n_parts:  # all of a part lie on one point
        points = found.points[:, :n_parts]
        for number in range(n_parts):
            assert np.ptp(points[part == number], axis=0).max() < 1e-3 * np.abs(points).max()


def test_a_row_of_zeros_lies_at_zero() -> None:
    matrix, _ = blocks(np.random.default_rng(0), 100, 3)
    wide = np.zeros((120, 120))
    wide[:100, :100] = matrix
    for k_max in (3, 8):
        alone, among = _embed(matrix, k_max), _embed(wide, k_max)
        assert not among.points[100:].any() or np.abs(among.points[100:]).max() < 1e-6
        np.testing.assert_allclose(among.eigenvalues, alone.eigenvalues, atol=1e-5)
        np.testing.assert_allclose(among.points[:100, :3], alone.points[:, :3], atol=1e-4)


def test_two_features() -> None:
    matrix = np.array([[0, 0.3], [0.3, 0]])
    found = _embed(matrix, 2)
    assert found.eigenvalues == pytest.approx([1, -1], abs=1e-6)
    assert found.points[:, 0] == pytest.approx([1 / np.sqrt(0.6)] * 2, rel=1e-6)
    assert found.points[:, 1] == pytest.approx(found.points[0, 1] * np.array([1, -1]), rel=1e-5)
    assert _embed(matrix, 1).eigenvalues.tolist() == [1]


def test_the_first_alone_needs_no_solver() -> None:
    matrix = symmetric(np.random.default_rng(1), 40)
    found = _embed(matrix, 1)
    assert (found.residual, found.eigenvalues.tolist()) == (0, [1])
    assert np.ptp(found.points) == pytest.approx(0, abs=1e-7)


@pytest.mark.parametrize("k_max", [4, 30])
def test_the_same_again_to_the_last_bit(k_max: int) -> None:
    matrix, _ = blocks(np.random.default_rng(0), 200, 4)
    first, second = _embed(matrix, k_max), _embed(matrix, k_max)
    assert (first.points == second.points).all() and first.residual == second.residual
    assert (first.eigenvalues == second.eigenvalues).all()


def test_another_start_finds_the_same() -> None:
    matrix, _ = blocks(np.random.default_rng(0), 200, 4)
    first, second = _embed(matrix, 4), _embed(matrix, 4, seed=9)
    assert (first.points != second.points).any()  # the start did something
    np.testing.assert_allclose(first.points, second.points, atol=1e-4 * first.points.max())


@pytest.mark.parametrize("k", [4, 20])
def test_points_equal_sklearns(k: int) -> None:
    from sklearn.manifold import spectral_embedding

    matrix, _ = blocks(np.random.default_rng(2), 150, 4, 0.3)
    ours = _embed(matrix, k).points.astype(np.float64)
    wide = matrix.astype(np.float32).astype(np.float64)
    theirs = spectral_embedding(
        wide, n_components=k, norm_laplacian=True, drop_first=False, random_state=0
    )
    ours, theirs = (x / np.linalg.norm(x, axis=0) for x in (ours, theirs))
    assert np.abs((ours * theirs).sum(axis=0)) == pytest.approx(np.ones(k), abs=1e-4)


def test_reflections_are_undone_in_panels(monkeypatch: pytest.MonkeyPatch) -> None:
    matrix = symmetric(np.random.default_rng(0), 90)
    whole = _embed(matrix, 40)
    for panel in (1, 7, 88, 89):
        monkeypatch.setattr(direct_solver, "PANEL", panel)
        np.testing.assert_allclose(_embed(matrix, 40).points, whole.points, atol=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize("n_same", [2, 60, 200])
def test_many_features_that_are_the_same(n_same: int) -> None:
    """Many eigenvalues in one place, as of features that are never active."""
    from saeatlas.analyses.lobes.affinities import Affinity

    rng = np.random.default_rng(0)
    active = rng.random((500, 100 + n_same)) < 0.3
    for column in (False, active[:, :1]):
        active[:, 100:] = column
        both = sparse.counts(active)[1].astype(np.int32)
        matrix = dense(Affinity("phi", 500, both, undefined=0.0))
        for k_max in (90, len(matrix)):
            _assert_eigen(matrix, k_max, _embed(matrix, k_max))
