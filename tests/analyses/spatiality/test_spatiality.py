"""Are lobes spatial? Planted relations are found, absent ones not; frequency is no geometry."""

from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from scipy import stats
from sklearn.cluster import KMeans
from sklearn.metrics import adjusted_mutual_info_score

from saeatlas import errors
from saeatlas.analyses.lobes import geometry as geometry_analysis
from saeatlas.analyses.lobes.affinities import Affinity, Angular, ByRows
from saeatlas.analyses.lobes.clustering import cluster_points
from saeatlas.analyses.lobes.embedding import embed
from saeatlas.analyses.run_driver import Outcome, perform
from saeatlas.analyses.spatiality import spatiality
from saeatlas.analyses.spatiality.inputs import Inputs, Lobes
from saeatlas.analyses.spatiality.null_tests import Trials
from saeatlas.analyses.spatiality.params import NULLS, Params
from saeatlas.analyses.stats.nulls import GaussianNull, Score, random_directions, scores
from saeatlas.ingest import simulation
from saeatlas.progress import Progress, Report, silent
from saeatlas.schema import tables
from saeatlas.schema.database import partitions
from saeatlas.schema.database.copy import copy_rows
from saeatlas.schema.rows import clusterings, pair_counts, remove, runs
from saeatlas.schema.rows.clusterings import Clustering
from tests.support import sparse
from tests.support.performed import once

Array = np.ndarray[Any, Any]


def cluster(vectors: Array, ks: Sequence[int], *, seed: int) -> dict[int, Array]:
    """k-means of directions, in place of spectral clustering."""
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    means = {k: KMeans(k, n_init=1, random_state=seed) for k in ks}
    return {k: mean.fit_predict(unit).astype(np.int64) for k, mean in means.items()}


def _tested(inputs: Inputs, how: Params) -> dict[tuple[str, str], dict[int, Score]]:
    found = Trials(inputs, how, cluster).run()
    return {key: dict(rows) for key, rows in found.items()}


def _params(**options: Any) -> Params:
    return Params(lobes=2, geometry=3, **options)


