"""Features as files: what is read back is what plain SQL and numpy say."""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from click.testing import CliRunner, Result
from scipy import sparse as matrices

import saeatlas
from saeatlas import errors
from saeatlas.analyses.maps import maps
from saeatlas.analyses.run_driver import perform
from saeatlas.api.atlas import Atlas
from saeatlas.catalog import annotated
from saeatlas.cli import cli
from saeatlas.schema import measures
from tests.catalog.conftest import LABELS
from tests.support import sparse, tiny

pytestmark = pytest.mark.xdist_group("asked")


def _say(url: str, *words: str | Path) -> Result:
    runner = CliRunner(env={"SAEATLAS_DATABASE_URL": url})
    return runner.invoke(cli, ["export", "features", *map(str, words)])


@pytest.fixture
def atlas(asked_url: str) -> Iterator[Atlas]:
    with saeatlas.connect(asked_url) as atlas:
        yield atlas


@pytest.fixture(scope="module")
def stored(asked_url: str, tmp_path_factory: pytest.TempPathFactory) -> anndata.AnnData:
    path = tmp_path_factory.mktemp("export") / "layer.h5ad"
    assert _say(asked_url, "gemma-scope/layer_12", path).output == f"Wrote {path}\n"
    assert [one.name for one in path.parent.iterdir()] == ["layer.h5ad"]
    return anndata.read_h5ad(path)


@pytest.mark.slow
def test_features_are_observations(atlas: Atlas, stored: anndata.AnnData) -> None:
    assert stored.shape == (4900, 16) and stored.X.dtype == np.float32
    assert np.array_equal(stored.X, atlas.decoder(1))
    assert stored.obs_names[4821] == "12:4821" and stored.var_names[15] == "15"
    found = atlas.query(f"features near {stored.obs_names[4821]} limit 1")
    assert len(found) == 1, "names are those that queries take"
    assert stored.obs.feature.tolist() == list(range(4900)) and set(stored.obs.layer) == {12}
    told = atlas.query("features of sae 1 where density >= 0")
    assert np.array_equal(stored.obs.density, told.density)
    assert stored.obs.n_active.tolist() == told.n_active.tolist()
    assert np.array_equal(stored.obs.decoder_norm, told.decoder_norm)
    assert set(stored.obs.n_blocks) == {300} and stored.obs.neuronpedia_url.isna().all()


def test_masks_of_whole_numbers_choose_features(stored: anndata.AnnData) -> None:
    live = stored[stored.obs.n_active > 0]
    assert live.n_obs == (stored.obs.density > 0).sum() < stored.n_obs
    assert stored[stored.obs.layer == 12].n_obs == stored.n_obs


@pytest.mark.slow
def test_what_was_read_is_written_anew(atlas: Atlas, tmp_path: Path) -> None:
    path = tmp_path / "x.h5ad"
    with pd.option_context("future.infer_string", False):  # as docs/python.md says
        atlas.anndata(1).write_h5ad(path)
        read = anndata.read_h5ad(path)
        read.obs["found"] = pd.Categorical(["a text"] * read.n_obs)
        read.write_h5ad(path)
    assert set(anndata.read_h5ad(path).obs.found) == {"a text"}


def test_lobes_are_categories(atlas: Atlas, stored: anndata.AnnData) -> None:
    assert [name for name in stored.obs if "_k" in name] == ["angular_k3", "phi_k2", "phi_k3"]
    lobes = stored.obs.phi_k3
    assert isinstance(lobes.dtype, pd.CategoricalDtype)
    assert lobes.cat.categories.tolist() == ["0", "1", "2"]
    expected = atlas.lobes(3, 3).reindex(range(4900))
    assert 0 < expected.isna().sum() < 4900, "some features have none"
    assert np.array_equal(lobes.astype(float), expected, equal_nan=True)


def test_the_label_is_the_best(stored: anndata.AnnData) -> None:
    labels = stored.obs.label.dropna()
    assert labels["12:4821"] == "names of capital cities" and labels["12:77"] == "a city council"
    assert len(labels) == len({line.split(",")[0] for line in LABELS["people.csv"][1:]})
    assert stored.obs.label_score["12:4821"] == 0.9
    assert set(stored.obs.label_source.dropna()) == {"people.csv"}


