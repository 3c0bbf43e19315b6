"""Measures of affinity in SQL: as defined, undefined where they are, found by index."""

import re
from typing import Any

import numpy as np
import psycopg
import pytest
import sqlalchemy as sa
from sklearn import metrics

from saeatlas import errors
from saeatlas.catalog.sql import read_sql
from saeatlas.schema import tables
from saeatlas.schema.database import partitions
from saeatlas.schema.rows import runs
from tests.support import performed, sparse

MEASURES = ["phi", "jaccard", "dice", "overlap", "simple_matching", "lift", "pmi"]
Array = sparse.Array


def _expected(measure: str, n: Array, n_i: Array, n_j: Array, n_ij: Array) -> Array:
    """The measures as the books have them; NaN or -inf where undefined."""
    n, n_i, n_j, n_ij = (np.asarray(x, np.float64) for x in (n, n_i, n_j, n_ij))
    with np.errstate(divide="ignore", invalid="ignore"):
        p, p_i, p_j = n_ij / n, n_i / n, n_j / n
        return {
            "phi": (p - p_i * p_j) / np.sqrt(p_i * (1 - p_i) * p_j * (1 - p_j)),
            "jaccard": n_ij / (n_i + n_j - n_ij),
            "dice": 2 * n_ij / (n_i + n_j),
            "overlap": n_ij / np.minimum(n_i, n_j),
            "simple_matching": (n - n_i - n_j + 2 * n_ij) / n,
            "lift": p / (p_i * p_j),
            "pmi": np.log(p / (p_i * p_j)),
        }[measure]


def _tables(rng: np.random.Generator, most: int, size: int = 500) -> list[Array]:
    """Counts that can be: n_ij lies between what the sums force and the smaller of the two."""
    n = rng.integers(1, most, size, endpoint=True)
    n_i, n_j = (np.maximum(1, rng.integers(0, n, endpoint=True)) for _ in "ij")
    n_ij = rng.integers(np.maximum(0, n_i + n_j - n), np.minimum(n_i, n_j), endpoint=True)
    return [n, n_i, n_j, n_ij]


@pytest.mark.parametrize("measure", MEASURES)
@pytest.mark.parametrize("most", [4, 1000, 110_000, 2**31 - 1])
def test_measures_equal_their_definition(
    connection: sa.Connection, measure: str, most: int
) -> None:
    counts = _tables(np.random.default_rng(most), most)
    query = sa.text(
        f"select {measure}(n, i, j, ij), affinity('{measure}', n, i, j, ij) from "
        "unnest(cast(:n as int[]), cast(:i as int[]), cast(:j as int[]), cast(:ij as int[])) "
        "with ordinality as t (n, i, j, ij, place) order by place"
    )
    values = dict(zip(("n", "i", "j", "ij"), (x.tolist() for x in counts), strict=True))
    rows = connection.execute(query, values).all()
    expected = _expected(measure, *counts)
    assert all(row[0] == row[1] for row in rows)
    found = np.array([np.nan if row[0] is None else row[0] for row in rows])
    defined = np.isfinite(expected)
    assert (np.isfinite(found) == defined).all()
    assert found[defined] == pytest.approx(expected[defined], rel=1e-6, abs=1e-9)
    lowest = {"phi": -1, "pmi": -np.inf}.get(measure, 0)
    highest = np.inf if measure in ("lift", "pmi") else 1
    assert (found[defined] >= lowest - 1e-9).all() and (found[defined] <= highest + 1e-9).all()


def test_measures_equal_those_of_scikit_learn(connection: sa.Connection) -> None:
    """Of two features as classifications of the same blocks."""
    rng = np.random.default_rng(7)
    calls = ", ".join(f"{name}(:n, :i, :j, :ij)" for name in MEASURES[:3] + MEASURES[4:])
    for density in rng.uniform(0.1, 0.9, (40, 2)):
        one, other = density[:, None] > rng.random((60, 2)).T
        counts = {"n": 60, "i": one.sum(), "j": other.sum(), "ij": (one & other).sum()}
        row = connection.execute(sa.text(f"select {calls}"), {k: int(v) for k, v in counts.items()})
        lift = other[one].mean() / other.mean()  # how much likelier where the one is active
        assert list(row.one()) == pytest.approx([
            metrics.matthews_corrcoef(one, other), metrics.jaccard_score(one, other),
            metrics.f1_score(one, other), metrics.accuracy_score(one, other), lift, np.log(lift),
        ])  # fmt: skip


