"""Spectra in the catalog: what was planted is found, written whole, and found again."""

from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from sklearn.decomposition import PCA

from saeatlas import errors
from saeatlas.analyses.run_driver import Outcome, perform
from saeatlas.analyses.spectra import spectra
from saeatlas.analyses.spectra.inputs import Inputs
from saeatlas.analyses.spectra.params import Params
from saeatlas.catalog.sql import read_sql
from saeatlas.cli import cli
from saeatlas.ingest import simulation
from saeatlas.ingest.simulation import job
from saeatlas.schema import tables
from saeatlas.schema.rows import remove, sae_vectors
from tests.support import performed, tiny
from tests.support.commands import run_command

PLANTED = simulation.Params(
    features=1200, d_model=80, lobes=2, active=10.0, geometry=0.0, spectrum_exponent=0.6, dead=0.0,
    parallelograms=0, trapezoids=0,
)  # fmt: skip
QUICK = Params(sae=1, components=(10,), neighbours=(1, 2))
PAPER = Params(sae=1, preset="paper")


def _simulate(engine: sa.Engine, terms: simulation.Params = PLANTED, **options: Any) -> None:
    job.simulate(engine, terms, blocks=3, **options)


def _find(engine: sa.Engine, params: Params = QUICK) -> Outcome:
    return perform(engine, spectra.ANALYSIS, params)


@pytest.mark.slow
def test_the_slope_that_was_planted_is_found(engine: sa.Engine) -> None:
    _simulate(engine)
    done = _find(engine)
    row = read_sql(engine, "select * from spectra").iloc[0]
    assert (row.run, row.source, row.n, row.d, row.n_eigenvalues) == (1, "decoder", 1200, 80, 80)
    assert row.slope_low < -0.6 < row.slope_high
    assert (row.rank_first, row.rank_last) == (11, 40)
    values = read_sql(engine, "select * from eigenvalues order by rank")
    with engine.connect() as connection:
        vectors = sae_vectors.read(connection, 1).astype(np.float64)
    expected = np.linalg.eigvalsh(np.cov(vectors, rowvar=False))[::-1]
    np.testing.assert_allclose(values.value, expected, rtol=1e-5)
    assert (values.null_low < values.null_high).all()
    assert row.log_volume == pytest.approx(np.log(expected).sum())
    assert row.participation_ratio == pytest.approx(expected.sum() ** 2 / (expected**2).sum())
    tests = read_sql(engine, "select * from spectrum_tests where statistic = 'steepness'")
    z = dict(zip(tests.null_model, tests.z, strict=True))
    assert z["gaussian"] > 5 and z["directions"] > 5 and abs(z["covariance"]) < 4
    entropy = read_sql(engine, "select * from cluster_entropies order by neighbour")
    assert entropy.neighbour.tolist() == [1, 2]
    assert (entropy.z_directions.abs() < 4).all()
    assert done.notes == ()


@pytest.mark.slow
def test_planted_clusters_are_seen_in_the_entropy(engine: sa.Engine) -> None:
    _simulate(engine, replace(PLANTED, geometry=0.8, lobes=6))
    _find(engine)
    entropy = read_sql(engine, "select * from cluster_entropies")
    assert (entropy.excess_gaussian_low > 0.05).all() and (entropy.z_gaussian > 4).all()
    assert (entropy.excess_directions_low > 0.05).all()


def test_spectra_of_arrays_without_a_catalog() -> None:
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((300, 12)) * np.arange(1, 13) ** -0.5
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    inputs = Inputs(vectors.astype(np.float32), np.arange(300))
    result = spectra.compute(inputs, replace(QUICK, components=(4,)))
    (made,) = result.spectra
    reference = PCA().fit(vectors)
    np.testing.assert_allclose(made.shape.values, reference.explained_variance_, rtol=1e-4)
    assert [(row["components"], row["neighbour"]) for row in made.entropies] == [(4, 1), (4, 2)]
    assert result.quality == {"n_spectra": 1}


