"""Word pairs as arrays, compared with the rows that were written."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from saeatlas import errors
from saeatlas.ingest.words import relations, words
from saeatlas.schema.rows import word_vectors

NAMES = [*"abcdefgh", "New York", "Ürümqi", "Zürich", "日本"]
pairs_of_words = st.lists(
    st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES)), min_size=1, max_size=12, unique=True
)


def _fill(engine: sa.Engine, folder: Path, given: dict[str, Any], known: dict[str, Any]) -> str:
    """Store relations, and a space with the vectors of the words known."""
    paths = []
    for name, pairs in given.items():
        paths.append(folder / f"{name}.json")
        paths[-1].write_text(json.dumps([{"input": a, "output": b} for a, b in pairs]))
    np.savez(folder / "v.npz", words=np.array(list(known)), vectors=np.array(list(known.values())))
    return words.ingest_file_words(engine, paths, folder / "v.npz").summary


@pytest.mark.slow
@given(
    first=pairs_of_words,
    second=pairs_of_words,
    known=st.sets(st.sampled_from(NAMES), min_size=2),
    same_vector=st.booleans(),
)
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=40)
def test_arrays_are_the_rows(
    engine: sa.Engine, tmp_path: Path, first: Any, second: Any, known: set[str], same_vector: bool
) -> None:
    vectors = {
        name: np.array([i, i % 3, -1], np.float32) for i, name in enumerate(NAMES) if name in known
    }
    if same_vector and {"a", "b"} <= known:
        vectors["b"] = vectors["a"]
    given = {"beta": first, "alpha": second}
    every = [(name, *pair) for name in given for pair in given[name]]
    whole = [row for row in every if row[1] in known and row[2] in known]
    with engine.begin() as connection:  # what the example before has left
        connection.exec_driver_sql("truncate atlas.relation, atlas.word_space cascade")
    if not whole:
        with pytest.raises(errors.BadWords):
            _fill(engine, tmp_path, given, vectors)
        return
    _fill(engine, tmp_path, given, vectors)
    with engine.connect() as connection:
        space = word_vectors.find_space(connection, "v.npz").id
        numbers = [row.id for row in word_vectors.find_relations(connection, ["beta", "alpha"])]
        found = word_vectors.read(connection, space, numbers)
        default = word_vectors.read(connection, space)
    kept = [row for row in whole if (vectors[row[1]] != vectors[row[2]]).any()]
    assert found.relations == ("beta", "alpha")
    assert [
        (found.relations[label], found.words[a], found.words[b])
        for label, a, b in zip(found.relation, found.inputs, found.outputs, strict=True)
    ] == kept
    assert found.words == sorted({word for row in kept for word in row[1:]})
    assert found.vectors.dtype == np.float32 and found.vectors.shape == (len(found.words), 3)
    for word, vector in zip(found.words, found.vectors, strict=True):
        assert (vector == vectors[word]).all()
    assert found.attributes["n_characters"].tolist() == [float(len(w)) for w in found.words]
    assert found.n_missing == len(every) - len(whole)
    assert found.n_same == len(whole) - len(kept)
    assert default.relations == tuple(sorted({row[0] for row in whole}))
    assert len(default.relation) == len(kept)


def test_what_is_unknown_is_nan(engine: sa.Engine, tmp_path: Path) -> None:
    _fill(engine, tmp_path, {"one": [("a", "b")]}, {"a": [1.0, 2.0], "b": [0.0, 1.0]})
    with engine.connect() as connection:
        found = word_vectors.read(connection, 1)
    assert found.attributes.keys() == set(word_vectors.ATTRIBUTES)
    for name in ("n_tokens", "last_token_length", "log_frequency"):
        assert found.attributes[name].dtype == np.float64
        assert np.isnan(found.attributes[name]).all()


def test_names_that_are_not_there(engine: sa.Engine, tmp_path: Path) -> None:
    with engine.connect() as connection:
        with pytest.raises(
            errors.UnknownName, match=r"'none'(.|\n)*There is none yet(.|\n)*ingest"
        ):
            word_vectors.find_space(connection, "none")
        with pytest.raises(errors.UnknownName, match="no relation 'none'"):
            word_vectors.find_relations(connection, ["none"])
    _fill(engine, tmp_path, {"capital": [("a", "b")]}, {"a": [1.0, 2.0], "b": [0.0, 1.0]})
    with engine.connect() as connection:
        assert word_vectors.find_space(connection, "1").name == "v.npz"
        assert word_vectors.find_space(connection, "v.npz").id == 1
        assert [r.id for r in word_vectors.find_relations(connection, ["capital"] * 2)] == [1]
        with pytest.raises(errors.UnknownName, match="Nearest: capital"):
            word_vectors.find_relations(connection, ["capital", "capitol"])
        with pytest.raises(errors.UnknownName, match="no space of word vectors '2'"):
            word_vectors.read(connection, 2)
        with pytest.raises(errors.UnknownName, match="no relation '5'"):
            word_vectors.read(connection, 1, [1, 5])


def test_a_relation_whose_words_are_all_missing_is_left_out_unless_named(
    engine: sa.Engine, tmp_path: Path
) -> None:
    _fill(engine, tmp_path, {"one": [("a", "b")]}, {"a": [1.0, 2.0], "b": [0.0, 1.0]})
    with engine.begin() as connection:
        relations.store_relation(connection, relations.Relation("two", (("x", "y"), ("a", "y")), 0))
        assert word_vectors.read(connection, 1).relations == ("one",)
        assert word_vectors.read(connection, 1, []).words == []
        found = word_vectors.read(connection, 1, [2])
    assert found.relations == ("two",) and found.n_missing == 2
    assert found.words == [] and found.vectors.shape == (0, 2) and found.inputs.shape == (0,)
