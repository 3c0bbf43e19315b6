"""What is computed of lobes is the same when they come from a file."""

from pathlib import Path
from typing import Any

import pandas as pd
import pytest
import sqlalchemy as sa

import saeatlas
from saeatlas import errors
from saeatlas.schema import tables
from tests.support.commands import run_command
from tests.support.rows import rows_of

SUBSET = """
    select lobe, subset, n_blocks, n_top, top_share, mean_share, enrichment, enrichment_low,
        enrichment_high
    from atlas.subset_lobe where run = {} order by lobe, subset
"""
TEST = """
    select statistic, null_model, n, n_trials, value, mean, z, p
    from atlas.lobe_test where run = {} order by statistic, null_model
"""


@pytest.fixture
def runs(engine: sa.Engine, tmp_path: Path) -> dict[str, int]:
    """Lobes found here, and the same from a file."""
    run_command(
        "ingest simulated --features 96 --d-model 16 --blocks 240 --lobes 3 --preference 0.9 "
        "--active 12 --parallelograms 0 --trapezoids 0"
    )
    atlas = saeatlas.connect()
    count = atlas.analyze.cooccurrence(recording=1)
    lobes = atlas.analyze.lobes(cooccurrence=count, affinities=["phi"], ks=[3])
    atlas.lobes(lobes, 3).to_csv(tmp_path / "lobes.csv")
    published = atlas.ingest.clustering(path=tmp_path / "lobes.csv", sae=1)
    return {"count": count, "lobes": lobes, "published": published}


def _rows(connection: sa.Connection, query: str, run: int) -> pd.DataFrame:
    return pd.DataFrame(connection.execute(sa.text(query.format(run))))


@pytest.mark.slow
def test_subsets(engine: sa.Engine, runs: dict[str, int]) -> None:
    analyze: Any = saeatlas.connect().analyze
    for preset in ("default", "paper"):
        wanted = analyze.subsets(lobes=runs["lobes"], documents="all", preset=preset)
        found = analyze.subsets(lobes=runs["published"], preset=preset)
        assert found == analyze.subsets(
            lobes=runs["published"], preset=preset, cooccurrence=runs["count"]
        )
        with engine.connect() as connection:
            rows, expected = (_rows(connection, SUBSET, run) for run in (found, wanted))
        assert len(rows) == 3 * 9
        pd.testing.assert_frame_equal(rows, expected)
        run = next(row for row in rows_of(engine, tables.run) if row.id == found)
        assert (run.params["documents"], run.params["cooccurrence"]) == ("all", runs["count"])
        assert not run.quality["held_out"]
    with pytest.raises(errors.InputError, match="is for published clusterings"):
        analyze.subsets(lobes=runs["lobes"], cooccurrence=99)
    with pytest.raises(errors.InputError, match=r"Run 99 is no count(.|\n)*Available: 1\."):
        analyze.subsets(lobes=runs["published"], cooccurrence=99)
    said = run_command(f"analyze subsets --lobes {runs['published']} --affinity lobe --k 3")
    assert "done before" in said
    names = saeatlas.connect().query(f"lobes by subset of lobe k 3 in run {found}")
    assert len(names) == 27


@pytest.mark.slow
def test_spatiality(engine: sa.Engine, runs: dict[str, int]) -> None:
    analyze: Any = saeatlas.connect().analyze
    geometry = analyze.geometry(sae=1, ks=[3])
    options = {"geometry": geometry, "trials": 50, "vector_trials": 2}
    wanted = analyze.spatiality(lobes=runs["lobes"], **options)
    found = analyze.spatiality(lobes=runs["published"], **options)
    with engine.connect() as connection:
        rows, expected = (_rows(connection, TEST, run) for run in (found, wanted))
    assert set(rows["null_model"]) == {"permuted", "frequency", "directions", "covariance"}
    pd.testing.assert_frame_equal(rows, expected)
    same = saeatlas.connect().analyze.agreement(run=runs["lobes"], other=runs["published"])
    assert rows_of(engine, tables.agreement)[0].ami == pytest.approx(1) and same > found
    analyze.spectra(sae=1, within=runs["published"], ks=[3])


@pytest.mark.slow
def test_without_a_count(engine: sa.Engine, runs: dict[str, int]) -> None:
    """Frequencies are not known: subsets are refused, and spatiality has one null less."""
    run_command(f"remove run {runs['lobes']}")
    run_command(f"remove run {runs['count']}")
    analyze: Any = saeatlas.connect().analyze
    with pytest.raises(
        errors.InputError, match=r"came from a file, and no recording(.|\n)*analyze co"
    ):
        analyze.subsets(lobes=runs["published"])
    geometry = analyze.geometry(sae=1, ks=[3])
    analyze.spatiality(lobes=runs["published"], geometry=geometry, trials=20, vector_trials=0)
    assert {row.null_model for row in rows_of(engine, tables.lobe_test)} == {"permuted"}
