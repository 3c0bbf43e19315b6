"""The SQL of each kind of query, as a file; each file is run, and gives what the query gives.

`SAEATLAS_SNAPSHOTS=write pytest tests/catalog/language/test_snapshots.py` writes them anew.
"""

import os
import re
from pathlib import Path

import pytest
import sqlalchemy as sa

from saeatlas.catalog import query, sql

pytestmark = pytest.mark.xdist_group("asked")

FOLDER = Path(__file__).with_name("snapshots")
QUERIES = {
    "features_where": "features where layer = 12 and density between 0.001 and 0.01 "
    "order by density desc limit 20",
    "features_in_lobe": 'features where lobe = 2 of phi k 3 and fires in "Github" > 0.2',
    "features_not_in_lobe": "features where not lobe in (0, 1) of angular k 3 in run 5 "
    'or not fires in "ArXiv" <= 0.5 limit 5',
    "features_near": "features near 12:4821 limit 10                     # cosine",
    "features_near_elsewhere": "features near 12:4821 in layer 20                  # one concept",
    "features_near_sum": "features near 12:10 - 12:11 + 12:12                # arithmetic",
    "features_near_ordered": "features near 12:10 in release gemma-scope where cosine > 0.4 "
    "and feature != 3 order by layer desc, cosine desc limit 5",
    "features_near_counted": "features near 12:3 where density > 0.1 limit 4",
    "features_with_first": "features with 12:4821 by lift limit 3",
    "features_with": "features with 12:4821 by phi > 0.2                # by jaccard, lift ...",
    "features_with_default": "features with gemma-scope/12:1008 in run 2 where n_both > 3",
    "blocks_where": 'blocks where 12:4095 > 1 and not 12:77 and subset = "ArXiv"',
    "blocks_ordered": "blocks where 12:4095 or 12:4821 >= 1 order by peak desc limit 3",
    "blocks_plain": "blocks in corpus 1 where subset is not null limit 2",
    "lobes_by_subset": "lobes by subset of phi k 3                         # the dashboard's join",
    "lobes": "lobes of phi k 2",
    "spectra": "spectra where layer between 0 and 25",
    "maps": "maps of layer 12 where method = pca",
    "runs": "runs where analysis = lobes",
    "runs_since": 'runs of layer 12 where finished_at > "2020-01-31" and preset = "default"',
    "saes": 'saes where has_encoder = false and release like "gemma%" or d_in < 9',
    "recordings": "recordings of sae 1 where state = complete",
    "documents": "documents where n_blocks >= 3 and problem is null limit 3",
    "features_about": 'features about "capital cities"                    # labels',
    "features_about_where": 'features of layer 12 about "captial" where density > 0 '
    "and score > 0.1 limit 3",
    "crystals_with": "crystals with 12:4821",
    "crystals_where": "crystals of layer 12 where kind = trapezoid and quality_after > 0.5 "
    "order by q",
    "function_vectors_near": "function vectors near 12:4821",
    "function_vectors_where": "function vectors where relation is null and n_pairs >= 2",
    "labels_of_feature": "labels of 12:4821",
    "labels_where": 'labels of layer 12 where text like "%cities%" and score > 0.5',
}


def _compare(name: str, engine: sa.Engine, text: str) -> str:
    """Compare a query's SQL with its file; notes hold counts of blocks, and are not compared."""
    made = query.compiled(engine, text).shown()
    path = FOLDER / f"{name}.sql"
    if os.environ.get("SAEATLAS_SNAPSHOTS") == "write":
        path.write_text(f"-- {text}\n{made}\n", encoding="utf-8")
    first, kept = path.read_text("utf-8").split("\n", 1)
    assert first == f"-- {text}"
    assert kept == f"{made}\n"
    return made


@pytest.mark.parametrize("name", QUERIES)
def test_its_sql_is_as_it_was_and_gives_the_same_rows(name: str, asked: sa.Engine) -> None:
    made = _compare(name, asked, QUERIES[name])
    bound = query.answer(asked, QUERIES[name])
    pasted = sql.answer_sql(asked, made)
    assert bound.columns == pasted.columns and bound.rows == pasted.rows
    assert len(bound), "a query that finds nothing shows nothing"


def test_every_snapshot_is_of_a_query() -> None:
    assert {path.stem for path in FOLDER.glob("*.sql")} == QUERIES.keys()


def test_values_are_bound(asked: sa.Engine) -> None:
    text = """features where release = "x'); drop table sae --" and layer in (12, 20)"""
    statement, params = query.compiled(asked, text).bound
    assert "drop" not in statement and "20" not in re.sub(r"param_\d+", "", statement)
    assert "x'); drop table sae --" in params.values()
