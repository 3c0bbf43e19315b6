"""Nearest features by index: the index is used, finds nearly all, and can be done without."""

import json
from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from safetensors.numpy import load_file
from sqlalchemy.engine import URL

from saeatlas import errors
from saeatlas.catalog import query, sql
from saeatlas.cli import cli
from saeatlas.schema import connect, nearest, remove
from tests import tiny
from tests.conftest import _admin, _url

Array = np.ndarray[Any, Any]


def _clustered(n: int, d: int, seed: int = 0) -> Array:
    """Draw vectors around some centres."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((n // 20, d))
    return (centres[rng.integers(len(centres), size=n)] + rng.standard_normal((n, d))).astype("f4")


def _index(engine: sa.Engine, sae: int = 1) -> bool:
    with engine.begin() as connection:
        return nearest.create(connection, sae)


def _plan(engine: sa.Engine, text: str) -> str:
    with sql.reading(engine) as connection:
        statement, params = query.compiled(engine, text).bound
        rows = connection.exec_driver_sql(f"explain (format json) {statement}", params)
        return json.dumps(rows.scalar_one())


def _nearest(vectors: Array, feature: int, k: int) -> list[int]:
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    cosines = units @ units[feature]
    cosines[feature] = -2
    return np.argsort(-cosines, kind="stable")[:k].tolist()


def _ask(engine: sa.Engine, text: str) -> list[int]:
    answer = query.answer(engine, text)
    return [row[answer.columns.index("feature")] for row in answer.rows]


@pytest.fixture(scope="module")
def wide(server_url: URL) -> Iterator[tuple[sa.Engine, Array]]:
    """5,000 features of 2,304 dimensions, indexed: of fewer PostgreSQL compares all."""
    _admin(server_url, "create database wide template template_atlas")
    engine = connect.open_catalog(_url(server_url, "wide"))
    vectors = _clustered(5000, 2304)
    tiny.store_bare(engine, vectors)
    assert _index(engine)
    yield engine, vectors
    engine.dispose()


def test_the_index_is_used_and_what_it_finds_is_compared_exactly(
    wide: tuple[sa.Engine, Array],
) -> None:
    engine, vectors = wide
    assert "feature_1_near" in _plan(engine, "features near sae 1:7")
    assert "feature_1_near" in _plan(engine, "features near sae 1:7 - sae 1:8 in sae 1 limit 12")
    found = query.answer(engine, "features near sae 1:7")
    assert "index" in found.notes[-1]
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    features = [row[found.columns.index("feature")] for row in found.rows]
    cosines = [row[found.columns.index("cosine")] for row in found.rows]
    np.testing.assert_allclose(cosines, units[features] @ units[7], atol=1e-5)
    assert cosines == sorted(cosines, reverse=True) and len(set(features)) == 10
    hits = [
        len(set(_ask(engine, f"features near sae 1:{i}")) & set(_nearest(vectors, i, 10)))
        for i in range(0, 5000, 250)
    ]
    assert np.mean(hits) >= 9.8


@pytest.mark.parametrize(
    "text",
    [
        "features near sae 1:7 exactly",
        "features near sae 1:7 where feature < 900",
        "features near sae 1:7 limit 60",
        "features near sae 1:7 order by feature limit 5",
    ],
)
def test_all_are_compared_where_an_index_might_lose_some(
    wide: tuple[sa.Engine, Array], text: str
) -> None:
    engine, vectors = wide
    assert "feature_1_near" not in _plan(engine, text)
    if "limit" not in text and "where" not in text:
        assert _ask(engine, text) == _nearest(vectors, 7, 10)


def test_longer_vectors_are_compared_without_an_index(engine: sa.Engine) -> None:
    vectors = _clustered(300, 4096)
    tiny.store_bare(engine, vectors)
    with pytest.raises(errors.InputError, match="4,096 dimensions"):
        _index(engine)
    assert _ask(engine, "features near sae 1:7") == _nearest(vectors, 7, 10)


def test_lobes_are_a_filter_that_is_searched_exactly(demo_engine: sa.Engine) -> None:
    text = "features near 3:688 where lobe = 0 of phi k 2"
    assert "_near" not in _plan(demo_engine, text)
    assert len(_ask(demo_engine, text)) == 10


def test_recall_on_the_demos_features(engine: sa.Engine) -> None:
    path = Path(str(files("saeatlas.demo"))) / "saes/layer_3/sae_weights.safetensors"
    vectors = load_file(path)["W_dec"].astype(np.float32)
    tiny.store_bare(engine, vectors)
    asked = range(0, 2048, 32)
    without = [_ask(engine, f"features near sae 1:{i}") for i in asked]
    assert without == [_nearest(vectors, i, 10) for i in asked]
    _index(engine)
    hits = [
        len(set(_ask(engine, f"features near sae 1:{i}")) & set(exact))
        for i, exact in zip(asked, without, strict=True)
    ]
    assert np.mean(hits) >= 9.8


def test_an_index_is_made_once_and_goes_with_its_sae(engine: sa.Engine) -> None:
    tiny.store_bare(engine, _clustered(60, 8))
    assert _index(engine) and not _index(engine)
    with engine.begin() as connection:
        assert nearest.indexed(connection) == {1}
        assert nearest.drop(connection, 1) and not nearest.drop(connection, 1)
    assert _index(engine)
    with engine.begin() as connection:
        remove.remove_sae(connection, 1)
        assert nearest.indexed(connection) == set()
    with pytest.raises(errors.UnknownName, match="no SAE 9"):
        _index(engine, 9)


def test_the_command_line(engine: sa.Engine) -> None:
    tiny.store_bare(engine, _clustered(60, 8))
    run = CliRunner().invoke
    for more, said in (([], "made"), ([], "already there"), (["--drop"], "dropped")):
        done = run(cli, ["db", "index", "--sae", "1", *more])
        assert done.exit_code == 0 and said in done.output
