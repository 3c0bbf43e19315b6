"""Nearest vectors: of extreme lengths, of none, and in several SAEs of one layer."""

from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa

from saeatlas import errors
from saeatlas.catalog import query, sql
from saeatlas.schema.rows import vector_index
from tests.support import tiny

Array = np.ndarray[Any, Any]


def _ask(engine: sa.Engine, text: str) -> list[tuple[int, int]]:
    answer = query.answer(engine, text)
    at = [answer.columns.index(name) for name in ("sae", "feature")]
    return [(row[at[0]], row[at[1]]) for row in answer.rows]


def _by_cosine(vectors: Array, target: Array, without: set[int], k: int) -> list[int]:
    exact = vectors.astype(np.float64)
    lengths = np.linalg.norm(exact, axis=1)
    cosines = np.full(len(exact), -2.0)
    some = lengths > 0
    cosines[some] = exact[some] @ target.astype(np.float64) / lengths[some]
    order = [i for i in np.argsort(-cosines, kind="stable") if i not in without]
    return [int(i) for i in order[:k]]


@pytest.mark.slow
@pytest.mark.parametrize("length", [1e-14, 1e-8, 1.0, 2e5, 1e13])
def test_the_index_finds_vectors_of_any_length(engine: sa.Engine, length: float) -> None:
    rng = np.random.default_rng(3)
    lengths = length * rng.uniform(0.5, 2, size=(400, 1))
    vectors = (lengths * rng.standard_normal((400, 24))).astype("f4")
    tiny.store_bare(engine, vectors)
    wanted = _by_cosine(vectors, vectors[7], {7}, 5)
    assert [feature for _, feature in _ask(engine, "features near sae 1:7 limit 5")] == wanted
    with engine.begin() as connection:
        assert vector_index.create(connection, 1)
    with sql.reading(engine) as connection:
        statement, params = query.compiled(engine, "features near sae 1:7 limit 5").bound
        connection.exec_driver_sql("set local enable_seqscan = off")
        connection.exec_driver_sql("set local enable_sort = off")
        plan = connection.exec_driver_sql(f"explain (format json) {statement}", params).scalar_one()
        assert "feature_1_near" in str(plan), "the expression of the query is that of the index"
        rows = connection.exec_driver_sql(statement, params).mappings().all()
    assert [row["feature"] for row in rows] == wanted


@pytest.mark.parametrize("length", [1e-30, 1e-17, 1e17, 1e30])
def test_lengths_beyond_single_precision_are_refused(engine: sa.Engine, length: float) -> None:
    vectors = np.random.default_rng(0).standard_normal((9, 4))
    vectors[5] *= length
    with pytest.raises(errors.BadWeights, match=r"feature 5 of SAE bare/one has length \d"):
        tiny.store_bare(engine, vectors.astype("f4"))


def _with_opposites(engine: sa.Engine) -> Array:
    """Features 0 and 1 are equal, 2 is their opposite, 3 is zero; 4 is 0 up to rounding."""
    rng = np.random.default_rng(1)
    vectors = rng.standard_normal((40, 8)).astype("f4")
    vectors[1], vectors[2], vectors[3] = vectors[0], -vectors[0], 0
    vectors[4] = np.nextafter(vectors[0], np.float32(9))
    tiny.store_bare(engine, vectors)
    return vectors


@pytest.mark.slow
@pytest.mark.parametrize(
    ("near", "said"),
    [
        ("sae 1:3", "has length 0"),
        ("sae 1:0 - sae 1:1", "cancel out"),
        ("sae 1:0 + sae 1:2", "cancel out"),
        ("sae 1:0 - sae 1:0", "cancel out"),
        ("sae 1:0 - sae 1:4", "cancel out"),
        ("sae 1:3 + sae 1:3", "cancel out"),
        ("sae 1:7 + sae 1:0 - sae 1:7 + sae 1:2", "cancel out"),
    ],
)
def test_nothing_is_near_to_nothing(engine: sa.Engine, near: str, said: str) -> None:
    _with_opposites(engine)
    for kind in ("features", "function vectors"):
        with pytest.raises(errors.BadQuery, match=said):
            query.answer(engine, f"{kind} near {near} limit 3")


def test_a_zero_term_changes_nothing(engine: sa.Engine) -> None:
    vectors = _with_opposites(engine)
    found = [feature for _, feature in _ask(engine, "features near sae 1:7 + sae 1:3 limit 4")]
    assert found == _by_cosine(vectors, vectors[7], {7, 3}, 4)


@pytest.mark.parametrize(
    "call",
    [
        "neighbours(1, 3, 4)",
        "analogy(1, 7, 7, 3, 4)",
        "analogy(1, 2, 3, 2, 4)",
        "analogy(1, 0, 4, 3, 4)",
        "function_vectors_near(1, 3, 4)",
    ],
)
def test_sql_functions_refuse_a_vector_without_direction(engine: sa.Engine, call: str) -> None:
    _with_opposites(engine)
    with pytest.raises(errors.QueryFailed, match="nothing is near to nothing"):
        sql.read_sql(engine, f"select * from {call}")


def test_sql_functions_leave_out_vectors_without_direction(engine: sa.Engine) -> None:
    vectors = _with_opposites(engine)
    near = sql.read_sql(engine, "select * from neighbours(1, 7, 100)")
    assert set(near.neighbor) == set(range(40)) - {3, 7}
    assert near.cosine.is_monotonic_decreasing and near.cosine.notna().all()
    assert near.neighbor.tolist()[:5] == _by_cosine(vectors, vectors[7], {7, 3}, 5)
    goal = vectors[8] - vectors[7] + vectors[9]
    alike = sql.read_sql(engine, "select * from analogy(1, 7, 8, 9, 100)")
    assert set(alike.feature) == set(range(40)) - {3, 7, 8, 9}
    assert alike.feature.tolist()[:5] == _by_cosine(vectors, goal, {3, 7, 8, 9}, 5)
    assert sql.read_sql(engine, "select * from neighbours(1, 4000, 4)").empty


def test_all_saes_of_a_release_are_compared(engine: sa.Engine) -> None:
    """As feature splitting needs: two widths of one layer, and another SAE that does not fit."""
    rng = np.random.default_rng(0)
    narrow = rng.standard_normal((6, 8)).astype("f4")
    wide = np.repeat(narrow, 2, axis=0) + 0.1 * rng.standard_normal((12, 8)).astype("f4")
    tiny.store_bare(engine, narrow, "narrow", layer=3, site="resid")
    tiny.store_bare(engine, wide, "wide", layer=3, site="resid")
    tiny.store_bare(engine, rng.standard_normal((5, 4)), "short", layer=4, site="resid")
    answer = query.answer(engine, "features near sae 1:2 in release bare limit 3")
    at = [answer.columns.index(name) for name in ("sae", "feature")]
    found = [(row[at[0]], row[at[1]]) for row in answer.rows]
    assert set(found[:2]) == {(2, 4), (2, 5)}
    assert len(_ask(engine, "features near sae 1:2 in release bare limit 99")) == 6 + 12 - 1
    assert len(_ask(engine, "features near sae 1:2 in layer 3 limit 99")) == 6 + 12 - 1
    assert "left out 1 SAE" in answer.notes[0]
