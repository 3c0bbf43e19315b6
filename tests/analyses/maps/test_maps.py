"""Maps: points that keep who is near whom, and how well; checked with scikit-learn."""

from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.decomposition import PCA
from sklearn.metrics import pairwise_distances

from saeatlas import errors
from saeatlas.analyses.maps import layouts, maps
from saeatlas.analyses.run_driver import Outcome, perform
from saeatlas.catalog.sql import read_sql
from saeatlas.ingest import simulation
from saeatlas.ingest.simulation import job
from saeatlas.schema.rows import maps as tables
from saeatlas.schema.rows import sae_vectors
from tests.support import tiny
from tests.support.commands import run_command

PLANTED = simulation.Params(
    features=400, d_model=32, lobes=4, active=10.0, geometry=0.0, dead=0.0, parallelograms=0,
    trapezoids=0,
)  # fmt: skip


def _units(vectors: Any) -> Any:
    vectors = np.asarray(vectors, np.float32)
    return vectors / np.linalg.norm(vectors, axis=1, keepdims=True)


def _islands(n: int = 240, d: int = 40, k: int = 4, seed: int = 0) -> tuple[Any, Any]:
    rng = np.random.default_rng(seed)
    which = rng.integers(k, size=n)
    return _units(3 * rng.normal(size=(k, d))[which] + rng.normal(size=(n, d))), which


def _find(engine: sa.Engine, sae: int = 1, **params: Any) -> Outcome:
    return perform(engine, maps.ANALYSIS, maps.Params(sae=sae, **params))


@settings(max_examples=25, deadline=None)
@given(n=st.integers(12, 80), d=st.integers(4, 60), dims=st.integers(2, 3), seed=st.integers(0, 99))
def test_pca_is_that_of_scikit_learn(n: int, d: int, dims: int, seed: int) -> None:
    units = _units(np.random.default_rng(seed).normal(size=(n, d)))
    points, share = layouts.pca(units, dims)
    reference = PCA(dims, svd_solver="full").fit(units.astype(float))
    expected = reference.transform(units.astype(float))
    expected *= np.sign(expected[np.abs(expected).argmax(axis=0), np.arange(dims)])
    np.testing.assert_allclose(points, expected, atol=2e-4)
    assert share == pytest.approx(reference.explained_variance_ratio_.sum(), rel=1e-4)


@pytest.mark.slow
def test_tsne_draws_nothing_at_random() -> None:
    units, _ = _islands()
    start, _ = layouts.pca(units, 2)
    points = layouts.tsne(units, start, 20.0)
    np.random.seed(7)
    np.testing.assert_array_equal(layouts.tsne(units, start, 20.0), points)


@pytest.mark.parametrize("method", ["pca", "tsne"])
def test_islands_are_kept_apart(method: str) -> None:
    units, which = _islands()
    points, _ = layouts.pca(units, 2)
    if method == "tsne":
        points = layouts.tsne(units, points, 20.0)
    own = pairwise_distances(points)
    np.fill_diagonal(own, np.inf)
    assert (which[own.argmin(axis=1)] == which).mean() > (0.8 if method == "pca" else 0.99)


def test_a_map_that_is_the_space_keeps_all_of_it() -> None:
    angles = np.random.default_rng(0).uniform(0, np.pi / 2, 300)
    units = np.column_stack([np.cos(angles), np.sin(angles)]).astype(np.float32)
    kept = layouts.preservation(units, units, 0)
    assert kept.neighbours_kept > 0.99 and kept.distances_kept > 0.999
    assert kept.neighbours_chance == pytest.approx(10 / 299)


def test_a_random_map_keeps_what_chance_keeps() -> None:
    units, _ = _islands(n=600)
    points: Any = np.random.default_rng(1).normal(size=(600, 2))
    kept = layouts.preservation(units, points, 0)
    # 6,000 draws of chance .0167: a standard error of .0017
    assert kept.neighbours_kept == pytest.approx(kept.neighbours_chance, abs=0.007)
    assert abs(kept.distances_kept) < 0.1


