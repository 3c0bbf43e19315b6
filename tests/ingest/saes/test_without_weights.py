"""SAEs without weights: what they can have, what says why not, and weights that come later."""

import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from click.testing import CliRunner

import saeatlas
from saeatlas import errors
from saeatlas.analyses.maps import maps
from saeatlas.analyses.run_driver import perform
from saeatlas.cli import cli
from saeatlas.ingest.saes import load, store, without_weights
from saeatlas.ingest.tables import ingest_table
from saeatlas.schema import tables
from saeatlas.schema.rows.remove import remove_sae
from tests.support import performed, tiny
from tests.support.commands import run_command
from tests.support.rows import rows_of

NAMES = ["--release", "r", "--sae-id", "s"]


def _names(engine: sa.Engine, **facts: Any) -> store.StoredSae:
    facts = facts | {"features": facts.get("features", 96), "layer": facts.get("layer", 1)}
    facts.setdefault("model_name", "m")
    with engine.begin() as connection:
        return without_weights.store_names(connection, **facts)


def _refused(words: str | list[str]) -> str:
    arguments = words.split() if isinstance(words, str) else words
    done = CliRunner().invoke(cli, arguments)
    assert done.exit_code, done.output
    assert isinstance(done.exception, SystemExit | errors.AtlasError), done.exception
    return done.output + str(done.exception)


def test_names_of_features(engine: sa.Engine) -> None:
    said = run_command("ingest sae --no-weights --features 96 --model gpt2 --layer 8 --site mlp")
    assert said == "SAE 1  gpt2/layer_8_mlp_96  96 features without weights: ingested\n"
    again = run_command("ingest sae --no-weights --features 96 --model gpt2 --layer 8 --site mlp")
    assert again.endswith("already there, unchanged\n")
    [row] = rows_of(engine, tables.sae)
    assert (row.layer, row.site, row.d_sae, row.model) == (8, "mlp", 96, 1)
    assert (row.d_in, row.weights_sha256, row.architecture, row.hook_name) == (None,) * 4
    features = rows_of(engine, tables.feature)
    assert [one.feature for one in features] == list(range(96))
    assert {(one.decoder, one.decoder_norm, one.threshold) for one in features} == {(None,) * 3}
    atlas = saeatlas.connect()
    assert len(atlas.query("features where layer = 8 and decoder_norm is null")) == 96
    assert "gpt2/layer_8_mlp_96" in run_command("query saes") or "gpt2" in run_command("status")


def test_a_table_of_activations_counts_and_lobes(engine: sa.Engine, tmp_path: Path) -> None:
    _names(engine)
    rng = np.random.default_rng(0)
    active = rng.random((60, 96)) < np.where(
        np.arange(96) % 2 == np.arange(60)[:, None] % 2, 0.5, 0.05
    )
    rows = [f"{d},{f},2" for d, f in np.argwhere(active)]
    (tmp_path / "t.csv").write_text("\n".join(["document,feature,activation", *rows]))
    ingest_table(engine, tmp_path / "t.csv", sae="1")
    count = performed.count(engine).run
    run = performed.find_lobes(engine, count, affinities=["phi"], ks=[2]).run
    lobes = saeatlas.connect().lobes(run, 2)
    assert {tuple(sorted(set(lobes[lobes.index % 2 == i]))) for i in (0, 1)} == {(0,), (1,)}
    path = tmp_path / "f.h5ad"
    run_command(f"export features 1 {path}")
    import anndata

    made = anndata.read_h5ad(path)
    assert made.shape == (96, 0) and made.obs["phi_k2"].notna().any()
    assert made.obs["decoder_norm"].isna().all()


MENDS = r"Add the weights: `saeatlas ingest sae --path FOLDER --release m --sae-id layer_1_96`"


