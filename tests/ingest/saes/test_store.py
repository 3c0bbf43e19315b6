"""SAEs in the catalog: written whole or not at all, once, and found by any of their names."""

import json
import math
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from saeatlas import errors
from saeatlas.ingest.saes import store
from saeatlas.ingest.saes.load import load_sae
from saeatlas.schema import tables
from saeatlas.schema.rows import saes
from tests.support import tiny
from tests.support.rows import versions


def _put(
    engine: sa.Engine,
    path: Path,
    release: str | None = None,
    sae_id: str | None = None,
    **options: Any,
) -> store.StoredSae:
    with engine.begin() as connection:
        return store.store_sae(connection, load_sae(release, sae_id, path, **options))


def _rows(engine: sa.Engine, table: sa.Table) -> list[dict[str, Any]]:
    with engine.connect() as connection:
        return [dict(row) for row in connection.execute(sa.select(table)).mappings()]


def _edit_config(folder: Path, **metadata: Any) -> None:
    path = folder / "cfg.json"
    config = json.loads(path.read_text())
    config["metadata"] |= metadata
    path.write_text(json.dumps(config))


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tiny.make_sae(tmp_path / "mine" / "one", "gated")


def test_all_of_an_sae_is_stored(engine: sa.Engine, tmp_path: Path) -> None:
    folder = tiny.make_sae(tmp_path / "mine" / "one", layer=2)
    loaded = load_sae(path=folder)
    stored = _put(engine, folder)
    assert stored == store.StoredSae(1, "mine", "one", tiny.D_SAE, tiny.D_MODEL, True)
    (row,) = _rows(engine, tables.sae)
    (model,) = _rows(engine, tables.model)
    assert (row["model"], model["name"]) == (model["id"], "tiny")
    assert (row["hook_name"], row["layer"], row["site"]) == ("blocks.2.hook_resid_post", 2, "resid")
    assert (row["d_in"], row["d_sae"]) == (tiny.D_MODEL, tiny.D_SAE)
    assert (row["architecture"], row["prepend_bos"]) == ("jumprelu", True)
    assert (row["l0"], row["explained_variance"], row["neuronpedia_id"]) == (None, None, None)
    assert (row["source"], row["config"]) == (str(folder), loaded.config)
    assert row["weights_sha256"].hex() == loaded.weights_sha256
    features = sorted(_rows(engine, tables.feature), key=lambda f: f["feature"])
    assert [f["feature"] for f in features] == list(range(tiny.D_SAE))
    decoder = np.array([f["decoder"] for f in features], np.float32)
    np.testing.assert_array_equal(decoder, loaded.decoder)
    assert loaded.threshold is not None
    thresholds = np.array([f["threshold"] for f in features], np.float32)
    np.testing.assert_array_equal(thresholds, loaded.threshold)
    np.testing.assert_allclose([f["decoder_norm"] for f in features], 1, atol=1e-6)


def test_the_norm_is_stored_and_not_divided_out(engine: sa.Engine, tmp_path: Path) -> None:
    decoder = np.array([[3, 4], [0, 1e-14], [1e14, 0]], np.float32)
    np.save(tmp_path / "W.npy", decoder)
    _put(engine, tmp_path / "W.npy")
    features = sorted(_rows(engine, tables.feature), key=lambda f: f["feature"])
    assert [f["decoder_norm"] for f in features] == pytest.approx([5, 1e-14, 1e14])
    np.testing.assert_array_equal(np.array([f["decoder"] for f in features], np.float32), decoder)
    assert {f["threshold"] for f in features} == {None}
    (row,) = _rows(engine, tables.sae)
    unknown = ("model", "hook_name", "layer", "site", "architecture", "prepend_bos", "l0")
    assert {row[name] for name in unknown} == {None}
    assert row["config"] == {}


