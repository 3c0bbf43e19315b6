"""Transposed recordings: exact bits, made once, grown by whole chunks."""

from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from saeatlas import errors
from saeatlas.analyses.counting import bitmaps
from saeatlas.analyses.counting.bitmaps import Bitmap, grow, transpose
from saeatlas.analyses.counting.threshold import Threshold
from saeatlas.progress import Progress
from saeatlas.schema import tables
from saeatlas.schema.rows.remove import remove_recording
from tests.support import sparse

ONE = Threshold(1.0)


def _grow(engine: sa.Engine, recording: int, threshold: Threshold = ONE) -> Bitmap:
    return grow(engine, recording, threshold)


def _stored(engine: sa.Engine, bitmap: Bitmap) -> tuple[sparse.Array, sparse.Array]:
    """Bits as a matrix of shape (n_blocks, d_sae), and n summed over chunks."""
    chunk, own = tables.bitmap_chunk, tables.feature_bitmap
    active = np.zeros((bitmap.n_blocks, bitmap.d_sae), bool)
    n = np.zeros(bitmap.d_sae, int)
    query = (
        sa.select(chunk.c.first_block, chunk.c.n_blocks, own.c.feature, own.c.n, own.c.bits)
        .join(own, (own.c.bitmap == chunk.c.bitmap) & (own.c.chunk == chunk.c.chunk))
        .where(chunk.c.bitmap == bitmap.id)
    )
    with engine.connect() as connection:
        for first, n_blocks, feature, count, bits in connection.execute(query):
            assert len(bits) % 64 == 0 and "1" not in bits[n_blocks:] and count > 0
            active[first : first + n_blocks, feature] = [bit == "1" for bit in bits[:n_blocks]]
            n[feature] += count
    return active, n


@pytest.mark.parametrize(
    ("text", "above", "relative", "shown"),
    [
        ("1.0", 1.0, False, "1"),
        ("0", 0.0, False, "0"),
        ("-0.0", 0.0, False, "0"),
        ("theta", 0.0, True, "theta+0"),
        ("theta+1.5", 1.5, True, "theta+1.5"),
        (" theta - 0.25 ", -0.25, True, "theta-0.25"),
        ("1.234567", 1.234567, False, "1.234567"),
        ("1e-50", 0.0, False, "0"),
    ],
)
def test_thresholds_are_read_as_written(
    text: str, above: float, relative: bool, shown: str
) -> None:
    threshold = Threshold.parse(text)
    assert threshold.above == pytest.approx(above, rel=1e-7)
    assert (threshold.relative, str(threshold)) == (relative, shown)
    assert Threshold.parse(str(threshold)) == threshold


@pytest.mark.parametrize("text", ["", "x", "1.0theta", "theta+", "nan", "inf", "1e39", "-1", "1,5"])
def test_what_is_no_threshold_says_so(text: str) -> None:
    with pytest.raises(errors.InputError, match=r"is no threshold(.|\n)*theta"):
        Threshold.parse(text)


@given(st.floats(0, 100, width=32), st.floats(0, 100, width=32))
def test_two_thresholds_are_never_written_alike(a: float, b: float) -> None:
    assert (str(Threshold(a)) == str(Threshold(b))) == (a == b)
    assert Threshold.parse(str(Threshold(-a, True))) == Threshold(-a, True)


