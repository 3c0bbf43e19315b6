"""Features by words: ranked, forgiving of typing errors, never an error, by index."""

import json
import random
from collections.abc import Iterable
from typing import Any

import pytest
import sqlalchemy as sa
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from saeatlas.catalog.sql import read_sql
from saeatlas.ingest.labels import Label, ingest_labels
from saeatlas.schema import tables
from tests.support import plans

TEXTS = [
    "references to capital cities",
    "cities and the countries around them",
    "the capital of a company, and its shares",
    "captain of a ship",
    "names of countries",
    "C++ keywords and main.py files, don't-care terms such as b2b",
    "le château de l’été – “Zürich” ☃",
]
WORDS = "amber bronze copper silver velvet".split()  # their stems are themselves, or nearly


class _Labels:
    """Labels in memory, in place of files."""

    def __init__(self, rows: Iterable[tuple[int, int, str]]) -> None:
        self.left: set[str] = set()
        self._rows = rows

    def labels(self, saes: Any, *, named: bool) -> Any:
        rows = {row.id: row for row in saes}
        for sae, feature, text in self._rows:
            yield Label("test", rows[sae], feature, text, "test")


@pytest.fixture(autouse=True)
def saes(engine: sa.Engine) -> None:
    row = {"release": "r", "d_in": 4, "d_sae": 100_000, "config": {}, "source": "nowhere"}
    with engine.begin() as connection:
        for name in ("one", "two"):
            own = {"sae_id": name, "weights_sha256": name.encode().ljust(32)}
            connection.execute(sa.insert(tables.sae).values(row | own))


@pytest.fixture
def cities(engine: sa.Engine) -> sa.Engine:
    ingest_labels(engine, _Labels((1, i, text) for i, text in enumerate(TEXTS)))
    return engine


def _about(engine: sa.Engine, query: str | None, k: int = 20, sae: int | None = None) -> list[int]:
    found = read_sql(engine, "select feature from about(%s, %s, %s)", [query, k, sae])
    return list(found.feature)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("query", "features"),
    [
        ("capital cities", [0, 1, 2]),  # all the words before some of them
        ("captial cities", [0, 1, 2]),
        ("CAPITALS of a city", [0, 1, 2]),
        ("names of cuontries", [4, 1]),
        ("captain", [3]),
        ("capital and captain", [3, 0, 2]),  # as many words, the same ts_rank: the shorter label
        ("main.py", [5]),
        ("C++", [5]),
        ("b2b don't", [5]),
        ("zürich", [6]),
        ("zürihc", [6]),
        ("ete", []),  # three letters: too few to guess from
        ("Zanzibar", []),
        ("the of and", []),
        ("", []),
        (" \t\n", []),
        (None, []),
        ("'\"\\ & | ! ( ) :* <-> % %s $1 \u2603 \ufffd", []),
        ("& capital | !cities", [0, 1, 2]),
    ],
)
def test_queries(cities: sa.Engine, query: str | None, features: list[int]) -> None:
    assert _about(cities, query) == features


def test_k_and_sae(cities: sa.Engine) -> None:
    ingest_labels(cities, _Labels([(2, 9, "capital cities"), (2, 9, "the cities")]))
    assert _about(cities, "capital cities") == [9, 0, 1, 2]  # 9 once, with its better label
    assert _about(cities, "capital cities", 2) == [9, 0]
    assert _about(cities, "capital cities", 20, 2) == [9]
    assert _about(cities, "capital cities", 20, 3) == []
    assert _about(cities, "capital cities", 0) == []
    frame = read_sql(cities, "select * from about('capital cities', sae => 2)")
    assert frame.text[0] == "capital cities" and frame.release[0] == "r"


def test_closest_words(cities: sa.Engine) -> None:
    frame = read_sql(cities, "select * from closest_words('captial of the ciites 1999')")
    rows: dict[Any, Any] = {
        row.word: (row.closest, row.lexeme, row.closeness) for row in frame.itertuples()
    }
    assert rows["ciites"][:2] == ("cities", "citi") and 0.5 <= rows["ciites"][2] < 1
    assert rows["1999"] == ("1999", "1999", 1)  # another number is another number
    assert "captial" in rows and "of" not in rows and "the" not in rows


