"""From counts to lobes, document types and tests of spatiality, by commands alone."""

import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from saeatlas.catalog.sql import read_sql
from saeatlas.cli import cli
from tests.support.commands import run_command


@pytest.mark.slow
def test_from_counts_to_answers(engine: sa.Engine) -> None:
    planted = "--features 150 --d-model 16 --blocks 900 --lobes 3 --preference 0.9 --geometry 0.9"
    run_command(f"ingest simulated {planted} --parallelograms 0 --trapezoids 0")
    steps = (
        ("cooccurrence --recording 1 --threshold 0 --half first", 1),
        ("lobes --cooccurrence 1 --affinity phi --affinity simple-matching --k 2,3", 2),
        ("subsets --lobes 2 --affinity phi --k 3", 3),
        ("geometry --sae 1 --cooccurrence 1 --k 2,3", 4),
        ("spatiality --lobes 2 --geometry 4 --affinity phi --k 3 --trials 99 --vector-trials 3", 5),
    )
    for line, run in steps:
        assert f"Run {run}: done in" in run_command(f"analyze {line}"), line
    for line, run in steps:
        again = run_command(f"analyze {line}")
        assert f"Run {run}: done before, unchanged" in again, line
        assert len(read_sql(engine, again.split('saeatlas sql "')[1].split('"')[0])) > 0, line
    kinds = read_sql(
        engine, "select affinity, k from clusterings where analysis = 'lobes' order by 1"
    )
    assert sorted(kinds.affinity.unique()) == ["phi", "simple_matching"]
    enriched = read_sql(engine, "select * from lobe_subsets where enrichment_low > 1")
    assert sorted(enriched.lobe.unique()) == [0, 1, 2] and (enriched.run == 3).all()
    names = read_sql(engine, "select name from lobes where affinity = 'phi' and k = 3")
    assert names.name.notna().all()
    tests = read_sql(engine, "select * from lobe_tests order by statistic, null_model")
    nulls = ["covariance", "directions", "frequency", "permuted"]
    assert tests.null_model.tolist() == nulls * 2 and (tests.z > 3).all()
    assert tests[tests.null_model == "permuted"].p.tolist() == [0.01, 0.01]
    status = run_command("status")
    assert all(name in status for name in ("lobes", "subsets", "geometry", "spatiality"))


@pytest.mark.slow
@pytest.mark.parametrize(
    "line, said",
    [
        ("lobes --cooccurrence 7", "Run 7 is no count of co-occurrence"),
        ("subsets --lobes 7", "7"),
        ("spatiality --lobes 7 --geometry 8", "Run 7 is not a run of lobes or geometry"),
        ("geometry --sae nothing --k 2", "nothing"),
        ("lobes --cooccurrence 1 --k 2;3", "with commas between"),
        ("lobes --cooccurrence 1 --k 0", "above 0"),
    ],
)
def test_a_mistake_is_told(engine: sa.Engine, line: str, said: str) -> None:
    done = CliRunner().invoke(cli, ["analyze", *line.split()])
    assert done.exit_code != 0
    assert said in done.output + str(done.exception)