@pytest.mark.slow
@pytest.mark.parametrize(
    "words",
    [
        "analyze spectra --sae 1", "analyze spectra --sae 1 --vectors encoder",
        "analyze spectra --sae 1 --vectors activations", "analyze maps --sae 1",
        "analyze crystals --sae 1", "analyze geometry --sae 1 --k 2", "db index --sae 1",
        "query --exact features_near", "ingest tokens --sae 1 --model FOLDER",
        "ingest activations --model FOLDER --corpus texts.jsonl --sae 1",
    ],
)  # fmt: skip
def test_what_needs_vectors_says_why_not(engine: sa.Engine, tmp_path: Path, words: str) -> None:
    _names(engine)
    if "FOLDER" in words:
        words = words.replace("FOLDER", str(tiny.make_model(tmp_path / "model")))
    arguments = ["query", "features near 1:3"] if words.startswith("query") else words.split()
    (tmp_path / "texts.jsonl").write_text('{"text": "the of and"}\n')
    arguments = [str(tmp_path / "texts.jsonl") if w == "texts.jsonl" else w for w in arguments]
    said = _refused(arguments)
    assert re.search(rf"SAE 1 \(m/layer_1_96\) was ingested without weights(.|\n)*{MENDS}", said)
    assert rows_of(engine, tables.run) == [] and rows_of(engine, tables.recording) == []


def test_near_in_an_sae_without_weights(engine: sa.Engine, tmp_path: Path) -> None:
    run_command(f"ingest sae --path {tiny.make_sae(tmp_path / 's', layer=2)}")
    _names(engine, model_name="tiny")
    _names(engine, model_name="tiny", layer=0)
    assert len(saeatlas.connect().query("features near 2:3")) == 10
    for query in ("features near 2:3 in sae 2", "features near 2:3 + 1:3", "features near 1:3",
                  "features near 1:3 - 0:3"):  # fmt: skip
        with pytest.raises(errors.BadQuery, match=r"without weights(.|\n)*Add the weights"):
            saeatlas.connect().query(query)
    for call in ("neighbours(2, 3, 5)", "analogy(2, 1, 2, 3, 5)", "function_vectors_near(2, 3)"):
        with pytest.raises(errors.QueryFailed, match=r"without weights(.|\n)*--path FOLDER"):
            saeatlas.connect().sql(f"select * from {call}")
    with pytest.raises(errors.WithoutWeights):
        saeatlas.connect().decoder(2)


def test_weights_that_come_later(engine: sa.Engine, tmp_path: Path) -> None:
    folder = tiny.make_sae(tmp_path / "mine" / "one", layer=2)
    stored = _names(engine, release="mine", sae_id="one", features=tiny.D_SAE, layer=2)
    with engine.begin() as connection:
        label = {"sae": 1, "feature": 3, "text": "dogs", "source": "x", "place": 0}
        connection.execute(sa.insert(tables.label).values(label))
    said = run_command(f"ingest sae --path {folder} --encoder")
    assert said.startswith(
        "SAE 1  mine/one  96 features of 24 dimensions: already there, weights a"
    )
    [row] = rows_of(engine, tables.sae)
    loaded = load.load_sae(path=folder)
    assert row.weights_sha256.hex() == loaded.weights_sha256 and row.id == stored.sae
    assert (row.d_in, row.architecture, row.hook_name) == (
        24,
        "jumprelu",
        "blocks.2.hook_resid_post",
    )
    np.testing.assert_array_equal(saeatlas.connect().decoder(1), loaded.decoder)
    assert [one.text for one in rows_of(engine, tables.label)] == ["dogs"]
    assert run_command(f"ingest sae --path {folder}").endswith("already there, unchanged\n")
    assert _names(engine, release="mine", sae_id="one", features=tiny.D_SAE, layer=2).d_in == 24
    assert perform(engine, maps.ANALYSIS, maps.Params(1, method="pca")).created
    with engine.begin() as connection:
        remove_sae(connection, 1)
    assert rows_of(engine, tables.feature) == []


@pytest.mark.parametrize("facts", [{"features": 95}, {"layer": 1}, {"layer": 2, "site": "mlp"}])
def test_weights_of_another_sae(engine: sa.Engine, tmp_path: Path, facts: dict[str, Any]) -> None:
    folder = tiny.make_sae(tmp_path / "mine" / "one", layer=2)
    _names(engine, **{"release": "mine", "sae_id": "one", "layer": 2} | facts)
    before = rows_of(engine, tables.sae), len(rows_of(engine, tables.feature))
    assert "remove sae 1" in _refused(f"ingest sae --path {folder}")
    assert (rows_of(engine, tables.sae), len(rows_of(engine, tables.feature))) == before


