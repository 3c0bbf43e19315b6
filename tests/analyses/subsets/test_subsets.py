"""Whose lobe is a block, and what a lobe prefers: equal to plain loops, on held-out documents."""

import math
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from saeatlas import errors
from saeatlas.analyses.counting import bitmaps
from saeatlas.analyses.run_driver import Outcome
from saeatlas.analyses.subsets import enrichment, inputs, subsets, top_lobes
from saeatlas.analyses.subsets.enrichment import Enrichment, enrich, top_by_document
from saeatlas.analyses.subsets.held_out import Evaluated
from saeatlas.progress import Progress
from saeatlas.schema import tables
from saeatlas.schema.database import statistics, upgrade
from saeatlas.schema.rows import clusterings, remove, runs
from saeatlas.schema.rows.clusterings import Clustering, Labels
from tests.support import performed, processes, sparse
from tests.support.performed import count, interrupt, once
from tests.support.sparse import Array, Made

ROOT = Path(__file__).parents[3]
HALF = "document % 2 = 0"


# counts and top lobes of arrays, against plain loops


def _labels(rng: np.random.Generator, d_sae: int, k: int, number: int = 0) -> Labels:
    """Lobes of some of the features; each has at least one."""
    features = np.sort(rng.choice(d_sae, rng.integers(k, d_sae + 1), replace=False))
    place = np.concatenate([np.arange(k), rng.integers(0, k, len(features) - k)])
    return Labels(number, "phi", k, features, rng.permutation(place))


def _reference_active(active: Array, label: Labels) -> list[list[int]]:
    rows = []
    for line in active:
        row = [0] * (int(label.lobes.max()) + 1)
        for feature, lobe in zip(label.features.tolist(), label.lobes.tolist(), strict=True):
            row[lobe] += int(line[feature])
        rows.append(row)
    return rows


def _reference_top(row: list[int], value: list[float]) -> int | None:
    if sum(row) == 0:
        return None
    best = max(value)
    first = [i for i, v in enumerate(value) if math.isclose(v, best, rel_tol=1e-12)]
    return first[0] if len(first) == 1 else None


def _reference_share(row: list[int], sizes: list[int]) -> int | None:
    return _reference_top(row, [a / size for a, size in zip(row, sizes, strict=True)])


def _reference_excess(row: list[int], activity: list[int]) -> int | None:
    """Squares of z of a binomial draw with their sign, in fractions: no rounding, exact ties."""
    total, everything = sum(row), sum(activity)
    z: list[float | Fraction] = []
    for a, n in zip(row, activity, strict=True):
        share = Fraction(n, everything) if everything else Fraction(0)
        over, variance = a - total * share, total * share * (1 - share)
        if a == 0:
            z.append(-math.inf)
        elif variance == 0:
            z.append(math.inf if over > 0 else -math.inf if over < 0 else 0.0)
        else:
            z.append(over * abs(over) / variance)
    if total == 0 or z.count(max(z)) > 1:
        return None
    return z.index(max(z))


def _as_numbers(found: list[int | None]) -> list[int]:
    return [-1 if lobe is None else lobe for lobe in found]


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    n_blocks=st.integers(1, 700),
    d_sae=st.integers(9, 60),
    ks=st.lists(st.integers(1, 9), min_size=1, max_size=3),
)
def test_active_features_are_counted_as_a_loop_counts_them(
    seed: int, n_blocks: int, d_sae: int, ks: list[int]
) -> None:
    rng = np.random.default_rng(seed)
    active = rng.random((n_blocks, d_sae)) < rng.random(d_sae)
    bits = bitmaps.transpose(
        ((b, np.flatnonzero(row)) for b, row in enumerate(active)), n_blocks, d_sae
    )
    labels = [_labels(rng, d_sae, k) for k in ks]
    features, members = top_lobes.membership(labels)
    found = top_lobes.count_active(bits[features], members)
    expected = np.concatenate([_reference_active(active, label) for label in labels], axis=1)
    assert found.shape == (8 * bits.shape[1], sum(ks)) and found.dtype == np.float32
    assert (found[:n_blocks] == expected).all() and not found[n_blocks:].any()


@settings(max_examples=60, deadline=None)
@given(data=st.data(), k=st.integers(1, 6))
def test_top_lobes_are_those_of_a_loop(data: st.DataObject, k: int) -> None:
    sizes = data.draw(st.lists(st.integers(1, 40), min_size=k, max_size=k))
    activity = data.draw(st.lists(st.integers(0, 50) | st.just(7), min_size=k, max_size=k))
    row = st.tuples(*(st.integers(0, size) for size in sizes))
    rows = [list(one) for one in data.draw(st.lists(row, min_size=1, max_size=20))]
    active = np.array(rows, np.float32)
    shares = top_lobes.by_share(active, np.array(sizes))
    assert shares.tolist() == _as_numbers([_reference_share(one, sizes) for one in rows])
    excess = top_lobes.by_excess(active, np.array(activity))
    assert excess.tolist() == _as_numbers([_reference_excess(one, activity) for one in rows])


