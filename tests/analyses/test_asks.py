"""The SQL that each analysis advises to see its result shows the rows of a run."""

from typing import Any

import pytest
import sqlalchemy as sa

from saeatlas.analyses.counting import cooccurrence
from saeatlas.analyses.crystals import crystals
from saeatlas.analyses.lobes import geometry, lobes
from saeatlas.analyses.maps import maps
from saeatlas.analyses.relations import relations
from saeatlas.analyses.run_driver import Analysis
from saeatlas.analyses.spatiality import spatiality
from saeatlas.analyses.spectra import spectra
from saeatlas.analyses.subsets import subsets
from saeatlas.catalog import sql

pytestmark = [pytest.mark.xdist_group("demo"), pytest.mark.slow]

MODULES = (
    cooccurrence, lobes, geometry, spatiality, subsets, spectra, crystals, relations, maps,
)  # fmt: skip


@pytest.mark.parametrize("analysis", [one.ANALYSIS for one in MODULES], ids=lambda one: one.name)
def test_the_advised_sql_runs(
    demo_engine: sa.Engine, analysis: Analysis[Any, Any, Any, Any]
) -> None:
    made = sql.read_sql(demo_engine, "select run from runs where analysis = %s", [analysis.name])
    shown = [len(sql.read_sql(demo_engine, analysis.ask.format(run=run))) for run in made.run]
    assert any(shown) or analysis is crystals.ANALYSIS  # so few texts may have no crystal
    assert shown
    assert sql.read_sql(demo_engine, analysis.ask.format(run=0)).empty