def test_neighbours_kept_is_the_share_of_common_neighbours() -> None:
    units, _ = _islands(n=60)
    points, _ = layouts.pca(units, 2)

    def sets(rows: Any) -> list[set[int]]:
        distances = pairwise_distances(rows.astype(float))
        np.fill_diagonal(distances, np.inf)
        return [set(row[:10].tolist()) for row in distances.argsort(axis=1)]

    both = zip(sets(units), sets(points), strict=True)
    expected = np.mean([len(one & other) / 10 for one, other in both])
    kept = layouts.preservation(units, points, 0)
    assert kept.neighbours_kept == pytest.approx(expected)


@pytest.fixture
def planted(engine: sa.Engine) -> sa.Engine:
    job.simulate(engine, PLANTED, blocks=3)
    return engine


def test_the_catalog_keeps_points_and_what_they_are_worth(planted: sa.Engine) -> None:
    done = _find(planted, method="pca")
    with planted.connect() as connection:
        vectors = sae_vectors.read(connection, 1)
        made = tables.read(connection, done.run)
    points, share = layouts.pca(_units(vectors), 2)
    np.testing.assert_allclose(made.points, points, atol=1e-6)
    row = read_sql(planted, "select * from maps").iloc[0]
    assert (row.run, row.method, row.source, row.dimensions) == (done.run, "pca", "decoder", 2)
    assert row.n_features == 400 and row.perplexity is None
    assert row.variance_share == pytest.approx(share)
    rows = read_sql(planted, "select * from coordinates order by feature")
    np.testing.assert_allclose(rows[["x", "y"]], points, atol=1e-6)
    assert rows.z.isna().all() and set(rows.method) == {"pca"}
    again = _find(planted, method="pca")
    assert again.run == done.run and not again.created
    with pytest.raises(errors.InputError, match="--perplexity would have no effect"):
        _find(planted, method="pca", perplexity=7.0)


def test_a_map_in_space_of_chosen_features(planted: sa.Engine) -> None:
    done = _find(planted, method="tsne", dimensions=3, features_where="feature % 4 = 0",
                 perplexity=5.0)  # fmt: skip
    rows = read_sql(planted, "select * from coordinates order by feature")
    assert rows.feature.tolist() == list(range(0, 400, 4)) and rows.z.notna().all()
    with planted.connect() as connection:
        assert tables.read(connection, done.run).points.shape == (100, 3)


@pytest.mark.slow
def test_the_newest_map_of_all_features_comes_before_those_of_some(planted: sa.Engine) -> None:
    first = _find(planted, method="pca")
    _find(planted, method="pca", features_where="feature < 100")
    third = _find(planted, method="tsne", perplexity=10.0)
    with planted.connect() as connection:
        found = {one.method: one.run for one in tables.newest(connection, 1)}
    assert found == {"pca": first.run, "tsne": third.run}


def test_vectors_without_a_direction_are_left_out(engine: sa.Engine) -> None:
    vectors = np.random.default_rng(0).normal(size=(60, 8)).astype(np.float32)
    vectors[7] = 0
    tiny.store_bare(engine, vectors)
    _find(engine, method="pca")
    rows = read_sql(engine, "select feature from coordinates")
    assert sorted(rows.feature) == [i for i in range(60) if i != 7]


def test_what_cannot_be_mapped_says_so(planted: sa.Engine) -> None:
    with pytest.raises(errors.InputError, match="20 features .* too few: this map needs 92"):
        _find(planted, features_where="feature < 20")
    with pytest.raises(errors.QueryFailed, match="does not run"):
        _find(planted, features_where="nonsense")
    with pytest.raises(errors.UnknownName, match="Run 99 is no map"), planted.connect() as c:
        tables.read(c, 99)
    assert read_sql(planted, "select * from maps").empty


def test_from_the_command_line(planted: sa.Engine) -> None:
    run_command(["analyze", "maps", "--sae", "1", "--method", "pca"])
    assert "400" in run_command(["sql", "select count(*) from coordinates"])