@given(st.integers(0, 2**32), st.integers(1, 300), st.integers(1, 70), st.floats(0, 1))
def test_bits_are_those_of_the_rows(seed: int, n_blocks: int, d_sae: int, density: float) -> None:
    rng = np.random.default_rng(seed)
    active, order = rng.random((n_blocks, d_sae)) < density, rng.permutation(n_blocks)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bitmaps, "STRIPE", 8)  # several of them
        bits = transpose(((b, np.flatnonzero(active[b])) for b in order), n_blocks, d_sae)
    assert bits.shape == (d_sae, -(-n_blocks // 64) * 8)
    unpacked = np.unpackbits(bits, axis=1)
    assert (unpacked[:, :n_blocks] == active.T).all() and not unpacked[:, n_blocks:].any()


@pytest.mark.slow
@settings(
    max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    seed=st.integers(0, 2**32),
    sizes=st.lists(st.integers(1, 90), min_size=1, max_size=3),
    chunk=st.sampled_from([1, 7, 64, 100]),
    threshold=st.sampled_from([0.0, 0.5, 1.0, 9.0]),
)
def test_bitmaps_equal_the_matrix_however_it_grew(
    engine: sa.Engine, seed: int, sizes: list[int], chunk: int, threshold: float
) -> None:
    rng = np.random.default_rng(seed)
    peaks = [sparse.draw(rng, size, 12) for size in sizes]
    made = sparse.record(engine, peaks[0])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bitmaps, "CHUNK_BLOCKS", chunk)
        bitmap = _grow(engine, made.id, Threshold(threshold))
        for more in peaks[1:]:
            sparse.add(engine, made, more)
            bitmap = _grow(engine, made.id, Threshold(threshold))
    active, n = _stored(engine, bitmap)
    assert bitmap.n_blocks == sum(sizes)
    assert (active == (made.peaks > threshold)).all()
    assert (n == active.sum(axis=0)).all()


@pytest.mark.slow
def test_growing_leaves_the_chunks_that_are_there(
    engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bitmaps, "CHUNK_BLOCKS", 64)
    made = sparse.record(engine, sparse.draw(np.random.default_rng(0), 100, 9))
    bitmap = _grow(engine, made.id)
    query = sa.text(
        "select xmin::text, ctid::text, chunk, feature from feature_bitmap where chunk < :chunks"
        " union all select xmin::text, ctid::text, chunk, null from bitmap_chunk"
        " where chunk < :chunks order by 3, 4"
    )

    def rows(chunks: int) -> list[Any]:
        with engine.connect() as connection:
            return list(connection.execute(query, {"chunks": chunks}).all())

    before = rows(99)
    assert {row.chunk for row in before} == {0, 1}
    assert _grow(engine, made.id) == bitmap and rows(99) == before
    sparse.add(engine, made, sparse.draw(np.random.default_rng(1), 70, 9))
    assert _grow(engine, made.id).n_blocks == 170
    assert rows(2) == before and {row.chunk for row in rows(99)} == {0, 1, 2, 3}


def test_each_threshold_has_bitmaps_of_its_own(engine: sa.Engine) -> None:
    made = sparse.record(engine, sparse.draw(np.random.default_rng(0), 60, 9), thetas=[0.5] * 9)
    wanted = [Threshold(1.0), Threshold(1.1), Threshold(1.1000001), Threshold(1.0, relative=True)]
    made_first = [_grow(engine, made.id, threshold) for threshold in wanted]
    assert len({bitmap.id for bitmap in made_first}) == 4
    assert [_grow(engine, made.id, threshold) for threshold in wanted] == made_first


def test_two_processes_make_the_same_bitmaps_once(
    engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bitmaps, "CHUNK_BLOCKS", 8)
    made = sparse.record(engine, sparse.draw(np.random.default_rng(0), 160, 9))
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda _: _grow(engine, made.id), range(4)))
    assert len({bitmap.id for bitmap in found}) == 1
    assert {bitmap.n_blocks for bitmap in found} == {160}
    active, n = _stored(engine, found[0])
    assert (active == (made.peaks > 1)).all() and (n == active.sum(axis=0)).all()
    with engine.connect() as connection:
        query = sa.select(tables.bitmap_chunk.c.first_block).order_by("chunk")
        assert connection.execute(query).scalars().all() == list(range(0, 160, 8))


def test_stopped_between_chunks_it_goes_on(
    engine: sa.Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bitmaps, "CHUNK_BLOCKS", 16)
    made = sparse.record(engine, sparse.draw(np.random.default_rng(0), 60, 9))
    done: list[int] = []

    def stop_at_the_third(step: Progress) -> None:
        done.append(step.done)
        if len(done) == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        grow(engine, made.id, Threshold(1.0), stop_at_the_third)
    assert done == [0, 16, 32]
    bitmap = _grow(engine, made.id)
    assert (_stored(engine, bitmap)[0] == (made.peaks > 1)).all()