@pytest.mark.slow
def test_affinity_is_that_of_the_pairs(atlas: Atlas, stored: anndata.AnnData) -> None:
    phi = stored.obsp["phi"]
    assert isinstance(phi, matrices.csr_matrix) and phi.dtype == np.float32
    table = atlas.affinity(1, "phi")
    values = table.to_numpy().copy()
    np.fill_diagonal(values, np.nan)
    expected = np.zeros((4900, 4900), np.float32)
    features = table.index.to_numpy(np.int64)
    expected[np.ix_(features, features)] = np.where(values > 0.1, values, 0)
    assert 100 < phi.nnz < 4900**2 / 2
    assert np.allclose(phi.toarray(), expected, atol=1e-6) and phi.nnz == (expected > 0).sum()
    assert stored.uns["affinity"] == {"measure": "phi", "above": 0.1, "run": 1}


def _map(atlas: Atlas) -> int:
    return int(atlas.sql("select run from maps where sae = 1").run[0])


def test_maps_are_in_obsm(atlas: Atlas, stored: anndata.AnnData) -> None:
    assert list(stored.obsm) == ["X_pca"]
    points = atlas.map(_map(atlas))
    assert points.columns.tolist() == ["x", "y"] and np.array_equal(stored.obsm["X_pca"], points)
    table = atlas.sql("select feature, x, y from coordinates where sae = 1 order by feature")
    assert np.allclose(table[["x", "y"]], points, atol=1e-6)


def test_features_that_are_on_no_map_are_nowhere(engine: sa.Engine) -> None:
    vectors = np.random.default_rng(0).normal(size=(60, 8)).astype(np.float32)
    vectors[7] = 0
    tiny.store_bare(engine, vectors)
    params = maps.Params(sae=1, method="pca", dimensions=3)
    done = perform(engine, maps.ANALYSIS, params)
    with engine.connect() as connection:
        made = annotated.gather(connection, 1, annotated.Params())
    nowhere = np.isnan(made.obsm["X_pca"]).all(axis=1)
    assert made.obsm["X_pca"].shape == (60, 3) and np.flatnonzero(nowhere).tolist() == [7]
    assert made.uns["runs"]["X_pca"]["run"] == done.run


def test_gathering_takes_as_many_statements_for_many_features(engine: sa.Engine) -> None:
    asked: list[int] = []
    for sae, n in enumerate((30, 300), 1):
        tiny.store_bare(engine, np.eye(n, 8, dtype=np.float32) + 1, str(n), layer=sae)
        with engine.connect() as connection:
            said: list[str] = []
            sa.event.listen(
                connection, "before_cursor_execute", lambda *given, said=said: said.append(given[2])
            )
            made = annotated.gather(connection, sae, annotated.Params())
        assert made.obs_names[n - 1] == f"{sae}:{n - 1}"
        asked.append(len(said))
    assert asked[0] == asked[1] < 30


def test_it_says_where_it_comes_from(atlas: Atlas, stored: anndata.AnnData) -> None:
    said = stored.uns
    assert (said["release"], said["sae_id"], said["sae"]) == ("gemma-scope", "layer_12", 1)
    assert said["saeatlas"] == saeatlas.__version__
    assert {name: one["run"] for name, one in said["runs"].items()} == {
        "cooccurrence": 1, "angular_k3": 5, "phi_k2": 3, "phi_k3": 3, "X_pca": _map(atlas),
    }  # fmt: skip
    told = atlas.sql("select run, params from runs").set_index("run").params
    for one in said["runs"].values():
        assert json.loads(one["params"]) == told[one["run"]]


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_tables(atlas: Atlas, stored: anndata.AnnData, tmp_path: Path, form: str) -> None:
    url = atlas.engine.url.set(drivername="postgresql").render_as_string(hide_password=False)
    path = tmp_path / f"layer.{form}"
    assert _say(url, "1", path).exit_code == 0
    found = pd.read_csv(path) if form == "csv" else pd.read_parquet(path)
    assert found.columns.tolist() == stored.obs.columns.tolist()
    for name in found:
        ours, theirs = found[name], stored.obs[name].reset_index(drop=True)
        assert ours.isna().equals(theirs.isna()), name
        same = ours.dropna().astype(str) == theirs.dropna().astype(str)
        if pd.api.types.is_float_dtype(ours):
            same = np.isclose(ours.dropna(), theirs.dropna().astype(float))
        assert np.all(same), name