def test_arrays_are_compared_without_a_catalog() -> None:
    """Two clusterings, blocks of which every third is evaluated, in slabs of uneven size."""
    rng = np.random.default_rng(4)
    n_blocks, d_sae = 300, 30
    active = rng.random((n_blocks, d_sae)) < rng.random(d_sae)
    labels = [_labels(rng, d_sae, k, number) for number, k in ((7, 2), (8, 5))]
    blocks = np.arange(0, n_blocks, 3)
    documents, types = np.arange(100) // 4, np.arange(25) % 3 - 1
    evaluated = Evaluated(blocks, documents, types, ["A", "B"])
    slabs = [
        inputs.Slab(first, stop - first, np.packbits(active[first:stop].T, axis=1))
        for first, stop in ((0, 64), (64, 100), (100, 300))
    ]
    given = inputs.Inputs(labels, active.sum(axis=0), evaluated, slabs)
    result = subsets.compute(given, inputs.Params(1, preset="paper"))
    for i, label in enumerate(labels):
        sizes = np.bincount(label.lobes).tolist()
        rows = _reference_active(active[blocks], label)
        assert result.assigned.active[:, result.assigned.columns[i]].tolist() == rows
        top = _as_numbers([_reference_share(row, sizes) for row in rows])
        assert result.assigned.top[:, i].tolist() == top
        for row in result.subset_rows:
            if row["clustering"] == label.clustering:
                mine = types[documents] == ["A", "B"].index(row["subset"])
                assert row["n_blocks"] == mine.sum()
                assert row["n_top"] == (np.array(top)[mine] == row["lobe"]).sum()
    assert len(result.subset_rows) == 2 * (2 + 5)
    assert result.quality["n_blocks"] == 100 and result.quality["n_documents"] == 25


def test_ties_and_empty_blocks_have_no_top_lobe() -> None:
    active = np.array([[0, 0, 0], [1, 2, 0], [3, 2, 1], [0, 0, 1]], np.float32)
    assert top_lobes.by_share(active, np.array([3, 6, 9])).tolist() == [-1, -1, 0, 2]
    # as many as expected of each: z is 0 thrice; then twice the same excess
    active = np.array([[0, 0, 0], [1, 1, 1], [2, 2, 0], [0, 3, 1]], np.float32)
    assert top_lobes.by_excess(active, np.array([5, 5, 5])).tolist() == [-1, -1, -1, 1]
    # both z are the root of 3/2, but not to the last bit
    active = np.array([[1, 2, 0], [2, 4, 0]], np.float32)
    assert top_lobes.by_excess(active, np.array([1, 3, 5])).tolist() == [-1, -1]
    third = np.array([[1, 2], [7, 14], [2, 3]], np.float32)  # 1/3 is no binary fraction
    assert top_lobes.by_excess(third, np.array([49, 98])).tolist() == [-1, -1, 0]


@pytest.mark.parametrize("activity", [0, 4])
def test_an_only_lobe_is_on_top_wherever_it_is_active(activity: int) -> None:
    active = np.array([[0], [1], [9]], np.float32)
    assert top_lobes.by_excess(active, np.array([activity])).tolist() == [-1, 0, 0]
    assert top_lobes.by_share(active, np.array([9])).tolist() == [-1, 0, 0]


def test_a_lobe_never_active_before_is_on_top_where_it_is_active() -> None:
    active = np.array([[5, 0], [5, 1], [0, 1]], np.float32)
    assert top_lobes.by_excess(active, np.array([100, 0])).tolist() == [0, 1, 1]


def test_expected_rates_make_lobes_top_alike() -> None:
    """Independent features: no text is any lobe's, so each of four should be on top in a quarter.

    Tolerance 0.05: counts are whole numbers and skewed, and shares of 4,000 blocks vary by 0.007.
    """
    rng = np.random.default_rng(5)
    sizes = np.array([400, 200, 100, 50])
    density = np.array([0.05, 0.12, 0.2, 0.5])
    a = np.column_stack([rng.binomial(n, p, 8_000) for n, p in zip(sizes, density, strict=True)])
    built, evaluated = a[:4_000], a[4_000:].astype(np.float32)

    def rates(top: Array) -> Array:
        return np.bincount(top[top >= 0], minlength=4) / len(top)

    assert (
        rates(top_lobes.by_share(evaluated, sizes))[3] > 0.99
    )  # the small lobe of frequent features
    fair = rates(top_lobes.by_excess(evaluated, built.sum(axis=0)))
    assert np.abs(fair - 0.25).max() < 0.05, fair


