"""Queries answer what plain numpy answers from the same activations and vectors."""

import re
import shlex
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa
from click.testing import CliRunner

from saeatlas import errors
from saeatlas.catalog import query, sql
from saeatlas.cli import cli
from saeatlas.schema.rows import clusterings, sae_vectors
from tests.catalog.conftest import CRYSTALS, LABELS, TYPES
from tests.support import sparse

pytestmark = pytest.mark.xdist_group("asked")
Array = np.ndarray[Any, Any]


def _ask(engine: sa.Engine, text: str) -> pd.DataFrame:
    return query.answer(engine, text).frame()


def _peaks(engine: sa.Engine, recording: int, d_sae: int) -> tuple[Array, Array]:
    """Activations of a recording as a matrix, and the types of its blocks."""
    rows = sql.read_sql(
        engine, "select * from block_activations where recording = %s order by block", [recording]
    )
    peaks = np.zeros((len(rows), d_sae), np.float32)
    for i, (features, maxima) in enumerate(zip(rows.features, rows.peaks, strict=True)):
        peaks[i, features] = maxima
    return peaks, rows.subset.to_numpy()


def _vectors(engine: sa.Engine, sae: int) -> Array:
    with engine.connect() as connection:
        return sae_vectors.read(connection, sae).astype(float)


def _nearest(vectors: Array, target: Array, without: list[int], n: int) -> list[int]:
    cosines = vectors @ target / np.linalg.norm(vectors, axis=1) / np.linalg.norm(target)
    cosines[without] = -np.inf
    return np.argsort(-cosines, kind="stable")[:n].tolist()


def test_density_is_the_share_of_blocks(asked: sa.Engine) -> None:
    peaks, _ = _peaks(asked, 1, 4900)
    density = (peaks > 0).mean(axis=0)
    found = _ask(asked, "features where layer = 12 and density between 0.05 and 0.3")
    expected = np.flatnonzero((density >= 0.05) & (density <= 0.3))
    assert len(expected) > 20
    assert found.feature.tolist() == expected.tolist()
    assert np.allclose(found.density, density[expected])


def test_the_count_over_most_blocks_is_the_default_unless_another_is_named(
    asked: sa.Engine,
) -> None:
    whole = _ask(asked, "features of layer 12 order by n_active desc limit 1")
    half = _ask(asked, "features in run 2 order by n_active desc limit 1")
    assert whole.n_blocks[0] == 300 and half.n_blocks[0] < 300
    assert "run 1" in whole.attrs["notes"][0] and "run 2" in half.attrs["notes"][0]


@pytest.mark.parametrize(
    ("test", "kept"),
    [
        ("> 0.2", lambda share: share > 0.2),
        ("<= 0.05", lambda share: share <= 0.05),
        ("= 0", lambda share: share == 0),
    ],
)
def test_fires_is_the_share_of_a_types_blocks(asked: sa.Engine, test: str, kept: Any) -> None:
    peaks, subsets = _peaks(asked, 1, 4900)
    expected = np.flatnonzero(kept((peaks[subsets == "Github"] > 0).mean(axis=0)))
    found = _ask(asked, f'features of layer 12 where fires in "Github" {test}')
    assert len(expected) > 10
    assert found.feature.tolist() == expected.tolist()


def test_what_is_unknown_is_not_negated(asked: sa.Engine) -> None:
    # SAE 3 was never counted, and has no lobes
    for condition in ('fires in "Github" > 0.2', "density > 0.1", "lobe = 0 of phi k 3"):
        found = _ask(asked, f"features where not {condition}")
        assert len(found) and 3 not in set(found.sae), condition


def test_lobes_are_those_of_the_newest_clustering(asked: sa.Engine) -> None:
    with asked.connect() as connection:
        label = clusterings.read(connection, 3, affinities=["phi"], ks=[3])[0]
    for test, kept in (("= 2", label.lobes == 2), ("in (0, 1)", label.lobes < 2)):
        found = _ask(asked, f"features where lobe {test} of phi k 3")
        assert found.feature.tolist() == label.features[kept].tolist()


def test_near_is_by_cosine(asked: sa.Engine) -> None:
    vectors = _vectors(asked, 1)
    found = _ask(asked, "features near 12:4821")
    assert found.feature.tolist() == _nearest(vectors, vectors[4821], [4821], 10)
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    assert np.allclose(found.cosine, unit[found.feature] @ unit[4821], atol=1e-6)
    ordered = _ask(asked, "features near 12:4821 order by cosine desc limit 10")
    assert ordered.feature.tolist() == found.feature.tolist()
    assert np.allclose(ordered.cosine, found.cosine)