@pytest.mark.slow
@pytest.mark.parametrize("measure", ["jaccard", "lift", "pmi"])
def test_any_measure_and_any_bound(engine: sa.Engine, measure: str) -> None:
    rng = np.random.default_rng(3)
    made = sparse.record(engine, sparse.draw(rng, 60, 300))  # tiles of 128, the last one smaller
    with Atlas(engine.url.set(drivername="postgresql").render_as_string(False)) as atlas:
        runner = CliRunner()
        words = f"analyze cooccurrence --recording {made.id} --threshold 0".split()
        assert runner.invoke(cli, words).exit_code == 0
        found = atlas.anndata(1, affinity=measure, above=-1).obsp[measure].toarray()
    n, both = sparse.counts((made.peaks > 0).astype(float))
    with np.errstate(invalid="ignore", divide="ignore"):
        values = measures.FORMULAS[measure](60, n[:, None], n, both)
    kept = (values > -1) & ~np.eye(300, dtype=bool)
    assert 1000 < kept.sum() < 300**2 - 300
    assert np.allclose(found, np.where(kept, values, 0), atol=1e-6)


def test_what_is_not_known_is_missing(atlas: Atlas, tmp_path: Path) -> None:
    made = atlas.anndata("other/one/layer_20")  # never counted, no lobes, no labels
    made.write_h5ad(tmp_path / "x.h5ad")
    again = anndata.read_h5ad(tmp_path / "x.h5ad")
    assert not again.obsp and not again.uns["runs"] and "affinity" not in again.uns
    assert again.obs[["density", "n_active", "label"]].isna().all(axis=None)
    assert again.obs.decoder_norm.notna().all()


@pytest.mark.slow
def test_another_count(atlas: Atlas) -> None:
    whole, half = atlas.anndata(1, above=0.3), atlas.anndata(1, cooccurrence=2, above=0.3)
    assert half.uns["runs"]["cooccurrence"]["run"] == half.uns["affinity"]["run"] == 2
    assert set(half.obs.n_blocks) != {300} == set(whole.obs.n_blocks)


@pytest.mark.slow
def test_names_are_those_of_one_sae(atlas: Atlas) -> None:
    names = [atlas.anndata(sae).obs_names[5] for sae in (1, 2, 3)]
    assert names == ["12:5", "sae 2:5", "sae 3:5"]  # two are of layer 20
    for name in names:
        assert len(atlas.query(f"features near {name} limit 1")) == 1


def test_an_sae_without_a_layer_is_named_by_its_number(engine: sa.Engine) -> None:
    sparse.record(engine, sparse.draw(np.random.default_rng(3), 9, 5))
    with Atlas(engine.url.set(drivername="postgresql").render_as_string(False)) as atlas:
        assert atlas.anndata(1).obs_names[4] == "sae 1:4"


@pytest.mark.slow
def test_mistakes_are_said(
    atlas: Atlas, asked_url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def said(*words: Any) -> str:
        done = _say(asked_url, *words)
        assert done.exit_code == 1 and isinstance(done.exception, errors.AtlasError)
        return str(done.exception)

    path = tmp_path / "x.h5ad"
    assert "Known: .parquet, .csv, .h5ad." in said(1, tmp_path / "x.hdf5")
    assert "Available: 1, 2." in said(1, path, "--cooccurrence", 6)
    assert "Known: " in said(1, path, "--affinity", "zzz")
    assert "cannot be written" in said(1, tmp_path / "no" / "x.csv")
    (tmp_path / "file").touch()
    assert "cannot be written" in said(1, tmp_path / "file" / "x.csv")
    monkeypatch.setattr(annotated, "MAX_PAIRS", 100)
    assert "More than 50 pairs have an affinity above 0.1." in said(1, path)
    with pytest.raises(errors.UnknownName, match="no SAE '9'"):
        atlas.anndata(9)
    monkeypatch.setitem(sys.modules, "anndata", None)  # as if it were not installed
    assert "pip install 'saeatlas[anndata]'" in said(1, path)
    assert [one.name for one in tmp_path.iterdir()] == ["file"]


@pytest.mark.slow
def test_it_is_loaded_only_when_asked_for() -> None:
    code = (
        "import saeatlas.api.atlas, saeatlas.catalog.export, sys;"
        "assert not {'anndata', 'scipy', 'pandas'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
