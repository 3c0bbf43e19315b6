"""Crystals in the catalog: what was planted is found, noise has none, rows are what they say."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from click.testing import CliRunner
from sklearn.metrics import silhouette_score
from sklearn.metrics.pairwise import cosine_similarity
from sklearn.preprocessing import normalize

from saeatlas import errors
from saeatlas.analyses.crystals import crystals, inputs
from saeatlas.analyses.crystals.comparison import Found
from saeatlas.analyses.crystals.inputs import Inputs
from saeatlas.analyses.crystals.params import Params
from saeatlas.analyses.crystals.search import Relation, search
from saeatlas.analyses.relations import relations
from saeatlas.analyses.run_driver import Outcome, perform
from saeatlas.catalog.sql import read_sql
from saeatlas.cli import cli
from saeatlas.ingest import simulation
from saeatlas.ingest.simulation import job
from saeatlas.ingest.words import words
from saeatlas.schema import tables
from saeatlas.schema.rows import remove, sae_vectors
from saeatlas.schema.rows.word_vectors import WordPairs
from tests.support import tiny
from tests.support.commands import run_command

Array = np.ndarray[Any, Any]
PLANTED = simulation.Params(
    features=1024, d_model=192, active=20.0, parallelograms=30, trapezoids=30, function_vectors=3,
    distractors=3,
)  # fmt: skip
BARE = replace(PLANTED, parallelograms=0, trapezoids=0, distractors=0)
QUICK = Params(sae=1)


def _simulate(engine: sa.Engine, terms: simulation.Params = PLANTED, **options: Any) -> None:
    job.simulate(engine, terms, blocks=60, **options)


def _find(engine: sa.Engine, params: Params = QUICK) -> Outcome:
    return perform(engine, crystals.ANALYSIS, params)


def _measure(engine: sa.Engine, space: str, **params: Any) -> Outcome:
    return perform(engine, relations.ANALYSIS, relations.Params(space=space, **params))


def _recall_and_false_share(engine: sa.Engine, run: int | None) -> tuple[float, float]:
    """Return recall, and the share of findings that are not two planted sides."""
    planted: Any = read_sql(engine, "select * from planted_crystal")
    found = read_sql(engine, "select a, b, c, d from crystals where run = %s", [run]).to_numpy()
    side: dict[int, tuple[int, int]] = {}
    for row in planted.itertuples():
        for one, other in ((row.a, row.b), (row.c, row.d)):
            side |= {one: (row.function_vector, other), other: (row.function_vector, one)}
    true = [
        all(side.get(one, (-1, -1))[1] in corners for one in corners)
        and len({side[one][0] for one in corners}) == 1
        for corners in found.tolist()
    ]
    got = {frozenset(corners) for corners in found.tolist()}
    known = [frozenset(row) for row in planted[["a", "b", "c", "d"]].to_numpy().tolist()]
    return float(np.mean([one in got for one in known])), 1 - float(np.mean(true))


@pytest.mark.slow
def test_planted_crystals_are_found_once_distractors_are_removed(engine: sa.Engine) -> None:
    _simulate(engine)
    recall, false = _recall_and_false_share(engine, _find(engine).run)
    assert recall >= 0.95
    assert false <= 0.05
    with_distractors, _ = _recall_and_false_share(
        engine, _find(engine, replace(QUICK, keep_distractors=True)).run
    )
    assert with_distractors <= 0.3
    removed = read_sql(engine, "select distinct distractor, origin from distractors where run = 1")
    assert removed.origin.tolist() == ["lda"] * 3


@pytest.mark.slow
def test_the_rows_are_what_they_say(engine: sa.Engine) -> None:
    _simulate(engine)
    _find(engine)
    with engine.connect() as connection:
        vectors = sae_vectors.read(connection, 1).astype(np.float64)
    vectors /= np.linalg.norm(vectors, axis=1, keepdims=True)
    found = read_sql(engine, "select * from crystals order by crystal")
    assert found.crystal.tolist() == list(range(len(found)))
    assert found.p.is_monotonic_increasing and (found.q <= 0.05).all()
    assert (found.quality_after >= 0.6).all()
    assert ((found.kind == "parallelogram") == (found.length_ratio >= 0.9)).all()
    corners = found[["a", "b", "c", "d"]].to_numpy().tolist()
    assert len({frozenset(row) for row in corners}) == len(found)
    pairs = read_sql(engine, "select * from function_vector_pairs order by function_vector, rank")
    vectors_ = read_sql(engine, "select * from function_vectors order by function_vector")
    assert vectors_.n_pairs.tolist() == [40, 40, 40]
    assert (vectors_.coherence > 0.8).all() and (vectors_.coherence_before < 0.6).all()
    assert vectors_.p.isna().all() and (vectors_.n_trials == 0).all()
    row: Any
    for row in vectors_.itertuples():
        own = pairs[pairs.function_vector == row.function_vector]
        assert own["rank"].tolist() == list(range(1, 41)) and (own.cosine.diff()[1:] <= 0).all()
        sides = vectors[own.b] - vectors[own.a]
        sides /= np.linalg.norm(sides, axis=1, keepdims=True)
        direction = sides.sum(axis=0) / np.linalg.norm(sides.sum(axis=0))
        np.testing.assert_allclose(row.direction, direction, atol=1e-5)
        cosines = sides @ sides.T
        before = (cosines.sum() - 40) / (40 * 39)
        assert row.coherence_before == pytest.approx(before, abs=1e-5)
    both = {frozenset(pair) for pair in pairs[["a", "b"]].to_numpy().tolist()}
    for row in found.head(50).itertuples():
        assert {frozenset((row.a, row.b)), frozenset((row.c, row.d))} <= both
        one, two = vectors[row.b] - vectors[row.a], vectors[row.d] - vectors[row.c]
        cosine = one @ two / np.linalg.norm(one) / np.linalg.norm(two)
        assert row.quality_before <= cosine + 1e-5


@pytest.mark.slow
def test_the_same_again_is_found_and_other_params_are_not(engine: sa.Engine) -> None:
    _simulate(engine)
    first = _find(engine)
    again = _find(engine)
    assert (again.run, again.created) == (first.run, False)
    assert _find(engine, replace(QUICK, seed=1)).created
    some = _find(engine, replace(QUICK, features_where="feature < 300"))
    assert (
        read_sql(engine, "select max(d) as d from crystals where run = %s", [some.run]).d[0] < 300
    )
    with engine.begin() as connection:
        remove.remove_run(connection, first.run)
    with engine.connect() as connection:
        for table in (tables.crystal, tables.function_vector, tables.distractor):
            query = sa.select(sa.func.count()).where(table.c.run == first.run)
            assert connection.execute(query).scalar_one() == 0


def _search(vectors: Array, **params: Any) -> Found:
    unit = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    return search(unit.astype(np.float32), Params(sae=1, **params)).found


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["directions", "covariance"])
def test_noise_has_no_crystals(kind: str) -> None:
    rng = np.random.default_rng(0)
    scale = np.arange(1, 65) ** -0.5 if kind == "covariance" else np.ones(64)
    found = [len(_search(rng.standard_normal((600, 64)) * scale + 0.1).q) for _ in range(20)]
    assert sum(count > 0 for count in found) <= 1


def test_crystals_of_arrays_without_a_catalog() -> None:
    rng = np.random.default_rng(0)
    corners = rng.standard_normal((20, 1, 96)).repeat(2, axis=1)
    corners[:, 1] += 2 * rng.standard_normal(96)
    vectors = np.concatenate([corners.reshape(40, 96), rng.standard_normal((460, 96))])
    units = vectors / np.linalg.norm(vectors, axis=1, keepdims=True)
    params = Params(sae=1, keep_distractors=True)
    result = crystals.compute(Inputs(np.arange(500), units.astype(np.float32), {}), params)
    made = result.crystals
    assert len(made.q) > 20 and result.quality["n_crystals"] == len(made.q)
    a, b, c, d = (units[made.corners[:, i]] for i in range(4))
    sides = np.diag(cosine_similarity(b - a, d - c))
    assert (made.quality_before <= sides + 1e-6).all() and (sides >= 0.6).all()
    vector = result.function_vectors[0]  # the one with most pairs
    pairs = np.array(vector.pairs)
    own = normalize(units[pairs[:, 1]] - units[pairs[:, 0]])
    np.testing.assert_allclose(
        vector.columns["direction"], normalize(own.sum(0)[None])[0], atol=1e-5
    )


def test_relations_of_arrays_without_a_catalog() -> None:
    rng = np.random.default_rng(0)
    starts, along = rng.standard_normal((60, 16)), 3 * np.eye(2, 16).repeat(30, axis=0)
    vectors = np.concatenate([starts, starts + along + 0.5 * rng.standard_normal((60, 16))])
    ends = np.arange(60)
    pairs = WordPairs(
        ("first", "second"), np.repeat([0, 1], 30), [str(i) for i in range(120)],
        vectors.astype(np.float32), ends, 60 + ends, {}, 0, 0,
    )  # fmt: skip
    result = relations.compute(pairs, relations.Params(space="w", trials=19))
    differences = normalize(vectors[60:] - vectors[:60])
    for number, one in enumerate(result.function_vectors):
        mean = differences[30 * number : 30 * (number + 1)].mean(axis=0)[None]
        np.testing.assert_allclose(one.columns["direction"], normalize(mean)[0], atol=1e-5)
    assert result.separations[0].silhouette == pytest.approx(
        silhouette_score(differences, pairs.relation), abs=1e-5
    )


@pytest.mark.parametrize("n", [8, 9, 12, 40])
def test_few_vectors_are_searched_without_trouble(n: int) -> None:
    found = _search(np.random.default_rng(n).standard_normal((n, 50)))
    assert np.isfinite(found.q).all()


def test_features_without_direction_and_duplicates_are_left_out(engine: sa.Engine) -> None:
    vectors = np.random.default_rng(0).standard_normal((60, 12)).astype(np.float32)
    vectors[3] = 0
    vectors[7] = 2 * vectors[5]
    tiny.store_bare(engine, vectors)
    done = _find(engine)
    assert done.notes[:2] == (
        "1 feature is left out: the decoder vector is 0.",
        "1 feature is left out: another has the same vector.",
    )  # fmt: skip
    quality = read_sql(engine, "select quality->>'n_vectors' as n from run")
    assert quality.n.tolist() == ["58"]


def test_what_cannot_be_searched_is_said(engine: sa.Engine) -> None:
    _simulate(engine, BARE)
    with pytest.raises(errors.InputError, match="there are 5"):
        _find(engine, replace(QUICK, features_where="feature < 5"))
    with pytest.raises(errors.UnknownName, match="no SAE 9"):
        _find(engine, Params(sae=9))
    with pytest.raises(errors.InputError, match="Recording 7 is not one of SAE 1"):
        _find(engine, replace(QUICK, recording=7))
    with pytest.raises(errors.UnknownName, match="no attribute 'colour'"):
        Params(sae=1, attributes=["colour"])
    with pytest.raises(errors.InputError, match="not between 0 and 1"):
        Params(sae=1, min_cosine=1.5)
    with pytest.raises(errors.InputError, match="--recording would have no effect"):
        Params(sae=1, keep_distractors=True, recording=1)
    assert not len(read_sql(engine, "select * from run"))


def test_densities_and_positions_are_those_of_the_blocks(engine: sa.Engine) -> None:
    _simulate(engine, BARE)
    with engine.connect() as connection:
        subject = inputs.identify(connection, QUICK)
        read = inputs.read(connection, subject, QUICK)
    rows = read_sql(
        engine,
        "select unnest(features) as feature, position from activation "
        "join block on block.block = activation.block",
    )
    by: Any = rows.groupby("feature").position
    density = np.log10(by.size() / 60).reindex(range(1024)).to_numpy()
    position = by.mean().reindex(range(1024)).to_numpy()
    np.testing.assert_allclose(read.attributes["log_density"], density[read.features])
    np.testing.assert_allclose(read.attributes["position"], position[read.features])
    assert subject.recording == 1 and "top_token_length" not in read.attributes


@pytest.mark.slow
def test_an_attribute_that_vectors_follow_is_projected_out(engine: sa.Engine) -> None:
    rng = np.random.default_rng(0)
    vectors = rng.standard_normal((500, 32)).astype(np.float32)
    lengths = rng.integers(1, 9, 500)
    vectors[:, 0] += 2 * lengths
    tiny.store_bare(engine, vectors)
    with engine.begin() as connection:
        run = connection.exec_driver_sql(
            "insert into atlas.run (analysis, sae, params, quality, code_version, input_sha256) "
            "values ('tokens', 1, '{}', '{}', '0', sha256('x')) returning id"
        ).scalar_one()
        for feature, length in enumerate(lengths.tolist()):
            connection.exec_driver_sql(
                "insert into atlas.feature_token values (1, %s, 1, %s, 0, 'x', 1.0, %s)",
                (feature, run, length),
            )
    done = _find(engine)
    found = read_sql(engine, "select * from distractors where run = %s", [done.run])
    assert found.origin.tolist() == ["attribute"]
    assert found.attribute.tolist() == ["top_token_length"]
    assert found.r2[0] > 0.6 and found.r2_low[0] < found.r2[0] < found.r2_high[0]


def _related(n: int, d: int, pairs: int, seed: int = 0) -> tuple[Array, Array, list[Relation]]:
    """Draw features of which some differ by the relation of words, in one of two."""
    rng = np.random.default_rng(seed)
    along = rng.standard_normal((2, d))
    vectors = rng.standard_normal((n, d))
    which = np.arange(pairs) % 2
    starts = np.arange(pairs)
    ends = pairs + starts
    vectors[ends] = vectors[starts] + 0.8 * along[which] + 0.1 * vectors[ends]
    made = []
    for one in along:
        differences = one + 0.5 * rng.standard_normal((40, d))
        made.append(Relation(np.arange(80).reshape(2, 40).T, differences.astype(np.float32)))
    return vectors.astype(np.float32), which, made


def test_features_that_follow_known_relations_are_found() -> None:
    vectors, which, made = _related(800, 100, 30)
    found = search(vectors, QUICK, {}, {"first": made[0], "second": made[1]}).found
    assert found.relations == ("first", "second")
    for number, pairs in enumerate(found.members):
        own = {(i, 30 + i) for i in np.flatnonzero(which == number).tolist()}
        mine = {tuple(pair) for pair in pairs.tolist()}
        assert len(mine & own) >= 14 and len(mine - own) <= 1  # turned along the relation
    assert len(found.q) > 100 and set(found.of.tolist()) == {0, 1}


def test_relations_of_other_words_are_followed_by_no_feature() -> None:
    vectors, _, _ = _related(800, 100, 30)
    _, _, others = _related(800, 100, 30, seed=5)
    found = search(vectors, QUICK, {}, {"first": others[0], "second": others[1]}).found
    assert found.members == () and len(found.q) == 0


def _words(folder: Path, d: int = 24, seed: int = 0) -> tuple[list[Path], Path]:
    """Write three relations, and vectors of their words with a strong distractor."""
    rng = np.random.default_rng(seed)
    along, distractor = rng.standard_normal((3, d)), rng.standard_normal(d)
    names, vectors, paths = [], [], []
    for number in range(3):
        pairs = []
        for i in range(40):
            start = rng.standard_normal(d)
            pairs.append(
                {"input": f"in {number} {i}", "output": "x" * (1 + i % 7) + f" {number} {i}"}
            )
            names += list(pairs[-1].values())
            ends = [start, start + along[number]]
            vectors += [one + 1.5 * len(name) * distractor / 4
                        for one, name in zip(ends, names[-2:], strict=True)]  # fmt: skip
        pairs.append({"input": "same", "output": "same"})
        paths.append(folder / f"relation_{number}.json")
        paths[-1].write_text(json.dumps(pairs))
    names.append("same")
    vectors.append(np.zeros(d))
    np.savez(folder / "words.npz", words=np.array(names), vectors=np.array(vectors, np.float32))
    return paths, folder / "words.npz"


def test_relations_of_words_are_told_apart_and_distractors_named(
    engine: sa.Engine, tmp_path: Path
) -> None:
    paths, vectors = _words(tmp_path)
    words.ingest_file_words(engine, paths, vectors)
    done = _measure(engine, "words.npz", trials=19)
    assert done.notes == ("3 pairs are left out: both words are the same.",)
    found = read_sql(engine, "select * from function_vectors order by function_vector")
    assert found.relation.tolist() == ["relation_0", "relation_1", "relation_2"]
    assert found.space.tolist() == ["words.npz"] * 3 and (found.n_pairs == 40).all()
    assert (found.coherence > found.coherence_before + 0.1).all()
    assert (found.p == 0.05).all()
    apart = read_sql(engine, "select * from separations order by components")
    assert apart.components.tolist() == [0, 1, 2]
    assert apart.held_out[2] > apart.held_out[0] + 0.2 and apart.p[2] == 0.05
    followed = read_sql(engine, "select * from distractors where distractor = 1 order by r2 desc")
    assert followed.attribute[0] == "n_characters" and followed.r2[0] > 0.5
    pairs = read_sql(engine, "select * from function_vector_pairs")
    assert len(pairs) == 120 and pairs.a.isna().all()
    again = _measure(engine, "1", trials=19)
    assert (again.run, again.created) == (done.run, False)
    only = _measure(engine, "1", relations=["relation_1"], trials=19)
    assert len(read_sql(engine, "select * from function_vectors where run = %s", [only.run])) == 1
    with engine.begin() as connection:
        remove.remove_words(connection, "words.npz")
    assert not len(read_sql(engine, "select * from run"))


def test_shuffled_word_pairs_are_no_more_coherent_than_shuffled_ones(
    engine: sa.Engine, tmp_path: Path
) -> None:
    paths, vectors = _words(tmp_path)
    rng = np.random.default_rng(0)
    for path in paths:
        pairs = json.loads(path.read_text())[:-1]
        outputs = rng.permutation([pair["output"] for pair in pairs]).tolist()
        path.write_text(json.dumps(
            [pair | {"output": one} for pair, one in zip(pairs, outputs, strict=True)]
        ))  # fmt: skip
    words.ingest_file_words(engine, paths, vectors)
    _measure(engine, "1", trials=99)
    found = read_sql(engine, "select * from function_vectors")
    assert (found.p > 0.01).all()


def test_words_without_relations_are_refused(engine: sa.Engine, tmp_path: Path) -> None:
    with pytest.raises(errors.UnknownName):
        _measure(engine, "nowhere")
    path = tmp_path / "one.json"
    path.write_text(json.dumps([{"input": "a", "output": "b"}]))
    np.savez(tmp_path / "v.npz", words=np.array(["a", "b"]), vectors=np.eye(2, 4))
    words.ingest_file_words(engine, [path], tmp_path / "v.npz")
    with pytest.raises(errors.InputError, match="no relation of two pairs"):
        _measure(engine, "v.npz")


def test_analogies_are_the_nearest_to_the_sum(engine: sa.Engine) -> None:
    _simulate(engine, BARE)
    with engine.connect() as connection:
        vectors = sae_vectors.read(connection, 1).astype(np.float64)
    found = read_sql(engine, "select * from analogy(1, 3, 5, 8, 4)")
    goal = vectors[5] - vectors[3] + vectors[8]
    cosines = vectors @ goal / np.linalg.norm(vectors, axis=1) / np.linalg.norm(goal)
    cosines[[3, 5, 8]] = -2
    order = np.argsort(-cosines)[:4]
    assert found.feature.tolist() == order.tolist()
    np.testing.assert_allclose(found.cosine, cosines[order], atol=1e-5)


@pytest.mark.slow
def test_crystals_and_function_vectors_of_a_feature(engine: sa.Engine) -> None:
    _simulate(engine)
    _find(engine)
    found = read_sql(engine, "select * from crystals order by crystal")
    feature = int(found.c[0])
    mine = read_sql(engine, "select * from crystals_with(1, %s)", [feature])
    expected = found[(found[["a", "b", "c", "d"]] == feature).any(axis=1)]
    assert mine.crystal.tolist() == expected.crystal.tolist()
    near = read_sql(engine, "select * from function_vectors_near(1, %s, 2)", [feature])
    known = read_sql(engine, "select * from function_vectors order by function_vector")
    with engine.connect() as connection:
        vector = sae_vectors.read(connection, 1)[feature].astype(np.float64)
    cosines = np.array(known.direction.to_list()) @ vector / np.linalg.norm(vector)
    order = np.argsort(-np.abs(cosines))[:2]
    assert near.function_vector.tolist() == order.tolist()
    np.testing.assert_allclose(near.cosine, cosines[order], atol=1e-5)


@pytest.mark.slow
def test_the_command_line(engine: sa.Engine, tmp_path: Path) -> None:
    _simulate(engine)
    run = CliRunner().invoke
    assert "crystals where run = 1" in run_command(["analyze", "crystals", "--sae", "1"])
    for given in ([], ["--sae", "1", "--trials", "9"], ["--words", "1", "--fdr", "0.1"]):
        assert run(cli, ["analyze", "crystals", *given]).exit_code == 2
    paths, vectors = _words(tmp_path, d=192)
    words.ingest_file_words(engine, paths, vectors)
    run_command(["analyze", "crystals", "--sae", "1", "--words", "1"])
    narrow, vectors = _words(tmp_path, d=8)
    words.ingest_file_words(engine, narrow, vectors, name="narrow")
    failed = run(cli, ["analyze", "crystals", "--sae", "1", "--words", "narrow"])
    assert isinstance(failed.exception, errors.InputError)
    assert "8 dimensions" in str(failed.exception)