@pytest.mark.slow
def test_the_same_again_is_found_and_other_params_are_not(engine: sa.Engine) -> None:
    _simulate(engine)
    first = _find(engine)
    again = _find(engine)
    assert (again.run, again.created) == (first.run, False)
    assert _find(engine, replace(QUICK, seed=1)).created
    assert _find(engine, replace(QUICK, features_where="feature < 500")).created
    spectra_ = read_sql(engine, "select run, n, features_where from spectra order by run")
    assert spectra_.n.tolist() == [1200, 1200, 500]
    layers = read_sql(engine, "select * from spectra_by_layer")
    assert layers.run.tolist() == [2]  # the newest of all features


@pytest.mark.slow
def test_a_spectrum_a_lobe(engine: sa.Engine) -> None:
    _simulate(engine, replace(PLANTED, geometry=0.9))
    run = performed.cluster_vectors(engine, 1, ks=[2, 3]).run
    _find(engine, replace(QUICK, within=run, ks=(2,)))
    rows = read_sql(engine, "select * from spectra order by lobe")
    assert rows.lobe.tolist() == [0, 1] and (rows.k == 2).all()
    assert rows.n.sum() == 1200
    with engine.begin() as connection:
        assert run is not None
        remove.remove_run(connection, run)
    left = sa.select(sa.func.count()).select_from(tables.eigenvalue)
    with engine.connect() as connection:
        assert connection.execute(left).scalar_one() == 0
    assert not len(read_sql(engine, "select * from spectra"))


def test_lobes_too_small_for_a_spectrum_are_said(engine: sa.Engine) -> None:
    _simulate(engine, replace(PLANTED, features=40))
    run = performed.cluster_vectors(engine, 1, ks=[20]).run
    done = _find(engine, replace(QUICK, within=run))
    assert any("fewer than 3 vectors" in note for note in done.notes)
    rows = read_sql(engine, "select * from spectra")
    assert 0 < len(rows) < 20
    assert rows.slope.isna().all() and rows.log_volume.notna().all()
    _find(engine, replace(PAPER, within=run))
    paper = read_sql(engine, "select * from cluster_entropies where preset = 'paper'")
    assert len(paper) == len(rows) and np.isfinite(paper.negentropy).all()


