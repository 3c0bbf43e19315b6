"""The catalog from Python."""

import re
import subprocess
import sys
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa

import saeatlas
from saeatlas import errors
from saeatlas.api.atlas import Atlas
from tests.support import sparse

pytestmark = pytest.mark.xdist_group("asked")
OTHERS = {"close", "analyze", "ingest"}
"""Names of Atlas that are no query."""


def test_importing_it_is_light() -> None:
    code = (
        "import saeatlas, sys; saeatlas.connect;"
        "assert not {'numpy', 'sqlalchemy', 'pandas'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


def test_questions_are_frames(asked_url: str) -> None:
    with saeatlas.connect(asked_url) as atlas:
        found = atlas.query("features near 12:4821 where density > 0 limit 3")
        assert len(found) == 3 and found.cosine.is_monotonic_decreasing
        assert "run 1" in found.attrs["notes"][0]
        named = atlas.sql("select layer from saes where sae = %(sae)s", {"sae": 2})
        assert named.layer.tolist() == [20]
        assert atlas.sql("select layer from saes where sae = %s", [1]).layer.tolist() == [12]
        with pytest.raises(errors.BadQuery):
            atlas.query("features nere 12:4821")
        with pytest.raises(errors.QueryFailed, match="statement timeout"):
            atlas.sql("select pg_sleep(9)", timeout=0.1)


@pytest.mark.slow
def test_what_the_page_shows_runs(asked_url: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SAEATLAS_DATABASE_URL", asked_url)
    page = (Path(__file__).parents[2] / "docs" / "python.md").read_text("utf-8")
    names: dict[str, Any] = {}
    exec(re.findall(r"^```python\n(.*?)^```", page, re.MULTILINE | re.DOTALL)[0], names)
    assert len(names["near"]) == 10 and len(names["layers"]) == 1
    assert names["adata"].shape == names["vectors"].shape
    public = {name for name in vars(Atlas) if not name.startswith("_")} - {
        "close",
        "analyze",
        "ingest",
    }
    assert all(f"atlas.{name}(" in page for name in public)


def test_results_are_arrays(asked_url: str) -> None:
    with saeatlas.connect(asked_url) as atlas:
        vectors = atlas.decoder("gemma-scope/layer_12")
        assert vectors.shape == (4900, 16) and vectors.dtype == np.float32
        names: tuple[Any, ...] = (1, np.int64(1), "1", "layer_12")
        for name in names:  # a cell of a table, names as commands take
            assert np.array_equal(atlas.decoder(name), vectors)
        near = atlas.query("features near 12:7 limit 1").feature[0]
        cosines = vectors @ vectors[7] / np.linalg.norm(vectors, axis=1)
        assert np.argsort(-cosines)[1] == near
        lobes = atlas.lobes(3, 3)
        assert lobes.index.name == "feature" and set(lobes) == {0, 1, 2}
        found = atlas.query("features where lobe = 1 of phi k 3")
        assert found.feature.tolist() == lobes.index[lobes == 1].tolist()


@pytest.mark.slow
@pytest.mark.parametrize(
    "measure", ["phi", "jaccard", "dice", "overlap", "simple_matching", "lift", "pmi"]
)
def test_an_affinity_is_what_the_sql_functions_say(asked_url: str, measure: str) -> None:
    with saeatlas.connect(asked_url) as atlas:
        counts = atlas.cooccurrence(6)
        affinity = atlas.affinity(6, measure)
        told = atlas.sql(
            "select feature, other, affinity(%s, n_blocks, n_feature, n_other, n_both) as value "
            "from pairs where run = 6",
            [measure],
        )
    table = told.pivot(index="feature", columns="other", values="value").astype(np.float32)
    assert affinity.index.equals(pd.Index(counts.features)) and len(affinity) > 50
    ours = affinity.to_numpy().copy()
    np.fill_diagonal(ours, np.nan)  # the view has no pairs of a feature with itself
    assert np.allclose(ours, table.to_numpy(), equal_nan=True)
    assert np.isfinite(ours).sum() > 100
    if measure == "phi":
        n = counts.n[counts.features]
        defined = (n > 0) & (n < counts.n_blocks)
        assert np.allclose(affinity.to_numpy().diagonal()[defined], 1)


def test_an_affinity_takes_no_more_memory_than_it_has_to(asked_url: str) -> None:
    with saeatlas.connect(asked_url) as atlas:
        atlas.affinity(6)  # imports and connections
        tracemalloc.start()
        try:
            made = atlas.affinity(1)
            peak = tracemalloc.get_traced_memory()[1]
        finally:
            tracemalloc.stop()
    size = made.memory_usage(index=False).sum()
    assert 40e6 < size < peak < 1.2 * size


def test_counts_are_those_of_the_activations(asked_url: str) -> None:
    with saeatlas.connect(asked_url) as atlas:
        rows = atlas.sql("select * from block_activations where recording = 2 order by block")
        counts = atlas.cooccurrence(6)
    active = np.zeros((len(rows), 200))
    for i, features in enumerate(rows.features):
        active[i, features] = 1
    n, both = sparse.counts(active)
    assert np.array_equal(counts.n, n)
    assert np.array_equal(counts.n_both, both[np.ix_(counts.features, counts.features)])


def test_closed_it_holds_no_connection_and_may_be_asked_again(asked_url: str) -> None:
    with saeatlas.connect(asked_url) as atlas:
        atlas.query("saes")
    assert atlas.engine.pool.checkedin() == 0  # type: ignore[attr-defined]
    assert len(atlas.query("saes")) == 3
    atlas.close()
    with pytest.raises(errors.ServerUnreachable, match="The database URL begins with 'mysql'"):
        saeatlas.connect("mysql://localhost/atlas")


def test_closing_opens_no_connection(asked_url: str) -> None:
    atlas = saeatlas.connect(asked_url)
    opened: list[object] = []

    def count(driver: object, _record: object) -> None:
        opened.append(driver)

    sa.event.listen(sa.pool.Pool, "connect", count)
    try:
        atlas.close()
        assert not opened
        atlas.query("saes")
        assert opened
        atlas.close()
    finally:
        sa.event.remove(sa.pool.Pool, "connect", count)


def test_jobs_work_on_the_same_catalog(asked_url: str) -> None:
    with saeatlas.connect(asked_url) as atlas:
        assert atlas.analyze.engine is atlas.ingest.engine is atlas.engine


def test_what_is_not_there_is_named(asked_url: str) -> None:
    with saeatlas.connect(asked_url) as atlas:
        for ask, said in (
            (lambda: atlas.decoder("gemma/layer_12"), "Nearest: gemma-scope/layer_12"),
            (lambda: atlas.decoder(9), "no SAE '9'"),
            (lambda: atlas.decoder("gemma-scope"), "names 2 SAEs"),
            (lambda: atlas.cooccurrence(3), "Run 3 is no count"),
            (lambda: atlas.cooccurrence(10**12), "A number is larger than any in the catalog"),
            (lambda: atlas.affinity(1, "fi"), "is no measure of affinity"),
            (lambda: atlas.lobes(3, 9), "has no such lobes"),
        ):
            with pytest.raises(errors.UnknownName, match=said):
                ask()
