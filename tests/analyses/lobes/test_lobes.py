"""Lobes and clusters of decoder vectors: found where planted, whole or not at all."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from sklearn.metrics import adjusted_mutual_info_score

from saeatlas import errors
from saeatlas.analyses.lobes import geometry, lobes
from saeatlas.analyses.lobes.affinities import Affinity, Angular
from saeatlas.analyses.lobes.params import Params
from saeatlas.analyses.lobes.sources import Pairs
from saeatlas.analyses.run_driver import Outcome
from saeatlas.cli import cli
from saeatlas.ingest import simulation
from saeatlas.ingest.cooccurrence_file import ingest_cooccurrence
from saeatlas.ingest.simulation import job
from saeatlas.progress import Progress
from saeatlas.schema import tables
from saeatlas.schema.database import copy
from saeatlas.schema.rows import clusterings, pair_counts, remove, sae_vectors
from saeatlas.schema.rows.clusterings import Labels
from tests.support import performed, sparse
from tests.support.matrices import Array, dense
from tests.support.performed import interrupt, once
from tests.support.rows import rows_of

PLANTED = simulation.Params(
    features=120, d_model=12, lobes=4, active=24.0, blocks_per_document=1, preference=1.0,
    geometry=1.0, density_exponent=0.2, spectrum_exponent=0.0, dead=0.1, parallelograms=0,
    trapezoids=0,
)  # fmt: skip
LIVE = simulation.plant_features(PLANTED).lobe >= 0


def _count(engine: sa.Engine, recording: int = 1, above: float = 0.0, **options: Any) -> int:
    return performed.count(engine, recording, above, **options).run


def _find(engine: sa.Engine, counts: int, **options: Any) -> Outcome:
    return performed.find_lobes(engine, counts, **options)


def _read(engine: sa.Engine, run: int | None, **which: Any) -> list[Labels]:
    assert run is not None
    with engine.connect() as connection:
        return clusterings.read(connection, run, **which)


def _run(engine: sa.Engine, run: int | None) -> Any:
    return next(row for row in rows_of(engine, tables.run) if row.id == run)


def _empty(engine: sa.Engine) -> bool:
    ours = (tables.clustering, tables.lobe, tables.lobe_member)
    runs = {row.analysis for row in rows_of(engine, tables.run)}
    return not any(rows_of(engine, table) for table in ours) and runs <= {"cooccurrence"}


def _groups(rng: np.random.Generator, n_blocks: int, sizes: list[int], noise: float) -> Array:
    """Blocks about one of some groups of features: its own are active often, others seldom."""
    about = rng.integers(0, len(sizes), n_blocks)
    group = np.repeat(np.arange(len(sizes)), sizes)
    p = np.where(about[:, None] == group, 0.7, noise)
    return rng.random((n_blocks, sum(sizes))) < p


def _record(engine: sa.Engine, active: Array) -> int:
    """Store which features are active in which blocks, and count them: their run."""
    made = sparse.record(engine, np.where(active, np.float32(1), np.float32(0)))
    return _count(engine, made.id)


def _agreement(first: Labels, second: Array) -> float:
    return float(adjusted_mutual_info_score(first.lobes, second[first.features]))


@pytest.fixture
def planted(engine: sa.Engine) -> int:
    """Run 1: counts of four planted lobes; a tenth of the features are dead."""
    job.simulate(engine, PLANTED, blocks=1_500)
    return _count(engine)


def test_planted_lobes_are_found(engine: sa.Engine, planted: int) -> None:
    done = _find(engine, planted, ks=[2, 4])
    truth = simulation.plant_features(PLANTED).lobe
    assert done.created and done.run == 2 and not done.notes
    assert "Run 2: done in" in done.summary and 'where run = 2"' in done.summary
    found = _read(engine, done.run)
    names = ["dice", "jaccard", "overlap", "phi", "simple_matching"]
    assert [(one.affinity, one.k) for one in found] == [(name, k) for name in names for k in (2, 4)]
    for one in found:
        assert one.features.tolist() == np.flatnonzero(LIVE).tolist()  # no dead feature
        if one.k == 4 and one.affinity != "simple_matching":
            assert _agreement(one, truth) > 0.99
    run = _run(engine, done.run)
    assert (run.analysis, run.sae, run.recording, run.input_run) == ("lobes", 1, 1, planted)
    assert (run.preset, run.seed) == ("default", 0)
    assert run.params == {
        "affinities": ["phi", "jaccard", "dice", "overlap", "simple_matching"], "ks": [2, 4],
        "min_blocks": 1, "assign": "kmeans", "halves": False,
    }  # fmt: skip
    for name in names:
        quality = run.quality[name]
        assert quality["n_features"] == LIVE.sum() and quality["n_parts"] == 1
        assert 0 < quality["residual"] < 1e-3
    row = next(r for r in rows_of(engine, tables.clustering) if (r.affinity, r.k) == ("phi", 4))
    assert row.ncut < 3 and row.modularity > 0.01 and row.seed_stability > 0.9
    assert row.half_stability is None


@pytest.mark.slow
def test_every_row_agrees_with_the_labels(engine: sa.Engine, planted: int) -> None:
    done = _find(engine, planted, ks=[1, 2, 3, 8], affinities=["jaccard", "phi"])
    counts = _counts(engine, planted)
    every = {row.id: row for row in rows_of(engine, tables.clustering)}
    each = {(row.clustering, row.lobe): row for row in rows_of(engine, tables.lobe)}
    assert len(every) == 8
    coarser: dict[str, Array] = {}
    for labels in _read(engine, done.run):
        row = every[labels.clustering]
        n = np.bincount(labels.lobes)
        assert (row.run, row.k, row.n_lobes) == (done.run, labels.k, len(n)) and (n > 0).all()
        assert row.n_features == len(labels.features) == n.sum()
        lowest = [labels.features[labels.lobes == i].min() for i in range(len(n))]
        order = list(zip(-n, lowest, strict=True))
        assert order == sorted(order)  # the largest first, ties by lowest member
        affinity = Affinity(labels.affinity, counts.n_blocks, counts.n_both)
        wide = dense(affinity).astype(np.float64)
        shares, ncut = [], 0.0
        for i in range(len(n)):
            own = labels.lobes == i
            within, volume = wide[own][:, own].sum(), wide[own].sum()
            ncut += 1 - within / volume
            shares.append(within / wide.sum() - (volume / wide.sum()) ** 2)
            lobe = each.pop((row.id, i))
            assert lobe.n_features == n[i]
            assert lobe.modularity == pytest.approx(shares[-1], abs=1e-6)
            assert (lobe.silhouette is None) == (labels.k == 1)
            if labels.k == 1:
                assert (lobe.parent, lobe.parent_share) == (None, None)
                continue
            inside = np.bincount(coarser[labels.affinity][own])
            assert lobe.parent == inside.argmax()
            assert lobe.parent_share == pytest.approx(inside.max() / n[i], rel=1e-6)
        assert row.ncut == pytest.approx(ncut, abs=1e-5)
        assert row.modularity == pytest.approx(sum(shares), abs=1e-6)
        assert (row.silhouette is None) == (row.seed_stability is None) == (labels.k == 1)
        coarser[labels.affinity] = labels.lobes
    assert not each
    with engine.connect() as connection:
        view = connection.exec_driver_sql("select * from lobes").all()
        assert len(view) == len(rows_of(engine, tables.lobe))
        members = connection.exec_driver_sql("select count(*) from lobe_features").scalar_one()
        assert members == 8 * LIVE.sum()


def _counts(engine: sa.Engine, run: int) -> pair_counts.Counts:
    with engine.connect() as connection:
        return pair_counts.read(connection, run)


@pytest.mark.slow
def test_the_same_again_is_found_and_others_stand_beside_it(
    engine: sa.Engine, planted: int
) -> None:
    terms: dict[str, Any] = {"ks": [2, 4], "affinities": ["phi"]}
    first = _find(engine, planted, **terms)
    again = _find(engine, planted, affinities=["phi", "phi"], ks=[4, 2, 4])
    assert (again.run, again.created) == (first.run, False)
    assert "done before, unchanged" in again.summary
    rows = rows_of(engine, tables.lobe)
    others = [
        _find(engine, planted, **terms | other).run
        for other in (
            {"seed": 1}, {"affinities": ["dice"]}, {"ks": [2]}, {"assign": "cluster_qr"},
            {"min_blocks": 2}, {"preset": "paper"},
        )
    ]  # fmt: skip
    assert len({first.run, *others}) == 7
    assert [r for r in rows_of(engine, tables.lobe) if r.clustering <= 2] == rows
    assert [one.k for one in _read(engine, first.run)] == [2, 4]
    qr = _read(engine, others[3], ks=[4])[0]
    assert _agreement(qr, simulation.plant_features(PLANTED).lobe) > 0.99


@pytest.mark.slow
@pytest.mark.parametrize("at", ["first", "second", "clustering"])
def test_stopped_halfway_it_leaves_nothing(
    engine: sa.Engine, planted: int, monkeypatch: pytest.MonkeyPatch, at: str
) -> None:
    if at == "clustering":
        with pytest.raises(KeyboardInterrupt):
            _find(engine, planted, affinities=["phi"], ks=[2, 3], report=once("cluster", interrupt))
    else:
        calls: list[str] = []
        real = copy.copy_rows

        def fail(connection: Any, table: Any, columns: Any, rows: Any) -> None:
            calls.append(table.name)
            if len(calls) == (1 if at == "first" else 2):
                raise KeyboardInterrupt
            real(connection, table, columns, rows)

        monkeypatch.setattr(clusterings, "copy_rows", fail)
        with pytest.raises(KeyboardInterrupt):
            _find(engine, planted, affinities=["phi"], ks=[2, 3])
        monkeypatch.undo()
    assert _empty(engine)
    assert _find(engine, planted, affinities=["phi"], ks=[2, 3]).created  # and nothing is locked


def test_two_at_once(engine: sa.Engine, planted: int) -> None:
    def meanwhile() -> None:
        with pytest.raises(errors.CatalogBusy, match="lobes"):
            _find(engine, planted, affinities=["phi"], ks=[2])

    wanted = {"affinities": ["phi"], "ks": [2]}
    assert _find(engine, planted, report=once("cluster", meanwhile), **wanted).created


@pytest.mark.slow
@pytest.mark.parametrize("what", ["run", "recording", "sae"])
def test_removal_takes_lobes_along(engine: sa.Engine, planted: int, what: str) -> None:
    done = _find(engine, planted, affinities=["phi"], ks=[2])
    with engine.begin() as connection:
        number = done.run if what == "run" else 1
        getattr(remove, f"remove_{what}")(connection, number)
    assert _empty(engine)


def test_lobes_outlive_their_counts(engine: sa.Engine, planted: int) -> None:
    done = _find(engine, planted, affinities=["phi"], ks=[2])
    with engine.begin() as connection:
        remove.remove_run(connection, planted)
    assert _run(engine, done.run).input_run is None
    assert len(_read(engine, done.run)[0].features) == LIVE.sum()


def test_removal_of_the_counts_meanwhile_is_noticed(engine: sa.Engine, planted: int) -> None:
    def remove_counts() -> None:
        with engine.begin() as connection:
            remove.remove_run(connection, planted)

    removed = once("cluster", remove_counts)
    with pytest.raises(errors.UnknownName, match="Run 1 was removed meanwhile"):
        _find(engine, planted, affinities=["phi"], ks=[2], report=removed)
    assert _empty(engine)


def test_groups_that_never_meet(engine: sa.Engine) -> None:
    active = _groups(np.random.default_rng(0), 400, [30, 20], 0.0)
    run = _record(engine, active)
    done = _find(engine, run, affinities=["jaccard"], ks=[2, 3])
    (said,) = done.notes
    assert said == "jaccard falls into 2 or more parts without any affinity between."
    assert said in done.summary
    stored = _run(engine, done.run).quality
    assert stored["notes"] == [said] and stored["jaccard"]["n_parts"] == 2
    two = _read(engine, done.run, ks=[2])[0]
    assert two.lobes.tolist() == [0] * 30 + [1] * 20
    assert rows_of(engine, tables.clustering)[0].ncut == pytest.approx(0, abs=1e-6)


def test_features_that_meet_no_other_have_no_lobe(engine: sa.Engine) -> None:
    active = _groups(np.random.default_rng(0), 300, [20, 20], 0.05)
    lonely = np.zeros((10, 45), bool)
    lonely[np.arange(5), np.arange(40, 45)] = True
    active = np.vstack([np.pad(active, ((0, 0), (0, 5))), lonely])
    run = _record(engine, active)
    done = _find(engine, run, affinities=["jaccard", "phi"], ks=[2])
    assert done.notes == (
        "jaccard: 5 of 45 features have no affinity with any other, and so no lobe.",
    )
    jaccard, phi = _read(engine, done.run)
    assert jaccard.features.tolist() == list(range(40))
    assert phi.features.tolist() == list(range(45))  # phi of such a pair is known
    assert jaccard.lobes.tolist() == [0] * 20 + [1] * 20


def test_opposites_have_no_affinity(engine: sa.Engine) -> None:
    """phi + 1 of features of which always just one is active is 0, but for rounding."""
    rng = np.random.default_rng(0)
    one = rng.random(997) < 0.3
    active = np.stack([one, ~one, ~one, ~one], axis=1)
    done = _find(engine, _record(engine, active), affinities=["phi"], ks=[1])
    assert done.notes == ("phi: 1 of 4 features have no affinity with any other, and so no lobe.",)
    assert _read(engine, done.run)[0].features.tolist() == [1, 2, 3]


def test_a_feature_active_in_every_block_has_no_phi(engine: sa.Engine) -> None:
    active = _groups(np.random.default_rng(0), 300, [20, 20], 0.05)
    active[:, 7] = True
    done = _find(engine, _record(engine, active), affinities=["phi", "jaccard"], ks=[2])
    jaccard, phi = _read(engine, done.run)
    assert set(jaccard.features) - set(phi.features) == {7}
    truth = np.repeat([0, 1], 20)
    assert _agreement(phi, truth) == pytest.approx(1)


def test_features_that_are_all_the_same_have_no_lobes(engine: sa.Engine) -> None:
    active = np.repeat(np.arange(30)[:, None] % 3 == 0, 5, axis=1)
    run = _record(engine, active)
    with pytest.raises(
        errors.InputError, match=r"nothing to cluster(.|\n)*phi is the same for all"
    ):
        _find(engine, run, affinities=["phi"], ks=[2])
    assert _empty(engine)


def test_an_affinity_that_is_the_same_everywhere_does_not_stop_the_others(
    engine: sa.Engine,
) -> None:
    active = np.zeros((12, 4), bool)  # overlap 1 for each pair: one within the other
    for i, n in enumerate((2, 4, 6, 8)):
        active[:n, i] = True
    done = _find(engine, _record(engine, active), ks=[2])
    assert done.notes == ("overlap is the same for all pairs: it has no lobes.",)
    made = [one.affinity for one in _read(engine, done.run)]
    assert made == ["dice", "jaccard", "phi", "simple_matching"]
    assert "overlap" not in _run(engine, done.run).quality


def test_k_above_the_number_of_features_is_left_out(engine: sa.Engine) -> None:
    active = _groups(np.random.default_rng(0), 100, [4, 4], 0.1)
    run = _record(engine, active)
    done = _find(engine, run, affinities=["phi"], ks=[2, 8, 9])
    assert done.notes == ("No lobes for k above the number of features, 8.",)
    assert [one.k for one in _read(engine, done.run)] == [2, 8]
    with pytest.raises(
        errors.InputError, match=r"above the number of features, 8(.|\n)*smaller --k"
    ):
        _find(engine, run, affinities=["phi"], ks=[9])


@pytest.mark.parametrize("n", [0, 1])
def test_fewer_than_two_features(engine: sa.Engine, n: int) -> None:
    active = np.zeros((10, 5), bool)
    active[:3, :n] = True
    run = _record(engine, active)
    with pytest.raises(errors.InputError, match="fewer than two features"):
        _find(engine, run, ks=[1])


def test_rare_features_can_be_left_out(engine: sa.Engine) -> None:
    active = _groups(np.random.default_rng(0), 300, [20, 20], 0.05)
    active[4:, 3], active[:4, 3] = False, True
    run = _record(engine, active)
    for least, there in ((4, True), (5, False)):
        done = _find(engine, run, affinities=["phi"], ks=[2], min_blocks=least)
        labels = _read(engine, done.run)[0]
        assert (3 in labels.features) == there and len(labels.features) == 39 + there


def test_a_run_that_is_none(engine: sa.Engine, planted: int) -> None:
    done = _find(engine, planted, affinities=["phi"], ks=[2])
    for number in (99, done.run):
        with pytest.raises(
            errors.UnknownName, match=rf"Run {number} is no count(.|\n)*Available: 1\."
        ):
            _find(engine, number or 0)


@pytest.mark.slow
def test_halves_of_the_documents(engine: sa.Engine, planted: int) -> None:
    done = _find(engine, planted, halves=True, affinities=["phi"], ks=[4])
    (row,) = rows_of(engine, tables.clustering)
    assert row.half_stability > 0.9
    runs = [row for row in rows_of(engine, tables.run) if row.analysis == "cooccurrence"]
    whole, first, second = (_counts(engine, run.id) for run in runs)
    assert whole.n_blocks == first.n_blocks + second.n_blocks == 1_500
    assert 600 < first.n_blocks < 900
    assert (whole.n == first.n + second.n).all()
    assert (_full(whole) == _full(first) + _full(second)).all()
    assert _run(engine, done.run).params["halves"] is True
    assert _find(engine, planted, halves=True, affinities=["phi"], ks=[4]).run == done.run


def _full(counts: pair_counts.Counts) -> Array:
    both = np.zeros((len(counts.n), len(counts.n)), np.int64)
    both[np.ix_(counts.features, counts.features)] = counts.n_both
    return both


@pytest.mark.slow
def test_halves_of_noise_do_not_agree(engine: sa.Engine) -> None:
    active = np.random.default_rng(0).random((600, 80)) < 0.3
    done = _find(engine, _record(engine, active), halves=True, affinities=["phi"], ks=[4])
    (row,) = rows_of(engine, tables.clustering)
    assert abs(row.half_stability) < 0.15 and row.run == done.run
    assert row.ncut == pytest.approx(3, abs=0.2) and row.seed_stability < 0.8


def test_halves_are_counted_as_the_whole_was(engine: sa.Engine) -> None:
    rng = np.random.default_rng(0)
    peaks = np.where(_groups(rng, 600, [15, 15], 0.1), rng.uniform(1, 3, (600, 30)), 0)
    made = sparse.record(engine, peaks.astype(np.float32))
    options: dict[str, Any] = {
        "subsets": ["A"], "documents_where": "document < 500", "min_blocks": 3,
    }  # fmt: skip
    counts = _count(engine, made.id, 1.5, **options)
    _find(engine, counts, halves=True, affinities=["phi"], ks=[2])
    runs = [row for row in rows_of(engine, tables.run) if row.analysis == "cooccurrence"]
    assert runs[0].quality["n_blocks"] == 250
    assert sum(run.quality["n_blocks"] for run in runs[1:]) == 250
    assert {run.params["threshold"] for run in runs} == {"1.5"}
    assert {run.params["min_blocks"] for run in runs} == {3}


def test_a_recording_that_has_grown_since_is_said(engine: sa.Engine) -> None:
    active = _groups(np.random.default_rng(0), 300, [15, 15], 0.1).astype(np.float32)
    made = sparse.record(engine, active)
    counts = _count(engine, made.id)
    sparse.add(engine, made, active[:100])
    done = _find(engine, counts, halves=True, affinities=["phi"], ks=[2])
    assert "its halves have 400 blocks, not 300" in done.notes[0]


@pytest.fixture
def published(engine: sa.Engine, tmp_path: Path) -> tuple[int, Array, int]:
    """Counts in the published form: their run, the matrix, and the number of blocks."""
    active = _groups(np.random.default_rng(5), 500, [25, 20, 15], 0.04)
    active = np.insert(active, [3, 30, 30], False, axis=1)  # dead features
    histogram = sparse.counts(active)[1].astype(np.int32)
    sparse.record(engine, np.empty((0, 63), np.float32))
    np.savez(tmp_path / "counts.npz", histogram=histogram, n_chunks=500)
    run = ingest_cooccurrence(engine, tmp_path / "counts.npz", sae="r/s0").run
    return run, histogram, 500


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Graph is not fully connected")
@pytest.mark.parametrize("measure", ["phi", "jaccard", "dice", "overlap", "simple_matching"])
def test_the_papers_preset_equals_a_plain_reference(
    engine: sa.Engine, published: tuple[int, Array, int], measure: str
) -> None:
    from sklearn.cluster import SpectralClustering

    run, histogram, n = published
    done = _find(engine, run, preset="paper", seed=42, affinities=[measure], ks=[2, 3])
    n_i, n_ij = histogram.diagonal().astype(float)[:, None], histogram.astype(float)
    n_j = n_i.T
    with np.errstate(invalid="ignore", divide="ignore"):
        values = {
            "phi": (n * n_ij - n_i * n_j) / (np.sqrt(n_i * (n - n_i)) * np.sqrt(n_j * (n - n_j))),
            "jaccard": n_ij / (n_i + n_j - n_ij),
            "dice": 2 * n_ij / (n_i + n_j),
            "overlap": n_ij / np.minimum(n_i, n_j),
            "simple_matching": (n - n_i - n_j + 2 * n_ij) / n,
        }[measure]
    matrix = np.nan_to_num(values) + (measure == "phi")
    for one in _read(engine, done.run):
        assert len(one.features) == 63  # dead ones too
        model = SpectralClustering(
            one.k, affinity="precomputed", assign_labels="kmeans", random_state=42
        )
        theirs = model.fit_predict(matrix)
        assert _agreement(one, theirs) == pytest.approx(1)
    assert _run(engine, done.run).preset == "paper"


@pytest.mark.filterwarnings("ignore:Graph is not fully connected")
def test_arrays_are_clustered_without_a_catalog() -> None:
    from sklearn.cluster import SpectralClustering

    active = _groups(np.random.default_rng(2), 400, [25, 20, 15], 0.05)
    n, both = sparse.counts(active)
    counts = _count_arrays(active)
    halves = [Pairs(_count_arrays(half)) for half in (active[:200], active[200:])]
    wanted = Params(1, affinities=["jaccard"], ks=[2, 3], seed=1, halves=True)
    steps: list[Progress] = []
    result = lobes.compute(lobes.Inputs(1, Pairs(counts), halves), wanted, steps.append)
    jaccard = both / (n[:, None] + n - both)
    for one in result.clusterings:
        model = SpectralClustering(one.k, affinity="precomputed", random_state=0)
        theirs = model.fit_predict(jaccard - np.diag(np.diag(jaccard)))
        assert adjusted_mutual_info_score(one.lobes, theirs) == pytest.approx(1)
    assert result.clusterings[1].columns["half_stability"] > 0.9
    assert result.quality["jaccard"]["n_features"] == 60 and result.notes == ()
    stages = dict.fromkeys(step.stage for step in steps)
    assert list(stages) == [
        "cluster by jaccard", "first half: cluster by jaccard", "second half: cluster by jaccard"
    ]  # fmt: skip


def _count_arrays(active: Array) -> pair_counts.Counts:
    n, both = sparse.counts(active)
    return pair_counts.Counts(len(active), n, np.arange(len(n)), both.astype(np.int32))


def test_vectors_are_clustered_without_a_catalog() -> None:
    rng = np.random.default_rng(0)
    truth = rng.permutation(np.repeat([0, 1, 2], 15))
    vectors = (3 * np.eye(3, 6)[truth] + 0.3 * rng.standard_normal((45, 6))).astype(np.float32)
    inputs = geometry.Inputs(vectors, np.arange(45) * 2)
    result = geometry.compute(inputs, geometry.Params(1, ks=[3, 3, 99]))
    (one,) = result.clusterings
    assert (one.affinity, one.k) == ("angular", 3)
    assert one.features.tolist() == list(range(0, 90, 2))
    assert adjusted_mutual_info_score(one.lobes, truth) == pytest.approx(1)


def test_counts_from_a_file_have_no_halves(
    engine: sa.Engine, published: tuple[int, Array, int]
) -> None:
    with pytest.raises(errors.InputError, match="came from a file"):
        _find(engine, published[0], halves=True)


def _geometry(engine: sa.Engine, sae: int = 1, **options: Any) -> Outcome:
    return performed.cluster_vectors(engine, sae, **options)


def test_decoders_read_are_those_stored(engine: sa.Engine, planted: int) -> None:
    drawn = simulation.draw_decoder(PLANTED, simulation.plant_features(PLANTED)).vectors
    unit = drawn / np.linalg.norm(drawn, axis=1, keepdims=True)
    with engine.connect() as connection:
        vectors = sae_vectors.read(connection, 1)
        some = sae_vectors.read(connection, 1, np.array([7, 3]))
        query = sa.select(tables.feature.c.decoder).order_by(tables.feature.c.feature)
        stored = np.array([list(row) for row in connection.execute(query).scalars()], np.float32)
        with pytest.raises(errors.UnknownName, match="no SAE 9"):
            sae_vectors.read(connection, 9)
    assert vectors.dtype == np.float32 and (vectors == stored).all()
    np.testing.assert_allclose(vectors, unit, atol=1e-6)
    assert (some == vectors[[7, 3]]).all()


def _store_vectors(engine: sa.Engine, vectors: Array) -> int:
    """An SAE with these decoder vectors."""
    made = sparse.record(engine, np.empty((0, len(vectors)), np.float32))
    with engine.begin() as connection:
        connection.execute(
            sa.update(tables.sae).values(d_in=vectors.shape[1]).where(tables.sae.c.id == 1)
        )
        for i, vector in enumerate(vectors):
            text = str(vector.tolist())
            connection.exec_driver_sql(
                f"update feature set decoder = '{text}'::vector where feature = {i}"
            )
    return made.row.sae


def test_directions_are_found_and_zero_vectors_left_out(engine: sa.Engine) -> None:
    rng = np.random.default_rng(0)
    truth = rng.permutation(np.repeat([0, 1, 2], 15))
    vectors = 3 * np.eye(3, 6)[truth] + 0.3 * rng.standard_normal((45, 6))
    vectors *= rng.uniform(0.1, 9, (45, 1))  # lengths do not matter
    vectors[[4, 40]] = 0
    sae = _store_vectors(engine, vectors)
    done = _geometry(engine, sae, ks=[3])
    (labels,) = _read(engine, done.run)
    assert (labels.affinity, labels.k) == ("angular", 3)
    assert sorted(set(range(45)) - set(labels.features.tolist())) == [4, 40]
    assert _agreement(labels, truth) == pytest.approx(1)
    run = _run(engine, done.run)
    assert (run.analysis, run.sae, run.recording, run.input_run) == ("geometry", sae, None, None)
    assert run.params == {"ks": [3], "cooccurrence": None}
    assert run.quality["n_features"] == 43
    again = _geometry(engine, sae, ks=[3, 3])
    assert (again.run, again.created) == (done.run, False)
    assert _geometry(engine, sae, ks=[3], seed=1).created
    inner = geometry.cluster_vectors(vectors[labels.features].astype(np.float32), [3], seed=0)
    assert inner[3].tolist() == labels.lobes.tolist()
    unit = vectors / np.maximum(np.linalg.norm(vectors, axis=1, keepdims=True), 1e-9)
    wide = dense(Angular(unit[labels.features].astype(np.float32)))
    leaving = sum(
        1 - wide[own][:, own].sum() / wide[own].sum()
        for own in (labels.lobes == i for i in range(3))
    )
    assert rows_of(engine, tables.clustering)[0].ncut == pytest.approx(leaving, rel=1e-4)


@pytest.mark.slow
def test_geometry_of_counted_features_only(engine: sa.Engine, planted: int) -> None:
    whole = _read(engine, _geometry(engine, ks=[4]).run)[0]
    done = _geometry(engine, ks=[4], cooccurrence=planted)
    (live,) = _read(engine, done.run)
    assert len(whole.features) == 120
    assert live.features.tolist() == np.flatnonzero(LIVE).tolist()
    assert _run(engine, done.run).input_run == planted
    assert _agreement(live, simulation.plant_features(PLANTED).lobe) > 0.2  # planted in decoders
    other = sparse.record(engine, np.ones((3, 120), np.float32))  # as many features
    for run in (_count(engine, other.id), done.run, 99):
        with pytest.raises(errors.InputError, match=rf"Run {run} has not counted .* SAE 1\."):
            _geometry(engine, ks=[4], cooccurrence=run)


def test_geometry_without_anything_to_cluster(engine: sa.Engine) -> None:
    sae = _store_vectors(engine, np.array([[1.0, 0], [0, 0], [0, 1]]))
    with pytest.raises(errors.InputError, match="2 features cannot form 3"):
        _geometry(engine, sae, ks=[3, 4])
    with engine.begin() as connection:
        connection.exec_driver_sql("update feature set decoder = '[0,0]' where feature = 0")
    with pytest.raises(errors.InputError, match="fewer than two features"):
        _geometry(engine, sae, ks=[2])
    with pytest.raises(errors.UnknownName, match="no SAE 9"):
        _geometry(engine, 9)
    assert _empty(engine)


@pytest.mark.slow
def test_clusterings_are_read_by_affinity_and_k(engine: sa.Engine, planted: int) -> None:
    done = _find(engine, planted, affinities=["phi", "dice"], ks=[2, 3])

    def names(**which: Any) -> list[tuple[str, int]]:
        return [(one.affinity, one.k) for one in _read(engine, done.run, **which)]

    assert names() == [("dice", 2), ("dice", 3), ("phi", 2), ("phi", 3)]
    assert names(affinities=["phi"]) == [("phi", 2), ("phi", 3)]
    assert names(ks=[3, 9]) == [("dice", 3), ("phi", 3)]
    assert names(affinities=["phi"], ks=[2]) == [("phi", 2)]
    with pytest.raises(
        errors.UnknownName, match=r"no such lobes(.|\n)*dice k 2, dice k 3, phi k 2"
    ):
        names(ks=[4])
    with pytest.raises(
        errors.UnknownName, match=r"Run 1 is not a run of lobes(.|\n)*Available: 2\."
    ):
        _read(engine, planted)


@pytest.mark.slow
def test_the_command_line(engine: sa.Engine, planted: int) -> None:
    def say(line: str) -> str:
        done = CliRunner().invoke(cli, line.split())
        if done.exception is not None and not isinstance(done.exception, SystemExit):
            raise done.exception
        return done.output

    line = "analyze lobes --cooccurrence 1 --affinity phi --affinity simple-matching --k 4,2"
    assert "Run 2: done in" in say(line)
    assert "Run 2: done before" in say(line)
    run = _run(engine, 2)
    assert run.params["affinities"] == ["phi", "simple_matching"]
    assert (run.params["ks"], run.seed, run.preset) == ([2, 4], 0, "default")
    assert "Run 3: done in" in say(f"{line} --preset paper --min-blocks 2 --assign cluster_qr")
    assert (_run(engine, 3).seed, _run(engine, 3).preset) == (42, "paper")
    assert _run(engine, 3).params["assign"] == "cluster_qr"
    assert "Run 4: done in" in say(f"{line} --seed 7")
    assert _run(engine, 4).seed == 7
    assert "Run 5: done in" in say("analyze geometry --sae 1 --cooccurrence 1 --k 3")
    assert _read(engine, 5)[0].k == 3
    for text in ("two", "2,", "2;3", "0", "2,-4"):
        assert "give whole numbers above 0" in say(f"analyze geometry --sae 1 --k {text}")
    with pytest.raises(errors.UnknownName, match=r"Run 9 is no count(.|\n)*Available: 1\."):
        say("analyze lobes --cooccurrence 9")