# document types


@settings(max_examples=25, deadline=None)
@given(
    seed=st.integers(0, 2**32),
    n_documents=st.integers(1, 12),
    n_types=st.integers(0, 4),
    k=st.integers(1, 4),
    slab=st.sampled_from([1, 3, 2_048]),
)
def test_shares_by_type_are_those_of_a_loop(
    seed: int, n_documents: int, n_types: int, k: int, slab: int
) -> None:
    rng = np.random.default_rng(seed)
    types = rng.integers(-1, n_types, n_documents)
    documents = np.repeat(np.arange(n_documents), rng.integers(1, 4, n_documents))
    top = rng.choice(np.arange(-1, k), len(documents), p=_weights(rng, k + 1))
    by_document = top_by_document(top, documents, n_documents, k)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(enrichment, "DRAWS", 40)
        patch.setattr(enrichment, "SLAB", slab)
        found = enrich(by_document, np.bincount(documents), types, n_types, seed=seed)
    for one in range(n_types):
        mine = [lobe for lobe, at in zip(top, documents, strict=True) if types[at] == one]
        assert found.n_blocks[one] == len(mine)
        for lobe in range(k):
            n_top, n_all = mine.count(lobe), top.tolist().count(lobe)
            assert found.n_top[one, lobe] == n_top
            low, high = found.low[one, lobe], found.high[one, lobe]
            if mine:
                assert found.top_share[one, lobe] == n_top / len(mine)
            if n_all and mine:
                expected = n_top / len(mine) / (n_all / len(top))
                assert found.enrichment[one, lobe] == pytest.approx(expected, rel=1e-12)
            else:
                assert np.isnan(found.enrichment[one, lobe])
            if n_all and (types == one).sum() > 1:
                assert 0 <= low <= high
            else:
                assert np.isnan(low) and np.isnan(high)


def _weights(rng: np.random.Generator, n: int) -> Array:
    """Probabilities, some of them 0, so that some lobes are never on top."""
    weights = rng.random(n) * (rng.random(n) < 0.7) + 1e-9
    return weights / weights.sum()