@pytest.mark.parametrize(
    ("counts", "undefined"),
    [
        ((0, 0, 0, 0), MEASURES),  # no blocks
        ((9, 0, 0, 0), ["phi", "jaccard", "dice", "overlap", "lift", "pmi"]),  # both dead
        ((9, 0, 4, 0), ["phi", "overlap", "lift", "pmi"]),  # one dead
        ((9, 9, 4, 4), ["phi"]),  # active in every block
        ((9, 9, 9, 9), ["phi"]),
        ((9, 4, 4, 0), ["pmi"]),  # never together
        ((9, 4, 4, 4), []),
        ((1, 1, 1, 1), ["phi"]),
        ((None, 4, 4, 4), ["phi", "simple_matching", "lift", "pmi"]),
    ],
)
def test_undefined_is_null(
    connection: sa.Connection, counts: tuple[int | None, ...], undefined: list[str]
) -> None:
    values = dict(zip("abcd", counts, strict=True))
    calls = ", ".join(f"{m}(:a, :b, :c, :d) as {m}" for m in MEASURES)
    typed = sa.text(f"select {calls}").bindparams(
        *(sa.bindparam(name, value, sa.Integer) for name, value in values.items())
    )
    row = connection.execute(typed).one()
    assert [name for name, value in row._mapping.items() if value is None] == undefined


@pytest.fixture
def counted(engine: sa.Engine) -> sparse.Made:
    """Run 1: 150 features over 90 blocks, the fifth dead, the eighth always active."""
    peaks = sparse.draw(np.random.default_rng(1), 90, 150, density=0.7)
    peaks[:, 5], peaks[:, 8] = 0, 3
    made = sparse.record(engine, peaks)
    assert performed.count(engine, made.id).run == 1
    return made


@pytest.mark.parametrize("measure", MEASURES)
def test_partners_are_the_strongest(
    connection: sa.Connection, counted: sparse.Made, measure: str
) -> None:
    n, both = sparse.counts(counted.peaks > 1)
    query = sa.text("select * from partners(1, :feature, :measure, :k)")
    asked = [0, 8, 149, int(n.argmax()), int(np.flatnonzero(n)[0])]
    for feature in asked:
        rows = connection.execute(query, {"feature": feature, "measure": measure, "k": 12}).all()
        value = _expected(measure, np.full(150, 90), np.full(150, n[feature]), n, both[feature])
        value[[feature, *np.flatnonzero(n == 0)]] = np.nan
        others = np.flatnonzero(np.isfinite(value))
        best = others[np.lexsort((others, -value[others].round(9)))][:12]
        assert [row.value for row in rows] == pytest.approx(value[best].tolist())
        for row in rows:
            assert row.value == pytest.approx(value[row.other])
            counts = (both[feature, row.other], n[feature], n[row.other])
            assert (row.n_both, row.n_feature, row.n_other) == counts
        exact = [(-row.value, row.other) for row in rows]
        assert exact == sorted(exact)  # ties by number


def test_partners_of_the_dead_and_the_unknown_are_none(
    connection: sa.Connection, counted: sparse.Made
) -> None:
    for call in ("1, 5", "1, 8, 'phi'", "1, 999", "77, 1", "1, 1, 'phi', 0"):
        assert connection.exec_driver_sql(f"select * from partners({call})").all() == [], call
    defaults = connection.exec_driver_sql("select * from partners(1, 8, 'jaccard')").all()
    assert len(defaults) == 10