def test_the_same_weights_again_change_nothing(engine: sa.Engine, folder: Path) -> None:
    first = _put(engine, folder)
    before = versions(engine)
    again = _put(engine, folder)
    assert first.created and not again.created
    assert (again.sae, again.d_sae, again.d_in) == (first.sae, tiny.D_SAE, tiny.D_MODEL)
    path = folder / "cfg.json"
    config = json.loads(path.read_text())
    path.write_text(json.dumps(dict(reversed(config.items()))))
    assert not _put(engine, folder).created
    assert not _put(engine, folder, model_name="another").created
    assert versions(engine) == before  # nor a model that no SAE names


def test_other_weights_of_the_same_name_are_refused(
    engine: sa.Engine, folder: Path, tmp_path: Path
) -> None:
    _put(engine, folder)
    before = versions(engine)
    other = tiny.make_sae(tmp_path / "other", "gated", seed=1)
    with pytest.raises(errors.NameTaken, match=r"mine/one(.|\n)*remove sae mine/one") as caught:
        _put(engine, other, "mine", "one", model_name="another")
    assert str(folder) in str(caught.value) and str(other) in str(caught.value)
    assert versions(engine) == before
    assert _put(engine, other, "mine", "two").sae != 1
    assert not _put(engine, folder).created


def test_the_same_weights_under_two_names_are_two_saes(engine: sa.Engine, folder: Path) -> None:
    assert _put(engine, folder).created
    assert _put(engine, folder, "mine", "again").created
    assert len(_rows(engine, tables.feature)) == 2 * tiny.D_SAE


def test_a_model_is_written_once(engine: sa.Engine, folder: Path, tmp_path: Path) -> None:
    _put(engine, folder)
    _put(engine, tiny.make_sae(tmp_path / "two"))
    assert [row["name"] for row in _rows(engine, tables.model)] == ["tiny"]
    with engine.begin() as connection:
        number = store.model_row(connection, "tiny", architecture="gemma2", n_layers=3)
        assert store.model_row(connection, "tiny") == number
        assert store.model_row(connection, "tiny", d_model=24) == number
    (row,) = _rows(engine, tables.model)
    assert (row["architecture"], row["n_layers"], row["d_model"]) == ("gemma2", 3, 24)


def test_a_page_that_is_named_later_is_written(engine: sa.Engine, folder: Path) -> None:
    def page() -> Any:
        return _rows(engine, tables.sae)[0]["neuronpedia_id"]

    assert _put(engine, folder).new_page is None and page() is None
    named = _put(engine, folder, neuronpedia_id="tiny/1-mine")
    assert (named.new_page, page()) == ("tiny/1-mine", "tiny/1-mine")
    assert "already there, page on Neuronpedia now tiny/1-mine" in named.summary
    assert _put(engine, folder).new_page is None and page() == "tiny/1-mine"
    _edit_config(folder, neuronpedia_id="tiny/1-other")
    again = _put(engine, folder)
    assert (again.new_page, page()) == ("tiny/1-other", "tiny/1-other")
    assert _put(engine, folder).summary.endswith("already there, unchanged")


def test_nothing_half_written_remains(engine: sa.Engine, folder: Path) -> None:
    loaded = load_sae(path=folder)
    spoilt = replace(loaded, threshold=np.ones(3, np.float32))
    with pytest.raises(IndexError), engine.begin() as connection:
        store.store_sae(connection, spoilt)
    for table in (tables.sae, tables.feature, tables.model):
        assert _rows(engine, table) == []
    with engine.connect() as connection:
        names = sa.inspect(connection).get_table_names("atlas")
    assert "sae" in names and not any(re.fullmatch(r"feature_\d+", n) for n in names)
    assert _put(engine, folder).created


def test_configurations_that_json_of_postgresql_cannot_hold(
    engine: sa.Engine, folder: Path
) -> None:
    _edit_config(folder, loss=math.nan, best=math.inf, note="a\0b \ud800 \U0001f600 C:\\udata")
    _put(engine, folder)
    (row,) = _rows(engine, tables.sae)
    metadata = row["config"]["metadata"]
    assert (metadata["loss"], metadata["best"]) == (None, None)
    assert metadata["note"] == "a\ufffdb \ufffd \U0001f600 C:\\udata"