def test_zero_vectors_duplicates_and_flat_sets(engine: sa.Engine, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    vectors = (rng.standard_normal((300, 5)) @ rng.standard_normal((5, 40))).astype(np.float32)
    vectors[:20] = vectors[20:40]
    vectors[50:53] = 0
    path = tmp_path / "flat.npy"
    np.save(path, vectors)
    run_command(f"ingest sae --path {path} --release flat --sae-id one --allow-zero-rows")
    done = _find(engine, replace(QUICK, components=(5, 10)))
    row = read_sql(engine, "select * from spectra").iloc[0]
    assert (row.n, row.n_zero, row.n_duplicates, row.n_eigenvalues) == (277, 3, 20, 5)
    assert np.isfinite(row.log_volume) and row.log_volume_population is None
    assert read_sql(engine, "select * from cluster_entropies").components.tolist() == [5, 5]
    assert any("10 components" in note for note in done.notes)


@pytest.mark.slow
def test_the_published_procedure_is_labelled(engine: sa.Engine) -> None:
    _simulate(engine, replace(PLANTED, d_model=120))
    _find(engine, PAPER)
    _find(engine, replace(QUICK, components=(100,), neighbours=(1,)))
    paper = read_sql(engine, "select * from cluster_entropies where preset = 'paper'").iloc[0]
    assert (paper.components, paper.neighbour) == (100, 1)
    assert pd.isna(paper.n_draws) and pd.isna(paper.gaussian)
    row = read_sql(engine, "select * from spectra_by_layer").iloc[0]
    assert row.negentropy_paper == paper.negentropy > 3 * row.negentropy
    assert row.negentropy_published is None
    assert not len(read_sql(engine, "select * from spectrum_tests where run = 1"))


@pytest.mark.slow
def test_published_figures_stand_beside_the_same_saes(engine: sa.Engine) -> None:
    one = replace(PLANTED, features=65_536, d_model=4, active=30.0)
    _simulate(engine, one, release="gemma-scope-2b-pt-res", sae_id="x", layer=12)
    _find(engine, Params(sae=1, components=(), trials=2))
    row = read_sql(engine, "select * from spectra_by_layer").iloc[0]
    assert (row.slope_published, row.negentropy_published) == (-0.4684, 366.4)


def test_input_activations_have_a_spectrum_too(engine: sa.Engine, tmp_path: Path) -> None:
    model = tiny.make_model(tmp_path / "model")
    sae = tiny.make_sae(tmp_path / "sae")
    corpus = tiny.write_corpus(tmp_path / "corpus.jsonl", [60] * 12)
    run_command(f"ingest sae --path {sae} --release tiny --sae-id one --encoder")
    options = f"--model {model} --corpus {corpus} --sae tiny --context 64 --block 16 --force"
    run_command(f"ingest activations {options} --covariance")
    _find(engine, Params(sae=1, source="activations"))
    _find(engine, replace(QUICK, source="encoder", components=()))
    rows = read_sql(engine, "select * from spectra order by run")
    assert rows.source.tolist() == ["activations", "encoder"]
    with engine.connect() as connection:
        vectors = sae_vectors.read(connection, 1, of="encoder")
        tokens = connection.exec_driver_sql(
            "select n_tokens from atlas.activation_covariance"
        ).scalar_one()
    assert (rows.n[0], rows.recording[0]) == (tokens, 1)
    assert rows.n[1] == len(vectors)
    assert rows.variance[1] <= 1


@pytest.mark.slow
def test_layers_by_one_command(engine: sa.Engine) -> None:
    for layer in (5, 3, 4):
        _simulate(engine, PLANTED, release="many", sae_id=f"layer_{layer}", layer=layer)
    said = run_command("analyze spectra --release many --layers 3-4 --components 10 --trials 3")
    assert "Run 1: done" in said and "Run 2: done" in said and "Run 3" not in said
    layers = read_sql(engine, "select layer, l0 from spectra_by_layer order by layer")
    assert layers.layer.tolist() == [3, 4]


@pytest.mark.slow
@pytest.mark.parametrize(
    "line, said",
    [
        ("--sae nothing", "nothing"),
        ("--sae 1 --release simulated", "Give either --sae or --release"),
        ("--sae 1 --layers 7", "None of these SAEs is of these layers"),
        ("--sae 1 --layers x", "0-5"),
        ("--sae 1 --vectors encoder", "--encoder"),
        ("--sae 1 --vectors activations", "--covariance"),
        ("--sae 1 --within 9", "Run 9 is not a run of lobes"),
        ("--sae 1 --recording 1", "--vectors activations"),
        ("--sae 1 --vectors activations --features-where true", "Leave out"),
        ("--sae 1 --vectors activations --components 5", "--components would have no effect"),
        ("--sae 1 --k 2", "--k would have no effect"),
        ("--sae 1 --preset paper --trials 9", "--trials would have no effect"),
        ("--sae 1 --features-where feature<1", "no set of 3 different vectors"),
        ("--sae 1 --features-where feature<0", "No feature of SAE 1 meets"),
        ("--sae 1 --features-where 1)", "does not run"),
    ],
)
def test_a_mistake_is_told_and_nothing_written(engine: sa.Engine, line: str, said: str) -> None:
    _simulate(engine, replace(PLANTED, features=60))
    done = CliRunner().invoke(cli, ["analyze", "spectra", *line.split()])
    assert done.exit_code != 0
    assert isinstance(done.exception, SystemExit | errors.AtlasError)
    assert said in done.output + str(done.exception)
    assert not len(read_sql(engine, "select * from spectra"))