@pytest.mark.slow
@pytest.mark.parametrize(
    "call",
    [
        "affinity('fi', 9, 4, 4, 2)",
        "affinity(null, 9, 4, 4, 2)",
        "affinity('Phi', null, null, null, null)",
        "partners(1, 0, 'fi')",
        "partners(1, 5, 'fi')",  # a dead feature has no partners that could fail
        "partners(77, 0, 'fi')",
    ],
)
def test_a_measure_that_is_none_says_so(engine: sa.Engine, counted: sparse.Made, call: str) -> None:
    known = f"is no measure of affinity(.|\n)*Known: {', '.join(MEASURES)}"
    with pytest.raises(errors.QueryFailed, match=known):
        read_sql(engine, f"select * from {call}")
    name = call.split("'")[1] if "'" in call else None
    with pytest.raises(errors.QueryFailed, match="is no measure"):
        read_sql(engine, "select affinity(%s, 9, 4, 4, 2)", [name])


def test_the_reader_sees_pairs_and_partners_and_changes_nothing(
    connection: sa.Connection, counted: sparse.Made
) -> None:
    connection.exec_driver_sql("set role atlas_reader")
    n_pairs = connection.exec_driver_sql("select count(*) from atlas.pairs").scalar_one()
    live = int((counted.peaks > 1).any(axis=0).sum())
    assert n_pairs == live * (live - 1)
    assert len(connection.exec_driver_sql("select * from partners(1, 0, 'lift', 3)").all()) == 3
    connection.commit()
    for statement in (
        "delete from run",
        "update cooccurrence set counts = counts",
        "update cooccurrence_1 set counts = counts",
        "insert into cooccurrence_feature values (1, 1000, 1, null)",
        "truncate feature_bitmap_1",
        "update bitmap set n_blocks = 0",
        "delete from bitmap_chunk",
        "drop table cooccurrence_1",
        "drop view pairs",
        "create table atlas.mine ()",
        "create or replace function atlas.phi(n integer, n_i integer, n_j integer, n_ij integer) "
        "returns double precision language sql return 1",
        "select nextval('run_id_seq')",
    ):
        with pytest.raises(sa.exc.ProgrammingError) as caught:
            connection.exec_driver_sql(statement)
        assert isinstance(caught.value.orig, psycopg.errors.InsufficientPrivilege), statement
        connection.rollback()


def _nodes(plan: dict[str, Any]) -> list[dict[str, Any]]:
    return [plan, *(node for part in plan.get("Plans", []) for node in _nodes(part))]


@pytest.mark.slow
@pytest.mark.parametrize("feature", [0, 4000, 8191])
def test_partners_reads_its_own_tiles_by_index(engine: sa.Engine, feature: int) -> None:
    """Three runs of 8,192 features; of 2,080 tiles a feature needs 64."""
    made = sparse.record(engine, np.zeros((1, 1), np.float32))
    for number in (1, 2, 3):
        with engine.begin() as connection:
            quality = {"n_blocks": 5000, "n_features": 8192}
            runs.create(
                connection, "cooccurrence", bytes([number]), id=number, sae=made.row.sae,
                recording=made.id, params={}, quality=quality,
            )  # fmt: skip
            connection.exec_driver_sql(
                "insert into cooccurrence_feature "
                f"select {number}, i, 5, i from generate_series(0, 8191) as i"
            )
            with partitions.filling(connection, tables.cooccurrence, number) as part:
                connection.exec_driver_sql(
                    f"insert into {part.fullname} select {number}, i, j, "
                    "array_fill(1, array[128, 9]) "
                    "from generate_series(0, 63) as i, generate_series(0, i) as j"
                )
    with engine.connect() as connection:
        connection.exec_driver_sql("analyze run, cooccurrence_feature, cooccurrence")
        plan = connection.exec_driver_sql(
            f"explain (format json, analyze) select * from partners(2, {feature}, 'phi', 5)"
        ).scalar_one()
    nodes = _nodes(plan[0]["Plan"])
    used = {node["Index Name"] for node in nodes if "Index Name" in node}
    assert used >= {"cooccurrence_2_pkey", "cooccurrence_2_run_tile_column_idx"}
    scans = [n for n in nodes if re.fullmatch(r"cooccurrence_\d+", n.get("Relation Name", ""))]
    assert "Seq Scan" not in {scan["Node Type"] for scan in scans}
    assert {n["Relation Name"] for n in scans if n["Actual Loops"]} == {"cooccurrence_2"}
    assert sum(scan["Actual Rows"] * scan["Actual Loops"] for scan in scans) == 64