def test_wide_decoders_up_to_pgvectors_limit(engine: sa.Engine, tmp_path: Path) -> None:
    np.save(tmp_path / "W.npy", np.eye(2, 16_000, dtype=np.float32))
    assert _put(engine, tmp_path / "W.npy").d_in == 16_000


# names


@pytest.fixture
def named(engine: sa.Engine, tmp_path: Path) -> dict[str, int]:
    """SAEs of several releases, layers out of order."""
    numbers = {}
    names = [
        ("r", "a", 2), ("r", "b", 0), ("s", "b", 1), ("owner/repo", "layer/c", 0), ("t", "3", 0)
    ]  # fmt: skip
    for release, sae_id, layer in names:
        folder = tiny.make_sae(tmp_path / release / sae_id, layer=layer)
        numbers[f"{release}/{sae_id}"] = _put(engine, folder, release, sae_id).sae
    return numbers


def _find(engine: sa.Engine, *names: str) -> list[str]:
    with engine.connect() as connection:
        rows = saes.find_saes(connection, names)
    return [f"{row.release}/{row.sae_id}" for row in rows]


def test_saes_are_found_by_any_of_their_names(engine: sa.Engine, named: dict[str, int]) -> None:
    assert _find(engine, str(named["r/b"])) == ["r/b"]
    assert _find(engine, "r/b") == ["r/b"]
    assert _find(engine, "a") == ["r/a"]
    assert _find(engine, "owner/repo/layer/c") == _find(engine, "layer/c") == ["owner/repo/layer/c"]
    assert _find(engine, "owner/repo") == ["owner/repo/layer/c"]
    assert _find(engine, "r") == ["r/b", "r/a"]  # by layer
    assert _find(engine, "r/a", "s", "r", "a") == ["r/a", "s/b", "r/b"]  # each once, as named
    assert _find(engine) == []


def test_a_number_is_the_catalogs(engine: sa.Engine, named: dict[str, int]) -> None:
    assert named["t/3"] != 3
    (found,) = _find(engine, "3")
    assert named[found] == 3
    assert _find(engine, "t/3") == ["t/3"]


def test_a_name_of_several_is_refused(engine: sa.Engine, named: dict[str, int]) -> None:
    with pytest.raises(errors.UnknownName, match="Several SAEs are called 'b'") as caught:
        _find(engine, "b")
    assert f"{named['r/b']} (b of r), {named['s/b']} (b of s)" in str(caught.value)


def test_a_name_that_can_be_split_in_two_ways(engine: sa.Engine, folder: Path) -> None:
    _put(engine, folder, "a/b", "c")
    _put(engine, folder, "a", "b/c")
    with pytest.raises(errors.UnknownName, match="Several SAEs are called 'a/b/c'"):
        _find(engine, "a/b/c")
    assert _find(engine, "a/b", "1") == ["a/b/c"]


def test_a_name_of_none_shows_the_nearest(engine: sa.Engine, named: dict[str, int]) -> None:
    with pytest.raises(errors.UnknownName, match="no SAE 'owner/repo/layer/d'") as caught:
        _find(engine, "r/a", "owner/repo/layer/d")
    assert "Nearest: owner/repo/layer/c" in str(caught.value)
    for name in ("", "%", "r/", "7'; drop table atlas.sae; --", "r/a "):
        with pytest.raises(errors.UnknownName, match="There is no SAE"):
            _find(engine, name)
    assert len(_rows(engine, tables.sae)) == 5


def test_an_empty_catalog_says_so(engine: sa.Engine) -> None:
    with pytest.raises(errors.UnknownName, match=r"There is none yet(.|\n)*ingest sae"):
        _find(engine, "one")