@pytest.mark.slow
@pytest.mark.parametrize(
    ("words", "message"),
    [
        ("--no-weights --features 0 --model m --layer 1", "--features 0 is not a number from 1"),
        ("--no-weights --features -4 --model m --layer 1", "--features -4 is not a number"),
        ("--no-weights --features 99999999999 --model m --layer 1", "not a number from 1 to 67,1"),
        ("--no-weights --features 5 --model m", "needs a name"),
        ("--no-weights --features 5 --layer 1", "needs a name"),
        ("--no-weights --model m --layer 1", "go together"),
        ("--features 5 --model m --layer 1", "go together"),
        ("--no-weights --features 5 --model m --layer 1 --path x", "are about weights"),
        ("--no-weights --features 5 --model m --layer -1", "is not in the range"),
        ("--no-weights --features 5 --model m --layer 1 --site head", "is not one of"),
        ("--no-weights --features 5 --model m --layer 1 --hook-name blocks.2.hook_mlp_out",
         "--layer 1 contradicts the SAE's input site, blocks.2.hook_mlp_out"),
    ],
)  # fmt: skip
def test_wrong_words(engine: sa.Engine, words: str, message: str) -> None:
    assert message in _refused(f"ingest sae {words}")
    assert rows_of(engine, tables.sae) == [] and rows_of(engine, tables.model) == []


@pytest.mark.parametrize("facts", [{"features": 97}, {"layer": 1, "site": "mlp"}])
def test_another_sae_of_the_same_name(engine: sa.Engine, facts: dict[str, Any]) -> None:
    _names(engine, release="r", sae_id="s")
    with pytest.raises(errors.NameTaken, match=r"another SAE under the name r/s(.|\n)*remove sae"):
        _names(engine, release="r", sae_id="s", **facts)


def test_layer_and_site_by_option(engine: sa.Engine, tmp_path: Path) -> None:
    np.save(tmp_path / "W.npy", np.eye(4, 3, dtype=np.float32) + 1)
    run_command(f"ingest sae --path {tmp_path / 'W.npy'} --layer 7 --site att {' '.join(NAMES)}")
    [row] = rows_of(engine, tables.sae)
    assert (row.layer, row.site, row.hook_name) == (7, "att", None)
    assert len(saeatlas.connect().query("features near 7:1")) == 3
    wrong = _refused(["ingest", "sae", "--path", str(tmp_path / "W.npy"), "--layer", "8", *NAMES])
    assert "in the catalog with layer 7, not 8" in wrong
    # first without, then with: filled in
    other = ["--release", "r", "--sae-id", "t"]
    run_command(["ingest", "sae", "--path", str(tmp_path / "W.npy"), *other])
    run_command(["ingest", "sae", "--path", str(tmp_path / "W.npy"), *other, "--layer", "3"])
    assert [row.layer for row in rows_of(engine, tables.sae)] == [7, 3]


def test_an_option_that_contradicts_the_hook(engine: sa.Engine, tmp_path: Path) -> None:
    folder = tiny.make_sae(tmp_path / "s", layer=2)
    for option, said in (("--layer", "1"), ("--site", "mlp")):
        wrong = _refused(["ingest", "sae", "--path", str(folder), option, said])
        assert f"{option} {said} contradicts" in wrong
    assert rows_of(engine, tables.sae) == []
    run_command(["ingest", "sae", "--path", str(folder), "--layer", "2", "--site", "resid"])


def test_from_python(engine: sa.Engine) -> None:
    atlas = saeatlas.connect()
    assert atlas.ingest.sae_without_weights(features=5, model_name="m", layer=0) == 1
    [row] = rows_of(engine, tables.sae)
    assert (row.release, row.sae_id, row.layer) == ("m", "layer_0_5", 0)
