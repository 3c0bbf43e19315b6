"""Nearest features by index: the index is used, finds nearly all, and can be done without."""

import json
from collections.abc import Iterator, Sequence
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
from saeatlas.schema import tables
from saeatlas.schema.database import connect, statistics
from saeatlas.schema.rows import clusterings, remove, runs, vector_index
from tests.conftest import create_database
from tests.support import plans, tiny

Array = np.ndarray[Any, Any]
pytestmark = [pytest.mark.xdist_group("wide"), pytest.mark.slow]

N = 7500
"""Features from which on PostgreSQL takes the index: it expects to look at 300 of its entries."""


def _clustered(n: int, d: int, seed: int = 0) -> Array:
    """Draw vectors around some centres."""
    rng = np.random.default_rng(seed)
    centres = rng.standard_normal((n // 20, d))
    return (centres[rng.integers(len(centres), size=n)] + rng.standard_normal((n, d))).astype("f4")


def _index(engine: sa.Engine, sae: int = 1) -> bool:
    with engine.begin() as connection:
        return vector_index.create(connection, sae)


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
    """7,500 features of 2,304 dimensions, indexed: of fewer PostgreSQL compares all.

    The last 300 of them, in reverse order, are layer 20. Odd and even features are lobes.
    """
    engine = connect.open_catalog(create_database(server_url, "wide"))
    vectors = _clustered(N, 2304)
    for layer, own in ((10, vectors), (20, vectors[:-301:-1])):
        tiny.store_bare(engine, own, f"layer {layer}", layer=layer)
    assert _index(engine)
    every = np.arange(N)
    zeros: dict[str, Sequence[Any]] = {"modularity": [0.0, 0.0]}
    parity = clusterings.Clustering(
        "angular", 2, every, every % 2, {"ncut": 0.0, "modularity": 0.0}, zeros
    )
    with engine.begin() as connection:
        run = runs.create(connection, "geometry", b"0" * 32, sae=1, params={}, quality={})
        clusterings.write(connection, run, [parity])
        statistics.refresh(connection, tables.feature)
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
        for i in range(0, N, 375)
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


def test_another_layer_is_searched_by_its_own_index(wide: tuple[sa.Engine, Array]) -> None:
    engine, vectors = wide
    text = "features near 20:7 in layer 10"
    assert "feature_1_near" in _plan(engine, text)
    found = _ask(engine, text)
    assert found[0] == N - 8, "its own vector, where the other layer has it"
    assert len({*_nearest(vectors, N - 8, 9)} & {*found}) >= 8
    for exact in ("features near 10:7 in layer 20", "features near 10:7 in release bare"):
        assert "_near" not in _plan(engine, exact)


def test_lobes_of_an_indexed_layer_are_searched_exactly(wide: tuple[sa.Engine, Array]) -> None:
    engine, vectors = wide
    text = "features near sae 1:7 where lobe = 1 of angular k 2"
    assert "_near" not in _plan(engine, text)
    expected = [i for i in _nearest(vectors, 7, N - 1) if i % 2 == 1][:10]
    assert _ask(engine, text) == expected


def test_the_function_compares_all(wide: tuple[sa.Engine, Array]) -> None:
    engine, vectors = wide
    rows = sql.read_sql(engine, "select * from neighbours(1, 7, 12)")
    assert rows.neighbor.tolist() == _nearest(vectors, 7, 12)
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    np.testing.assert_allclose(rows.cosine, units[rows.neighbor] @ units[7], atol=1e-6)
    with engine.connect() as connection:
        plan = connection.exec_driver_sql(
            "explain (format json) select * from atlas.neighbours(1, 7, 12)"
        ).scalar_one()
    assert plans.scans(plan, "feature_1") and not plans.scans(plan, "feature_2")


def test_longer_vectors_are_compared_without_an_index(engine: sa.Engine) -> None:
    vectors = _clustered(300, 4096)
    tiny.store_bare(engine, vectors)
    with pytest.raises(errors.InputError, match="4,096 dimensions"):
        _index(engine)
    assert _ask(engine, "features near sae 1:7") == _nearest(vectors, 7, 10)
    with sql.reading(engine) as connection:
        statement, params = query.compiled(engine, "features near sae 1:7").bound
        rows = connection.exec_driver_sql(f"explain (format json) {statement}", params)
        assert plans.scans(rows.scalar_one(), "feature_1")


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
        assert vector_index.indexed(connection) == {1}
        assert vector_index.drop(connection, 1) and not vector_index.drop(connection, 1)
    assert _index(engine)
    with engine.begin() as connection:
        remove.remove_sae(connection, 1)
        assert vector_index.indexed(connection) == set()
    with pytest.raises(errors.UnknownName, match="no SAE 9"):
        _index(engine, 9)


def test_the_command_line(engine: sa.Engine) -> None:
    tiny.store_bare(engine, _clustered(60, 8))
    run = CliRunner().invoke
    for more, said in (([], "made"), ([], "already there"), (["--drop"], "dropped")):
        done = run(cli, ["db", "index", "--sae", "1", *more])
        assert done.exit_code == 0 and said in done.output
