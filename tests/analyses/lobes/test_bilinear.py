"""Lobes without the matrix of all pairs: the same numbers, the same lobes, and no matrix."""

import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import adjusted_mutual_info_score

from saeatlas import errors
from saeatlas.analyses.counting import bitmaps, read_bits
from saeatlas.analyses.counting.block_selection import select_blocks, select_counted
from saeatlas.analyses.counting.threshold import Threshold
from saeatlas.analyses.lobes import bilinear, embedding
from saeatlas.analyses.lobes.affinities import Affinity
from saeatlas.analyses.lobes.bilinear import MEASURES, Bilinear
from saeatlas.analyses.lobes.params import Params
from saeatlas.cli import cli
from saeatlas.ingest import simulation
from saeatlas.ingest.cooccurrence_file import ingest_cooccurrence
from saeatlas.ingest.simulation import job
from saeatlas.schema import tables
from saeatlas.schema.rows import clusterings
from tests.support import performed, sparse
from tests.support.matrices import Array

SEEDS = st.integers(0, 2**32 - 1)


def _pair(active: Array, measure: str) -> tuple[Affinity, Bilinear]:
    """The same affinity from counts and from bits."""
    n, both = sparse.counts(active)
    packed = np.packbits(active.T, axis=1)
    return (
        Affinity(measure, len(active), both.astype(np.int32)),
        Bilinear(measure, len(active), n, packed, "cpu"),
    )


def _defined(active: Array) -> Array:
    some: Array = active[:, active.any(axis=0) & ~active.all(axis=0)]
    return some


def _groups(seed: int, n_blocks: int, n: int, k: int, noise: float = 0.05) -> tuple[Array, Array]:
    """Blocks about one of k groups of features of very different frequency; and the groups."""
    rng = np.random.default_rng(seed)
    group, about = np.arange(n) % k, rng.integers(0, k, n_blocks)
    often = rng.uniform(0.1, 0.9, n)
    p = np.where(about[:, None] == group, often, noise * often)
    active = rng.random((n_blocks, n)) < p
    live = active.any(axis=0)
    return active[:, live], group[live]


@settings(max_examples=40, deadline=None)
@given(
    seed=SEEDS,
    n_blocks=st.integers(2, 120),
    n=st.integers(2, 40),
    measure=st.sampled_from(MEASURES),
    dtype=st.sampled_from([np.float32, np.float64]),
    slab=st.sampled_from([64, 640, 2**25]),
)
def test_products_equal_those_of_the_matrix(
    seed: int, n_blocks: int, n: int, measure: str, dtype: Any, slab: int
) -> None:
    rng = np.random.default_rng(seed)
    active = _defined(sparse.draw(rng, n_blocks, n, 0.6) > 1)
    if active.shape[1] < 2:
        return
    dense, free = _pair(active, measure)
    vectors = rng.standard_normal((active.shape[1], 3)).astype(dtype)
    before, bilinear.SLAB = bilinear.SLAB, slab
    try:
        product = free.dot(vectors)
        degrees, varied = free.survey()
    finally:
        bilinear.SLAB = before
    assert product.dtype == dtype and len(free) == len(dense) and free.top == dense.top
    exact = _in_float64(dense) @ vectors.astype(np.float64)
    precision = 2e-6 if dtype == np.float32 else 1e-13
    np.testing.assert_allclose(product, exact, atol=precision * max(1, np.abs(exact).max()))
    sums, differs = dense.survey()
    np.testing.assert_allclose(degrees, sums, atol=1e-5)
    assert varied == differs


def _in_float64(affinity: Affinity) -> Array:
    """The matrix from the counts, not rounded to float32 as `Affinity.rows` is."""
    from saeatlas.analyses.lobes.affinities import MEASURES as FORMULAS

    both = affinity.n_both.astype(float)
    n = both.diagonal()
    values = FORMULAS[affinity.measure](affinity.n_blocks, n[:, None], n, both)
    values = values + (affinity.measure == "phi")
    np.fill_diagonal(values, 0)
    return np.asarray(values)


