"""Queries whose answer is easily wrong: of what is unknown, rounded, or said in another order."""

from typing import Any

import numpy as np
import pandas as pd
import pytest
import sqlalchemy as sa

from saeatlas import errors
from saeatlas.catalog import query
from saeatlas.schema.rows import clusterings, remove
from tests.support import sparse

pytestmark = pytest.mark.xdist_group("asked")


def _ask(engine: sa.Engine, text: str) -> pd.DataFrame:
    return query.answer(engine, text).frame()


def test_a_feature_in_no_lobe_is_neither_in_one_nor_in_another(asked: sa.Engine) -> None:
    with asked.connect() as connection:
        label = clusterings.read(connection, 3, affinities=["phi"], ks=[3])[0]
    others = label.features[label.lobes != 2].tolist()
    assert len(others) < 4900 - (label.lobes == 2).sum(), "some were not clustered"
    for condition in ("not lobe = 2 of phi k 3", "lobe != 2 of phi k 3"):
        assert _ask(asked, f"features where {condition}").feature.tolist() == others
    without = _ask(asked, "features of layer 12 where lobe is null of phi k 3")
    assert set(without.feature) == set(range(4900)) - set(label.features)


def test_lobes_of_two_clusterings_and_two_types_of_documents(asked: sa.Engine) -> None:
    parts = (
        "lobe = 0 of phi k 3", "lobe = 1 of angular k 3", 'fires in "Github" > 0.2',
        'fires in "ArXiv" > 0.2',
    )  # fmt: skip
    a, b, c, d = (set(_ask(asked, f"features of sae 1 where {part}").feature) for part in parts)
    text = "({} or {}) and ({} or {})".format(*parts)
    found = _ask(asked, f"features of sae 1 where {text}")
    assert found.feature.tolist() == sorted((a | b) & (c | d)) and a & b and c & d


@pytest.mark.parametrize(
    "texts",
    [
        ("lobes of phi k 3 in run 3", "lobes in run 3 of phi k 3", "lobes of phi k 3 in sae 1"),
        ("lobes of phi k 3 in run 4", "lobes in run 4 of phi k 3", "lobes of phi k 3"),
        (
            "lobes by subset of phi k 3 in run 3", "lobes by subset in run 3 of phi k 3",
            "lobes of phi k 3 in layer 12 by subset",
        ),
    ],
)  # fmt: skip
def test_the_order_of_clauses_makes_no_difference(asked: sa.Engine, texts: tuple[str, ...]) -> None:
    first, *others = (_ask(asked, text) for text in texts)
    assert len(first) and all(first.equals(other) for other in others)


def test_about_finds_what_there_is_in_the_sae_of_a_run(asked: sa.Engine) -> None:
    assert _ask(asked, 'features about "cities" limit 1').sae.tolist() == [2]
    assert _ask(asked, 'features about "cities" in run 1 limit 1').feature.tolist() == [77]


@pytest.mark.parametrize("text", ["features near 12:1", "features with 12:1008 by phi"])
def test_the_first_ten_of_another_order_are_not_the_nearest(asked: sa.Engine, text: str) -> None:
    assert len(_ask(asked, text)) == 10
    assert len(_ask(asked, f"{text} order by feature desc")) > 10
    assert len(_ask(asked, f"{text} order by feature desc limit 3")) == 3


def test_a_vector_of_no_length_is_near_to_nothing(engine: sa.Engine) -> None:
    sparse.record(engine, np.ones((2, 4), np.float32))
    with engine.begin() as connection:
        connection.execute(sa.text("update feature set decoder = '[0]' where feature = 2"))
    found = _ask(engine, "features near sae 1:0")
    assert found.feature.tolist() == [1, 3, 2] and found.cosine.isna().tolist() == [0, 0, 1]
    ordered = _ask(engine, "features near sae 1:0 order by cosine desc")
    assert ordered.feature.tolist() == [1, 3, 2]
    assert _ask(engine, "features near sae 1:0 where cosine > 0.3").feature.tolist() == [1, 3]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("test", "kept"),
    [
        ("> 0.1", lambda x: x > np.float32(0.1)),
        (">= 0.7", lambda x: x >= np.float32(0.7)),
        ("= 0.7", lambda x: x == np.float32(0.7)),
        ("<= 1e39", lambda x: x < 9),
    ],
)
def test_numbers_are_compared_as_they_are_stored(engine: sa.Engine, test: str, kept: Any) -> None:
    peaks = np.array([[0.7, 0.1, 0], [0.1, 0.7, 0.8], [0.9, 0.6, 0]], np.float32)
    stored = sparse.record(engine, peaks, keep_above=0.1).peaks
    assert len(_ask(engine, "recordings where keep_above = 0.1")) == 1
    for feature in range(3):
        expected = np.flatnonzero(kept(stored[:, feature])).tolist()
        for condition in (f"sae 1:{feature} {test}", f"sae 1:{feature} < 9 and peak {test}"):
            assert _ask(engine, f"blocks where {condition}").block.tolist() == expected


def test_a_corpus_is_there_without_a_recording(engine: sa.Engine) -> None:
    made = sparse.record(engine, np.ones((2, 4), np.float32))
    with engine.begin() as connection:
        remove.remove_recording(connection, made.id)
    for kind in ("documents", "blocks"):
        assert len(_ask(engine, f"{kind} in corpus 1")) == 2
    with pytest.raises(errors.BadQuery, match=r"There is no corpus 2\.(.|\n)*Available: 1\."):
        _ask(engine, "blocks in corpus 2")
