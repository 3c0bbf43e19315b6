"""Analyses from Python give the runs that the driver gives."""

import numpy as np
import pytest
import sqlalchemy as sa

import saeatlas
from saeatlas import errors
from saeatlas.progress import Progress
from tests.support import performed, sparse


def test_from_counts_to_tests_in_python(engine: sa.Engine, database_url: str) -> None:
    peaks = sparse.draw(np.random.default_rng(0), 200, 40, density=1.0)
    made = sparse.record(engine, peaks)
    steps: list[Progress] = []
    with saeatlas.connect(database_url) as atlas:
        counted = atlas.analyze.cooccurrence(
            recording=made.id, threshold=0.5, half="first", progress=steps.append
        )
        assert steps[-1] == Progress("count pairs", steps[-1].total or 0, steps[-1].total)
        lobes = atlas.analyze.lobes(cooccurrence=counted, affinities=["phi"], ks=[2, 3])
        assert atlas.analyze.lobes(cooccurrence=counted, affinities=["phi"], ks=[3, 2]) == lobes
        subsets = atlas.analyze.subsets(lobes=lobes)
        runs = atlas.query("runs").set_index("run")
        assert runs.analysis[[counted, lobes, subsets]].tolist() == [
            "cooccurrence", "lobes", "subsets"
        ]  # fmt: skip
        with pytest.raises(errors.UnknownName, match="nothing"):
            atlas.analyze.geometry(sae="nothing")
    assert performed.count(engine, made.id, 0.5, half="first").run == counted


def test_lobes_without_a_matrix_have_affinities_by_default(
    engine: sa.Engine, database_url: str
) -> None:
    made = sparse.record(engine, sparse.draw(np.random.default_rng(0), 200, 40, density=1.0))
    with saeatlas.connect(database_url) as atlas:
        counted = atlas.analyze.cooccurrence(recording=made.id, threshold=0.5)
        lobes = atlas.analyze.lobes(cooccurrence=counted, ks=[2], matrix_free=True)
        found = atlas.sql("select affinity from clusterings where run = %s", [lobes])
    assert sorted(found.affinity) == ["phi", "simple_matching"]