def test_near_looks_in_another_layer_of_the_same_release(asked: sa.Engine) -> None:
    target = _vectors(asked, 1)[4821]
    found = _ask(asked, "features near 12:4821 in layer 20 limit 7")
    assert set(found.sae) == {2}
    assert found.feature.tolist() == _nearest(_vectors(asked, 2), target, [], 7)


def test_vectors_are_added_and_those_named_left_out(asked: sa.Engine) -> None:
    vectors = _vectors(asked, 1)
    target = vectors[10] - vectors[11] + vectors[12]
    found = _ask(asked, "features near 12:10 - sae 1:11 + gemma-scope/12:12 limit 12")
    assert found.feature.tolist() == _nearest(vectors, target, [10, 11, 12], 12)


@pytest.mark.parametrize("measure", ["phi", "jaccard", "lift"])
def test_with_is_by_the_measure(asked: sa.Engine, measure: str) -> None:
    peaks, _ = _peaks(asked, 1, 4900)
    active = (peaks > 0).astype(float)
    n, both = active.sum(axis=0), active.T @ active[:, 4095]
    centred = active - active.mean(axis=0)
    lengths = np.linalg.norm(centred, axis=0)
    with np.errstate(divide="ignore", invalid="ignore"):
        value = {
            "phi": centred.T @ centred[:, 4095] / (lengths * lengths[4095]),
            "jaccard": both / (n[4095] + n - both),
            "lift": 300 * both / (n[4095] * n),
        }[measure]
    value[4095] = np.nan
    least = 0.16 if measure != "lift" else 1.3
    found = _ask(asked, f"features with 12:4095 by {measure} > {least}")
    assert sorted(found.feature) == np.flatnonzero(value > least).tolist()
    assert len(found) > 10
    assert np.allclose(found.value, value[found.feature])
    assert found.value.is_monotonic_decreasing


def test_blocks_by_what_is_active(asked: sa.Engine) -> None:
    peaks, subsets = _peaks(asked, 1, 4900)
    for text, kept in (
        ("12:4095 > 1 and not 12:1008", (peaks[:, 4095] > 1) & (peaks[:, 1008] == 0)),
        ("12:4095 < 1", peaks[:, 4095] < 1),
        ("not (12:4095 or 12:1008 > 2)", (peaks[:, 4095] == 0) & (peaks[:, 1008] <= 2)),
        ('12:4095 and subset = "ArXiv"', (peaks[:, 4095] > 0) & (subsets == "ArXiv")),
    ):
        found = _ask(asked, f"blocks where {text}")
        assert found.block.tolist() == np.flatnonzero(kept).tolist(), text
        assert len(found) and np.allclose(found.peak, peaks[found.block, 4095])


def test_lobes_by_subset_are_those_evaluated(asked: sa.Engine) -> None:
    found = _ask(asked, "lobes by subset of phi k 3")
    direct = sql.read_sql(asked, "select * from lobe_subsets where run = 4 and k = 3")
    assert len(found) == len(direct) > 0 and set(TYPES) & set(found.subset)
    again = _ask(asked, "lobes by subset of phi k 3 in run 4")
    assert again.equals(found) and _ask(asked, "lobes by subset of phi k 3 in run 3").equals(found)


def test_about_is_by_how_well_labels_fit(asked: sa.Engine) -> None:
    found = _ask(asked, 'features about "captial citys"')
    assert found.sae.tolist() == [1, 2, 1, 1, 2]
    assert found.feature.tolist() == [4821, 5, 77, 4095, 3]
    assert found.text[0] == "names of capital cities" and found.method.isna().all()
    assert _ask(asked, 'features of layer 20 about "cities"').feature.tolist() == [5]
    low = _ask(asked, 'features about "cities" where score < 1 order by score limit 1')
    assert low.feature.tolist() == [4821]
    assert len(_ask(asked, 'features about "the"')) == 0


def test_queries_that_the_page_of_labels_shows_find_something(asked: sa.Engine) -> None:
    page = Path(__file__).parents[2] / "docs" / "labels.md"
    shown = re.findall(r"^saeatlas query .*$", page.read_text("utf-8"), re.MULTILINE)
    assert len(shown) == 3
    for line in shown:
        assert len(_ask(asked, shlex.split(line, comments=True)[2])), line


def test_labels_are_those_of_the_feature(asked: sa.Engine) -> None:
    found = _ask(asked, "labels of 12:4821 order by score")
    assert found.text.tolist() == ["cities in Europe", "names of capital cities"]
    assert set(found.source) == {"people.csv"} and found.method[0] == "by hand"
    assert len(_ask(asked, "labels")) == sum(len(lines) - 1 for lines in LABELS.values())