def test_resamples_are_those_of_a_loop(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(enrichment, "DRAWS", 50)
    rng = np.random.default_rng(1)
    types, n_blocks = np.array([0, 0, 1, -1, 1, 0]), np.array([1, 4, 2, 3, 2, 5])
    top = np.minimum(rng.integers(0, 5, (6, 2)), n_blocks[:, None] // 2)
    found = enrich(top, n_blocks, types, 2, seed=9)
    weights = np.zeros((50, 6), np.int64)
    draws = np.random.default_rng(9)
    for one in (-1, 0, 1):  # in the order in which they are drawn
        weights[:, types == one] = draws.poisson(1.0, (50, int((types == one).sum())))
    for one in (0, 1):
        for lobe in (0, 1):
            ratios = []
            for w in weights:
                mine, base = w * (types == one), w @ top[:, lobe]
                if mine @ n_blocks and base:
                    ratios.append(mine @ top[:, lobe] / (mine @ n_blocks) * (w @ n_blocks) / base)
            assert len(ratios) < 50 or one == 0  # type 1 has two documents: some draws lack both
            ends = np.quantile(ratios, [0.025, 0.975])
            assert [found.low[one, lobe], found.high[one, lobe]] == pytest.approx(ends, rel=1e-9)


def _simulate(rng: np.random.Generator, p: Sequence[float]) -> tuple[Array, Array, Array]:
    """12 and 40 documents of two types; a lobe is on top with p, alike within a document."""
    types = np.repeat([0, 1], [12, 40])
    n_blocks = rng.integers(1, 9, 52)
    mean = np.array(p)[types]
    top = rng.binomial(n_blocks, rng.beta(2 * mean, 2 * (1 - mean)))
    return np.column_stack([top, n_blocks - top]), n_blocks, types


def _coverage(p: Sequence[float], *, by_block: bool = False) -> Array:
    truth = np.array(p) / (np.array(p) @ [12, 40] / 52)
    rng, hits = np.random.default_rng(3), []
    for seed in range(250):
        top, n_blocks, types = _simulate(rng, p)
        if by_block:  # as if each block were a document of its own
            lobe = np.concatenate([np.repeat([0, 1], pair) for pair in top])
            top, types = np.eye(2, dtype=np.int64)[lobe], np.repeat(types, n_blocks)
            n_blocks = np.ones(len(lobe), np.int64)
        found = enrich(top, n_blocks, types, 2, seed=seed)
        hits.append((found.low[:, 0] <= truth) & (truth <= found.high[:, 0]))
    return np.mean(hits, axis=0)


@pytest.mark.slow
@pytest.mark.parametrize("p", [(0.6, 0.3), (0.4, 0.4)], ids=["prefers one type", "no preference"])
def test_the_interval_covers(p: Sequence[float]) -> None:
    covered = _coverage(p)  # of no preference the truth is 1
    assert ((covered >= 0.88) & (covered <= 0.99)).all(), covered


@pytest.mark.slow
def test_blocks_instead_of_documents_would_not_cover() -> None:
    assert _coverage((0.6, 0.3), by_block=True).max() < 0.88


def test_few_documents_get_no_interval_and_no_type_no_row() -> None:
    top = np.array([[2, 0], [1, 0], [0, 0], [1, 0]])
    found = enrich(top, np.array([2, 2, 1, 3]), np.array([0, 0, 1, -1]), 2)
    assert found.n_blocks.tolist() == [4, 1]
    assert found.enrichment[0, 0] == pytest.approx(3 / 4 / (4 / 8))  # the last document counts
    assert found.enrichment[1, 0] == 0 and np.isnan(found.low[1, 0])
    assert np.isnan(found.enrichment[:, 1]).all()  # this lobe is the top lobe nowhere
    assert found.low[0, 0] < found.enrichment[0, 0] < found.high[0, 0]


# the job, in the database


def _record(
    engine: sa.Engine, n_blocks: int = 240, d_sae: int = 40, *, untyped: int = 0, seed: int = 0
) -> Made:
    """Documents of three blocks, A, B, A ...; odd types like odd features. Some have no type."""
    rng = np.random.default_rng(seed)
    peaks = sparse.draw(rng, n_blocks, d_sae, density=1.0)
    kind = np.arange(n_blocks) // 3 // 2 % 2  # pairs of documents, so that both halves have both
    liked = np.arange(d_sae) % 2 == kind[:, None]
    peaks[~liked & (rng.random(peaks.shape) < 0.7)] = 0
    peaks[rng.random(n_blocks) < 0.05] = 0  # nothing active
    made = sparse.record(engine, peaks, blocks_per_document=3)
    with engine.begin() as connection:
        connection.exec_driver_sql(
            "update atlas.document set subset = case when document %% 9 < %(untyped)s then null "
            "when document / 2 %% 2 = 0 then 'even' else 'odd' end",
            {"untyped": untyped},
        )
    return made


def _count(engine: sa.Engine, made: Made, where: str | None = HALF) -> int:
    return count(engine, made.id, documents_where=where).run


def _clustering(affinity: str, k: int, features: Array, place: Array) -> Clustering:
    columns = {"ncut": 0.0, "modularity": 0.0}
    return Clustering(affinity, k, features, place, columns, {"modularity": [0.0] * k})


def _lobes(engine: sa.Engine, made: Made, count: int | None, ks: Sequence[int] = (1, 2, 3)) -> int:
    """Lobes as another analysis would make them; by parity for k = 2."""
    features = np.arange(1, made.peaks.shape[1])  # the first is left out
    with engine.begin() as connection:
        recording = None if count is None else made.id
        run = runs.create(
            connection, "lobes", b"", sae=made.row.sae, recording=recording, input_run=count,
            params={}, quality={},
        )  # fmt: skip
        cuts = [_clustering(a, k, features, features % k) for a in ("phi", "dice") for k in ks]
        clusterings.write(connection, run, cuts)
    return run


def _compare(engine: sa.Engine, run: int, **options: Any) -> Outcome:
    return performed.compare_subsets(engine, run, **options)


def _n_blocks(engine: sa.Engine, done: Outcome) -> int:
    """How many blocks a run has evaluated."""
    (row,) = _rows(engine, "select quality from atlas.run where id = :n", n=done.run)
    return int(row.quality["n_blocks"])


def _rows(engine: sa.Engine, query: str, **values: Any) -> Sequence[sa.Row[Any]]:
    with engine.connect() as connection:
        return connection.execute(sa.text(query), values).all()


def _assert_equal(
    engine: sa.Engine, run: int | None, made: Made, evaluated: Array, counted: Array, preset: str
) -> None:
    """All rows against loops; `evaluated` and `counted` are blocks."""
    active = made.peaks > 1
    place = "select block, document, subset from blocks where corpus = :corpus order by block"
    blocks = _rows(engine, place, corpus=made.row.corpus)
    subsets = {r.block: r.subset for r in blocks}
    with engine.connect() as connection:
        own = connection.execute(sa.select(tables.run).where(tables.run.c.id == run)).one()
        labels = clusterings.read(connection, own.input_run, ks=own.params["ks"])
    of_block = _rows(engine, "select * from block_lobe where run = :run", run=run)
    found = {(r.clustering, r.block): r for r in of_block}
    of_type = _rows(engine, "select * from subset_lobe where run = :run", run=run)
    by_type = {(r.clustering, r.lobe, r.subset): r for r in of_type}
    assert len(found) == len(labels) * len(evaluated)
    for label in labels:
        sizes = np.bincount(label.lobes).tolist()
        n = active[counted].sum(axis=0)[label.features]
        activity = np.bincount(label.lobes, n).astype(int).tolist()
        top, rows = [], _reference_active(active[evaluated], label)
        for block, row in zip(evaluated.tolist(), rows, strict=True):
            best = (
                _reference_share(row, sizes)
                if preset == "paper"
                else _reference_excess(row, activity)
            )
            stored = found[label.clustering, block]
            assert (stored.run, stored.lobe) == (run, best)
            assert stored.shares == [np.float32(a / s) for a, s in zip(row, sizes, strict=True)]
            top.append(best)
        types, expected = _enriched(
            top, [blocks[block] for block in evaluated.tolist()], len(sizes)
        )
        for lobe, size in enumerate(sizes):
            everywhere = top.count(lobe) / len(evaluated)
            for one, subset in enumerate(types):
                mine = [i for i, block in enumerate(evaluated.tolist()) if subsets[block] == subset]
                stored = by_type.pop((label.clustering, lobe, subset))
                n_top = [top[i] for i in mine].count(lobe)
                assert (stored.run, stored.n_blocks, stored.n_top) == (run, len(mine), n_top)
                assert stored.top_share == n_top / len(mine)
                mean = np.mean([rows[i][lobe] / size for i in mine])
                assert stored.mean_share == pytest.approx(mean, rel=1e-12)
                if everywhere:
                    ratio = n_top / len(mine) / everywhere
                    assert stored.enrichment == pytest.approx(ratio, rel=1e-12)
                    ends = [expected.low[one, lobe], expected.high[one, lobe]]
                    assert [stored.enrichment_low, stored.enrichment_high] == pytest.approx(ends)
                else:
                    ends = [stored.enrichment, stored.enrichment_low, stored.enrichment_high]
                    assert ends == [None] * 3
    assert not by_type  # nothing else


def _enriched(
    top: list[int | None], blocks: Sequence[sa.Row[Any]], k: int
) -> tuple[list[str], Enrichment]:
    """Enrichment of one clustering by itself."""
    names, documents = np.unique([row.document for row in blocks], return_inverse=True)
    subset = {row.document: row.subset for row in blocks}
    types = sorted(set(subset.values()) - {None})
    place = np.array([types.index(subset[d]) if subset[d] else -1 for d in names.tolist()])
    table = top_by_document(np.array(_as_numbers(top)), documents, len(names), k)
    return types, enrich(table, np.bincount(documents), place, len(types))


@pytest.mark.slow
@settings(
    max_examples=6, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    seed=st.integers(0, 2**32),
    where=st.sampled_from([HALF, "document < 31", "subset = 'odd'", "document between 3 and 70"]),
    documents=st.sampled_from(["held-out", "all"]),
    preset=st.sampled_from(["default", "paper"]),
    chunk=st.sampled_from([64, 100, 10_000]),
    slab=st.sampled_from([8, 64, 4_096]),
    together=st.sampled_from([1, 7, 256]),
)
def test_rows_equal_a_loops(
    engine: sa.Engine, seed: int, where: str, documents: Any, preset: Any, chunk: int, slab: int,
    together: int,
) -> None:  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bitmaps, "CHUNK_BLOCKS", chunk)
        patch.setattr(inputs, "BLOCKS", slab)
        patch.setattr(subsets, "LOBES", together)
        made = _record(engine, untyped=2, seed=seed)
        chosen = f"select block from blocks where corpus = :corpus and {where}"
        counted = np.array([r[0] for r in _rows(engine, chosen, corpus=made.row.corpus)])
        run = _lobes(engine, made, _count(engine, made, where))
        done = _compare(engine, run, documents=documents, preset=preset)
    everything = np.arange(len(made.peaks))
    held_out = np.setdiff1d(everything, counted)
    evaluated = held_out if documents == "held-out" else everything
    assert done.created and _n_blocks(engine, done) == len(evaluated)
    _assert_equal(engine, done.run, made, evaluated, counted, preset)


@pytest.fixture
def evaluated(engine: sa.Engine) -> tuple[Made, int, int]:
    """A recording, the run of its lobes and one that evaluated them."""
    made = _record(engine)
    run = _lobes(engine, made, _count(engine, made))
    done = _compare(engine, run)
    return made, run, done.run


def test_no_evaluated_document_was_counted(engine: sa.Engine) -> None:
    """Documents that came later are held out, though the condition selects them now."""
    made = _record(engine)
    where = "n_blocks = 3 and document < 20 or document >= 80"
    count = _count(engine, made, where)
    sparse.add(engine, made, made.peaks[:30], blocks_per_document=3)
    _compare(engine, _lobes(engine, made, count), ks=[2])
    seen = {r[0] for r in _rows(engine, "select distinct document from block_lobes")}
    assert seen == set(range(20, 90))
    assert _rows(engine, "select n from cooccurrence_feature where feature = 3")[0][0] == int(
        (made.peaks[:60, 3] > 1).sum()
    )


@pytest.mark.parametrize("chunk", [64, 10_000])
def test_a_document_counted_in_part_is_not_evaluated(
    engine: sa.Engine, monkeypatch: pytest.MonkeyPatch, chunk: int
) -> None:
    monkeypatch.setattr(bitmaps, "CHUNK_BLOCKS", chunk)
    made = _record(engine, 63)
    count = _count(engine, made, None)
    sparse.add(engine, made, made.peaks[:9], blocks_per_document=3)
    with engine.begin() as connection:  # blocks 62 and 63, one counted and one not, are of one
        query = "update atlas.block set document = 20, position = 3 where block = 63"
        connection.exec_driver_sql(query)
    assert _n_blocks(engine, _compare(engine, _lobes(engine, made, count), ks=[2])) == 8
    blocks = {r[0] for r in _rows(engine, "select block from block_lobe")}
    assert blocks == set(range(64, 72))


def test_documents_that_came_after_the_count_are_held_out(engine: sa.Engine) -> None:
    made = _record(engine, 64)  # the last document has one block
    count = _count(engine, made, None)
    run = _lobes(engine, made, count)
    with pytest.raises(errors.InputError, match=r"all documents(.|\n)*--half first(.|\n)*all`"):
        _compare(engine, run)
    sparse.add(engine, made, made.peaks[:20], blocks_per_document=3)
    done = _compare(engine, run)
    found = _rows(engine, "select document, count(distinct block) from block_lobes group by 1")
    assert _n_blocks(engine, done) == 20 and {r[0] for r in found} == set(range(22, 29))
    assert _n_blocks(engine, _compare(engine, run, documents="all")) == 84


def test_a_run_says_what_was_asked(engine: sa.Engine, evaluated: tuple[Made, int, int]) -> None:
    made, run, number = evaluated
    with engine.connect() as connection:
        row = connection.execute(sa.select(tables.run).where(tables.run.c.id == number)).one()
    params, quality = dict(row.params), dict(row.quality)
    assert len(params.pop("blocks_sha256")) == 64 and quality.pop("seconds") > 0
    assert params == {"documents": "held-out", "affinities": ["dice", "phi"], "ks": [1, 2, 3]}
    nobody = [row.lobe for row in _rows(engine, "select * from block_lobe")].count(None)
    odd = (made.peaks[:, 1:] > 1)[np.arange(240) // 3 % 2 == 1]
    empty = 6 * int((~odd.any(axis=1)).sum())
    assert empty > 0 and quality == {
        "n_blocks": 120, "n_documents": 40, "n_clusterings": 6, "n_ties": nobody - empty,
        "n_empty": empty, "held_out": True,
    }  # fmt: skip
    assert (row.analysis, row.sae, row.recording) == ("subsets", made.row.sae, made.id)
    assert (row.input_run, row.preset, row.seed) == (run, "default", 0)
    assert row.finished_at > row.started_at


def test_the_same_is_not_made_again(engine: sa.Engine, evaluated: tuple[Made, int, int]) -> None:
    made, run, number = evaluated
    again = _compare(engine, run)
    assert (again.run, again.created) == (number, False) and "done before" in again.summary
    others: list[dict[str, Any]] = [
        {"preset": "paper"},
        {"seed": 1},
        {"ks": [2]},
        {"documents": "all"},
    ]
    done = [_compare(engine, run, **options) for options in others]
    assert all(one.created for one in done) and len({one.run for one in done}) == 4
    sparse.add(engine, made, made.peaks[:9], blocks_per_document=3)
    assert _compare(engine, run).created  # other blocks


def test_only_small_k_unless_others_are_asked_for(engine: sa.Engine) -> None:
    made = _record(engine)
    count = _count(engine, made)
    run = _lobes(engine, made, count, ks=(2, 8, 9))

    def ks(done: Outcome) -> list[int]:
        query = "select distinct k from block_lobes where run = :run order by k"
        return [row.k for row in _rows(engine, query, run=done.run)]

    assert ks(_compare(engine, run)) == [2, 8]
    assert ks(_compare(engine, run, ks=[9], affinities=["phi"])) == [9]
    with pytest.raises(errors.UnknownName, match="no such lobes(.|\n)*phi k 9"):
        _compare(engine, run, ks=[5])
    wide = _lobes(engine, made, count, ks=(9,))
    with pytest.raises(errors.InputError, match="k up to 8(.|\n)*k 9(.|\n)*--k 9"):
        _compare(engine, wide)


def test_views_and_names_show_what_was_found(
    engine: sa.Engine, evaluated: tuple[Made, int, int]
) -> None:
    made, run, number = evaluated
    (clustering,) = _rows(engine, "select id from clustering where affinity = 'phi' and k = 2")[0]
    seen = _rows(
        engine,
        "select * from lobe_subsets where clustering = :c and enrichment_low > 1 order by lobe",
        c=clustering,
    )
    assert [(r.lobe, r.subset) for r in seen] == [(0, "even"), (1, "odd")]
    assert {(r.run, r.lobe_run, r.release, r.sae) for r in seen} == {
        (number, run, "r", made.row.sae)
    }
    names = _rows(engine, "select lobe, name from lobe_names where clustering = :c", c=clustering)
    assert sorted(tuple(row) for row in names) == [(0, "even"), (1, "odd")]
    of_lobes = _rows(engine, "select lobe, name from lobes where clustering = :c", c=clustering)
    assert sorted(tuple(row) for row in of_lobes) == [(0, "even"), (1, "odd")]
    only = _rows(engine, "select name from lobes where k = 1")
    assert [row.name for row in only] == [None, None]  # an only lobe prefers nothing
    blocks = _rows(engine, "select * from block_lobes where clustering = :c", c=clustering)
    assert len(blocks) == 120
    for row in blocks:
        kind = "even" if row.document // 2 % 2 == 0 else "odd"
        assert (row.document, row.position, row.subset) == (row.block // 3, row.block % 3, kind)


def test_lobes_of_two_saes_meet_as_numpy_says(engine: sa.Engine) -> None:
    one, other = _record(engine, seed=1), _record(engine, seed=2)
    with engine.begin() as connection:  # the second is recorded on the corpus of the first
        query = "update atlas.recording set corpus = %(corpus)s where id = %(id)s"
        connection.exec_driver_sql(query, {"corpus": one.row.corpus, "id": other.id})
    asked = []
    for made in (one, other):
        run = _lobes(engine, made, _count(engine, made), ks=(2, 3))
        asked.append(_compare(engine, run, documents="all" if made is other else "held-out").run)
    k2, k3 = (
        _rows(engine, "select distinct clustering from block_lobes where run = :r and k = :k"
              " and affinity = 'phi'", r=run, k=k)[0][0]
        for run, k in zip(asked, (2, 3), strict=True)
    )  # fmt: skip
    top = []
    for run, clustering in zip(asked, (k2, k3), strict=True):
        query = "select block, lobe from block_lobe where run = :r and clustering = :c"
        top.append({r.block: r.lobe for r in _rows(engine, query, r=run, c=clustering)})
    both = sorted(set(top[0]) & set(top[1]))
    assert len(both) == 120
    x, y = ([-1 if side[b] is None else side[b] for b in both] for side in top)
    found = _rows(
        engine, "select * from lobe_overlap(:a, :b, :c, :d)", a=asked[0], b=k2, c=asked[1], d=k3
    )
    assert {(r.lobe, r.other) for r in found} == {(i, j) for i in range(2) for j in range(3)}
    for row in found:
        a, b = np.array(x) == row.lobe, np.array(y) == row.other
        n = (row.n_both, row.n_lobe, row.n_other, row.n_blocks)
        assert n == ((a & b).sum(), a.sum(), b.sum(), 120)
        assert row.jaccard == pytest.approx((a & b).sum() / (a | b).sum())
        assert row.phi == pytest.approx(np.corrcoef(a, b)[0, 1])


def _left(engine: sa.Engine, number: int) -> list[Any]:
    """What anybody can see of a run of subsets, and its partition's table."""
    query = "select count(*) from {} where {} = :n"
    rows = [
        _rows(engine, query.format(name, column), n=number)[0][0]
        for name, column in (("run", "id"), ("block_lobe", "run"), ("subset_lobe", "run"))
    ]
    partition = "select to_regclass('atlas.block_lobe_' || :n)::text"
    return [*rows, _rows(engine, partition, n=number)[0][0]]


GONE = [0, 0, 0, None]


@pytest.mark.slow
@pytest.mark.parametrize("what", ["run", "recording", "sae", "corpus"])
def test_removal_leaves_no_row_and_no_partition(
    engine: sa.Engine, evaluated: tuple[Made, int, int], what: str
) -> None:
    made, _, number = evaluated
    assert _left(engine, number) == [1, 720, 24, f"block_lobe_{number}"]
    key = {"run": number, "recording": made.id, "sae": made.row.sae, "corpus": made.row.corpus}
    with engine.begin() as connection:
        getattr(remove, f"remove_{what}")(connection, key[what])
    assert _left(engine, number) == GONE


def test_stopped_halfway_it_leaves_nothing(
    engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(inputs, "BLOCKS", 64)
    made = _record(engine)
    run = _lobes(engine, made, _count(engine, made))
    steps: list[Progress] = []

    def stop() -> None:
        with pytest.raises(errors.CatalogBusy, match="same comparison"):
            _compare(engine, run)
        interrupt()

    stop_once = once("assign", stop)

    def report(step: Progress) -> None:
        steps.append(step)
        stop_once(step)

    with pytest.raises(KeyboardInterrupt):
        _compare(engine, run, report=report)
    assert steps[-1].done < 120
    assert _left(engine, run + 1) == GONE
    done = _compare(engine, run)
    assert done.created and _left(engine, done.run)[:3] == [1, 720, 24]


def test_failed_at_the_end_it_leaves_nothing(
    engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = _record(engine)
    run = _lobes(engine, made, _count(engine, made))
    with monkeypatch.context() as patch:
        patch.setattr(statistics, "refresh", None)
        with pytest.raises(TypeError):
            _compare(engine, run)
    assert _left(engine, run + 1) == GONE
    assert _compare(engine, run).created


@pytest.mark.slow
def test_killed_halfway_it_leaves_nothing(engine: sa.Engine) -> None:
    made = _record(engine)
    run = _lobes(engine, made, _count(engine, made))
    code = (
        "from saeatlas.schema.database import connect; from tests.support import performed; "
        f"engine = connect.open_catalog({os.environ['SAEATLAS_DATABASE_URL']!r}); "
        f"performed.compare_subsets(engine, {run})"
    )
    with processes.locked_table(engine, "subset_lobe", "share"):
        child = subprocess.Popen([sys.executable, "-c", code], cwd=ROOT)
        processes.wait_until_waiting(engine, "insert into atlas.subset_lobe", 1, child)
        child.send_signal(signal.SIGKILL)
        child.wait()
    processes.wait_until_alone(engine)
    assert _left(engine, run + 1) == GONE
    with engine.begin() as connection:
        upgrade.apply(connection)
    assert _compare(engine, run).created


def test_removal_meanwhile_is_noticed(engine: sa.Engine) -> None:
    made = _record(engine)
    count = _count(engine, made)
    run = _lobes(engine, made, count)

    def remove_count() -> None:
        with engine.begin() as connection:
            remove.remove_run(connection, count)

    with pytest.raises(errors.UnknownName, match=f"Run {count} was removed meanwhile"):
        _compare(engine, run, report=once("assign", remove_count))
    with pytest.raises(errors.InputError, match=r"was removed(.|\n)*--half first"):
        _compare(engine, run)


def test_what_cannot_be_evaluated_says_so(engine: sa.Engine) -> None:
    made = _record(engine)
    with pytest.raises(errors.UnknownName, match="Run 7 is no run of lobes(.|\n)*none"):
        _compare(engine, 7)
    count = _count(engine, made)
    with pytest.raises(errors.UnknownName, match=f"Run {count} is no run of lobes"):
        _compare(engine, count)
    elsewhere = _lobes(engine, made, None)
    with pytest.raises(errors.InputError, match="counts made elsewhere(.|\n)*ingest activations"):
        _compare(engine, elsewhere)


def test_a_condition_that_now_selects_others_is_refused(engine: sa.Engine) -> None:
    made = _record(engine)
    run = _lobes(engine, made, _count(engine, made, "subset = 'odd'"))
    with engine.begin() as connection:
        connection.exec_driver_sql("update atlas.document set subset = 'odd' where document = 0")
    with pytest.raises(errors.InputError, match="can no longer be determined(.|\n)*'odd'"):
        _compare(engine, run)
    assert _compare(engine, run, documents="all").created