@pytest.mark.parametrize("measure", MEASURES)
def test_many_vectors_and_some_features(measure: str, monkeypatch: pytest.MonkeyPatch) -> None:
    active, _ = _groups(0, 300, 60, 3)
    dense, free = _pair(active, measure)
    monkeypatch.setattr(bilinear, "VECTORS", 7)
    vectors = np.random.default_rng(0).standard_normal((active.shape[1], 23))
    np.testing.assert_allclose(free.dot(vectors), _in_float64(dense) @ vectors, atol=1e-11)
    which = np.arange(active.shape[1]) % 3 > 0
    some, part = free.take(which), dense.take(which)
    np.testing.assert_allclose(
        some.dot(vectors[which]), _in_float64(part) @ vectors[which], atol=1e-11
    )


@pytest.mark.slow
@pytest.mark.parametrize("measure", MEASURES)
def test_rare_and_frequent_features_in_float32(measure: str) -> None:
    """Active once, and in all blocks but one: float32 keeps what the first eigenvector leaves."""
    rng = np.random.default_rng(0)
    n_blocks = 20_000
    p = np.concatenate([np.full(100, 1 / n_blocks), np.full(100, 0.3), np.full(100, 1 - 1e-4)])
    active = _defined(rng.random((n_blocks, 300)) < p)
    dense, free = _pair(active, measure)
    vectors = rng.standard_normal((active.shape[1], 4)).astype(np.float32)
    vectors -= vectors.mean(axis=0)
    exact = _in_float64(dense) @ vectors.astype(np.float64)
    assert np.abs(free.dot(vectors) - exact).max() < 3e-6 * np.abs(exact).max()


@pytest.mark.parametrize("measure", MEASURES)
def test_one_number_for_all_pairs_and_a_single_other(measure: str) -> None:
    active = np.repeat(np.arange(3000)[:, None] % 3 == 0, 40, axis=1)
    dense, free = _pair(active, measure)
    assert not free.survey()[1] and not dense.survey()[1]
    active[1, 7] = True
    dense, free = _pair(active, measure)
    assert free.survey()[1] and dense.survey()[1]


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize(("n", "k_max"), [(2, 2), (3, 3), (9, 9), (60, 4), (60, 60), (300, 16)])
def test_eigenvectors_of_few_features(measure: str, n: int, k_max: int) -> None:
    active = _defined(_groups(n, 400, n + 5, 3)[0])[:, :n]
    dense, free = _pair(active, measure)
    degrees, _ = free.survey()
    k_max = min(k_max, len(free))
    ours = embedding.embed(free, degrees, k_max)
    theirs = embedding.embed(dense, dense.survey()[0], k_max)
    unit = 1 / (len(free) - 1)
    np.testing.assert_allclose(ours.eigenvalues, theirs.eigenvalues, atol=1e-4 * unit)
    assert ours.residual < embedding.TOLERANCE
    vectors = ours.points * np.sqrt(degrees)[:, None]
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(k_max), atol=2e-5)


@pytest.mark.slow
@pytest.mark.parametrize("measure", MEASURES)
def test_without_structure(measure: str) -> None:
    """Eigenvalues side by side, and features of every frequency."""
    rng = np.random.default_rng(0)
    active = _defined(rng.random((3_000, 500)) < rng.beta(0.3, 3, 500))
    dense, free = _pair(active, measure)
    ours = embedding.embed(free, free.survey()[0], 16)
    theirs = embedding.embed(dense, dense.survey()[0], 16)
    np.testing.assert_allclose(ours.eigenvalues, theirs.eigenvalues, atol=1e-4 / len(free))
    assert ours.residual < embedding.TOLERANCE