def _pairs(word: str) -> set[str]:
    framed = f" {word} "
    return {framed[i] + framed[i + gap] for gap in (1, 2) for i in range(len(framed) - gap)}


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(word=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_letter_pairs(connection: sa.Connection, word: str) -> None:
    found = connection.execute(sa.text("select letter_pairs(:word)"), {"word": word}).scalar_one()
    assert sorted(found) == sorted(_pairs(word))


def _closest(word: str, known: set[str]) -> list[str]:
    """Reference implementation of closest_words: plain sets."""
    scored = []
    for other in known:
        shared, either = len(_pairs(word) & _pairs(other)), len(_pairs(word) | _pairs(other))
        if abs(len(word) - len(other)) <= 2 and 2 * shared >= either:
            scored.append((-shared / either, other))
    return [other for _, other in sorted(scored)[:3]] or [word]


@pytest.mark.slow
def test_mistyped_words_are_taken_for_the_nearest(engine: sa.Engine) -> None:
    rng = random.Random(0)
    words = sorted({"".join(rng.choices("aeioklmnrst", k=rng.randint(4, 9))) for _ in range(400)})
    ingest_labels(engine, _Labels((1, i, word) for i, word in enumerate(words)))
    vocabulary = read_sql(engine, "select word, lexeme from label_word")
    known = set(vocabulary.word)
    n_right = n_taken = 0
    for word in rng.sample(sorted(known), 100):
        mistyped = _mistype(word, rng)
        found = read_sql(engine, "select * from closest_words(%s)", [mistyped])
        if (found.closeness == 1).all():  # known in another form, short, or near to none; or a stop
            near = _closest(mistyped, known) if len(mistyped) > 3 else [mistyped]
            assert found.lexeme.isin(vocabulary.lexeme).all() or near == [mistyped]
            continue
        assert not found.closeness.between(0, 0.5, inclusive="neither").any()
        found = found.sort_values(["closeness", "closest"], ascending=[False, True])
        assert found.closest.tolist() == _closest(mistyped, known)
        n_taken += 1
        n_right += word == found.closest.iloc[0]
    assert n_taken > 50 and n_right > 0.8 * n_taken


def _mistype(word: str, rng: random.Random) -> str:
    i, letter = rng.randrange(len(word) - 1), rng.choice("aeioklmnrst")
    return rng.choice(
        [
            word[:i] + word[i + 1] + word[i] + word[i + 2 :],
            word[:i] + word[i + 1 :],
            word[:i] + letter + word[i:],
            word[:i] + letter + word[i + 1 :],
        ]
    )


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=60)
@given(query=st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0")))
def test_no_text_is_an_error(cities: sa.Engine, query: str) -> None:
    assert set(_about(cities, query)) <= set(range(len(TEXTS)))


def test_a_long_query_is_no_error(cities: sa.Engine) -> None:
    assert _about(cities, "capital " + "x" * 3000 + " cities" * 300_000) == [0, 2]


@pytest.mark.slow
@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], max_examples=25)
@given(
    said=st.lists(st.lists(st.sampled_from(WORDS), min_size=1, max_size=4), min_size=1, max_size=9),
    asked=st.sets(st.sampled_from(WORDS), min_size=1),
    k=st.integers(1, 10),
)
def test_more_of_the_words_come_first(
    engine: sa.Engine, said: list[list[str]], asked: set[str], k: int
) -> None:
    with engine.begin() as connection:
        connection.exec_driver_sql("truncate atlas.label, atlas.label_word")
    ingest_labels(engine, _Labels((1, i, " ".join(words)) for i, words in enumerate(said)))
    # words that no label has would be guessed at; these are not alike
    matches = [len(asked & set(words)) for words in said]
    found = _about(engine, " ".join(asked), k)
    assert len(set(found)) == len(found) == min(k, sum(n > 0 for n in matches))
    assert [matches[i] for i in found] == sorted(matches, reverse=True)[: len(found)]
    assert found == _about(engine, " ".join(sorted(asked, reverse=True)), k)


@pytest.mark.slow
def test_labels_and_words_are_found_by_index(engine: sa.Engine) -> None:
    rng = random.Random(0)
    words = ["".join(rng.choices("abcdefghijklmnopqrstuvwxyz", k=8)) for _ in range(20_000)]
    texts = (" ".join(rng.sample(words, 6)) for _ in range(10_000))
    ingest_labels(engine, _Labels((1, i, text) for i, text in enumerate(texts)))
    with engine.connect() as connection:
        query = f"explain (format json) select * from about('{words[0]} {words[1]}')"
        plan = connection.exec_driver_sql(query).scalar_one()
        assert plans.scans(plan, "label") == {"Bitmap Heap Scan", "Index Scan"}
        assert "ix_label_lexemes" in json.dumps(plan)
        query = f"explain (format json) select * from closest_words('{words[0][::-1]}')"
        assert "ix_label_word_pairs" in json.dumps(connection.exec_driver_sql(query).scalar_one())