def test_crystals_are_those_with_the_feature_at_a_corner(asked: sa.Engine) -> None:
    found = _ask(asked, "crystals with 12:4821")
    assert found[list("abcd")].to_numpy().tolist() == [list(c) for _, c, _ in CRYSTALS[:2]]
    assert _ask(asked, "crystals with 12:4 where q < 0.05").crystal.tolist() == [2]
    assert len(_ask(asked, "crystals with sae 2:10")) == 0


def test_function_vectors_are_by_cosine(asked: sa.Engine) -> None:
    vectors = _vectors(asked, 1)
    ways = np.stack([vectors[10] - vectors[4821], vectors[2] - vectors[1]])
    target = vectors[10] + vectors[4821]
    cosine = ways @ target / np.linalg.norm(ways, axis=1) / np.linalg.norm(target)
    found = _ask(asked, "function vectors near 12:10 + 12:4821")
    assert found.function_vector.tolist() == np.argsort(-cosine).tolist()
    assert np.allclose(found.cosine, cosine[found.function_vector], atol=1e-6)


@pytest.mark.parametrize(
    ("keep_above", "text", "kept"),
    [
        (0.0, "sae 1:1 < 0.5", lambda x: x < 0.5),
        (1.0, "sae 1:1 > 1.5", lambda x: x > 1.5),
        (1.0, "not sae 1:1", lambda x: x <= 1),
    ],
)
def test_what_was_not_kept_is_not_guessed(
    engine: sa.Engine, keep_above: float, text: str, kept: Any
) -> None:
    peaks = sparse.draw(np.random.default_rng(5), 40, 6, 2.0)
    made = sparse.record(engine, peaks, keep_above=keep_above)
    found = _ask(engine, f"blocks where {text}")
    assert found.block.tolist() == np.flatnonzero(kept(made.peaks[:, 1])).tolist()
    if keep_above:
        with pytest.raises(errors.BadQuery, match="keeps only maxima above 1"):
            _ask(engine, "blocks where sae 1:1 < 0.5")


def test_features_of_two_saes_in_the_same_blocks_need_one_corpus(engine: sa.Engine) -> None:
    rng = np.random.default_rng(1)
    for _ in range(2):
        sparse.record(engine, sparse.draw(rng, 20, 5))
    with pytest.raises(errors.BadQuery, match=r"No corpus was recorded for sae 1 .*, sae 2 "):
        _ask(engine, "blocks where sae 1:0 and sae 2:0")


def test_limits(asked: sa.Engine) -> None:
    first = query.answer(asked, "features of sae 2", limit=7)
    assert len(first) == 7 and first.more
    assert not query.answer(asked, "features of sae 2 limit 7", limit=7).more
    assert len(query.answer(asked, "features of sae 2")) == 200
    near = query.answer(asked, "features near 12:1", limit=3)
    assert len(near) == 3 and near.more


def test_a_query_takes_no_longer_than_it_may(asked: sa.Engine) -> None:
    slow = "features with 12:1008 by phi > -2"
    with pytest.raises(errors.QueryFailed, match="statement timeout"):
        query.answer(asked, slow, timeout=0.001)
    assert len(query.answer(asked, slow, timeout=60))


def test_the_plan_is_shown(asked: sa.Engine) -> None:
    plan = query.explain(asked, 'blocks where 12:1 > 2 and subset = "x" limit 3')
    assert "Limit" in plan and "activation" in plan


def test_commands(asked_url: str, tmp_path: Any) -> None:
    runner = CliRunner(env={"SAEATLAS_DATABASE_URL": asked_url})

    def say(*words: str) -> Any:
        return runner.invoke(cli, ["query", *words], catch_exceptions=False)

    done = say("features near 12:4821 limit 2")
    assert len(done.stdout.splitlines()) == 3 and not done.stderr
    done = say("features of sae 2 order by density desc", "--limit", "2", "--format", "csv")
    assert len(done.stdout.splitlines()) == 3
    assert "note: counts are of run" in done.stderr and "more rows than 2" in done.stderr
    shown = say("runs where analysis = lobes", "--sql").stdout
    assert "WHERE runs.analysis = 'lobes'" in shown
    assert "Scan" in say("runs", "--explain").stdout
    path = tmp_path / "out.parquet"
    say("features near 12:4821", "--format", "parquet", "--output", str(path))
    assert len(pd.read_parquet(path)) == 10
    assert say("saes", "--format", "markdown").stdout.startswith("| sae | release |")