def test_one_feature_with_hardly_any_relation() -> None:
    """The known bound of the lowest eigenvalue is far off: it is looked for."""
    active, _ = _groups(0, 400, 90, 3)
    rare = np.zeros((400, 1), bool)
    rare[0] = True
    active = np.hstack([active, ~active[:, :1], rare, np.ones((400, 1), bool) ^ rare])
    dense, free = _pair(active, "simple_matching")
    ours = embedding.embed(free, free.survey()[0], 8)
    theirs = embedding.embed(dense, dense.survey()[0], 8)
    np.testing.assert_allclose(ours.eigenvalues, theirs.eigenvalues, atol=1e-4 / len(free))
    assert ours.residual < embedding.TOLERANCE


def test_patience_ends_in_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    _, free = _pair(_defined(np.random.default_rng(0).random((900, 400)) < 0.3), "phi")
    monkeypatch.setattr(embedding, "PRODUCTS", 3)
    with pytest.raises(errors.InputError, match=r"16 eigenvectors of 400 features(.|\n)*-free"):
        embedding.embed(free, free.survey()[0], 16)


def test_the_same_again_to_the_last_bit() -> None:
    _, free = _pair(_groups(0, 400, 90, 3)[0], "phi")
    first, second = (embedding.embed(free, free.survey()[0], 4) for _ in range(2))
    assert (first.points == second.points).all() and first.residual == second.residual


def _count(engine: sa.Engine, recording: int = 1, above: float = 0.0, **options: Any) -> int:
    return performed.count(engine, recording, above, **options).run


def _labels(engine: sa.Engine, counts: int, **options: Any) -> list[Any]:
    done = performed.find_lobes(engine, counts, **options)
    with engine.connect() as connection:
        return clusterings.read(connection, done.run)


def _without_pairs(engine: sa.Engine) -> None:
    """Take all counts of pairs away: who reads them finds none."""
    with engine.begin() as connection:
        connection.exec_driver_sql("delete from atlas.cooccurrence")


PLANTED = simulation.Params(
    features=160, d_model=12, lobes=4, active=30.0, blocks_per_document=2, preference=0.9,
    dead=0.1, parallelograms=0, trapezoids=0,
)  # fmt: skip


@pytest.fixture
def planted(engine: sa.Engine) -> int:
    """Run 1: counts of one half of the documents; four planted lobes, a tenth dead."""
    job.simulate(engine, PLANTED, blocks=2_000)
    return _count(engine, half="first")


@pytest.mark.slow
def test_lobes_are_those_of_the_matrix(engine: sa.Engine, planted: int) -> None:
    terms: dict[str, Any] = {"affinities": MEASURES, "ks": [2, 4]}
    theirs = _labels(engine, planted, **terms)
    _without_pairs(engine)
    ours = _labels(engine, planted, matrix_free=True, **terms)
    truth = simulation.plant_features(PLANTED).lobe
    assert len(ours) == len(theirs) == 4
    for one, other in zip(ours, theirs, strict=True):
        assert (one.affinity, one.k) == (other.affinity, other.k)
        assert (one.features == other.features).all()
        assert adjusted_mutual_info_score(one.lobes, other.lobes) == pytest.approx(1)
        if (one.affinity, one.k) == ("phi", 4):
            assert adjusted_mutual_info_score(one.lobes, truth[one.features]) > 0.9
    with engine.connect() as connection:
        table = tables.run
        query = sa.select(table).where(table.c.analysis == "lobes").order_by(table.c.id)
        first, second = connection.execute(query).all()
    assert "matrix_free" not in first.params and second.params["matrix_free"] is True
    assert first.input_sha256 != second.input_sha256
    for name in MEASURES:
        assert second.quality[name]["residual"] < embedding.TOLERANCE
    with engine.connect() as connection:
        rows = connection.exec_driver_sql(
            "select ncut, modularity, silhouette from atlas.clustering order by run, affinity, k"
        ).all()
    for a, b in zip(rows[:4], rows[4:], strict=True):
        assert a == pytest.approx(b, rel=1e-5)