def test_own_thresholds_are_added(engine: sa.Engine) -> None:
    rng = np.random.default_rng(0)
    thetas = rng.random(20).astype(np.float32)
    peaks = sparse.draw(rng, 80, 20)
    peaks[peaks <= thetas] = 0  # what a JumpReLU does
    made = sparse.record(engine, peaks, thetas=thetas.tolist())
    for above in (0.0, 1.0, -0.5, -5.0):
        active, _ = _stored(engine, _grow(engine, made.id, Threshold(above, relative=True)))
        floors = np.maximum(thetas + np.float32(above), 0)
        assert (active == (peaks > floors)).all()


def test_a_peak_at_the_threshold_is_not_above_it(engine: sa.Engine) -> None:
    at = np.float32(1.1)
    peaks = np.array([[at, np.nextafter(at, np.float32(2)), np.nextafter(at, np.float32(0))]])
    made = sparse.record(engine, peaks.astype(np.float32))
    active, _ = _stored(engine, _grow(engine, made.id, Threshold(1.1)))
    assert active.tolist() == [[False, True, False]]


@pytest.mark.parametrize("keep_above", [0.1, 1.0])
def test_what_was_not_kept_cannot_be_asked_for(engine: sa.Engine, keep_above: float) -> None:
    peaks = sparse.draw(np.random.default_rng(0), 50, 9)
    made = sparse.record(engine, peaks, keep_above=keep_above, thetas=[0.0] * 8 + [5.0])
    with pytest.raises(errors.InputError, match=r"stores only.*(.|\n)*higher --threshold"):
        _grow(engine, made.id, Threshold(keep_above / 2))
    with pytest.raises(errors.InputError, match=r"theta\+0 needs those above 0"):
        _grow(engine, made.id, Threshold(0, relative=True))
    with engine.connect() as connection:
        assert connection.execute(sa.select(tables.bitmap)).all() == []
    bitmap = _grow(engine, made.id, Threshold(keep_above))
    assert (_stored(engine, bitmap)[0] == (peaks > np.float32(keep_above))).all()
    bitmap = _grow(engine, made.id, Threshold(keep_above, relative=True))
    floors = np.array([0.0] * 8 + [5.0], np.float32) + np.float32(keep_above)
    assert (_stored(engine, bitmap)[0] == (peaks > floors)).all()


@pytest.mark.parametrize("thetas", [None, [0.5, None, 0.5]])
def test_an_sae_without_thresholds_has_none_to_add(
    engine: sa.Engine, thetas: list[float | None] | None
) -> None:
    made = sparse.record(engine, np.ones((4, 3), np.float32), thetas=thetas)
    with pytest.raises(errors.InputError, match=r"no thresholds of its own(.|\n)*--threshold 1.0"):
        _grow(engine, made.id, Threshold(1.5, relative=True))


def test_a_recording_without_blocks_or_that_is_not_there(engine: sa.Engine) -> None:
    with pytest.raises(errors.UnknownName, match="Available: none"):
        _grow(engine, 1)
    made = sparse.record(engine, np.empty((0, 3), np.float32))
    with pytest.raises(errors.InputError, match=r"no blocks yet(.|\n)*ingest activations"):
        _grow(engine, made.id)
    with pytest.raises(errors.UnknownName, match=r"no recording 99(.|\n)*Available: 1\."):
        _grow(engine, 99)


def test_a_recording_removed_meanwhile(engine: sa.Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bitmaps, "CHUNK_BLOCKS", 16)
    made = sparse.record(engine, sparse.draw(np.random.default_rng(0), 60, 9))

    def remove(_step: Progress) -> None:
        with engine.begin() as connection:
            remove_recording(connection, made.id)

    with pytest.raises(errors.UnknownName, match="removed meanwhile"):
        grow(engine, made.id, Threshold(1.0), remove)
    with engine.connect() as connection:
        assert connection.execute(sa.select(tables.recording)).all() == []


@pytest.mark.slow
def test_a_block_may_have_more_active_features_than_a_vector_has_elements(
    engine: sa.Engine,
) -> None:
    peaks = np.random.default_rng(0).uniform(0.5, 2, (3, 33_000)).astype(np.float32)
    peaks[1, 16_000:] = 0  # as many as one vector holds
    made = sparse.record(engine, peaks)
    for threshold in (0.0, 1.0):
        active, _ = _stored(engine, _grow(engine, made.id, Threshold(threshold)))
        assert (active == (peaks > threshold)).all()