def _planted(n: int = 160, d: int = 12) -> Inputs:
    """Vectors in four bundles; lobes 1 (k 4) and 2 (k 2) follow them, 3 to 5 do not."""
    rng = np.random.default_rng(0)
    bundle = rng.integers(0, 4, n)
    noise = 0.3 * rng.standard_normal((n, d))
    vectors = (np.eye(d)[bundle] + noise).astype(np.float32)
    noisy = np.where(rng.random(n) < 0.2, rng.integers(0, 4, n), bundle)
    unrelated = [Lobes(i, 2, rng.integers(0, 2, n)) for i in (3, 4, 5)]
    followers = [Lobes(1, 4, noisy), Lobes(2, 2, noisy // 2)]
    clusters = {4: bundle, 2: bundle // 2}
    return Inputs(followers + unrelated, clusters, vectors, np.arange(n), rng.integers(1, 99, n))


@pytest.mark.slow
def test_planted_relations_are_found_and_absent_ones_are_not() -> None:
    found = _tested(_planted(), _params(trials=199, vector_trials=19))
    assert set(found) == {
        (statistic, null)
        for statistic in ("ami", "accuracy")
        for null in ("permuted", "frequency", "directions", "covariance")
    }
    for (statistic, null), rows in found.items():
        m = {"ami": 199, "accuracy": 100}[statistic] if null in ("permuted", "frequency") else 19
        for clustering, score in rows.items():
            assert score.n_trials == m
            if clustering in (1, 2):
                assert score.p == score.p_adjusted == 1 / (m + 1), (statistic, null, clustering)
            else:
                assert score.p_adjusted is not None
                assert score.p_adjusted >= max(score.p, 0.1), (statistic, null, clustering)


@pytest.mark.slow
def test_arrays_are_tested_without_a_catalog(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(geometry_analysis, "cluster_vectors", cluster)
    inputs, steps = _planted(), list[Progress]()
    result = spatiality.compute(inputs, _params(trials=49, vector_trials=2), steps.append)
    assert (result.n, result.quality) == (160, {"n_features": 160, "n_left_out": 0})
    rows = result.scores["ami", "permuted"]
    for (number, score), lobes in zip(rows, inputs.lobes, strict=True):
        assert number == lobes.clustering
        theirs = adjusted_mutual_info_score(lobes.labels, inputs.clusters[lobes.k])
        assert score.value == pytest.approx(theirs, abs=1e-9)
    assert {step.stage for step in steps} == {f"null: {name}" for name in NULLS}


@pytest.mark.slow
def test_the_published_procedure_has_two_nulls() -> None:
    world = replace(_planted(80), lobes=_planted(80).lobes[1:3])
    found = _tested(world, _params(preset="paper", trials=7, vector_trials=7))
    assert set(found) == {(s, n) for s in ("ami", "accuracy") for n in ("permuted", "directions")}
    assert {score.n_trials for rows in found.values() for score in rows.values()} == {100}
    assert found["ami", "permuted"][2].p == 1 / 101 < found["ami", "permuted"][3].p


def test_lobes_too_small_or_too_many_are_not_classified() -> None:
    world = _planted()
    rare = np.zeros(160, np.int64)
    rare[:4] = 1
    trials = Trials(
        replace(world, lobes=[*world.lobes[:3], Lobes(6, 2, rare)]),
        _params(trials=9, vector_trials=0, classify_up_to=2),
        cluster,
    )
    found = trials.run()
    assert [each.clustering for each in trials.unclassified] == [6]
    assert [clustering for clustering, _ in found["accuracy", "permuted"]] == [2, 3]
    assert [clustering for clustering, _ in found["ami", "permuted"]] == [1, 2, 3, 6]


def _p_values(make: Callable[[int], Inputs], worlds: int = 200) -> dict[str, Array]:
    """p of as many worlds."""
    found: dict[str, list[float]] = {"permuted": [], "frequency": []}
    for seed in range(worlds):
        plan = _params(trials=99, vector_trials=0, classify_up_to=0, stratum=16, seed=seed)
        tested = _tested(make(seed), plan)
        for null, values in found.items():
            values.append(tested["ami", null][1].p)
    return {null: np.array(values) for null, values in found.items()}


def _simulated_null(seed: int) -> Inputs:
    """What `ingest simulated --geometry 0` draws: planted lobes that the vectors do not know.

    Lobes and clusters are found as the commands find them, but for cluster_qr in place of k-means.
    The arrays are taken from the simulator and counted by numpy: through PostgreSQL, which other
    tests go through, so many catalogs would take several minutes and say the same.
    """
    terms = simulation.Params(
        features=200, d_model=16, lobes=4, active=16.0, blocks_per_document=1, preference=0.9,
        geometry=0.0, parallelograms=0, trapezoids=0, seed=seed,
    )  # fmt: skip
    planted = simulation.plant_features(terms)
    drawn = simulation.Blocks(terms, planted).draw(0)
    active = np.zeros((len(drawn.bounds) - 1, terms.features))
    active[np.repeat(np.arange(len(active)), np.diff(drawn.bounds)), drawn.features] = 1
    n = active.sum(axis=0)
    live = np.flatnonzero((n > 0) & (n < len(active)))
    both = (active.T @ active).astype(np.int32)[np.ix_(live, live)]
    vectors = simulation.draw_decoder(terms, planted).vectors[live]
    drawn_lobes = _four_clusters(Affinity("phi", len(active), both))
    own = adjusted_mutual_info_score(drawn_lobes, planted.lobe[live])
    assert own > 0.2  # there is something that the vectors could know
    clusters, rows = {4: _four_clusters(Angular(vectors))}, np.arange(len(live))
    return Inputs([Lobes(1, 4, drawn_lobes)], clusters, vectors, rows, n[live].astype(int))


def _four_clusters(affinity: ByRows) -> Array:
    embedding = embed(affinity, affinity.survey()[0], 4)
    return cluster_points(embedding, 4, assign="cluster_qr").labels


def _confounded(seed: int, n: int = 400) -> Inputs:
    """Lobes and geometry both follow frequency, and nothing else."""
    rng = np.random.default_rng(seed)
    rank = rng.permutation(n) / n
    first, second = (
        np.clip(4 * (rank + rng.normal(0, 0.25, n)), 0, 3.99).astype(int) for _ in range(2)
    )
    nowhere = np.zeros((n, 1), np.float32)
    frequency = np.exp(8 * rank).astype(int)
    return Inputs([Lobes(1, 4, first)], {4: second}, nowhere, np.arange(n), frequency)


@pytest.mark.slow
def test_without_a_relation_p_is_uniform() -> None:
    """Kolmogorov-Smirnov: 0.149 is its 1% point for 120 worlds, and p has steps of 0.01."""
    for null, p in _p_values(_simulated_null, 120).items():
        assert stats.kstest(p, "uniform").statistic < 0.149 + 0.01, null


@pytest.mark.slow
def test_frequency_alone_is_no_geometry() -> None:
    """At a level of 5% 200 worlds reject in 5% +- 1.5%; with 10% this is 3.2 errors away."""
    p = _p_values(_confounded)
    assert (p["permuted"] <= 0.05).mean() > 0.95
    assert (p["frequency"] <= 0.05).mean() < 0.10


def test_scores_by_hand() -> None:
    draws = np.array([[1.0, 0, 5], [2, 0, 5], [3, 0, 5], [2, 9, 5]])
    first, second, third = scores(np.array([3.0, -1, 6]), draws)
    assert (first.n_trials, first.value, first.mean, first.p) == (4, 3, 2, 2 / 5)
    assert first.sd == pytest.approx(np.sqrt(2 / 3)) and first.z == pytest.approx(np.sqrt(1.5))
    assert first.p_adjusted == 3 / 5  # the third draw as high, the fourth by the second statistic
    assert (second.p, second.p_adjusted) == (1, 1)
    assert (third.sd, third.z, third.p, third.p_adjusted) == (0, None, 1 / 5, None)


def test_equal_values_count_however_they_were_added() -> None:
    value = 0.1 + 0.2 + 0.3
    draws = np.array([[0.3 + 0.2 + 0.1], [0.0], [1.0]])
    assert value > draws[0, 0]
    assert scores(np.array([value]), draws)[0].p == 3 / 4


@pytest.mark.parametrize("t", [1, 30])
def test_adjusted_p_holds_its_level_with_few_draws(t: int) -> None:
    """The chance that any of t is at 0.05 is 0.05, with 19 draws too; 4 errors of 2,000 worlds."""
    rng = np.random.default_rng(0)
    drawn = rng.gamma(1, 1, (2000, 20, t))
    least = [min(s.p_adjusted or 1 for s in scores(one[0], one[1:])) for one in drawn]
    assert np.mean(np.array(least) <= 0.05) == pytest.approx(0.05, abs=0.02)


def test_gaussian_vectors_have_the_mean_and_covariance_of_the_vectors() -> None:
    rng = np.random.default_rng(0)
    mixed = rng.standard_normal((20_000, 6)) * [4, 2, 1, 1, 0.5, 0] + [9, 0, 0, 0, 0, 3]
    given = (mixed / np.linalg.norm(mixed, axis=1, keepdims=True)).astype(np.float32)
    drawn = GaussianNull(given).draw(rng, 20_000)
    assert np.linalg.norm(drawn, axis=1) == pytest.approx(np.ones(20_000), abs=1e-5)
    assert drawn.mean(axis=0) == pytest.approx(given.mean(axis=0), abs=0.05)
    assert np.cov(drawn.T) == pytest.approx(np.cov(given.T), abs=0.05)
    even = random_directions(rng, 20_000, 6)
    assert np.linalg.norm(even, axis=1) == pytest.approx(np.ones(20_000), abs=1e-5)
    assert even.T @ even / 20_000 == pytest.approx(np.eye(6) / 6, abs=0.01)


N, D = 60, 8


@pytest.fixture
def catalog(engine: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> sa.Engine:
    """Runs 1, counts; 2, lobes at k 2, 3 and 5; 3, geometry at k 2 and 3: lobes follow it."""
    monkeypatch.setattr(geometry_analysis, "cluster_vectors", cluster)
    made = sparse.record(engine, sparse.draw(np.random.default_rng(0), 30, N))
    rng = np.random.default_rng(0)
    bundle = rng.integers(0, 3, N)
    vectors = (np.eye(D)[bundle] + 0.2 * rng.standard_normal((N, D))).astype(np.float32)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    all_of_them, live = np.arange(N), np.arange(4, N)
    with engine.begin() as connection:
        _put_decoders(connection, made.row.sae, vectors)
        columns = {"sae": made.row.sae, "params": {}, "quality": {}}
        counts = runs.create(connection, "cooccurrence", b"1", recording=made.id, **columns)
        pair_counts.write_features(connection, counts, rng.integers(1, 30, N), all_of_them)
        columns["recording"] = made.id
        own = runs.create(connection, "lobes", b"2", input_run=counts, **columns)
        clusterings.write(connection, own, [
            _made("phi", 2, live, (bundle == 0)[4:]), _made("phi", 3, live, bundle[4:]),
            _made("jaccard", 2, live[1:], rng.integers(0, 2, N - 5)),
            _made("jaccard", 5, live, live % 5),
        ])  # fmt: skip
        columns["recording"] = None
        geometry = runs.create(connection, "geometry", b"3", **columns)
        clusterings.write(connection, geometry, [
            _made("angular", 2, all_of_them, bundle == 0), _made("angular", 3, all_of_them, bundle),
        ])  # fmt: skip
    assert (counts, own, geometry) == (1, 2, 3)
    return engine


def _put_decoders(connection: sa.Connection, sae: int, vectors: Array) -> None:
    connection.execute(sa.update(tables.sae).where(tables.sae.c.id == sae).values(d_in=D))
    part = partitions.table(tables.feature, sae)
    connection.execute(sa.delete(part))
    columns = ["sae", "feature", "decoder", "decoder_norm"]
    copy_rows(connection, part, columns, ((sae, f, v, 1.0) for f, v in enumerate(vectors)))


def _made(affinity: str, k: int, features: Array, labels: Array) -> Clustering:
    labels = labels.astype(np.int64)
    sizes = np.bincount(labels)
    columns = {"ncut": 0.0, "modularity": 0.0}
    return Clustering(affinity, k, features, labels, columns, {"modularity": [0.0] * len(sizes)})


def _test(
    engine: sa.Engine, lobes: int = 2, geometry: int = 3, report: Report = silent, **options: Any
) -> Outcome:
    how = Params(lobes, geometry, **{"trials": 49, "vector_trials": 4} | options)
    return perform(engine, spatiality.ANALYSIS, how, report)


def _rows(engine: sa.Engine, run: int) -> list[Any]:
    with engine.connect() as connection:
        query = "select * from atlas.lobe_tests where run = %s order by affinity, k, statistic"
        return list(connection.exec_driver_sql(query, (run,)))


@pytest.mark.slow
def test_a_catalog_is_tested(catalog: sa.Engine) -> None:
    done = _test(catalog)
    assert (
        done.created and "lobe_tests where run" in done.summary and "no such k: 5" in done.summary
    )
    rows = _rows(catalog, done.run)
    assert len(rows) == 3 * 2 * 4  # clusterings, statistics, nulls
    assert {(row.affinity, row.k) for row in rows} == {("phi", 2), ("phi", 3), ("jaccard", 2)}
    assert {row.n for row in rows} == {N - 5}
    for row in rows:
        m = 49 if row.null_model in ("permuted", "frequency") else 4
        assert row.n_trials == m
        assert row.z == pytest.approx((row.value - row.mean) / row.sd)
        if row.affinity == "phi" and row.null_model != "frequency":
            assert row.p == row.p_adjusted == 1 / (m + 1)
        if (row.affinity, row.statistic) == ("phi", "ami"):
            assert row.value == pytest.approx(1)
    with catalog.connect() as connection:
        run = connection.execute(sa.select(tables.run).where(tables.run.c.id == done.run)).one()
    assert (run.analysis, run.sae, run.recording) == ("spatiality", 1, 1)
    assert (run.input_run, run.preset, run.seed) == (2, "default", 0)
    assert run.params["geometry"] == 3 and run.params["ks"] == [2, 3]
    assert run.params["nulls"] == {
        "permuted": 49,
        "frequency": 49,
        "directions": 4,
        "covariance": 4,
    }
    assert (run.quality["n_features"], run.quality["n_left_out"]) == (N - 5, 1)
    again = _test(catalog)
    assert (again.run, again.created) == (done.run, False)
    assert "unchanged" in again.summary
    other = _test(catalog, seed=1)
    assert other.created and other.run != done.run


def test_the_same_seed_gives_the_same_rows(catalog: sa.Engine) -> None:
    first = _test(catalog, affinities=["phi"], ks=[2])
    rows = [row[1:] for row in _rows(catalog, first.run)]
    with catalog.begin() as connection:
        remove.remove_run(connection, first.run)
    second = _test(catalog, affinities=["phi"], ks=[2])
    assert second.created and len(rows) == 8
    assert [row[1:] for row in _rows(catalog, second.run)] == rows


def test_without_the_counts_there_is_no_frequency_null(catalog: sa.Engine) -> None:
    with catalog.begin() as connection:
        remove.remove_run(connection, 1)
    done = _test(catalog, vector_trials=0)
    assert {row.null_model for row in _rows(catalog, done.run)} == {"permuted"}
    with catalog.connect() as connection:
        query = sa.select(tables.run.c.quality).where(tables.run.c.id == done.run)
        said = connection.execute(query).scalar_one()["notes"]
    assert "Frequency null left out" in said[0] and said[0] in done.summary


def test_errors(catalog: sa.Engine) -> None:
    with pytest.raises(
        errors.UnknownName, match=r"Run 9 is not a run of lobes(.|\n)*Available: 2, 3"
    ):
        _test(catalog, 9, 3)
    with pytest.raises(
        errors.InputError, match=r"Run 3 is geometry, not lobes(.|\n)*lobes as --lobes"
    ):
        _test(catalog, 3, 2)
    with pytest.raises(errors.InputError, match=r"no k in common(.|\n)*have 5, geometry has 2, 3"):
        _test(catalog, ks=[5])
    too_few: tuple[dict[str, Any], ...] = ({"trials": 1}, {"vector_trials": 1}, {"seed": -1})
    for few in too_few:
        with pytest.raises(errors.InputError, match="at least 2|out of range"):
            _test(catalog, **few)
    sae = sparse.record(catalog, sparse.draw(np.random.default_rng(0), 3, N)).row.sae
    for analysis, key, n in (("geometry", sae, N), ("lobes", 1, 9)):
        with catalog.begin() as connection:
            run = runs.create(connection, analysis, b"x", sae=key, params={}, quality={})
            made = _made("phi", 2, np.arange(n), np.arange(n) % 2)
            clusterings.write(connection, run, [made])
    with pytest.raises(errors.InputError, match=r"of SAE 1, geometry 4 is of SAE 2(.|\n)*--sae 1"):
        _test(catalog, 2, 4)
    with pytest.raises(errors.InputError, match="Only 9 features"):
        _test(catalog, 5, 3)


def test_removal_meanwhile_is_noticed_and_nothing_is_written(catalog: sa.Engine) -> None:
    def remove_lobes() -> None:
        with catalog.begin() as connection:
            remove.remove_run(connection, 2)

    removed = once("null", remove_lobes)
    with pytest.raises(errors.UnknownName, match="Run 2 was removed meanwhile"):
        _test(catalog, trials=9, vector_trials=0, report=removed)
    with catalog.connect() as connection:
        assert connection.execute(sa.select(tables.lobe_test)).all() == []
        analyses = connection.execute(sa.select(tables.run.c.analysis)).scalars()
        assert "spatiality" not in set(analyses)
