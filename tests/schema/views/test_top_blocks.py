"""The blocks of a feature: strongest, and evenly over its peaks; by bitmap and by reading all."""

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from saeatlas.analyses.counting.threshold import Threshold
from saeatlas.catalog.sql import read_sql
from saeatlas.schema import tables
from saeatlas.schema.database import partitions
from tests.support import performed, plans, sparse

D_SAE, N_BLOCKS = 9, 120


def _draw(seed: int) -> sparse.Array:
    """Peaks with ties; feature 0 is dead, 1 nearly always active, 2 nearly never."""
    peaks = sparse.draw(np.random.default_rng(seed), N_BLOCKS, D_SAE, density=0.5).round(1)
    peaks[:, 0] = 0
    peaks[:, 1] = np.maximum(peaks[:, 1], 0.1)
    peaks[:, 2] = 0
    peaks[[3, 77], 2] = 0.5, 3
    return peaks


@pytest.fixture(params=[None, "0", "1.0", "2.5", "theta+1", "1.0 and more blocks"])
def made(request: pytest.FixtureRequest, engine: sa.Engine) -> sparse.Made:
    """A recording without bitmap, with one of all or of some activations, or one out of date."""
    made = sparse.record(engine, _draw(0), thetas=[0.5] * D_SAE, blocks_per_document=3)
    if request.param is not None:
        threshold = Threshold.parse(request.param.split()[0])
        performed.count(engine, made.id, threshold=threshold)
        if "more" in request.param:
            sparse.add(engine, made, _draw(1), blocks_per_document=3)
    return made


def _top(peaks: sparse.Array, feature: int, k: int) -> list[int]:
    blocks = np.flatnonzero(peaks[:, feature])
    order = np.lexsort((blocks, -peaks[blocks, feature]))
    return blocks[order][:k].tolist()


def _by_quantile(peaks: sparse.Array, feature: int, bins: int, each: int) -> list[tuple[int, int]]:
    blocks = np.flatnonzero(peaks[:, feature])
    ordered = blocks[np.lexsort((blocks, peaks[blocks, feature]))]
    chosen = []
    for i, part in enumerate(np.array_split(ordered, bins)):  # the first ones get what is over
        n = len(part)
        places = {(2 * j + 1) * n // (2 * each) for j in range(each)} if n else set()
        chosen += [(i + 1, int(part[place])) for place in sorted(places)]
    return chosen


@pytest.mark.slow
def test_top_blocks(engine: sa.Engine, made: sparse.Made) -> None:
    for feature in range(D_SAE):
        for k in (1, 2, 10, 1000):
            query = "select * from top_blocks(%s, %s, %s)"
            frame = read_sql(engine, query, [made.id, feature, k])
            assert frame.block.tolist() == _top(made.peaks, feature, k)
            assert np.allclose(frame.peak.astype(float), made.peaks[frame.block, feature])
            assert frame.subset.tolist() == made.subsets[frame.block].tolist()
            assert (frame.document == frame.block // 3).all() and frame.text.isna().all()


@pytest.mark.slow
def test_feature_peaks(engine: sa.Engine, made: sparse.Made) -> None:
    for feature in range(D_SAE):
        query = "select * from feature_peaks(%s, %s) order by block"
        frame = read_sql(engine, query, [made.id, feature])
        assert frame.block.tolist() == np.flatnonzero(made.peaks[:, feature]).tolist()
        assert np.allclose(frame.peak.astype(float), made.peaks[frame.block, feature])


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(feature=st.integers(0, D_SAE - 1), bins=st.integers(1, 150), each=st.integers(1, 4))
def test_blocks_by_quantile(
    engine: sa.Engine, made: sparse.Made, feature: int, bins: int, each: int
) -> None:
    frame = _quantiles(engine, made.id, feature, bins, each)
    found = list(zip(frame.bin, frame.block, strict=True))
    assert found == _by_quantile(made.peaks, feature, bins, each)
    assert np.allclose(frame.peak.astype(float), made.peaks[frame.block, feature])
    assert frame.equals(_quantiles(engine, made.id, feature, bins, each))


def _quantiles(engine: sa.Engine, *terms: int) -> pd.DataFrame:
    return read_sql(engine, "select * from blocks_by_quantile(%s, %s, %s, %s)", terms)


def test_nothing_is_found_of_what_is_not_there(engine: sa.Engine) -> None:
    made = sparse.record(engine, _draw(0))
    for terms in ((made.id, 0), (made.id, D_SAE), (made.id, -1), (made.id + 1, 1)):
        for name in ("top_blocks", "blocks_by_quantile"):
            assert len(read_sql(engine, f"select * from {name}(%s, %s)", terms)) == 0


def test_text_comes_along(engine: sa.Engine) -> None:
    made = sparse.record(engine, _draw(0))
    with engine.begin() as connection:
        connection.exec_driver_sql("update block set text = 'number ' || block")
    frame = read_sql(engine, f"select block, text from top_blocks({made.id}, 1, 3)")
    assert frame.text.tolist() == [f"number {block}" for block in frame.block]


def test_with_a_bitmap_blocks_are_found_by_index(engine: sa.Engine) -> None:
    rng = np.random.default_rng(0)
    peaks = np.where(rng.random((4000, 60)) < 0.02, np.float32(2), np.float32(0))
    made = sparse.record(engine, peaks)
    performed.count(engine, made.id)
    with engine.connect() as connection:
        partitions.analyze(connection, tables.activation, made.id)
        query = f"explain (analyze, format json) select * from top_blocks({made.id}, 7, 5)"
        plan = connection.exec_driver_sql(query).scalar_one()
    assert plans.scans(plan, f"activation_{made.id}") == {"Index Scan"}