@pytest.mark.slow
def test_halves_without_the_matrix(engine: sa.Engine, planted: int) -> None:
    whole = _count(engine)
    _labels(engine, whole, affinities=["phi"], ks=[4], matrix_free=True, halves=True)
    with engine.connect() as connection:
        stability = connection.exec_driver_sql("select half_stability from atlas.clustering")
        assert stability.scalar_one() > 0.8


def test_bits_are_those_that_were_counted(engine: sa.Engine) -> None:
    """Chosen documents of a recording in uneven chunks, of which the last came afterwards."""
    rng = np.random.default_rng(0)
    peaks = sparse.draw(rng, 700, 30)
    made = sparse.record(engine, peaks[:333], blocks_per_document=3)
    threshold = Threshold(1.5)
    options: dict[str, Any] = {"subsets": ["A"], "documents_where": "document % 5 > 0"}
    _count(engine, made.id, 1.5, **options)
    sparse.add(engine, made, peaks[333:500], blocks_per_document=1)
    run = _count(engine, made.id, 1.5, min_blocks=2, **options)
    sparse.add(engine, made, peaks[500:], blocks_per_document=1)
    bitmap = bitmaps.grow(engine, made.id, threshold)
    with engine.connect() as connection:
        query = sa.select(tables.run.c.params).where(tables.run.c.id == run)
        params = connection.execute(query).scalar_one()
    selection = select_counted(engine, bitmap, run, params)
    assert len(select_blocks(engine, bitmap).masks) == 3 and len(selection.masks) == 2
    documents = np.concatenate([np.arange(333) // 3, 111 + np.arange(167)])
    chosen = (made.subsets[:500] == "A") & (documents % 5 > 0)
    assert selection.n_blocks == chosen.sum()
    features = rng.permutation(30)[:20]
    with engine.connect() as connection:
        packed = read_bits.read_selected(connection, bitmap, selection, features)
    active = peaks[:500][chosen][:, features] > 1.5
    assert (read_bits.count(packed) == active.sum(axis=0)).all()
    assert chosen[:333].sum() % 8  # two chunks meet within a byte
    got = np.unpackbits(packed, axis=1)
    assert (got[:, : len(active)] == active.T).all() and not got[:, len(active) :].any()
    assert packed.shape[1] == -(-len(active) // 8)


def test_a_recording_that_has_grown_since_gives_the_same(engine: sa.Engine) -> None:
    active, _ = _groups(0, 400, 60, 3)
    made = sparse.record(engine, active[:300].astype(np.float32))
    run = _count(engine, made.id)
    terms: dict[str, Any] = {"affinities": ["phi"], "ks": [3]}
    (theirs,) = _labels(engine, run, **terms)
    sparse.add(engine, made, active[300:].astype(np.float32))
    _without_pairs(engine)
    (ours,) = _labels(engine, run, matrix_free=True, **terms)
    assert (ours.features == theirs.features).all() and (ours.lobes == theirs.lobes).all()


@pytest.mark.slow
def test_what_is_left_out_is_the_same(engine: sa.Engine) -> None:
    """Always active, rare, and opposites of all others."""
    active, _ = _groups(0, 300, 40, 2)
    active = active.copy()
    active[:, 7] = True
    active[3:, 9] = False
    run = _count(engine, sparse.record(engine, active.astype(np.float32)).id)
    terms: dict[str, Any] = {"affinities": MEASURES, "ks": [2], "min_blocks": 4}
    theirs = _labels(engine, run, **terms)
    for one, other in zip(_labels(engine, run, matrix_free=True, **terms), theirs, strict=True):
        assert one.features.tolist() == other.features.tolist() and 9 not in one.features
        assert (7 in one.features) == (one.affinity == "simple_matching")
        assert (one.lobes == other.lobes).all()
    one = np.random.default_rng(0).random(997) < 0.3
    opposites = np.stack([one, ~one, ~one, ~one], axis=1).astype(np.float32)
    run = _count(engine, sparse.record(engine, opposites).id)
    (labels,) = _labels(engine, run, affinities=["phi"], ks=[1], matrix_free=True)
    assert labels.features.tolist() == [1, 2, 3]


def test_memory_stays_below_the_matrix() -> None:
    """Of 2,000 features the matrix is 16 MB in float32. Torch's slabs, small here, are not seen."""
    n = 2_000
    active = np.random.default_rng(0).random((160, n)) < 0.1
    active[:80, : n // 2] |= np.random.default_rng(1).random((80, n // 2)) < 0.3
    active = _defined(active)
    free = Bilinear("phi", 160, active.sum(axis=0), np.packbits(active.T, axis=1))
    tracemalloc.start()
    degrees, _ = free.survey()
    embedding.embed(free, degrees, 4)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < n * n * 4 / 2


@pytest.mark.parametrize(
    ("terms", "said"),
    [
        ({"ks": [0]}, "no lobes for k = 0"),
        ({"ks": [2, -3]}, "no lobes for k = -3"),
        ({"ks": []}, "No k"),
        ({"affinities": ["cosine"]}, r"no affinity 'cosine'(.|\n)*simple_matching"),
        (
            {"matrix_free": True, "affinities": ["jaccard", "dice", "overlap"]},
            r"jaccard, dice, overlap cannot(.|\n)*phi, simple_matching",
        ),
        ({"matrix_free": True, "affinities": ["phi"], "preset": "paper"}, r"paper(.|\n)*Leave out"),
    ],
)
def test_parameters_that_contradict_one_another(terms: dict[str, Any], said: str) -> None:
    with pytest.raises(errors.InputError, match=said):
        Params(1, **terms)


def test_bits_that_are_not_those_counted(engine: sa.Engine, planted: int) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "update atlas.cooccurrence_feature set n = n + 1 where feature = "
            "(select max(feature) from atlas.cooccurrence_feature where place is not null)"
        )
    with pytest.raises(errors.InputError, match=r"not those that run 1(.|\n)*remove run 1"):
        _labels(engine, planted, affinities=["phi"], ks=[2], matrix_free=True)


def test_blocks_that_are_not_to_be_found_again(engine: sa.Engine) -> None:
    active, _ = _groups(0, 100, 20, 2)
    made = sparse.record(engine, active.astype(np.float32))
    where = "(select count(*) from documents) = 100"
    run = _count(engine, made.id, documents_where=f"document < 50 or not {where}")
    sparse.add(engine, made, active.astype(np.float32))
    with pytest.raises(errors.InputError, match="can no longer be determined"):
        _labels(engine, run, affinities=["phi"], ks=[2], matrix_free=True)


def test_counts_from_a_file_have_no_bits(engine: sa.Engine, tmp_path: Path) -> None:
    active, _ = _groups(0, 200, 30, 2)
    sparse.record(engine, np.empty((0, active.shape[1]), np.float32))
    both = sparse.counts(active)[1].astype(np.int32)
    np.savez(tmp_path / "counts.npz", histogram=both, n_chunks=200)
    run = ingest_cooccurrence(engine, tmp_path / "counts.npz", sae="r/s0").run
    with pytest.raises(errors.InputError, match=r"came from a file(.|\n)*--matrix-free"):
        _labels(engine, run, affinities=["phi"], ks=[2], matrix_free=True)


@pytest.mark.slow
def test_the_command_line(engine: sa.Engine, planted: int) -> None:
    def say(line: str) -> str:
        done = CliRunner().invoke(cli, ["analyze", "lobes", *line.split()])
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.output

    assert "Run 2: done in" in say("--cooccurrence 1 --k 2 --matrix-free")
    with engine.connect() as connection:
        found = clusterings.read(connection, 2)
    assert [one.affinity for one in found] == list(MEASURES)
    assert "Run 3: done in" in say(
        "--cooccurrence 1 --k 2 --affinity phi --affinity simple-matching"
    )
    with pytest.raises(errors.InputError, match="dice cannot"):
        say("--cooccurrence 1 --k 2 --matrix-free --affinity dice")
